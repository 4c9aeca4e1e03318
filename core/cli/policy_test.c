/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/policy_test.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "cli/policy_cases.h"
#include "codec/json.h"
#include "plug/policy.h"
#include "policy/audit.h"
#include "policy/ruling.h"

#define PATIENCE_NS 10000000000ll

struct testing {
    struct cli *c;
    struct policy_cases cases;
    struct loop *loop;
    struct plug *plug;
    struct plug_inst *in;
    struct table table;
    struct buf details, json;
    struct jw w;
    uint32_t failed;
    /* Of what is under way. */
    bool done;
    trl_status st;
    char error[512];
    struct ruling *got;
    struct arena info; /* of the backend, once all cases were asked about */
    struct node *spoke;
};

static bool is_done(void *arg) {
    return ((struct testing *)arg)->done;
}

static void wait_for(struct testing *t) {
    if (!loop_run_until(t->loop, is_done, t, PATIENCE_NS)) {
        t->st = TRL_E_TIMEOUT;
        snprintf(t->error, sizeof(t->error), "no answer");
    }
    t->done = false;
}

static void keep_status(struct testing *t, trl_status st, const trl_err *e) {
    t->done = true;
    t->st = st;
    snprintf(t->error, sizeof(t->error), "%.*s", e ? (int)e->msg_len : 0, e ? e->msg : "");
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    keep_status(arg, st, e);
}

static void on_stopped(void *arg) {
    ((struct testing *)arg)->done = true;
}

static void on_decided(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e) {
    struct testing *t = arg;
    keep_status(t, st, e);
    if (st == TRL_OK) {
        t->got = ruling_new();
        t->got->verdict = TRL_V_ABSTAIN;
        ruling_add(t->got, STR("rules"), v->verdict, v->flags, v->ttl_ms, v->reasons);
    }
}

/* The backend, started. 0, or an exit code after saying why. */
static int open_backend(struct testing *t, const char *rules) {
    struct buf config = BUF_INIT;
    struct jw w;
    struct err e = ERR_INIT;
    t->loop = loop_create_uv(1);
    t->plug =
        plug_create(t->loop, &t->c->log, t->c->connect.plugin_dirs, t->c->connect.n_plugin_dirs);
    jw_init(&w, &config, false);
    jw_object(&w);
    jw_kv(&w, "file", str_c(rules));
    jw_end_object(&w);
    int rc =
        plug_inst_create(t->plug, TRL_KIND_POLICY, "rules", buf_str(&config), NULL, 0, &t->in, &e);
    buf_finish(&config);
    if (rc < 0) {
        return cli_fail(EXIT_FAILED, "%s", e.msg);
    }
    plug_inst_start(t->in, PATIENCE_NS, on_started, t);
    wait_for(t);
    return t->st == TRL_OK ? 0 : cli_fail(EXIT_INPUT, "%s", t->error);
}

static void close_backend(struct testing *t) {
    if (t->in) {
        plug_inst_stop(t->in, on_stopped, t);
        wait_for(t);
        plug_inst_destroy(t->in);
    }
    if (t->plug) {
        plug_destroy(t->plug);
        loop_destroy(t->loop);
    }
}

/* Is each text among the reasons' rules (codes)? */
static bool all_said(const struct node *wanted, const struct ruling *r, bool codes) {
    str want;
    for (uint32_t i = 0; (want = policy_case_text(wanted, i)).ptr; i++) {
        uint32_t k = 0;
        while (k < r->n_reasons && !str_eq(codes ? r->reasons[k].code : r->reasons[k].rule, want)) {
            k++;
        }
        if (k == r->n_reasons) {
            return false;
        }
    }
    return true;
}

static bool is_as_expected(const struct policy_case *pc, const struct ruling *r) {
    return r && r->verdict == pc->verdict && (!pc->stop_known || pc->stop == r->stop) &&
           all_said(pc->rules, r, false) && all_said(pc->codes, r, true);
}

static void add_texts(struct buf *out, const struct node *n, const char *before) {
    str text;
    for (uint32_t i = 0; (text = policy_case_text(n, i)).ptr; i++) {
        buf_addf(out, "%s%.*s", i ? "," : before, PSTR(text));
    }
}

/* "deny by ours, stop" */
static void add_expected(struct buf *out, const struct policy_case *pc) {
    buf_addf(out, "%s", ruling_word(pc->verdict));
    add_texts(out, pc->rules, " by ");
    add_texts(out, pc->codes, ", code ");
    buf_addf(out, "%s", !pc->stop_known ? "" : pc->stop ? ", stop" : ", start");
}

static void add_got(struct buf *out, const struct testing *t) {
    const struct ruling *r = t->got;
    if (!r) {
        buf_addf(out, "error %s: %s", err_name(t->st), t->error);
        return;
    }
    buf_addf(out, "%s", ruling_word(r->verdict));
    for (uint32_t i = 0, n = 0; i < r->n_reasons; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++) {
            again = again || str_eq(r->reasons[k].rule, r->reasons[i].rule);
        }
        if (!again && r->reasons[i].rule.len) {
            buf_addf(out, "%s%.*s", n++ ? "," : " by ", PSTR(r->reasons[i].rule));
        }
    }
    buf_addf(out, "%s", r->stop ? ", stop" : "");
}

