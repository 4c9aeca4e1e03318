/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis app events: what was done and why, one line each; with --follow what comes.
 */
#include <stdio.h>

#include "cli/app_show.h"
#include "cli/output.h"
#include "codec/json.h"
#include "codec/utf8.h"

#define FOLLOW_MS 3600000

static str text(const struct node *n, const char *key) {
    return node_text(n, key, STR(""));
}

/* A link's identity is several words. */
static void add_words(struct buf *out, str s) {
    for (size_t i = 0; i < s.len; i++) {
        buf_add_c(out, s.ptr[i] == '\n' ? ' ' : s.ptr[i]);
    }
}

/* "command": what, where, why, and how it went. */
static void add_command(struct buf *out, const struct node *n) {
    str host = text(n, "host"), why = text(n, "reason"), said = text(n, "text");
    buf_addf(out, "%.*s ", PSTR(text(n, "verb")));
    add_words(out, text(n, "subject"));
    if (host.len) {
        buf_addf(out, " on %.*s", (int)(host.len > 8 ? 8 : host.len), host.ptr);
    }
    buf_addf(out, ": %.*s", PSTR(text(n, "outcome")));
    if (why.len) {
        buf_addf(out, " (%.*s)", PSTR(why));
    }
    if (said.len) {
        buf_addf(out, ": %.*s", PSTR(said));
    }
}

static void print_event(const struct node *n) {
    struct buf out = BUF_INIT;
    str time = text(n, "time"), kind = text(n, "kind");
    buf_addf(&out, "%-24.*s  %-14.*s  %-16.*s  ", PSTR(time), PSTR(kind), PSTR(text(n, "app")));
    if (str_is(kind, "command")) {
        add_command(&out, n);
    } else if (text(n, "type").len) {
        buf_addf(&out, "%.*s", PSTR(text(n, "type")));
        if (text(n, "message").len) {
            buf_addf(&out, ": %.*s", PSTR(text(n, "message")));
        }
    } else {
        buf_addf(&out, "%.*s", PSTR(text(n, "version")));
    }
    while (out.len && out.ptr[out.len - 1] == ' ') {
        out.ptr[--out.len] = '\0';
    }
    struct buf line = BUF_INIT;
    utf8_add_visible(&line, buf_str(&out), "");
    printf("%s\n", line.ptr);
    buf_finish(&line);
    buf_finish(&out);
}

static void print(const struct cli *c, struct node *n) {
    struct buf out = BUF_INIT;
    struct jw w;
    if (c->format == FORMAT_TABLE) {
        print_event(n);
    } else if (c->format == FORMAT_JSON) {
        jw_init(&w, &out, false);
        jw_node(&w, n);
        printf("%s\n", out.ptr);
    } else {
        struct node *one[] = {n};
        struct node list = {.type = NODE_ARRAY, .items = one, .n = 1};
        output_yaml(&list, 0, &out);
        fwrite(out.ptr, 1, out.len, stdout);
    }
    buf_finish(&out);
}

/* wanted: of this application; NULL: all. */
static void print_message(const struct cli *c, str json, const char *wanted) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    if (json_parse(json, &a, &n, NULL) == 0 && (!wanted || str_is(text(n, "app"), wanted))) {
        print(c, n);
        output_flush();
    }
    arena_finish(&a);
}

static int subscribe(const struct cli *c, struct client *cl, struct err *e) {
    static const char *const before[] = {"trellis.cmd.", "trellis.evt."};
    static const char *const after[] = {"", ".>"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < 2; i++) {
        struct buf topic = BUF_INIT;
        buf_addf(&topic, "%s%s%s", before[i], c->lattice, after[i]);
        rc = client_subscribe(cl, buf_str(&topic), e);
        buf_finish(&topic);
    }
    return rc;
}

static int follow(const struct cli *c, struct client *cl, const char *wanted, struct err *e) {
    struct buf subject = BUF_INIT, body = BUF_INIT;
    int got = 0;
    while (got == 0 || got == TRL_E_TIMEOUT) {
        got = client_next(cl, FOLLOW_MS, &subject, &body, e);
        if (got == 0) {
            print_message(c, buf_str(&body), wanted);
        }
    }
    buf_finish(&subject);
    buf_finish(&body);
    return EXIT_UNREACHABLE;
}

int app_events(struct cli *c) {
    struct client *cl = NULL;
    struct err e = ERR_INIT;
    struct buf ask = BUF_INIT;
    struct reply r = {.verbatim = true};
    const char *wanted = c->argc ? c->argv[0] : NULL;
    if (wanted && !app_name_fits(wanted)) {
        return EXIT_USAGE;
    }
    if (client_open(&c->connect, &cl, &e) < 0) {
        return cli_fail(EXIT_UNREACHABLE, "%s", e.msg);
    }
    buf_addf(&ask, "trellis.api.%s.events.list%s%s", c->lattice, wanted ? "." : "",
             wanted ? wanted : "");
    int rc = c->follow && subscribe(c, cl, &e) < 0 ? EXIT_UNREACHABLE : 0;
    rc = rc ? rc : reply_ask_on(cl, buf_str(&ask), NULL, STR_NONE, &r, &e);
    for (uint32_t i = 0; rc == 0 && i < r.data->n; i++) {
        print(c, r.data->items[i]);
    }
    output_flush();
    if (rc == 0 && c->follow) {
        rc = follow(c, cl, wanted, &e);
    }
    if (rc) {
        cli_fail(rc, "%s", e.msg);
    }
    client_close(cl);
    reply_finish(&r);
    buf_finish(&ask);
    return rc;
}
