/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "plug/inst_priv.h"
#include "plug/negotiate.h"

/* How the value of a secret crosses the border: into guarded memory at once, on the plugin's
 * thread. */

struct op_secret {
    struct guarded *value;
    uint32_t flags;
    int64_t lease_ns;
    size_t version_len;
    char version[];
};

void op_secret_free(struct op_secret *s) {
    if (s) {
        guarded_free(s->value);
        mem_free(s);
    }
}

void op_on_secret(trl_op *op, void (*fn)(void *arg, struct guarded *value, const trl_secret *s)) {
    op->on_secret = fn;
}

void op_secret_tell(trl_op *op) {
    struct op_secret *s = op->secret;
    if (!s || !op->on_secret) {
        return;
    }
    struct guarded *value = s->value;
    trl_secret told = {sizeof(told),
                       s->flags,
                       {guarded_bytes(value).ptr, guarded_bytes(value).len},
                       str_n(s->version, s->version_len),
                       s->lease_ns};
    s->value = NULL;
    op->on_secret(op->handler.arg, value, &told);
}

static trl_status refuse(trl_op *op, trl_status st, const char *text) {
    trl_err e;
    memset(&e, 0, sizeof(e));
    e.struct_size = sizeof(e);
    trl_errf(&e, st, "%s", text);
    return op_done_with(op, st, (trl_bytes){NULL, 0}, &e, NULL);
}

static trl_status host_secret_done(trl_op *op, const trl_secret *given) {
    trl_secret s;
    if (negotiate_request(&s, sizeof(s), given) != TRL_OK) {
        return refuse(op, TRL_E_INTERNAL, "the backend's answer cannot be read");
    }
    if (s.value.len > TRL_SECRET_MAX_BYTES) {
        return refuse(op, TRL_E_INVALID, "the secret is larger than 1 MiB");
    }
    if (s.version.len == 0 || s.version.len > 1024) {
        return refuse(op, TRL_E_INTERNAL, "the backend's answer has no usable version");
    }
    struct guarded *value = guarded_create(s.value.ptr, s.value.len);
    if (!value) {
        return refuse(op, TRL_E_BUSY,
                      "no memory can be locked for it: raise the limit (ulimit -l, LimitMEMLOCK=)");
    }
    struct op_secret *kept = mem_alloc(sizeof(*kept) + s.version.len);
    *kept = (struct op_secret){value, s.flags, s.lease_ns, s.version.len};
    memcpy(kept->version, s.version.ptr, s.version.len);
    return op_done_with(op, TRL_OK, (trl_bytes){NULL, 0}, NULL, kept);
}

static void *host_secret_alloc(void *ctx, size_t n) {
    (void)ctx;
    return guarded_alloc(n);
}

static void host_secret_free(void *ctx, void *p) {
    (void)ctx;
    guarded_release(p);
}

const trl_host_secret_v1 op_host_secret = {sizeof(trl_host_secret_v1), 0, host_secret_done,
                                           host_secret_alloc, host_secret_free};
