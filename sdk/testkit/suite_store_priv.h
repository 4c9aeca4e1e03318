/* SPDX-License-Identifier: Apache-2.0
 *
 * Calls of store/1 as one line each, for the cases of the store suite.
 */
#ifndef TRELLIS_TESTKIT_SUITE_STORE_PRIV_H
#define TRELLIS_TESTKIT_SUITE_STORE_PRIV_H

#include "suite_priv.h"

static inline const trl_store_v1 *store_of(struct suite *s) {
    return s->table;
}

/* Begin; the caller waits and frees. */
void st_put_begin(struct suite *s, struct call *c, str key, str value, uint64_t expect_rev);
void st_del_begin(struct suite *s, struct call *c, str key, uint64_t expect_rev);
void st_batch_begin(struct suite *s, struct call *c, const trl_put *puts, uint32_t n);
void st_get_begin(struct suite *s, struct call *c, str key);
void st_list_begin(struct suite *s, struct call *c, str prefix, str after, uint32_t limit);
void st_watch_begin(struct suite *s, struct call *c, str prefix, uint64_t from_rev);

/* Begin, wait, free. ret_rev may be NULL. */
trl_status st_put(struct suite *s, const char *key, const char *value, uint64_t expect_rev,
                  uint64_t *ret_rev);
trl_status st_del(struct suite *s, const char *key, uint64_t expect_rev, uint64_t *ret_rev);
/* Checks that the key has this value (NULL: is absent) and, unless 0, this revision. */
void st_expect(struct suite *s, const char *key, const char *value, uint64_t revision);
/* Live keys under a prefix. */
uint32_t st_count(struct suite *s, const char *prefix);

/* The cases of suite_store_watch.c. */
void case_watch(struct suite *s);
void case_watch_from(struct suite *s);
void case_watch_many(struct suite *s);
void case_watch_cancel(struct suite *s);
void case_stop_busy(struct suite *s);

#endif
