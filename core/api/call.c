/* SPDX-License-Identifier: Apache-2.0
 *
 * The operations in process, for extensions: no subject to take apart, no limit of a message, and
 * changes are audited.
 */
#include "api/api_priv.h"

#define REPLY_MAX_BYTES (64u * 1024u * 1024u)

struct called { /* in the request's arena */
    struct req *r;
    const struct operation *o;
    str caller;
    void (*reply)(void *arg, trl_status st, str json);
    void *arg;
};

static const struct {
    const char *code;
    trl_status st;
} codes[] = {
    {"NOT_FOUND", TRL_E_NOTFOUND}, {"NO_VERSION", TRL_E_NOTFOUND}, {"NO_LATTICE", TRL_E_NOTFOUND},
    {"EXISTS", TRL_E_CONFLICT},    {"REFUSED", TRL_E_CONFLICT},    {"READONLY", TRL_E_DENIED},
    {"DENIED", TRL_E_DENIED},      {"STORAGE", TRL_E_UNAVAIL},     {"UNAVAILABLE", TRL_E_UNAVAIL},
    {"TOO_LARGE", TRL_E_INTERNAL},
};

/* The envelopes put the result first, wadm's error object puts it last. */
trl_status api_reply_status(str json, str *ret_code) {
    static const str error = STR("{\"result\":\"error\",\"code\":\"");
    *ret_code = STR("ok");
    if (str_starts(json, error)) {
        *ret_code = str_cut(str_skip(json, error.len), '"', &(str){0});
        for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
            if (str_is(*ret_code, codes[i].code)) {
                return codes[i].st;
            }
        }
        return TRL_E_INVALID;
    }
    if (str_starts(json, STR("{\"result\":\"notfound\""))) {
        *ret_code = STR("NOT_FOUND");
        return TRL_E_NOTFOUND;
    }
    if (str_starts(json, STR("{\"result\":\"error\"")) ||
        str_ends(json, STR("\"result\":\"error\"}"))) {
        *ret_code = STR("INVALID");
        return TRL_E_INVALID;
    }
    return TRL_OK;
}

static void on_reply(void *arg, str json) {
    struct called *c = arg;
    struct req *r = c->r;
    str code;
    trl_status st = api_reply_status(json, &code);
    if (c->o->changes) {
        struct announce_audit x = {.tenant = r->s.account,
                                   .lattice = r->s.lattice,
                                   .app = r->name,
                                   .category = c->o->category,
                                   .operation = c->o->operation,
                                   .caller = c->caller,
                                   .outcome = code,
                                   .in = &r->ctx};
        announce_audit(r->api->announce, &x);
    }
    c->reply(c->arg, st, json);
}

/* A token of a subject: what is more than that could be another operation. */
static bool token_ok(str s, size_t max) {
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c == '.' || c == '*' || c == '>' || c == 0x7f) {
            return false;
        }
    }
    return s.len <= max;
}

static const struct operation *find(str name, enum subject_door *door) {
    static const struct operation *const tables[] = {trellis_operations, wadm_operations};
    str operation, category = str_cut(name, '.', &operation);
    for (uint32_t t = 0; t < 2; t++) {
        for (const struct operation *o = tables[t]; o->category; o++) {
            if (str_is(category, o->category) && str_is(operation, o->operation)) {
                *door = t == 0 ? DOOR_TRELLIS : DOOR_WADM;
                return o;
            }
        }
    }
    return NULL;
}

static str or_none(struct arena *a, str s) {
    return s.len ? arena_str(a, s) : STR("_");
}

trl_status api_call(struct api *a, const trl_api_call *c,
                    void (*reply)(void *arg, trl_status st, str json), void *arg) {
    enum subject_door door = DOOR_TRELLIS;
    const struct operation *o = find(c->operation, &door);
    if (!o || !token_ok(c->tenant, 256) || !token_ok(c->lattice, 256) || !token_ok(c->name, 256)) {
        return TRL_E_INVALID;
    }
    trl_label headers[] = {{STR(TRACE_HEADER), c->traceparent},
                           {STR("Content-Type"), c->content_type}};
    struct req *r = req_create(a, c->operation, headers, c->content_type.len ? 2 : 1, c->body);
    r->max_reply = REPLY_MAX_BYTES;
    r->s = (struct subject){.door = door,
                            .account = or_none(&r->arena, c->tenant),
                            .lattice = or_none(&r->arena, c->lattice),
                            .category = str_c(o->category),
                            .operation = str_c(o->operation),
                            .name = c->name.len ? arena_str(&r->arena, c->name) : STR_NONE};
    r->name = r->s.name;
    r->caller = arena_str(&r->arena, c->caller);
    struct called *x = ARENA_NEW(&r->arena, struct called);
    *x = (struct called){r, o, arena_str(&r->arena, c->caller), reply, arg};
    r->reply = on_reply;
    r->arg = x;
    req_dispatch(r);
    return TRL_OK;
}

void api_each_operation(void (*fn)(void *arg, const trl_api_operation *o), void *arg) {
    static const struct operation *const tables[] = {trellis_operations, wadm_operations};
    struct buf name = BUF_INIT;
    for (uint32_t t = 0; t < 2; t++) {
        for (const struct operation *o = tables[t]; o->category; o++) {
            trl_api_operation x = {.struct_size = sizeof(x)};
            buf_clear(&name);
            buf_addf(&name, "%s.%s", o->category, o->operation);
            x.name = buf_str(&name);
            x.flags = (o->changes ? TRL_API_CHANGES : 0) | (t == 1 ? TRL_API_WADM : 0) |
                      (o->name == NAME_MUST  ? TRL_API_NAME_MUST
                       : o->name == NAME_MAY ? TRL_API_NAME_MAY
                                             : 0);
            fn(arg, &x);
        }
    }
    buf_finish(&name);
}
