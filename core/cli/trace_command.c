/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis trace NAME: one deployment as a tree of what was done, when, and how it went.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/trace.h"
#include "base/utc.h"
#include "cli/app_show.h"
#include "cli/output.h"
#include "codec/json.h"

#define DEPTH_MAX 32u
#define ALSO      5u

static str text(const struct node *n, const char *key) {
    return node_text(n, key, STR(""));
}

static str attribute(const struct node *span, const char *key) {
    return text(node_get(span, "attributes"), key);
}

static void add_duration(struct buf *out, uint64_t us) {
    if (us < 1000) {
        buf_addf(out, "%lluus", (unsigned long long)us);
    } else if (us < 1000000) {
        buf_addf(out, "%.1fms", (double)us / 1e3);
    } else if (us < 60000000) {
        buf_addf(out, "%.2fs", (double)us / 1e6);
    } else {
        buf_addf(out, "%llum%02llus", (unsigned long long)(us / 60000000),
                 (unsigned long long)(us / 1000000 % 60));
    }
}

static void add_time(struct buf *out, uint64_t us) {
    char line[UTC_TEXT];
    utc_text((int64_t)(us / 1000000), line);
    buf_addf(out, "%s", line);
}

static void about(const struct node *s, struct buf *out) {
    static const char *const things[] = {"unit", "link", "config", "version"};
    str host = attribute(s, "host"), reason = attribute(s, "reason"), point = attribute(s, "point");
    str actions = attribute(s, "actions"), cause = attribute(s, "deployment"),
        why = text(s, "text");
    for (size_t i = 0; i < ARRAY_LEN(things) && out->len == 0; i++) {
        buf_add_str(out, attribute(s, things[i]));
    }
    if (host.len) {
        buf_addf(out, " on %.*s", (int)(host.len > 8 ? 8 : host.len), host.ptr);
    }
    if (point.len) {
        buf_addf(out, "%.*s: %.*s", PSTR(point), PSTR(attribute(s, "verdict")));
    }
    if (actions.len) {
        buf_addf(out, "%s%.*s command%s", out->len ? ": " : "", PSTR(actions),
                 str_is(actions, "1") ? "" : "s");
    }
    if (cause.len) {
        buf_addf(out, "%sdeployed in trace %.*s", out->len ? ", " : "", PSTR(cause));
    }
    if (reason.len) {
        buf_addf(out, "%s(%.*s)", out->len ? " " : "", PSTR(reason));
    }
    if (why.len) {
        buf_addf(out, "%s%.*s", out->len ? ": " : "", PSTR(why));
    }
}

struct tree {
    const struct node *spans;
    struct table t;
    uint64_t begun_us;
    struct buf stem; /* what stands before the name */
    bool *shown;     /* owned; by index in spans */
};

static bool has_parent(const struct tree *t, const struct node *s) {
    str id = text(s, "parent");
    for (uint32_t i = 0; id.len && i < t->spans->n; i++) {
        if (str_eq(text(t->spans->items[i], "span"), id)) {
            return true;
        }
    }
    return false;
}

/* The next child of that span behind index i; parent ptr NULL: what has none here. spans->n: there
 * is none. */
static uint32_t next_child(const struct tree *t, str parent, uint32_t i) {
    for (; i < t->spans->n; i++) {
        const struct node *s = t->spans->items[i];
        bool child = parent.ptr ? str_eq(text(s, "parent"), parent) : !has_parent(t, s);
        if (child && !t->shown[i]) {
            break;
        }
    }
    return i;
}

static void add_row(struct tree *t, const struct node *s, const char *branch) {
    struct buf at = BUF_INIT, took = BUF_INIT, what = BUF_INIT;
    str outcome = text(s, "outcome");
    uint64_t start = node_u64_or(s, "start_us", 0);
    table_cellf(&t->t, "%.*s%s%.*s", PSTR(buf_str(&t->stem)), branch, PSTR(text(s, "name")));
    buf_addf(&at, "+");
    add_duration(&at, start > t->begun_us ? start - t->begun_us : 0);
    add_duration(&took, node_u64_or(s, "duration_us", 0));
    about(s, &what);
    table_cell(&t->t, buf_str(&at));
    table_cell(&t->t, buf_str(&took));
    table_cell(&t->t, str_is(outcome, "unset") ? STR("") : outcome);
    table_cell(&t->t, buf_str(&what));
    buf_finish(&at);
    buf_finish(&took);
    buf_finish(&what);
}

