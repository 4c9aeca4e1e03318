/* SPDX-License-Identifier: Apache-2.0
 *
 * For operators and plugin authors: plugin list|inspect.
 */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "codec/json.h"
#include "plug/plug.h"

struct listing {
    struct cli *c;
    struct table t;
    struct jw w;
    uint32_t bad;
};

/* What the library's note says; nothing of the library runs. */
static void read_note(const struct plug_file_info *i, struct arena *a, struct buf *abi, str *id,
                      str *version) {
    struct node *n = NULL;
    *id = *version = STR("");
    if (i->note && json_parse(str_c(i->note), a, &n, NULL) == 0) {
        *id = node_text(n, "id", STR(""));
        *version = node_text(n, "version", STR(""));
        buf_addf(abi, "%llu.%llu", (unsigned long long)node_u64_or(n, "abi_major", 0),
                 (unsigned long long)node_u64_or(n, "abi_minor_needed", 0));
    }
}

static void list_one(void *arg, const struct plug_file_info *i, const char *error) {
    struct listing *l = arg;
    struct arena a = ARENA_INIT;
    struct buf abi = BUF_INIT;
    str id, version;
    read_note(i, &a, &abi, &id, &version);
    l->bad += error != NULL;
    if (l->c->format == FORMAT_TABLE) {
        table_cell(&l->t, id);
        table_cell(&l->t, version);
        table_cell(&l->t, buf_str(&abi));
        table_cell(&l->t, str_c(i->path));
        table_cell(&l->t, error ? str_c(error) : STR("ok"));
    } else {
        jw_object(&l->w);
        jw_kv(&l->w, "path", str_c(i->path));
        jw_kv(&l->w, "id", id);
        jw_kv(&l->w, "version", version);
        jw_kv(&l->w, "abi", abi.len ? buf_str(&abi) : STR(""));
        jw_kv(&l->w, "error", error ? str_c(error) : STR(""));
        jw_end_object(&l->w);
    }
    buf_finish(&abi);
    arena_finish(&a);
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
    static const char *const head[] = {"ID", "VERSION", "ABI", "LIBRARY", "STATE"};
    struct listing l = {.c = c};
    struct buf json = BUF_INIT;
    struct loop *loop;
    struct plug *p = plug_of(c, &loop);
    table_init(&l.t, head, ARRAY_LEN(head));
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
    struct plug_file_info i;
    struct err e = ERR_INIT;
    if (plug_inspect_file(c->argv[0], &i, &e) < 0) {
        return cli_fail(EXIT_INPUT, "%s", e.msg);
    }
    if (c->format == FORMAT_TABLE) {
        struct arena a = ARENA_INIT;
        struct buf abi = BUF_INIT;
        str id, version;
        read_note(&i, &a, &abi, &id, &version);
        printf("library  %s\nid       %.*s\nversion  %.*s\nabi      %s\nsha256   %s\n", i.path,
               PSTR(id.len ? id : STR("-")), PSTR(version.len ? version : STR("-")),
               abi.len ? abi.ptr : "- (no note: not built with the SDK's rules?)", i.sha256);
        buf_finish(&abi);
        arena_finish(&a);
    } else {
        struct buf json = BUF_INIT;
        struct jw w;
        jw_init(&w, &json, false);
        jw_object(&w);
        jw_kv(&w, "path", str_c(i.path));
        jw_kv(&w, "sha256", str_c(i.sha256));
        jw_key(&w, "note");
        jw_raw(&w, i.note ? str_c(i.note) : STR("null"));
        jw_end_object(&w);
        print_json(c, &json);
        buf_finish(&json);
    }
    plug_file_info_finish(&i);
    return EXIT_DONE;
}

const struct command cli_tool_commands[] = {
    {"plugin", "list", "", 0, 0, "plugins in the plugin directories, with their state",
     "Exit 1 when one is unfit.\n", NULL, plugin_list},
    {"plugin", "inspect", "FILE", 1, 1, "what a plugin library says of itself, without running it",
     "Reads the ELF note; never maps the code.\n", NULL, plugin_inspect},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
