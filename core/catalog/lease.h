/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may act on a lattice. A record in the store by compare-and-set: holder, epoch. It expires by
 * the watcher's own monotonic clock when its revision has not moved for ttl; wall clocks are never
 * compared. With a store that no second process can open nothing is renewed.
 */
#ifndef TRELLIS_CATALOG_LEASE_H
#define TRELLIS_CATALOG_LEASE_H

#include "base/log.h"
#include "plug/kv.h"

struct lease;
/* on_change(held, epoch) at each change. holder: this process's id. ttl_ns e.g. 15 s; renewed each
 * third. */
struct lease *lease_create(struct loop *loop, struct kv *kv, const struct log *log, str tenant,
                           str lattice, str holder, int64_t ttl_ns,
                           void (*on_change)(void *arg, bool held, uint64_t epoch), void *arg);
bool lease_held(const struct lease *l);
void lease_destroy(
    struct lease *l); /* gives it back when held (best effort, no callback); before the kv */

#endif
