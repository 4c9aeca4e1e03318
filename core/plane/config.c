/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/config.h"

#include <string.h>

#include "base/mem.h"
#include "codec/json.h"
#include "codec/schema.h"
#include "codec/yaml.h"

/* Plugin blocks are checked by the plugins' own schemas: here only that they are blocks. */
static const char SCHEMA_HEAD[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{";
static const char SCHEMA_REST[] =
    "\"lattices\":{\"type\":\"array\",\"minItems\":1,\"items\":{\"type\":\"string\"},"
    "\"description\":\"names, or * for every lattice seen\"},"
    "\"plugin_dirs\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"description\":"
    "\"searched before the built-in directories\"},"
    "\"transport\":{\"type\":\"object\",\"required\":[\"plugin\"],\"properties\":{\"plugin\":{"
    "\"type\":\"string\"}}},"
    "\"store\":{\"type\":\"object\",\"required\":[\"plugin\"],\"properties\":{\"plugin\":{\"type\":"
    "\"string\"}}},"
    "\"drivers\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":1,\"items\":{\"type\":\"object\","
    "\"required\":[\"plugin\"],\"properties\":{\"plugin\":{\"type\":\"string\"}}}},"
    "\"extensions\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":["
    "\"plugin\"],\"properties\":{\"plugin\":{\"type\":\"string\"}}}},"
    "\"scalers\":{\"type\":\"object\",\"description\":\"trait type: plugin name, or a block with "
    "plugin\"},"
    "\"api\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"prefix\":{\"type\":\"string\",\"minLength\":1},\"multitenant\":{\"type\":\"boolean\"},"
    "\"allow_wadm\":{\"type\":\"string\",\"enum\":[\"refuse\",\"observe\"]}}},"
    "\"cleanup_interval\":{\"type\":\"integer\",\"minimum\":2,\"description\":\"seconds without a "
    "sign after which an unreachable host is given up\"},"
    "\"socket\":{\"type\":\"string\",\"description\":\"path of the local API socket; empty: "
    "none\"},"
    "\"log\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"level\":{\"type\":\"string\",\"enum\":[\"error\",\"warn\",\"info\",\"debug\"]},"
    "\"format\":{\"type\":\"string\",\"enum\":[\"text\",\"json\"]}}}}}";

static void set_scaler(struct config *c, uint32_t i, const char *trait, const char *plugin) {
    c->scalers[i] = (struct scaler_choice){str_c(trait), {str_c(plugin), STR("{}"), NULL}};
}

void config_defaults(struct config *c) {
    memset(c, 0, sizeof(*c));
    struct arena *a = &c->arena;
    c->path = STR("");
    c->lattices = ARENA_NEW(a, str);
    c->lattices[0] = STR("*");
    c->n_lattices = 1;
    c->transport = (struct plugin_choice){STR("nats"), STR("{}"), NULL};
    c->store = (struct plugin_choice){STR("nats-kv"), STR("{}"), NULL};
    c->drivers = ARENA_NEW(a, struct plugin_choice);
    c->drivers[0] = (struct plugin_choice){STR("lattice"), STR("{}"), NULL};
    c->n_drivers = 1;
    c->scalers = ARENA_ARRAY(a, struct scaler_choice, 2);
    set_scaler(c, 0, "spreadscaler", "spread");
    set_scaler(c, 1, "daemonscaler", "daemon");
    c->n_scalers = 2;
    c->api_prefix = STR("wadm.api");
    c->cleanup_interval_s = 70;
    c->log_level = TRL_LOG_INFO;
    c->socket = STR("");
}

void config_finish(struct config *c) {
    arena_finish(&c->arena);
}

static struct plugin_choice choice(struct config *c, const struct node *n) {
    static const char *const own[] = {"plugin", NULL};
    return config_choice(&c->arena, n, own);
}

static struct plugin_choice *choices(struct config *c, const struct node *n, uint32_t *ret_n) {
    struct plugin_choice *list = ARENA_ARRAY(&c->arena, struct plugin_choice, n->n + 1);
    for (uint32_t i = 0; i < n->n; i++) {
        list[i] = choice(c, n->items[i]);
    }
    *ret_n = n->n;
    return list;
}

static str *texts(struct config *c, const struct node *n) {
    str *list = ARENA_ARRAY(&c->arena, str, n->n + 1);
    for (uint32_t i = 0; i < n->n; i++) {
        list[i] = arena_str(&c->arena, n->items[i]->text);
    }
    return list;
}

/* Traits named in the file are added to the defaults, or replace them. */
static void take_scalers(struct config *c, const struct node *n) {
    struct scaler_choice *list = ARENA_ARRAY(&c->arena, struct scaler_choice, c->n_scalers + n->n);
    uint32_t count = 0;
    for (uint32_t i = 0; i < c->n_scalers; i++) {
        if (!node_get_str(n, c->scalers[i].trait)) {
            list[count++] = c->scalers[i];
        }
    }
    for (uint32_t i = 0; i < n->n; i++) {
        list[count++] = (struct scaler_choice){arena_str(&c->arena, n->members[i].key),
                                               choice(c, n->members[i].value)};
    }
    c->scalers = list;
    c->n_scalers = count;
}

static int log_level(str s) {
    return str_is(s, "error")   ? TRL_LOG_ERROR
           : str_is(s, "warn")  ? TRL_LOG_WARN
           : str_is(s, "debug") ? TRL_LOG_DEBUG
                                : TRL_LOG_INFO;
}

/* A member of the root, NULL when something in it is wrong: the rest is looked at all the same, so
 * that one reading tells every fault. */
static const struct node *sound(const struct node *root, const char *key,
                                const struct schema_findings *found) {
    for (uint32_t i = 0; i < found->n; i++) {
        str p = found->at[i].pointer, name = str_c(key);
        if (p.len > name.len && str_starts(str_skip(p, 1), name) &&
            (p.len == name.len + 1 || p.ptr[name.len + 1] == '/')) {
            return NULL;
        }
    }
    return node_get(root, key);
}

static void take(struct config *c, const struct node *root, const struct schema_findings *found,
                 bool scalers_fit, struct findings *f) {
    const struct node *n;
    if ((n = sound(root, "lattices", found))) {
        c->lattices = texts(c, n);
        c->n_lattices = n->n;
    }
    if ((n = sound(root, "plugin_dirs", found))) {
        str *dirs = texts(c, n);
        c->plugin_dirs = ARENA_ARRAY(&c->arena, const char *, n->n + 1);
        for (uint32_t i = 0; i < n->n; i++) {
            c->plugin_dirs[i] = dirs[i].ptr; /* arena strings are NUL-terminated */
        }
        c->n_plugin_dirs = n->n;
    }
    if ((n = sound(root, "transport", found))) {
        c->transport = choice(c, n);
    }
    if ((n = sound(root, "store", found))) {
        c->store = choice(c, n);
    }
    if ((n = sound(root, "drivers", found))) {
        c->drivers = choices(c, n, &c->n_drivers);
    }
    if ((n = sound(root, "extensions", found))) {
        c->extensions = choices(c, n, &c->n_extensions);
    }
    if (scalers_fit && (n = sound(root, "scalers", found))) {
        take_scalers(c, n);
    }
    if ((n = sound(root, "plugins", found))) {
        config_trust_take(&c->trust, &c->arena, n, f);
    }
    const struct node *api = sound(root, "api", found), *log = sound(root, "log", found);
    c->api_prefix = arena_str(&c->arena, node_text(api, "prefix", c->api_prefix));
    c->multitenant = node_bool_or(api, "multitenant", c->multitenant);
    c->observe_only = str_is(node_text(api, "allow_wadm", STR_NONE), "observe");
    c->cleanup_interval_s = node_u64_or(root, "cleanup_interval", c->cleanup_interval_s);
    c->socket = arena_str(&c->arena, node_text(root, "socket", c->socket));
    c->log_level =
        node_get(log, "level") ? log_level(node_text(log, "level", STR_NONE)) : c->log_level;
    c->log_json = str_is(node_text(log, "format", STR_NONE), "json") || c->log_json;
}

/* A scaler is a name or a block that names one. */
static void check_scalers(const struct node *scalers, struct findings *f) {
    for (uint32_t i = 0; scalers && scalers->type == NODE_OBJECT && i < scalers->n; i++) {
        const struct node *v = scalers->members[i].value;
        if (v->type != NODE_STRING && node_text(v, "plugin", STR_NONE).len == 0) {
            findings_add(f, FINDING_ERROR, "config", scalers->members[i].key, v->line, v->column,
                         STR("a scaler is the name of a plugin, or a block with `plugin`"),
                         STR("for example  spreadscaler: spread"));
        }
    }
}

int config_parse(struct config *c, str path, str text, struct findings *f) {
    struct err e = ERR_INIT;
    struct arena scratch = ARENA_INIT;
    struct node *root = NULL, *schema = NULL;
    c->path = arena_str(&c->arena, path);
    struct yaml_report report;
    int rc = yaml_parse_report(text, &c->arena, &root, &report, &e);
    if (rc < 0) {
        findings_add(f, FINDING_ERROR, "config", STR(""), report.pos.line, report.pos.column,
                     str_c(e.msg), STR(""));
        return rc;
    }
    str text_of_schema = arena_printf(&scratch, "%s%s%s%s", SCHEMA_HEAD, config_gates_schema,
                                      config_trust_schema, SCHEMA_REST);
    rc = json_parse(text_of_schema, &scratch, &schema, &e);
    if (rc < 0) {
        findings_add(f, FINDING_ERROR, "internal", STR(""), 0, 0, str_c(e.msg), STR(""));
        goto out;
    }
    struct schema_findings found = {NULL, 0, 0};
    if (root->type != NODE_NULL) {
        schema_validate(schema, root, &scratch, &found);
    }
    for (uint32_t i = 0; i < found.n; i++) {
        const struct schema_finding *x = &found.at[i];
        str told = str_starts(x->text, STR("is missing"))
                       ? arena_printf(&scratch, "%.*s %.*s", PSTR(x->pointer), PSTR(x->text))
                       : x->text; /* what is not there has no place of its own */
        findings_add(f, FINDING_ERROR, "config", x->pointer, x->line, x->column, told, STR(""));
    }
    uint32_t before = f->errors;
    check_scalers(node_get(root, "scalers"), f);
    config_gates_take(&c->gates, &c->arena, root, f);
    if (root->type == NODE_OBJECT) {
        take(c, root, &found, f->errors == before, f);
    }
    mem_free(found.at);
out:
    arena_finish(&scratch);
    return f->errors ? TRL_E_INVALID : 0;
}

void config_write(const struct config *c, struct buf *out) {
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    struct jw w;
    jw_init(&w, out, true);
    jw_object(&w);
    jw_key(&w, "lattices");
    jw_array(&w);
    for (uint32_t i = 0; i < c->n_lattices; i++) {
        jw_str(&w, c->lattices[i]);
    }
    jw_end_array(&w);
    jw_key(&w, "plugin_dirs");
    jw_array(&w);
    for (uint32_t i = 0; i < c->n_plugin_dirs; i++) {
        jw_cstr(&w, c->plugin_dirs[i]);
    }
    jw_end_array(&w);
    jw_key(&w, "transport");
    config_choice_write(&w, &c->transport);
    jw_key(&w, "store");
    config_choice_write(&w, &c->store);
    jw_key(&w, "drivers");
    jw_array(&w);
    for (uint32_t i = 0; i < c->n_drivers; i++) {
        config_choice_write(&w, &c->drivers[i]);
    }
    jw_end_array(&w);
    jw_key(&w, "extensions");
    jw_array(&w);
    for (uint32_t i = 0; i < c->n_extensions; i++) {
        config_choice_write(&w, &c->extensions[i]);
    }
    jw_end_array(&w);
    jw_key(&w, "scalers");
    jw_object(&w);
    for (uint32_t i = 0; i < c->n_scalers; i++) {
        jw_key_str(&w, c->scalers[i].trait);
        config_choice_write(&w, &c->scalers[i].plugin);
    }
    jw_end_object(&w);
    config_gates_write(&c->gates, &w);
    config_trust_write(&c->trust, &w);
    jw_key(&w, "api");
    jw_object(&w);
    jw_kv(&w, "prefix", c->api_prefix);
    jw_kv_bool(&w, "multitenant", c->multitenant);
    jw_kv(&w, "allow_wadm", c->observe_only ? STR("observe") : STR("refuse"));
    jw_end_object(&w);
    jw_kv_u64(&w, "cleanup_interval", c->cleanup_interval_s);
    jw_kv(&w, "socket", c->socket);
    jw_key(&w, "log");
    jw_object(&w);
    jw_kv(&w, "level", str_c(levels[c->log_level]));
    jw_kv(&w, "format", c->log_json ? STR("json") : STR("text"));
    jw_end_object(&w);
    jw_end_object(&w);
}

void config_plugin_set(struct config *c, struct plugin_choice *p, const char *key, str json_value) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct buf json = BUF_INIT;
    struct jw w;
    jw_init(&w, &json, false);
    jw_object(&w);
    if (json_parse(p->config, &a, &n, NULL) == 0) {
        for (uint32_t i = 0; i < n->n; i++) {
            if (!str_is(n->members[i].key, key)) {
                jw_key_str(&w, n->members[i].key);
                jw_node(&w, n->members[i].value);
            }
        }
    }
    jw_key(&w, key);
    jw_raw(&w, json_value);
    jw_end_object(&w);
    p->config = arena_str(&c->arena, buf_str(&json));
    buf_finish(&json);
    arena_finish(&a);
}