static void add_children(struct tree *t, str parent, uint32_t depth) {
    uint32_t i = next_child(t, parent, 0);
    while (i < t->spans->n && depth < DEPTH_MAX) {
        const struct node *s = t->spans->items[i];
        size_t stem = t->stem.len;
        t->shown[i] = true;
        uint32_t next = next_child(t, parent, i + 1);
        bool last = next >= t->spans->n;
        add_row(t, s, depth == 0 ? "" : last ? "└─ " : "├─ ");
        if (depth > 0) {
            buf_addf(&t->stem, "%s", last ? "   " : "│  ");
        }
        add_children(t, text(s, "span"), depth + 1);
        t->stem.len = stem;
        i = next;
    }
}

static void print_also(const struct node *data) {
    const struct node *list = node_get(data, "traces");
    struct buf at = BUF_INIT;
    uint32_t n = 0;
    for (uint32_t i = 0; list && i < list->n && n < ALSO; i++) {
        const struct node *o = list->items[i];
        if (!str_eq(text(o, "trace"), text(data, "trace"))) {
            buf_clear(&at);
            add_time(&at, node_u64_or(o, "start_us", 0));
            printf("%salso %.*s  %s  %.*s\n", n++ ? "" : "\n", PSTR(text(o, "trace")), at.ptr,
                   PSTR(text(o, "name")));
        }
    }
    buf_finish(&at);
}

static void print_tree(const struct cli *c, const struct node *data, const struct node *spans) {
    static const char *const head[] = {"SPAN", "AT", "TOOK", "RESULT", "ABOUT"};
    struct tree t = {.spans = spans, .stem = BUF_INIT};
    struct buf at = BUF_INIT;
    t.begun_us = node_u64_or(spans->items[0], "start_us", 0);
    t.shown = mem_array(spans->n, sizeof(bool));
    add_time(&at, t.begun_us);
    printf("trace %.*s  %.*s  %s\n\n", PSTR(text(data, "trace")), PSTR(text(data, "app")), at.ptr);
    table_init(&t.t, head, ARRAY_LEN(head));
    add_children(&t, STR_NONE, 0);
    table_print(&t.t, c->colour);
    print_also(data);
    buf_finish(&at);
    buf_finish(&t.stem);
    mem_free(t.shown);
}

static int print_none(const struct cli *c, const struct node *data) {
    return cli_fail(EXIT_NO,
                    "nothing of %s%s%.*s is kept by the server that answered: it started later, "
                    "newer spans took the room, the caller asked not to be traced, or another "
                    "server acts",
                    c->argv[0], text(data, "trace").len ? " in trace " : "",
                    PSTR(text(data, "trace")));
}

static int trace(struct cli *c) {
    const char *id = cli_option(c, "trace");
    struct buf ask = BUF_INIT, body = BUF_INIT;
    struct reply r = REPLY_INIT;
    struct trace_ctx checked;
    c->log.level = TRL_LOG_WARN; /* unlike what serves, it only asks */
    if (!app_name_fits(c->argv[0])) {
        return EXIT_USAGE;
    }
    if (id && !trace_id_parse(str_c(id), &checked)) {
        return cli_fail(EXIT_USAGE, "--trace: expected the 32 hex digits of a trace id, not %s",
                        id);
    }
    buf_addf(&ask, "trellis.api.%s.trace.get.%s", c->lattice, c->argv[0]);
    if (id) {
        buf_addf(&body, "{\"trace\":\"%s\"}", id);
    }
    int rc = reply_ask(c, buf_str(&ask), NULL, buf_str(&body), &r);
    const struct node *spans = rc == 0 ? node_get(r.data, "spans") : NULL;
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0 && (!spans || spans->n == 0)) {
        rc = print_none(c, r.data);
        print_also(r.data);
    } else if (rc == 0) {
        print_tree(c, r.data, spans);
    }
    reply_finish(&r);
    buf_finish(&ask);
    buf_finish(&body);
    return rc;
}

static const struct cli_opt options[] = {
    {"trace", 0, "ID", false, "this one instead of the newest deployment's"},
    {NULL, 0, NULL, false, NULL}};

const struct command cli_trace_commands[] = {
    {NULL, "trace", "NAME", 1, 1, "the last deployment as a tree: what was done, when, how it went",
     "From the call to what hosts reported. AT counts from the first span. What the server\n"
     "did later, because a host was lost, is a trace of its own, named at the end.\n",
     options, trace},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
