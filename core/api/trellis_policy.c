/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.api: what guards the lattice: policy backends and their decisions, secrets backends and
 * what they have. Values of secrets never pass here.
 */
#include <string.h>

#include "api/judge.h"

static void write_points(struct jw *w, const char *key, uint32_t bits) {
    jw_key(w, key);
    jw_array(w);
    for (uint32_t i = 0; i < TRL_POINTS; i++) {
        if (bits & (1u << i)) {
            jw_cstr(w, policy_point_name(i));
        }
    }
    jw_end_array(w);
}

static uint64_t longest_ms(const struct policy_backend *b) {
    int64_t ns = 0;
    for (uint32_t i = 0; i < TRL_POINTS; i++) {
        ns = b->points & (1u << i) && b->timeout_ns[i] > ns ? b->timeout_ns[i] : ns;
    }
    return (uint64_t)(ns / 1000000);
}

static void write_backend(void *arg, const struct policy_backend *b, bool watches) {
    struct jw *w = arg;
    jw_object(w);
    jw_kv(w, "name", b->name);
    jw_kv(w, "plugin", str_c(plug_inst_component(b->in)->name));
    write_points(w, "points", b->points);
    write_points(w, "allow_on_error", b->open & b->points);
    jw_kv_u64(w, "timeout_ms", longest_ms(b));
    jw_kv_bool(w, "watched", watches);
    jw_end_object(w);
}

void trellis_policy_list(struct req *r) {
    struct policy_counts n = {0};
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_key(&w, "backends");
    jw_array(&w);
    policy_each(r->api->env.policy, write_backend, &w);
    jw_end_array(&w);
    if (r->api->env.policy) {
        policy_counts(r->api->env.policy, &n);
    }
    jw_key(&w, "decisions");
    jw_object(&w);
    for (int32_t v = TRL_V_ALLOW; v <= TRL_V_DENY; v++) {
        jw_kv_u64(&w, ruling_word(v), n.verdicts[v]);
    }
    jw_kv_u64(&w, "kept", n.hits);
    jw_kv_u64(&w, "calls", n.calls);
    jw_kv_u64(&w, "failures", n.failures);
    jw_end_object(&w);
    jw_end_object(&w);
    req_ok(r, &data);
}

static void on_log(void *arg, trl_status st, str json) {
    struct req *r = arg;
    struct buf data = BUF_INIT;
    if (st != TRL_OK) {
        req_fail(r, "STORAGE", "The audit cannot be read from the store: %s", err_name(st));
        return;
    }
    buf_addf(&data, "{\"records\":%.*s}", PSTR(json));
    req_ok(r, &data);
}

void trellis_policy_log(struct req *r) {
    struct node *root = NULL;
    struct err err = ERR_INIT;
    if (!r->api->env.audit) {
        struct buf none = BUF_INIT;
        buf_add_str(&none, STR("{\"records\":[]}"));
        req_ok(r, &none);
        return;
    }
    if (r->body.len && json_parse(r->body, &r->arena, &root, &err) < 0) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    uint64_t limit = node_u64_or(root, "limit", 0);
    struct audit_query q = {.tenant = r->api->env.multitenant ? r->s.account : STR_NONE,
                            .lattice = r->s.lattice,
                            .app = r->s.name.ptr ? r->s.name : STR_NONE,
                            .verdict = node_text(root, "verdict", STR_NONE),
                            .since_ms = (int64_t)node_u64_or(root, "since_ms", 0),
                            .limit = limit > 10000 ? 10000 : (uint32_t)limit};
    audit_read(r->api->env.audit, &q, on_log, r);
}

/* Which backends exist */

static void write_secrets_backend(void *arg, const struct secrets_backend *b) {
    struct jw *w = arg;
    const trl_secrets_v1 *t = plug_inst_table(b->in);
    jw_object(w);
    jw_kv(w, "name", b->name);
    jw_kv(w, "plugin", str_c(plug_inst_component(b->in)->name));
    jw_kv_bool(w, "versions", t->flags & TRL_SX_VERSIONS);
    jw_kv_bool(w, "writable", t->put != NULL);
    jw_end_object(w);
}

void trellis_secret_backends(struct req *r) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_key(&w, "backends");
    jw_array(&w);
    secrets_each(r->api->env.secrets, write_secrets_backend, &w);
    jw_end_array(&w);
    jw_end_object(&w);
    req_ok(r, &data);
}

/* One reference: {"backend", "key", "field"?, "version"?} */

static void on_checked(void *arg, const struct secret_have *h) {
    struct req *r = arg;
    struct buf data = BUF_INIT;
    struct jw w;
    r->secrets = NULL;
    if (h->st == TRL_E_UNSUPP || h->st == TRL_E_NOTFOUND) {
        req_fail(r, "NOT_FOUND", "%.*s", PSTR(h->text));
        return;
    }
    if (h->st != TRL_OK) {
        req_fail(r,
                 h->st == TRL_E_DENIED    ? "DENIED"
                 : h->st == TRL_E_INVALID ? "INVALID"
                                          : "UNAVAILABLE",
                 "%.*s", PSTR(h->text));
        return;
    }
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "version", h->version);
    jw_end_object(&w);
    req_ok(r, &data);
}

void trellis_secret_check(struct req *r) {
    struct node *root = NULL;
    struct err err = ERR_INIT;
    if (json_parse(r->body, &r->arena, &root, &err) < 0) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    struct secret_want want = {node_text(root, "backend", STR_NONE),
                               {.struct_size = sizeof(trl_secret_ref),
                                .key = node_text(root, "key", STR_NONE),
                                .field = node_text(root, "field", STR_NONE),
                                .version = node_text(root, "version", STR_NONE),
                                .lattice = r->s.lattice}};
    if (!want.backend.len || !want.ref.key.len) {
        req_fail(r, "INVALID", "Say which secret: {\"backend\": ..., \"key\": ...}");
    } else if (!secrets_find(r->api->env.secrets, want.backend)) {
        req_fail(r, "NOT_FOUND", "no secrets backend '%.*s' is configured", PSTR(want.backend));
    } else {
        r->secrets = secrets_ask(r->api->env.secrets, &want, 1, on_checked, r);
    }
}
