/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets that the key itself asks for: "missing", "denied", "invalid", "down" fail so, "bytes" is
 * no text, "big" is as large as a secret may be, "large" fits a message just so, "hang" is open
 * until it is cancelled; everything else is "value-of-KEY", version 7. It keeps older versions in
 * name only.
 */
#include <stdlib.h>
#include <trellis/trellis.h>

struct trl_inst {
    const trl_host *h;
    const trl_host_secret_v1 *secret;
};

static trl_status fault(trl_str key) {
    return trl_str_is(key, "missing")   ? TRL_E_NOTFOUND
           : trl_str_is(key, "denied")  ? TRL_E_DENIED
           : trl_str_is(key, "invalid") ? TRL_E_INVALID
           : trl_str_is(key, "down")    ? TRL_E_UNAVAIL
                                        : TRL_OK;
}

static void fetch(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    static const unsigned char bytes[] = {0, 255, 10, 200};
    char value[300] = "value-of-";
    trl_secret s = {.struct_size = sizeof(s), .version = trl_cstr("7")};
    if (trl_str_is(ref->key, "hang")) {
        return;
    }
    if (fault(ref->key) != TRL_OK) {
        trl_op_fail(in->h, op, fault(ref->key), "scripted");
        return;
    }
    if (ref->key.len > 200) {
        trl_op_fail(in->h, op, TRL_E_INVALID, "the key is too long");
        return;
    }
    memcpy(value + 9, ref->key.ptr, ref->key.len);
    s.value.ptr = value;
    s.value.len = 9 + ref->key.len;
    if (trl_str_is(ref->key, "big") || trl_str_is(ref->key, "large")) {
        size_t n = trl_str_is(ref->key, "big") ? TRL_SECRET_MAX_BYTES : 1040000;
        char *many = malloc(n);
        memset(many, 'x', n);
        s.value = (trl_bytes){many, n};
        in->secret->done(op, &s);
        free(many);
        return;
    }
    if (trl_str_is(ref->key, "bytes")) {
        s.value.ptr = bytes;
        s.value.len = sizeof(bytes);
    }
    in->secret->done(op, &s);
    memset(value, 0, sizeof(value));
}

static void check(trl_inst *in, trl_op *op, const trl_secret_ref *ref) {
    trl_bytes version = {"7", 1};
    if (trl_str_is(ref->key, "hang")) {
        return;
    }
    if (fault(ref->key) != TRL_OK) {
        trl_op_fail(in->h, op, fault(ref->key), "scripted");
        return;
    }
    in->h->op_done(op, TRL_OK, version, NULL);
}

static void cancel(trl_inst *in, trl_op *op) {
    trl_op_fail(in->h, op, TRL_E_CANCELLED, "cancelled");
}

static void resume(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)config;
    (void)err;
    trl_inst *in = calloc(1, sizeof(*in));
    in->h = h;
    in->secret = h->get_interface(h->ctx, TRL_HOST_SECRET_V1);
    *out = in;
    return TRL_OK;
}

static void destroy(trl_inst *in) {
    free(in);
}

static const trl_secrets_v1 table = {.struct_size = sizeof(table),
                                     .flags = TRL_SX_VERSIONS,
                                     .fetch = fetch,
                                     .check = check,
                                     .cancel = cancel,
                                     .resume = resume};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_SECRETS) == 0 ? &table : NULL;
}

static const trl_component script = {.struct_size = sizeof(script),
                                     .thread_model = TRL_LOOP,
                                     .iface = TRL_KIND_SECRETS,
                                     .name = "secrets-script",
                                     .summary = "has what it is asked for",
                                     .create = create,
                                     .destroy = destroy,
                                     .get_interface = get_interface};
TRL_PLUGIN("test.secrets-script", "1.0", 2, &script);
