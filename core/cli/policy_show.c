/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy_show.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/files.h"
#include "cli/output.h"
#include "cli/reply.h"
#include "codec/json.h"

static int ask(struct cli *c, const char *operation, const char *name, str body, struct reply *r) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "trellis.api.%s.%s%s%s", c->lattice, operation, name ? "." : "",
             name ? name : "");
    int rc = reply_ask(c, buf_str(&subject), NULL, body, r);
    buf_finish(&subject);
    return rc;
}

static void join(const struct node *list, struct buf *out) {
    for (uint32_t i = 0; list && i < list->n; i++) {
        buf_addf(out, "%s%.*s", i ? "," : "", PSTR(list->items[i]->text));
    }
}

static void print_backends(struct cli *c, const struct node *data) {
    static const char *const head[] = {"NAME", "PLUGIN", "POINTS", "ON ERROR ALLOW", "TIMEOUT"};
    const struct node *list = node_get(data, "backends"), *n = node_get(data, "decisions");
    struct table t;
    table_init(&t, head, ARRAY_LEN(head));
    for (uint32_t i = 0; list && i < list->n; i++) {
        const struct node *b = list->items[i];
        struct buf points = BUF_INIT, open = BUF_INIT;
        join(node_get(b, "points"), &points);
        join(node_get(b, "allow_on_error"), &open);
        table_cell(&t, node_text(b, "name", STR("")));
        table_cell(&t, node_text(b, "plugin", STR("")));
        table_cell(&t, buf_str(&points));
        table_cell(&t, open.len ? buf_str(&open) : STR("-"));
        table_cellf(&t, "%llums", (unsigned long long)node_u64_or(b, "timeout_ms", 0));
        buf_finish(&points);
        buf_finish(&open);
    }
    table_print(&t, c->colour);
    printf("%llu allowed, %llu with a warning, %llu denied; %llu answered from memory; %llu calls, "
           "%llu failed\n",
           (unsigned long long)node_u64_or(n, "allow", 0),
           (unsigned long long)node_u64_or(n, "warn", 0),
           (unsigned long long)node_u64_or(n, "deny", 0),
           (unsigned long long)node_u64_or(n, "kept", 0),
           (unsigned long long)node_u64_or(n, "calls", 0),
           (unsigned long long)node_u64_or(n, "failures", 0));
}

int policy_list(struct cli *c) {
    struct reply r = REPLY_INIT;
    int rc = ask(c, "policy.list", NULL, STR_NONE, &r);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        print_backends(c, r.data);
    }
    reply_finish(&r);
    return rc;
}

/* The log */

/* Whose reason it is, or whom it was asked of. */
static void cell_by(struct table *t, const struct node *record, const struct node *reason) {
    const struct node *asked = node_get(record, "backends");
    struct buf names = BUF_INIT;
    for (uint32_t i = 0; !reason && asked && i < asked->n; i++) {
        buf_addf(&names, "%s%.*s", i ? "," : "", PSTR(asked->items[i]->text));
    }
    table_cell(t, node_text(reason, "backend", names.len ? buf_str(&names) : STR("-")));
    buf_finish(&names);
}

static void print_records(struct cli *c, const struct node *records) {
    static const char *const head[] = {"TIME", "POINT", "VERDICT", "WHAT", "LATTICE", "BY", "WHY"};
    struct table t;
    table_init(&t, head, ARRAY_LEN(head));
    for (uint32_t i = 0; records && i < records->n; i++) {
        const struct node *x = records->items[i], *reasons = node_get(x, "reasons");
        const struct node *first = reasons && reasons->n ? reasons->items[0] : NULL;
        uint64_t count = node_u64_or(x, "count", 1);
        table_cell(&t, node_text(x, "time", STR("")));
        table_cell(&t, node_text(x, "point", STR("")));
        table_cell(&t, node_text(x, "verdict", STR("")));
        if (count > 1) {
            table_cellf(&t, "%.*s (+%llu)", PSTR(node_text(x, "what", STR(""))),
                        (unsigned long long)count - 1);
        } else {
            table_cell(&t, node_text(x, "what", STR("")));
        }
        table_cell(&t, node_text(x, "lattice", STR("-")));
        cell_by(&t, x, first);
        table_cell(&t, node_text(first, "text", STR("")));
    }
    table_print(&t, c->colour);
}

