/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/urls.h"

#include "codec/node.h"

/* "127.0.0.1:8080", "[::1]:8080" or "8080". Unix sockets and port 0 have no URL. */
static void add(const struct manifest *m, const struct item *item, str address, struct buf *to) {
    str host = STR(""), port = address;
    uint64_t number = 0;
    for (size_t i = 0; i < address.len; i++) {
        if (address.ptr[i] == ':') {
            host = str_n(address.ptr, i);
            port = str_skip(address, i + 1);
        }
    }
    if (!str_u64(port, &number) || number == 0) {
        return;
    }
    if (!host.len || str_is(host, "0.0.0.0") || str_is(host, "[::]")) {
        host = STR("127.0.0.1");
    }
    buf_addf(to, "  http://%.*s:%.*s/  (%.*s, %.*s)\n", PSTR(host), PSTR(port),
             PSTR(str_trim(m->name)), PSTR(item->name));
}

static void add_one(const struct manifest *m, const struct item *item, const struct node *n,
                    struct buf *to) {
    if (n && n->type == NODE_STRING) {
        add(m, item, n->text, to);
    } else if (n && n->type == NODE_OBJECT) {
        add(m, item, node_text(n, "address", STR("")), to);
    }
}

void urls_of(const struct manifest *m, struct buf *to) {
    for (uint32_t i = 0; m && i < m->n_items; i++) {
        const struct item *item = &m->items[i];
        for (uint32_t k = 0; k < item->n_traits; k++) {
            const struct trait *t = &item->traits[k];
            const struct node *health = node_get(t->properties, "health"),
                              *listen = node_get(t->properties, "listen");
            if (!str_is(t->type, "process") || !node_get(health, "http")) {
                continue;
            }
            add_one(m, item, listen, to);
            for (uint32_t l = 0; listen && listen->type == NODE_ARRAY && l < listen->n; l++) {
                add_one(m, item, listen->items[l], to);
            }
        }
    }
}
