/* SPDX-License-Identifier: Apache-2.0 */
#include "msgbin.h"

#include <string.h>

#include "msg.h"

void msgbin_init(struct msgbin *b) {
    pthread_mutex_init(&b->lock, NULL);
    b->n = 0;
    b->bytes = 0;
}

static void destroy(natsMsg **at, unsigned n) {
    for (unsigned i = 0; i < n; i++) {
        natsMsg_Destroy(at[i]);
    }
}

void msgbin_finish(struct msgbin *b) {
    destroy(b->at, b->n);
    pthread_mutex_destroy(&b->lock);
}

void msgbin_put(struct msgbin *b, natsMsg *m) {
    natsMsg *full[MSGBIN_MAX];
    unsigned n = 0;
    if (!m) {
        return;
    }
    pthread_mutex_lock(&b->lock);
    b->at[b->n++] = m;
    b->bytes += msg_cost(m);
    if (b->n == MSGBIN_MAX || b->bytes > MSGBIN_MAX_BYTES) {
        n = b->n;
        memcpy(full, b->at, n * sizeof(*full));
        b->n = 0;
        b->bytes = 0;
    }
    pthread_mutex_unlock(&b->lock);
    destroy(full, n);
}