static void show_row(struct testing *t, const struct policy_case *pc, bool ok, str expected,
                     str got) {
    table_cellf(&t->table, "%.*s:%u", PSTR(pc->file), pc->line);
    table_cell(&t->table, pc->name);
    table_cell(&t->table, str_c(policy_point_name(pc->point)));
    table_cell(&t->table, expected);
    table_cell(&t->table, got);
    table_cell(&t->table, ok ? STR("ok") : STR("FAILED"));
    for (uint32_t i = 0; !ok && t->got && i < t->got->n_reasons; i++) {
        const struct reason *r = &t->got->reasons[i];
        buf_addf(&t->details, "%.*s:%u: %.*s: code %.*s: %.*s\n", PSTR(pc->file), pc->line,
                 PSTR(pc->name), PSTR(r->code), PSTR(r->text));
    }
}

static void write_row(struct testing *t, const struct policy_case *pc, bool ok, str expected,
                      str got) {
    jw_object(&t->w);
    jw_kv(&t->w, "file", pc->file);
    jw_kv_u64(&t->w, "line", pc->line);
    jw_kv(&t->w, "case", pc->name);
    jw_kv(&t->w, "point", str_c(policy_point_name(pc->point)));
    jw_kv_bool(&t->w, "ok", ok);
    jw_kv(&t->w, "expected", expected);
    jw_kv(&t->w, "got", got);
    if (t->got) {
        ruling_write(t->got, &t->w);
    }
    jw_end_object(&t->w);
}

static void run_case(struct testing *t, const struct policy_case *pc) {
    struct buf expected = BUF_INIT, got = BUF_INIT;
    policy_decide(t->in, pc->point, &pc->subject, 1, PATIENCE_NS, on_decided, t);
    wait_for(t);
    bool ok = is_as_expected(pc, t->got);
    t->failed += !ok;
    add_expected(&expected, pc);
    add_got(&got, t);
    (t->c->format == FORMAT_TABLE ? show_row : write_row)(t, pc, ok, buf_str(&expected),
                                                          buf_str(&got));
    buf_finish(&expected);
    buf_finish(&got);
    ruling_unref(t->got);
    t->got = NULL;
}

static void on_info(void *arg, trl_status st, str json) {
    struct testing *t = arg;
    struct node *n = NULL;
    t->done = true;
    if (st == TRL_OK && json_parse(arena_str(&t->info, json), &t->info, &n, NULL) == 0) {
        t->spoke = node_get(n, "rules");
    }
}

/* Rules that no case made speak: a test that is not there. */
static void add_silent(struct testing *t, struct buf *out) {
    policy_info(t->in, on_info, t);
    wait_for(t);
    for (uint32_t i = 0; t->spoke && i < t->spoke->n; i++) {
        const struct node *r = t->spoke->items[i];
        if (node_u64_or(r, "spoke", 1) == 0) {
            str name = node_text(r, "name", STR(""));
            buf_addf(out, "%s%.*s", out->len ? ", " : "", PSTR(name));
        }
    }
}

static void print_all(struct testing *t) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    if (t->c->format == FORMAT_TABLE) {
        struct buf silent = BUF_INIT;
        add_silent(t, &silent);
        table_print(&t->table, t->c->colour);
        printf("\n%u case%s, %u failed\n", t->cases.all.n, t->cases.all.n == 1 ? "" : "s",
               t->failed);
        printf("%s", t->details.len ? t->details.ptr : "");
        if (silent.len) {
            printf("no case makes these rules speak: %s\n", silent.ptr);
        }
        buf_finish(&silent);
    } else if (json_parse(buf_str(&t->json), &a, &n, NULL) == 0) {
        output_node(t->c->format, n);
    }
    arena_finish(&a);
}

static int run_all(struct testing *t) {
    static const char *const head[] = {"FILE", "CASE", "POINT", "EXPECTED", "GOT", "RESULT"};
    table_init(&t->table, head, ARRAY_LEN(head));
    jw_init(&t->w, &t->json, false);
    jw_array(&t->w);
    for (uint32_t i = 0; i < t->cases.all.n; i++) {
        run_case(t, &t->cases.all.at[i]);
    }
    jw_end_array(&t->w);
    print_all(t);
    return t->failed ? EXIT_NO : EXIT_DONE;
}

int policy_test(struct cli *c) {
    struct testing t = {.c = c};
    struct err e = ERR_INIT;
    int rc = 0;
    for (int i = 1; rc == 0 && i < c->argc; i++) {
        if (policy_cases_read(&t.cases, c->argv[i], &e) < 0) {
            rc = cli_fail(EXIT_INPUT, "%s", e.msg);
        }
    }
    rc = rc ? rc : open_backend(&t, c->argv[0]);
    rc = rc ? rc : run_all(&t);
    close_backend(&t);
    policy_cases_finish(&t.cases);
    arena_finish(&t.info);
    buf_finish(&t.details);
    buf_finish(&t.json);
    return rc;
}
