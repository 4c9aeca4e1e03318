/* SPDX-License-Identifier: Apache-2.0
 *
 * For operators and plugin authors: plugin list|inspect, config check|explain.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/output.h"
#include "codec/json.h"
#include "codec/schema.h"
#include "plane/config.h"
#include "plug/plug.h"

struct listing {
    struct cli *c;
    struct table t;
    struct jw w;
    uint32_t bad;
};

static void list_one(void *arg, const struct plug_file_info *i, const char *error) {
    struct listing *l = arg;
    const trl_plugin *p = i->plugin;
    l->bad += error != NULL;
    struct buf kinds = BUF_INIT;
    for (const trl_component *const *k = p ? p->components : NULL; k && *k; k++) {
        buf_addf(&kinds, "%s%s:%s", kinds.len ? " " : "", (*k)->iface, (*k)->name);
    }
    if (l->c->format == FORMAT_TABLE) {
        table_cell(&l->t, kinds.len ? buf_str(&kinds) : STR_NONE);
        table_cell(&l->t, p ? str_c(p->version) : STR_NONE);
        table_cell(&l->t, str_c(i->path));
        table_cell(&l->t, error ? str_c(error) : STR("ok"));
    } else {
        jw_object(&l->w);
        jw_kv(&l->w, "path", str_c(i->path));
        jw_kv(&l->w, "components", kinds.len ? buf_str(&kinds) : STR(""));
        jw_kv(&l->w, "version", p ? str_c(p->version) : STR(""));
        jw_kv(&l->w, "error", error ? str_c(error) : STR(""));
        jw_end_object(&l->w);
    }
    buf_finish(&kinds);
}

static void print_json(struct cli *c, struct buf *json) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    if (json_parse(buf_str(json), &a, &n, NULL) == 0) {
        output_node(c->format, n);
    }
    arena_finish(&a);
}

static struct plug *plug_of(struct cli *c, struct loop **ret_loop) {
    *ret_loop = loop_create_uv(1);
    return plug_create(*ret_loop, &c->log, c->connect.plugin_dirs, c->connect.n_plugin_dirs);
}

static int plugin_list(struct cli *c) {
    static const char *const head[] = {"COMPONENTS", "VERSION", "LIBRARY", "STATE"};
    struct listing l = {.c = c};
    struct buf json = BUF_INIT;
    struct loop *loop;
    struct plug *p = plug_of(c, &loop);
    table_init(&l.t, head, 4);
    jw_init(&l.w, &json, false);
    jw_array(&l.w);
    plug_list(p, list_one, &l);
    jw_end_array(&l.w);
    if (c->format == FORMAT_TABLE) {
        table_print(&l.t, c->colour);
    } else {
        print_json(c, &json);
    }
    buf_finish(&json);
    plug_destroy(p);
    loop_destroy(loop);
    return l.bad ? EXIT_NO : EXIT_DONE;
}

static int plugin_inspect(struct cli *c) {
    if (c->argc != 1) {
        return cli_fail(EXIT_USAGE, "which library? trellis plugin inspect FILE");
    }
    struct plug_file_info i;
    struct err e = ERR_INIT;
    if (plug_inspect_file(c->argv[0], &i, &e) < 0) {
        return cli_fail(EXIT_INPUT, "%s", e.msg);
    }
    if (c->format == FORMAT_TABLE) {
        printf("library  %s\nnote     %s\n", i.path, i.note ? i.note : "(none)");
    } else {
        struct buf json = BUF_INIT;
        struct jw w;
        jw_init(&w, &json, false);
        jw_object(&w);
        jw_kv(&w, "path", str_c(i.path));
        jw_key(&w, "note");
        jw_raw(&w, i.note ? str_c(i.note) : STR("null"));
        jw_end_object(&w);
        print_json(c, &json);
        buf_finish(&json);
    }
    plug_file_info_finish(&i);
    return EXIT_DONE;
}

static void check_plugin(struct plug *p, const char *kind, const struct plugin_choice *choice,
                         struct findings *f, struct buf *filled) {
    struct err e = ERR_INIT;
    char *name = str_dup(choice->name), *config = NULL;
    if (plug_check_config(p, kind, name, choice->config, &config, &e) < 0) {
        findings_add(f, FINDING_ERROR, "config", choice->name, choice->at ? choice->at->line : 0,
                     choice->at ? choice->at->column : 0, str_c(e.msg), STR(""));
    } else if (filled) {
        buf_addf(filled, "%-14s %-10s %s\n", kind, name, config);
    }
    mem_free(config);
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
        rc = config_parse(config, str_c(path), buf_str(&text), f);
    }
    buf_finish(&text);
    return rc;
}

static void check_all(struct cli *c, struct config *config, struct findings *f,
                      struct buf *filled) {
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
    check_plugin(p, TRL_KIND_TRANSPORT, &config->transport, f, filled);
    check_plugin(p, TRL_KIND_STORE, &config->store, f, filled);
    for (uint32_t i = 0; i < config->n_drivers; i++) {
        check_plugin(p, TRL_KIND_DRIVER, &config->drivers[i], f, filled);
    }
    for (uint32_t i = 0; i < config->n_scalers; i++) {
        check_plugin(p, TRL_KIND_SCALER, &config->scalers[i].plugin, f, filled);
    }
    plug_destroy(p);
    loop_destroy(loop);
}

static int print_findings(const struct findings *f, const char *path) {
    struct buf line = BUF_INIT;
    for (uint32_t i = 0; i < f->n; i++) {
        buf_clear(&line);
        finding_format(&f->at[i], str_c(path), &line);
        fprintf(stderr, "%s\n", line.ptr);
    }
    buf_finish(&line);
    return f->errors ? EXIT_INPUT : EXIT_DONE;
}

static int config_command(struct cli *c, bool explain) {
    struct config config;
    struct findings f;
    struct buf filled = BUF_INIT;
    char *path = NULL;
    findings_init(&f);
    int rc = load_config(c, &config, &f, &path);
    if (rc == 0) {
        check_all(c, &config, &f, &filled);
    }
    rc = f.errors ? print_findings(&f, path) : rc < 0 ? EXIT_INPUT : EXIT_DONE;
    if (rc == EXIT_DONE && explain) {
        struct buf out = BUF_INIT;
        config_write(&config, &out);
        printf("%s\n\nEach plugin with its defaults filled in:\n%s", out.ptr, filled.ptr);
        buf_finish(&out);
    } else if (rc == EXIT_DONE) {
        printf("%s: ok\n", path);
    }
    mem_free(path);
    buf_finish(&filled);
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

const struct command cli_tool_commands[] = {
    {"plugin", "list", "", "plugins in the plugin directories, with their state",
     "Loads each library that passes the checks of its file. Exit 1 when one is unfit.\n",
     plugin_list},
    {"plugin", "inspect", "FILE", "what a plugin library says of itself, without running it",
     "Reads the ELF note; never maps the code.\n", plugin_inspect},
    {"config", "check", "[FILE]", "check a configuration, every fault with its place",
     "  -c, --config FILE   the file (or as argument)\n", config_check},
    {"config", "explain", "[FILE]", "the configuration as it will be used, defaults filled in",
     "  -c, --config FILE   the file (or as argument)\n", config_explain},
    {NULL, NULL, NULL, NULL, NULL, NULL},
};
