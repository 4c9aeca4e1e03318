/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/config_gates.h"

#include "policy/audit.h"

#include <string.h>
#include <trellis/kind/policy.h>

#include "base/mem.h"

#define CHAIN                                                                                      \
    "{\"type\":\"array\",\"items\":{},\"description\":\"backends asked at this point: names, "     \
    "blocks with `use` or blocks with `plugin`\"}"

const char config_gates_schema[] =
    "\"policy\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"backends\":{\"type\":\"object\",\"description\":\"policy backends by name\"},"
    "\"all\":" CHAIN ",\"put\":" CHAIN ",\"deploy\":" CHAIN ",\"place\":" CHAIN
    ",\"command\":" CHAIN ",\"host\":" CHAIN ",\"secret\":" CHAIN ","
    "\"audit\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"days\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":3650},"
    "\"megabytes\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":4096}}}}},"
    "\"secrets\":{\"type\":\"object\",\"description\":\"secrets backends by the name that "
    "manifests use\"},"
    "\"host_services\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"policy\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"topic\"],"
    "\"properties\":{\"topic\":{\"type\":\"string\"},\"changes_topic\":{\"type\":\"string\"}}},"
    "\"secrets\":{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"topic\","
    "\"xkey_seed_file\"],\"properties\":{\"topic\":{\"type\":\"string\"},\"xkey_seed_file\":{"
    "\"type\":\"string\",\"minLength\":1,\"description\":\"file with the transit key's seed "
    "(SX...): trellis secret keygen makes one\"}}}}},";

static const char *const policy_own[] = {"plugin", "on_error", "timeout_ms", NULL};
static const char *const secrets_own[] = {"plugin", "timeout_ms", NULL};

static bool listed(const char *const *list, str key) {
    for (uint32_t i = 0; list[i]; i++) {
        if (str_is(key, list[i])) {
            return true;
        }
    }
    return false;
}

struct plugin_choice config_choice(struct arena *a, const struct node *n,
                                   const char *const * not ) {
    struct buf json = BUF_INIT;
    struct jw w;
    if (n->type == NODE_STRING) {
        return (struct plugin_choice){arena_str(a, n->text), STR("{}"), n};
    }
    jw_init(&w, &json, false);
    jw_object(&w);
    for (uint32_t i = 0; i < n->n; i++) {
        if (!listed(not, n->members[i].key)) {
            jw_key_str(&w, n->members[i].key);
            jw_node(&w, n->members[i].value);
        }
    }
    jw_end_object(&w);
    struct plugin_choice p = {arena_str(a, node_text(n, "plugin", STR_NONE)),
                              arena_str(a, buf_str(&json)), n};
    buf_finish(&json);
    return p;
}

static void fault(struct findings *f, str where, const struct node *at, const char *what,
                  const char *fix) {
    findings_add(f, FINDING_ERROR, "config", where, at->line, at->column, str_c(what), str_c(fix));
}

/* Members of a block that are the core's. False: one is wrong, and that was told. */
static bool own_members(const struct node *block, str where, struct findings *f, bool *ret_open,
                        uint64_t *ret_timeout_ms) {
    if (block->type != NODE_OBJECT) {
        return true;
    }
    const struct node *e = node_get(block, "on_error"), *t = node_get(block, "timeout_ms");
    uint64_t ms = 0;
    if (e && !str_is(e->text, "allow") && !str_is(e->text, "deny")) {
        fault(f, where, e, "on_error is deny (the default) or allow", "write  on_error: deny");
        return false;
    }
    if (t && (!node_u64(t, &ms) || ms < 1 || ms > 60000)) {
        fault(f, where, t, "timeout_ms is a number from 1 to 60000", "write  timeout_ms: 2000");
        return false;
    }
    if (ret_open && e) {
        *ret_open = str_is(e->text, "allow");
    }
    *ret_timeout_ms = t ? ms : *ret_timeout_ms;
    return true;
}

/* Policy chains */

struct chains {
    struct config_gates *g;
    struct arena *a;
    struct findings *f;
    const struct node *backends;
    VEC(struct policy_choice) list;
};

static struct policy_choice *find_or_add(struct chains *c, str name,
                                         const struct plugin_choice *plugin) {
    for (uint32_t i = 0; i < c->list.n; i++) {
        struct policy_choice *have = &c->list.at[i];
        if (str_eq(have->name, name) && str_eq(have->plugin.name, plugin->name) &&
            str_eq(have->plugin.config, plugin->config)) {
            return have;
        }
    }
    struct policy_choice *add = VEC_ADD(&c->list);
    add->name = name;
    add->plugin = *plugin;
    return add;
}

