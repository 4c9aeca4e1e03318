/* SPDX-License-Identifier: Apache-2.0
 *
 * What a chain decided about one subject: the heaviest verdict of its backends, with the reasons of
 * those who gave it. Pure. Immutable once made, shared by reference count.
 */
#ifndef TRELLIS_POLICY_RULING_H
#define TRELLIS_POLICY_RULING_H

#include "base/arena.h"
#include "codec/json.h"

struct reason { /* strings of the ruling; absent members are empty */
    str backend, code, text, rule, path, remedy;
};

struct ruling {
    struct arena arena;
    uint32_t refs;
    int32_t verdict; /* TRL_V_*; ABSTAIN of a whole chain is made ALLOW */
    bool stop;       /* deny: what runs is to be stopped too */
    bool failed;     /* a backend could not be asked; on_error decided */
    bool spent;      /* acted upon: if it must not be kept, it is not given out again */
    uint32_t ttl_ms; /* TRL_TTL_* or how long it holds */
    struct reason *reasons;
    uint32_t n_reasons, cap_reasons;
};

struct ruling *ruling_new(void); /* ALLOW, no reasons, holds until rules change; one reference */
struct ruling *ruling_ref(struct ruling *r);
void ruling_unref(struct ruling *r); /* NULL is fine */

/* Adds one backend's verdict. reasons: its JSON array; what cannot be read becomes a reason that
 * says so. To be called before the ruling is shared. */
void ruling_add(struct ruling *r, str backend, int32_t verdict, uint32_t flags, uint32_t ttl_ms,
                str reasons);
/* The backend could not be asked. open: its word is done without (a warning), else it is a denial.
 */
void ruling_add_failure(struct ruling *r, str backend, bool open, str error);

bool ruling_denies(const struct ruling *r);
const char *ruling_word(int32_t verdict); /* "allow"; static */
/* "denied by policy: <text> (rule <rule> of <backend>); <remedy>": the first reason, and how many
 * more. */
void ruling_text(const struct ruling *r, struct buf *out);
/* Members "verdict", "reasons": [{…}], "stop" into an open JSON object. */
void ruling_write(const struct ruling *r, struct jw *w);

#endif