const struct cli_opt policy_log_options[] = {
    {"verdict", 0, "VERDICT", false, "only allow, warn or deny"},
    {"since", 0, "MINUTES", false, "only the last so many minutes"},
    {"limit", 'n', "COUNT", false, "so many, the newest (100)"},
    {NULL, 0, NULL, false, NULL}};

static int number(const char *text, uint64_t *ret) {
    return str_u64(str_c(text), ret) ? 0 : cli_fail(EXIT_USAGE, "%s: a number is needed", text);
}

int policy_log(struct cli *c) {
    const char *verdict = cli_option(c, "verdict"), *since = cli_option(c, "since");
    const char *limit = cli_option(c, "limit");
    uint64_t minutes = 0, n = 100;
    struct reply r = REPLY_INIT;
    struct buf body = BUF_INIT;
    struct jw w;
    int rc = since ? number(since, &minutes) : 0;
    rc = rc || !limit ? rc : number(limit, &n);
    if (rc) {
        return rc;
    }
    jw_init(&w, &body, false);
    jw_object(&w);
    jw_kv_u64(&w, "limit", n);
    if (verdict) {
        jw_kv(&w, "verdict", str_c(verdict));
    }
    if (since) {
        jw_kv_u64(&w, "since_ms", ((uint64_t)time(NULL) - minutes * 60) * 1000);
    }
    jw_end_object(&w);
    rc = ask(c, "policy.log", c->argc ? c->argv[0] : NULL, buf_str(&body), &r);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        print_records(c, node_get(r.data, "records"));
    }
    buf_finish(&body);
    reply_finish(&r);
    return rc;
}

/* Explaining */

void policy_print(struct cli *c, const struct node *policy) {
    str verdict = node_text(policy, "verdict", STR("allow"));
    const struct node *reasons = node_get(policy, "reasons");
    if (!policy) {
        printf("Policy: nobody is asked\n");
        return;
    }
    const char *colour = !c->colour                ? ""
                         : str_is(verdict, "deny") ? "\033[31m"
                         : str_is(verdict, "warn") ? "\033[33m"
                                                   : "\033[32m";
    printf("Policy: %s%.*s%s\n", colour, PSTR(verdict), COLOUR_OFF(c->colour));
    for (uint32_t i = 0; reasons && i < reasons->n; i++) {
        const struct node *x = reasons->items[i];
        str rule = node_text(x, "rule", STR_NONE), path = node_text(x, "path", STR_NONE);
        str remedy = node_text(x, "remedy", STR_NONE);
        printf("  %.*s\n", PSTR(node_text(x, "text", STR(""))));
        printf("    by %.*s%s%.*s%s%.*s\n", PSTR(node_text(x, "backend", STR(""))),
               rule.len ? ", rule " : "", PSTR(rule), path.len ? ", at " : "", PSTR(path));
        if (remedy.len) {
            printf("    %.*s\n", PSTR(remedy));
        }
    }
}

static bool is_file(const char *arg) {
    FILE *f = strcmp(arg, "-") == 0 ? NULL : fopen(arg, "r");
    bool yes = f != NULL || strcmp(arg, "-") == 0;
    if (f) {
        fclose(f);
    }
    return yes;
}

/* The verdict of the deploy chain is part of every plan. */
int policy_explain(struct cli *c) {
    struct reply r = REPLY_INIT;
    struct buf text = BUF_INIT;
    struct err e = ERR_INIT;
    int rc;
    if (is_file(c->argv[0])) {
        if (file_read_manifest(c->argv[0], &text, &e) < 0) {
            return cli_fail(EXIT_INPUT, "%s", e.msg);
        }
        rc = ask(c, "app.plan", NULL, buf_str(&text), &r);
    } else {
        rc = ask(c, "app.plan", c->argv[0], STR_NONE, &r);
    }
    const struct node *policy = node_get(r.data, "policy");
    if (rc == 0 && c->format != FORMAT_TABLE) {
        struct node none = {.type = NODE_NULL};
        output_node(c->format, policy ? policy : &none);
    } else if (rc == 0) {
        policy_print(c, policy);
    } else {
        reply_findings(&r, c->argv[0]);
    }
    if (rc == 0 && str_is(node_text(policy, "verdict", STR_NONE), "deny")) {
        rc = EXIT_DENIED;
    }
    buf_finish(&text);
    reply_finish(&r);
    return rc;
}