/* An entry of a chain: where its plugin block is, and how it is called. NULL: told what is wrong.
 */
static const struct node *resolve(struct chains *c, const struct node *entry, str where,
                                  str *ret_name) {
    str use = entry->type == NODE_STRING ? entry->text : node_text(entry, "use", STR_NONE);
    const struct node *block = use.len ? node_get_str(c->backends, use) : entry;
    if (use.len && !block && entry->type == NODE_STRING) {
        *ret_name = arena_str(c->a, use);
        return entry; /* a plugin without configuration */
    }
    bool fits = block && (block->type == NODE_STRING ||
                          (block->type == NODE_OBJECT && node_text(block, "plugin", STR_NONE).len));
    if (!fits) {
        fault(c->f, where, entry,
              use.len ? "no backend of that name stands under policy.backends"
                      : "an entry of a chain is a name, or a block with `use` or `plugin`",
              "for example  deploy: [ { plugin: rules, file: /etc/trellis/rules.yaml } ]");
        return NULL;
    }
    *ret_name =
        arena_str(c->a, use.len                      ? use
                        : block->type == NODE_STRING ? block->text
                                                     : node_text(block, "plugin", STR_NONE));
    return block;
}

static void take_entry(struct chains *c, const struct node *entry, str where, uint32_t points) {
    str name;
    const struct node *block = resolve(c, entry, where, &name);
    bool open = false;
    uint64_t timeout_ms = 0;
    if (!block || !own_members(block, where, c->f, &open, &timeout_ms) ||
        !own_members(entry, where, c->f, &open, &timeout_ms)) {
        return;
    }
    struct plugin_choice plugin = config_choice(c->a, block, policy_own);
    struct policy_choice *p = find_or_add(c, name, &plugin);
    p->points |= points;
    p->open = open ? p->open | points : p->open & ~points; /* a point's own word, after `all` */
    for (uint32_t point = 0; timeout_ms && point < TRL_POINTS; point++) {
        p->timeout_ms[point] = points & (1u << point) ? timeout_ms : p->timeout_ms[point];
    }
}

static void take_policy(struct config_gates *g, struct arena *a, const struct node *policy,
                        struct findings *f) {
    struct chains c = {.g = g, .a = a, .f = f, .backends = node_get(policy, "backends")};
    for (uint32_t point = 0; point <= TRL_POINTS; point++) {
        bool all = point == 0;
        const char *key = all ? "all" : policy_point_name(point - 1);
        const struct node *chain = node_get(policy, key);
        str where = arena_printf(a, "/policy/%s", key);
        for (uint32_t i = 0; chain && chain->type == NODE_ARRAY && i < chain->n; i++) {
            take_entry(&c, chain->items[i], where,
                       all ? (1u << TRL_POINTS) - 1 : 1u << (point - 1));
        }
    }
    g->n_policies = c.list.n;
    g->policies = ARENA_ARRAY(a, struct policy_choice, c.list.n + 1);
    if (c.list.n) {
        memcpy(g->policies, c.list.at, c.list.n * sizeof(*g->policies));
    }
    VEC_FREE(&c.list);
    const struct node *audit = node_get(policy, "audit");
    g->audit_days = node_u64_or(audit, "days", 0);
    g->audit_megabytes = node_u64_or(audit, "megabytes", 0);
}

