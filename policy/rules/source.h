/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of rules, looked at now and then: what changed is read, and taken once it has been the
 * same for two looks, so that no half-written file counts. The looks themselves run on the core's
 * worker pool; everything here is called on the loop.
 */
#ifndef POLICY_RULES_SOURCE_H
#define POLICY_RULES_SOURCE_H

#include <trellis/host.h>

#include "rule.h"

struct source;

/* path: borrowed for the life of the source. on_rules: the file has these rules now (taken).
 * on_bad: it cannot be read or has a fault ("/path:12:5: text"); told once per fault. */
struct source *source_create(const trl_host *h, const char *path, uint32_t poll_ms,
                             void (*on_rules)(void *arg, struct ruleset *rs),
                             void (*on_bad)(void *arg, const char *what), void *arg);
/* The first look, then others, every poll_ms. */
void source_start(struct source *s);
void source_stop(struct source *s);    /* no callback any more */
void source_destroy(struct source *s); /* NULL is fine; not while a look is under way: stopped */

#endif
