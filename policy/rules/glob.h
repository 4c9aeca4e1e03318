/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns: '?' is one character, '*' any run, neither crosses a '/'; "**" crosses it. Everything
 * else is itself. And the parts of an image reference.
 */
#ifndef POLICY_RULES_GLOB_H
#define POLICY_RULES_GLOB_H

#include <stdbool.h>
#include <trellis/abi.h>

enum glob_form {
    GLOB_ANY,        /* "**" */
    GLOB_EXACT,      /* no wildcard */
    GLOB_PREFIX,     /* text** */
    GLOB_EXACT_CASE, /* upper and lower case are the same */
    GLOB_PATTERN_CASE,
    GLOB_PATTERN
};

struct glob {
    enum glob_form form;
    trl_str text; /* borrowed from the rules; of GLOB_PREFIX without the stars */
};

/* any_case: for host names. pattern: borrowed for the life of the glob. */
struct glob glob_make(trl_str pattern, bool any_case);
bool glob_match(const struct glob *g, trl_str text);

/* "registry.example.com:5000/team/web:1.0@sha256:..." cut up; parts are borrowed from ref. A
 * registry is there when the first part looks like a host (it has a dot or a colon, or is
 * localhost), "file" for file://; else it is empty. Without tag and digest the tag is "latest". ptr
 * NULL: there is none. A digest that is none (wrong length, no hex) is not there. */
struct image_ref {
    trl_str registry, repository, tag, digest;
};
void image_split(trl_str ref, struct image_ref *ret);

#endif