/* A name is a token of a subject: hosts ask at <topic>.v1alpha1.<name>.get. */
static bool token(str s) {
    for (size_t i = 0; i < s.len; i++) {
        char ch = s.ptr[i];
        if (!((ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9') ||
              ch == '-' || ch == '_')) {
            return false;
        }
    }
    return s.len > 0 && s.len <= 128;
}

static void take_secrets(struct config_gates *g, struct arena *a, const struct node *secrets,
                         struct findings *f) {
    g->secrets = ARENA_ARRAY(a, struct secrets_choice, secrets->n + 1);
    for (uint32_t i = 0; i < secrets->n; i++) {
        const struct node_member *m = &secrets->members[i];
        str where = arena_printf(a, "/secrets/%.*s", PSTR(m->key));
        struct secrets_choice s = {.name = arena_str(a, m->key)};
        bool fits = m->value->type == NODE_STRING || node_text(m->value, "plugin", STR_NONE).len;
        if (!token(m->key)) {
            fault(f, where, m->value,
                  "the name of a backend has letters, digits, dashes and underscores only",
                  "hosts ask for it on a subject that holds the name");
        } else if (!fits) {
            fault(f, where, m->value, "a backend is the name of a plugin, or a block with `plugin`",
                  "for example  prod: { plugin: file, dir: /etc/trellis/secrets }");
        } else if (own_members(m->value, where, f, NULL, &s.timeout_ms)) {
            s.plugin = config_choice(a, m->value, secrets_own);
            g->secrets[g->n_secrets++] = s;
        }
    }
}

/* Tokens joined by dots, as hosts accept for their --policy-topic and --secrets-topic. */
static str topic(struct arena *a, const struct node *block, const char *key, struct findings *f) {
    const struct node *n = node_get(block, key);
    str rest = node_text(block, key, STR_NONE);
    while (n && rest.ptr) {
        str part = str_cut(rest, '.', &rest);
        if (!token(part)) {
            fault(f, arena_printf(a, "/host_services/%s", key), n,
                  "a topic has tokens of letters, digits, dashes and underscores, joined by dots",
                  "for example  wasmcloud.policy");
            return STR_NONE;
        }
    }
    return arena_str(a, node_text(block, key, STR_NONE));
}

void config_gates_take(struct config_gates *g, struct arena *a, const struct node *root,
                       struct findings *f) {
    const struct node *policy = node_get(root, "policy"), *secrets = node_get(root, "secrets");
    const struct node *services = node_get(root, "host_services");
    const struct node *sp = node_get(services, "policy"), *ss = node_get(services, "secrets");
    if (policy && policy->type == NODE_OBJECT) {
        take_policy(g, a, policy, f);
    }
    if (secrets && secrets->type == NODE_OBJECT) {
        take_secrets(g, a, secrets, f);
    }
    g->policy_topic = topic(a, sp, "topic", f);
    g->policy_changes_topic = topic(a, sp, "changes_topic", f);
    g->secrets_topic = topic(a, ss, "topic", f);
    g->secrets_seed_file = arena_str(a, node_text(ss, "xkey_seed_file", STR_NONE));
}

/* Writing */

static void write_rest(struct jw *w, const struct plugin_choice *p) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    jw_kv(w, "plugin", p->name);
    if (json_parse(p->config, &a, &n, NULL) == 0) {
        for (uint32_t i = 0; i < n->n; i++) {
            jw_key_str(w, n->members[i].key);
            jw_node(w, n->members[i].value);
        }
    }
    arena_finish(&a);
}

void config_choice_write(struct jw *w, const struct plugin_choice *p) {
    jw_object(w);
    write_rest(w, p);
    jw_end_object(w);
}

static void write_policy(const struct config_gates *g, struct jw *w) {
    for (uint32_t point = 0; point < TRL_POINTS; point++) {
        jw_key(w, policy_point_name(point));
        jw_array(w);
        for (uint32_t i = 0; i < g->n_policies; i++) {
            const struct policy_choice *p = &g->policies[i];
            if (p->points & (1u << point)) {
                jw_object(w);
                write_rest(w, &p->plugin);
                jw_kv(w, "on_error", p->open & (1u << point) ? STR("allow") : STR("deny"));
                if (p->timeout_ms[point]) {
                    jw_kv_u64(w, "timeout_ms", p->timeout_ms[point]);
                }
                jw_end_object(w);
            }
        }
        jw_end_array(w);
    }
}

static void write_services(const struct config_gates *g, struct jw *w) {
    if (g->policy_topic.len) {
        jw_key(w, "policy");
        jw_object(w);
        jw_kv(w, "topic", g->policy_topic);
        jw_kv(w, "changes_topic", g->policy_changes_topic);
        jw_end_object(w);
    }
    if (g->secrets_topic.len) {
        jw_key(w, "secrets");
        jw_object(w);
        jw_kv(w, "topic", g->secrets_topic);
        jw_kv(w, "xkey_seed_file", g->secrets_seed_file);
        jw_end_object(w);
    }
}

void config_gates_write(const struct config_gates *g, struct jw *w) {
    if (g->n_policies) {
        jw_key(w, "policy");
        jw_object(w);
        write_policy(g, w);
        jw_end_object(w);
    }
    if (g->n_secrets) {
        jw_key(w, "secrets");
        jw_object(w);
        for (uint32_t i = 0; i < g->n_secrets; i++) {
            jw_key_str(w, g->secrets[i].name);
            config_choice_write(w, &g->secrets[i].plugin);
        }
        jw_end_object(w);
    }
    if (g->policy_topic.len || g->secrets_topic.len) {
        jw_key(w, "host_services");
        jw_object(w);
        write_services(g, w);
        jw_end_object(w);
    }
}
