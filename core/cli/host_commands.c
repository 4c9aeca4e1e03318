/* SPDX-License-Identifier: Apache-2.0 — trellis host ..., trellis lattice ... */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/output.h"
#include "cli/reply.h"

static int ask(struct cli *c, const char *lattice, const char *operation, const char *name,
               struct reply *r) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "trellis.api.%s.%s%s%s", lattice, operation, name ? "." : "",
             name ? name : "");
    int rc = reply_ask(c, buf_str(&subject), NULL, STR_NONE, r);
    buf_finish(&subject);
    return rc;
}

static void labels(const struct node *host, struct buf *out) {
    const struct node *l = node_get(host, "labels");
    for (uint32_t i = 0; l && i < l->n; i++) {
        if (!str_starts(l->members[i].key, STR("hostcore."))) {
            buf_addf(out, "%s%.*s=%.*s", out->len ? "," : "", PSTR(l->members[i].key),
                     PSTR(l->members[i].value->text));
        }
    }
}

static int host_list(struct cli *c) {
    static const char *const head[] = {"ID",    "NAME",      "STATE", "VERSION",
                                       "UNITS", "INSTANCES", "SEEN",  "LABELS"};
    struct reply r = REPLY_INIT;
    int rc = ask(c, c->lattice, "host.list", NULL, &r);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        struct table t;
        table_init(&t, head, ARRAY_LEN(head));
        for (uint32_t i = 0; i < r.data->n; i++) {
            const struct node *h = r.data->items[i];
            struct buf text = BUF_INIT;
            labels(h, &text);
            table_cell(&t, node_text(h, "id", STR("")));
            table_cell(&t, node_text(h, "name", STR("")));
            table_cell(&t, node_text(h, "state", STR("")));
            table_cell(&t, node_text(h, "version", STR("")));
            table_cellf(&t, "%llu", (unsigned long long)node_u64_or(h, "units", 0));
            table_cellf(&t, "%llu", (unsigned long long)node_u64_or(h, "instances", 0));
            table_cellf(&t, "%llus ago",
                        (unsigned long long)node_u64_or(h, "seen_ms_ago", 0) / 1000);
            table_cell(&t, buf_str(&text));
            buf_finish(&text);
        }
        table_print(&t, c->colour);
    }
    reply_finish(&r);
    return rc;
}

static void print_running(struct cli *c, const struct node *running) {
    static const char *const head[] = {"ID", "KIND", "COUNT", "APP", "SPREAD", "HEALTH", "IMAGE"};
    struct table t;
    table_init(&t, head, ARRAY_LEN(head));
    for (uint32_t i = 0; running && i < running->n; i++) {
        const struct node *x = running->items[i];
        table_cell(&t, node_text(x, "id", STR("")));
        table_cell(&t, node_text(x, "kind", STR("")));
        table_cellf(&t, "%llu", (unsigned long long)node_u64_or(x, "count", 0));
        table_cell(&t, node_text(x, "app", STR("")));
        table_cell(&t, node_text(x, "spread", STR("")));
        table_cell(&t, node_text(x, "health", STR("")));
        table_cell(&t, node_text(x, "image", STR("")));
    }
    table_print(&t, c->colour);
}

/* Whose ID or name is, or else begins with, what was typed. ret: owned. */
static int full_id(struct cli *c, const char *typed, char **ret) {
    struct reply r = REPLY_INIT;
    const struct node *found = NULL;
    uint32_t n = 0;
    int rc = ask(c, c->lattice, "host.list", NULL, &r);
    for (int exact = 1; rc == 0 && n == 0 && exact >= 0; exact--) {
        for (uint32_t i = 0; i < r.data->n; i++) {
            str t = str_c(typed), id = node_text(r.data->items[i], "id", STR("")),
                name = node_text(r.data->items[i], "name", STR(""));
            if (exact ? str_eq(id, t) || str_eq(name, t)
                      : str_starts(id, t) || str_starts(name, t)) {
                found = r.data->items[i];
                n++;
            }
        }
    }
    if (rc == 0 && n == 1) {
        *ret = str_dup(node_text(found, "id", STR("")));
    } else if (rc == 0) {
        rc = cli_fail(EXIT_NO, "%s fits %u hosts in lattice %s: see `trellis host list`", typed, n,
                      c->lattice);
    }
    reply_finish(&r);
    return rc;
}

static int host_inspect(struct cli *c) {
    struct reply r = REPLY_INIT;
    char *id = NULL;
    int rc = full_id(c, c->argv[0], &id);
    rc = rc ? rc : ask(c, c->lattice, "host.inspect", id, &r);
    mem_free(id);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        struct buf text = BUF_INIT;
        labels(r.data, &text);
        printf("host     %.*s\nname     %.*s\nversion  %.*s\nstate    %.*s\nlabels   %s\n\n",
               PSTR(node_text(r.data, "id", STR(""))), PSTR(node_text(r.data, "name", STR(""))),
               PSTR(node_text(r.data, "version", STR(""))),
               PSTR(node_text(r.data, "state", STR(""))), text.len ? text.ptr : "-");
        print_running(c, node_get(r.data, "running"));
        buf_finish(&text);
    }
    reply_finish(&r);
    return rc;
}

static int lattice_list(struct cli *c) {
    static const char *const head[] = {"LATTICE", "HOSTS", "APPS", "DEPLOYED", "SETTLED"};
    struct reply r = REPLY_INIT;
    int rc = ask(c, "_", "lattice.list", NULL, &r);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        const struct node *l = node_get(r.data, "lattices");
        struct table t;
        table_init(&t, head, ARRAY_LEN(head));
        for (uint32_t i = 0; l && i < l->n; i++) {
            const struct node *x = l->items[i];
            table_cell(&t, node_text(x, "lattice", STR("")));
            table_cellf(&t, "%llu", (unsigned long long)node_u64_or(x, "hosts", 0));
            table_cellf(&t, "%llu", (unsigned long long)node_u64_or(x, "apps", 0));
            table_cellf(&t, "%llu", (unsigned long long)node_u64_or(x, "deployed", 0));
            table_cell(&t, node_bool_or(x, "settled", false) ? STR("yes") : STR("no"));
        }
        table_print(&t, c->colour);
        printf("store: %.*s\n", PSTR(node_text(node_get(r.data, "store"), "durability", STR("?"))));
    }
    reply_finish(&r);
    return rc;
}

const struct command cli_host_commands[] = {
    {"host", "list", "", 0, 0, "hosts of the lattice", "", NULL, host_list},
    {"host", "inspect", "ID", 1, 1, "one host and what runs on it",
     "The start of an ID or a name does when only one host fits.\n", NULL, host_inspect},
    {"lattice", "list", "", 0, 0,
     "lattices, their hosts and applications; how durable the store is", "", NULL, lattice_list},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
