/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis app logs, trellis app top: what instances write and use.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "cli/app_show.h"
#include "cli/output.h"
#include "cli/reply.h"
#include "codec/json.h"

#define FOLLOW_MS 300
#define SAMPLE_MS 500

static int64_t wall_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* "90s", "10m", "2h", "1d", or seconds since 1970; 0: neither. */
static int64_t since_ms(const char *text) {
    char *end;
    long long n = strtoll(text, &end, 10);
    int64_t unit = *end == 's' ? 1000 : *end == 'm' ? 60000 : *end == 'h' ? 3600000 : 86400000;
    if (end == text || n <= 0 || (*end && (!strchr("smhd", *end) || end[1]))) {
        return 0;
    }
    return *end ? wall_ms() - n * unit : n * 1000;
}

static str text(const struct node *n, const char *key) {
    return node_text(n, key, STR(""));
}

/* The end of an instance's name tells it from the others of its unit. */
static str tail_of(str instance) {
    return instance.len > 6 ? str_skip(instance, instance.len - 6) : instance;
}

static void print_line(const struct cli *c, const struct node *line) {
    str unit = text(line, "unit");
    uint64_t at = node_u64_or(line, "at_ms", 0);
    time_t seconds = (time_t)(at / 1000);
    struct tm tm;
    char when[32];
    if (c->format == FORMAT_JSON) {
        struct buf out = BUF_INIT;
        struct jw w;
        jw_init(&w, &out, false);
        jw_node(&w, line);
        printf("%s\n", out.ptr);
        buf_finish(&out);
        return;
    }
    gmtime_r(&seconds, &tm);
    strftime(when, sizeof(when), "%H:%M:%S", &tm);
    printf("%s.%03u %.*s/%.*s %s%.*s\n", when, (unsigned)(at % 1000), PSTR(unit),
           PSTR(tail_of(text(line, "instance"))), str_is(text(line, "stream"), "err") ? "! " : "",
           PSTR(text(line, "text")));
}

static void ask_body(const struct cli *c, int64_t since, const char *cursor, struct buf *out) {
    struct jw w;
    const char *lines = cli_option(c, "lines");
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv_u64(&w, "lines", lines ? strtoull(lines, NULL, 10) : 100);
    if (since) {
        jw_kv_u64(&w, "since_ms", (uint64_t)since);
    }
    if (cursor) {
        jw_kv(&w, "cursor", str_c(cursor));
    }
    jw_end_object(&w);
}

int app_logs(struct cli *c) {
    const char *given = cli_option(c, "since");
    int64_t since = given ? since_ms(given) : 0;
    struct client *cl = NULL;
    struct err e = ERR_INIT;
    struct buf subject = BUF_INIT;
    char *cursor = NULL;
    int rc = 0;
    if (!app_name_fits(c->argv[0])) {
        return EXIT_USAGE;
    }
    if (given && !since) {
        return cli_fail(EXIT_USAGE, "--since: write 90s, 10m, 2h, 1d or seconds since 1970");
    }
    if (client_open(&c->connect, &cl, &e) < 0) {
        return cli_fail(EXIT_UNREACHABLE, "%s", e.msg);
    }
    buf_addf(&subject, "trellis.api.%s.app.logs.%s", c->lattice, c->argv[0]);
    do {
        struct reply r = {.verbatim = true};
        struct buf body = BUF_INIT;
        ask_body(c, cursor ? 0 : since, cursor, &body);
        rc = reply_ask_on(cl, buf_str(&subject), NULL, buf_str(&body), &r, &e);
        const struct node *lines = rc == 0 ? node_get(r.data, "lines") : NULL;
        for (uint32_t i = 0; lines && i < lines->n; i++) {
            print_line(c, lines->items[i]);
        }
        output_flush();
        mem_free(cursor);
        cursor = rc == 0 ? str_dup(text(r.data, "cursor")) : NULL;
        uint32_t n = lines ? lines->n : 0;
        buf_finish(&body);
        reply_finish(&r);
        if (rc == 0 && c->follow && n == 0) {
            poll(NULL, 0, FOLLOW_MS);
        }
    } while (rc == 0 && c->follow);
    if (rc) {
        cli_fail(rc, "%s", e.msg);
    }
    mem_free(cursor);
    buf_finish(&subject);
    client_close(cl);
    return rc;
}

static uint64_t cpu_of(const struct node *list, str instance) {
    for (uint32_t i = 0; list && i < list->n; i++) {
        if (str_eq(text(list->items[i], "instance"), instance)) {
            return node_u64_or(list->items[i], "cpu_ms", 0);
        }
    }
    return 0;
}

static void print_top(struct cli *c, const struct node *before, const struct node *now,
                      int64_t ms) {
    static const char *const head[] = {"UNIT", "INSTANCE", "STATE", "PID",
                                       "CPU%", "MEMORY",   "FDS",   "RESTARTS"};
    struct table t;
    table_init(&t, head, ARRAY_LEN(head));
    for (uint32_t i = 0; now && i < now->n; i++) {
        const struct node *x = now->items[i];
        uint64_t cpu = node_u64_or(x, "cpu_ms", 0), was = cpu_of(before, text(x, "instance"));
        table_cell(&t, text(x, "unit"));
        table_cell(&t, tail_of(text(x, "instance")));
        table_cell(&t, text(x, "state"));
        table_cellf(&t, "%llu", (unsigned long long)node_u64_or(x, "pid", 0));
        table_cellf(&t, "%.1f", ms > 0 && cpu > was ? (double)(cpu - was) * 100 / (double)ms : 0);
        table_cellf(&t, "%.1fM", (double)node_u64_or(x, "rss_bytes", 0) / 1048576);
        table_cellf(&t, "%llu", (unsigned long long)node_u64_or(x, "fds", 0));
        table_cellf(&t, "%llu", (unsigned long long)node_u64_or(x, "restarts", 0));
    }
    table_print(&t, c->colour);
}

int app_top(struct cli *c) {
    struct buf subject = BUF_INIT;
    struct reply first = REPLY_INIT, second = REPLY_INIT;
    if (c->argc && !app_name_fits(c->argv[0])) {
        return EXIT_USAGE;
    }
    buf_addf(&subject, "trellis.api.%s.app.top%s%s", c->lattice, c->argc ? "." : "",
             c->argc ? c->argv[0] : "");
    int64_t from = wall_ms();
    int rc = reply_ask(c, buf_str(&subject), NULL, STR_NONE, &first);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, first.data);
    } else if (rc == 0) {
        poll(NULL, 0, SAMPLE_MS);
        rc = reply_ask(c, buf_str(&subject), NULL, STR_NONE, &second);
        if (rc == 0) {
            print_top(c, node_get(first.data, "instances"), node_get(second.data, "instances"),
                      wall_ms() - from);
        }
    }
    reply_finish(&first);
    reply_finish(&second);
    buf_finish(&subject);
    return rc;
}
