/* SPDX-License-Identifier: Apache-2.0 — trellis config check|explain. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/app_show.h"
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/output.h"
#include "codec/json.h"
#include "plane/config.h"
#include "plug/plug.h"

/* Members of plugins' configs that are nobody's business on a screen. */
static bool secret(str key) {
    static const char *const names[] = {"password", "token", "nkey_seed", "jwt"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_is(key, names[i])) {
            return true;
        }
    }
    return false;
}

static void hide_secrets(struct node *n) {
    for (uint32_t i = 0; i < n->n; i++) {
        if (n->type == NODE_ARRAY) {
            hide_secrets(n->items[i]);
        } else if (n->type == NODE_OBJECT && n->members[i].value->type == NODE_STRING &&
                   secret(n->members[i].key)) {
            n->members[i].value->text = STR("(hidden)");
        } else if (n->type == NODE_OBJECT) {
            hide_secrets(n->members[i].value);
        }
    }
}

/* Where in the file a JSON pointer into a plugin's block leads; as far as the block has it. */
static const struct node *place_of(const struct node *at, str pointer) {
    str rest = pointer;
    while (at && rest.len && rest.ptr[0] == '/') {
        str word = str_cut(str_skip(rest, 1), '/', &rest);
        uint64_t i;
        const struct node *next = at->type == NODE_OBJECT ? node_get_str(at, word)
                                  : at->type == NODE_ARRAY && str_u64(word, &i) && i < at->n
                                      ? at->items[i]
                                      : NULL;
        if (!next) {
            break;
        }
        at = next;
        rest = rest.ptr ? str_n(rest.ptr - 1, rest.len + 1) : STR_NONE;
    }
    return at;
}

/* A text of the border: one fault a line, each perhaps behind the pointer it is about. */
static void add_faults(struct findings *f, const struct plugin_choice *choice, const char *text) {
    str rest = str_c(text);
    while (rest.ptr && rest.len) {
        str line = str_cut(rest, '\n', &rest), message;
        size_t slash = 0;
        while (slash < line.len && line.ptr[slash] != '/') {
            slash++;
        }
        str pointer = str_cut(str_skip(line, slash), ' ', &message);
        bool points = slash < line.len && (slash == 0 || line.ptr[slash - 1] == ' ');
        const struct node *at = points ? place_of(choice->at, pointer) : choice->at;
        if (line.len) {
            findings_add(f, FINDING_ERROR, "config", choice->name, at ? at->line : 0,
                         at ? at->column : 0, line, STR(""));
        }
    }
}

/* Fills the defaults in. */
static void check_plugin(struct plug *p, struct config *config, const char *kind,
                         struct plugin_choice *choice, struct findings *f) {
    struct err e = ERR_INIT;
    char *name = str_dup(choice->name), *filled = NULL;
    if (plug_check_config(p, kind, name, choice->config, &filled, &e) < 0) {
        add_faults(f, choice, e.msg);
    } else {
        choice->config = arena_str(&config->arena, str_c(filled));
    }
    mem_free(filled);
    mem_free(name);
}

static int load_config(struct cli *c, struct config *config, struct findings *f, char **ret_path) {
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    const char *path = cli_option(c, "config");
    path = path ? path : c->argc ? c->argv[0] : NULL;
    config_defaults(config);
    *ret_path = mem_strdup(path ? path : "(built-in defaults)");
    if (!path) {
        return 0;
    }
    int rc = file_read(path, &text, &e);
    if (rc < 0) {
        cli_fail(EXIT_INPUT, "%s", e.msg);
    } else {
        config_parse(config, str_c(path), buf_str(&text), f);
    }
    buf_finish(&text);
    return rc;
}

static void check_all(struct cli *c, struct config *config, struct findings *f) {
    struct loop *loop = loop_create_uv(1);
    const char *dirs[32];
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->connect.n_plugin_dirs && n < 32; i++) {
        dirs[n++] = c->connect.plugin_dirs[i];
    }
    for (uint32_t i = 0; i < config->n_plugin_dirs && n < 32; i++) {
        dirs[n++] = config->plugin_dirs[i];
    }
    struct plug *p = plug_create(loop, &c->log, dirs, n);
    plug_allow(p, config->trust.trust, config->trust.allow, config->trust.n_allow);
    check_plugin(p, config, TRL_KIND_TRANSPORT, &config->transport, f);
    check_plugin(p, config, TRL_KIND_STORE, &config->store, f);
    for (uint32_t i = 0; i < config->n_drivers; i++) {
        check_plugin(p, config, TRL_KIND_DRIVER, &config->drivers[i], f);
    }
    for (uint32_t i = 0; i < config->n_extensions; i++) {
        check_plugin(p, config, TRL_KIND_EXTENSION, &config->extensions[i], f);
    }
    for (uint32_t i = 0; i < config->gates.n_policies; i++) {
        check_plugin(p, config, TRL_KIND_POLICY, &config->gates.policies[i].plugin, f);
    }
    for (uint32_t i = 0; i < config->gates.n_secrets; i++) {
        check_plugin(p, config, TRL_KIND_SECRETS, &config->gates.secrets[i].plugin, f);
    }
    for (uint32_t i = 0; i < config->n_scalers; i++) {
        check_plugin(p, config, TRL_KIND_SCALER, &config->scalers[i].plugin, f);
    }
    plug_destroy(p);
    loop_destroy(loop);
}

static void explain(struct cli *c, const struct config *config) {
    struct buf out = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    config_write(config, &out);
    if (json_parse(buf_str(&out), &a, &n, NULL) == 0) {
        hide_secrets(n);
        output_node(c->format == FORMAT_TABLE ? FORMAT_YAML : c->format, n);
    }
    arena_finish(&a);
    buf_finish(&out);
}

static int config_command(struct cli *c, bool explaining) {
    struct config config;
    struct findings f;
    char *path = NULL;
    findings_init(&f);
    int rc = load_config(c, &config, &f, &path) < 0 ? EXIT_INPUT : EXIT_DONE;
    if (rc == EXIT_DONE) {
        check_all(c, &config, &f);
        rc = f.errors ? EXIT_INPUT : EXIT_DONE;
        if (rc == EXIT_DONE && explaining) {
            explain(c, &config);
        } else {
            app_show_findings(c, &f, NULL, path);
        }
    }
    mem_free(path);
    findings_finish(&f);
    config_finish(&config);
    return rc;
}

static int config_check(struct cli *c) {
    return config_command(c, false);
}

static int config_explain(struct cli *c) {
    return config_command(c, true);
}

static const struct cli_opt for_config[] = {
    {"config", 'c', "FILE", false, "the file (or as argument)"}, {NULL, 0, NULL, false, NULL}};

const struct command cli_config_commands[] = {
    {"config", "check", "[FILE]", 0, 1, "check a configuration, every fault with its place",
     "Exit 5 when it has faults.\n", for_config, config_check},
    {"config", "explain", "[FILE]", 0, 1,
     "the configuration as it will be used, defaults filled in", "", for_config, config_explain},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
