/* SPDX-License-Identifier: Apache-2.0
 *
 * One call of a secrets backend and what came of it, waited for. For tests of one backend's own
 * habits; what all have in common is in the suite.
 */
#ifndef TESTS_SECRETS_ASK_H
#define TESTS_SECRETS_ASK_H

#include "plug/secrets.h"
#include "testkit.h"

struct answer {
    bool done;
    trl_status st;
    char text[4096]; /* value of a fetch, version or info; of a list: all names, each with a ' ' */
    char version[256];
    size_t value_len;
    uint32_t flags, items;
    char why[256];
};

struct question {
    const char *key, *field, *version, *entity;
};

#define Q(k)     ((struct question){.key = (k)})
#define QF(k, f) ((struct question){.key = (k), .field = (f)})
#define QV(k, v) ((struct question){.key = (k), .version = (v)})
#define QE(k, e) ((struct question){.key = (k), .entity = (e)})

/* Asks and waits; the answer is static until the next but three. */
const struct answer *ask_fetch(struct tk *tk, struct plug_inst *in, struct question q);
const struct answer *ask_check(struct tk *tk, struct plug_inst *in, struct question q);
const struct answer *ask_put(struct tk *tk, struct plug_inst *in, struct question q,
                             const void *value, size_t n);
const struct answer *ask_list(struct tk *tk, struct plug_inst *in, const char *prefix);
const struct answer *ask_info(struct tk *tk, struct plug_inst *in);

/* Counted checks of an answer; it is asked for once. */
#define ASK_ST(tk, answer, want)   ask_st_at((tk), (answer), (want), __FILE__, __LINE__)
#define ASK_TEXT(tk, answer, want) ask_text_at((tk), (answer), (want), __FILE__, __LINE__)
void ask_st_at(struct tk *tk, const struct answer *a, trl_status want, const char *file, int line);
void ask_text_at(struct tk *tk, const struct answer *a, const char *want, const char *file,
                 int line);

/* Creating or starting it fails with this in the text. */
void ask_refused(struct tk *tk, const char *name, const char *config, const char *part,
                 const struct plug_iface *ifaces, uint32_t n_ifaces);

#endif
