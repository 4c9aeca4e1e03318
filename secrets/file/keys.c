/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of a place: what seals the one file, and what makes versions out of values.
 */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "file.h"

static trl_status seal_key(struct place *p, trl_err *err) {
    static const char use[] = "trellis: versions of secrets";
    struct safe s = p->safe;
    trl_status st;
    s.group_read |= p->credential; /* systemd's access lists look like rights of the group */
    st = keyfile_load(&s, p->seal_key, p->keys, err);
    crypto_generichash(p->keys + 32, 32, (const uint8_t *)use, sizeof(use), p->keys, 32);
    return st;
}

trl_status place_start(struct place *p, trl_err *err) {
    trl_status st = TRL_OK;
    int dir = safe_open_dir(p->dir, &st, err);
    if (dir < 0) {
        return st;
    }
    p->keys = p->safe.mem->alloc(p->safe.ctx, 64);
    if (!p->keys) {
        st = trl_errf(err, TRL_E_BUSY, "no memory can be locked: raise the limit (ulimit -l)");
    } else if (p->sealed) {
        st = seal_key(p, err);
        if (st == TRL_OK) {
            st = place_probe(p, dir, err); /* a wrong key: now, not at the first fetch */
        }
    } else {
        st = keyfile_load_or_make(&p->safe, p->version_key, p->keys + 32, err);
    }
    close(dir);
    return st;
}

void place_finish(struct place *p) {
    if (p->keys) {
        p->safe.mem->free(p->safe.ctx, p->keys);
    }
    pthread_mutex_destroy(&p->write);
    free(p->dir);
    free(p->sealed);
    free(p->seal_key);
    free(p->version_key);
}
