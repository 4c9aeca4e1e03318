/* SPDX-License-Identifier: Apache-2.0
 *
 * The file of rules through the border: faults at start and later, changes, files that go and come,
 * and more to say than the border takes at once.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../policy/rules/tree.h"
#include "../../unit/cmocka_all.h"
#include "base/mem.h"
#include "plug/policy.h"
#include "testkit.h"

struct rig {
    struct tk *tk;
    char dir[64], path[96];
    struct plug_inst *in;
    struct policy_watch *watch;
    uint32_t told;
    /* Of the last question. */
    bool done;
    trl_status st;
    int32_t verdict;
    char text[1024];
};

static void put(struct rig *r, const char *text) {
    char temporary[128];
    snprintf(temporary, sizeof(temporary), "%s.new", r->path);
    FILE *f = fopen(temporary, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(temporary, r->path), 0);
}

/* As a careless editor does: into the file itself. */
static void put_in_place(struct rig *r, const char *text) {
    FILE *f = fopen(r->path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int setup(void **state) {
    struct rig *r = mem_zalloc(sizeof(*r));
    r->tk = tk_create(false);
    snprintf(r->dir, sizeof(r->dir), "/tmp/trlrulesfile.XXXXXX");
    assert_non_null(mkdtemp(r->dir));
    snprintf(r->path, sizeof(r->path), "%s/r.yaml", r->dir);
    *state = r;
    return 0;
}

static int teardown(void **state) {
    struct rig *r = *state;
    policy_watch_end(r->watch);
    tk_close(r->tk, r->in);
    int failures = tk_destroy(r->tk);
    unlink(r->path);
    rmdir(r->dir);
    mem_free(r);
    return failures;
}

static void on_change(void *arg, str what) {
    struct rig *r = arg;
    r->told++;
    TK_CHECK(r->tk, what.len > 0);
}

static void on_end(void *arg, trl_status st) {
    struct rig *r = arg;
    r->watch = NULL;
    TK_CHECK_F(r->tk, false, "the watch broke: %s", err_name(st));
}

static void open_rules(struct rig *r) {
    char config[256];
    snprintf(config, sizeof(config), "{\"file\":\"%s\",\"poll_ms\":20}", r->path);
    r->in = tk_open(r->tk, TRL_KIND_POLICY, "rules", config, NULL, 0);
    assert_non_null(r->in);
    r->watch = policy_watch(r->in, on_change, on_end, r);
    assert_non_null(r->watch);
}

/* Starting is refused, for this reason. */
static void refused(struct rig *r, const char *path, const char *want) {
    char config[256];
    snprintf(config, sizeof(config), "{\"file\":\"%s\"}", path);
    struct plug_inst *in = tk_create_inst(r->tk, TRL_KIND_POLICY, "rules", config, NULL, 0);
    assert_non_null(in);
    trl_status st = tk_start(r->tk, in);
    TK_CHECK_ST(r->tk, st, TRL_E_INVALID);
    TK_CHECK_F(r->tk, strstr(tk_error(r->tk), want), "no '%s' in '%s'", want, tk_error(r->tk));
    tk_close(r->tk, in);
}

static void on_decided(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e) {
    struct rig *r = arg;
    (void)e;
    r->done = true;
    r->st = st;
    r->verdict = st == TRL_OK ? v->verdict : -1;
    snprintf(r->text, sizeof(r->text), "%.*s", st == TRL_OK ? (int)v->reasons.len : 0,
             st == TRL_OK && v->reasons.ptr ? v->reasons.ptr : "");
}

static int32_t decide(struct rig *r, const char *subject) {
    str s = str_c(subject);
    r->done = false;
    policy_decide(r->in, TRL_POINT_PUT, &s, 1, 0, on_decided, r);
    tk_until_set(r->tk, &r->done);
    TK_CHECK_ST(r->tk, r->st, TRL_OK);
    return r->verdict;
}

#define DENY_A "rules: [{name: a, match: {app: a}, verdict: deny}]\n"
#define DENY_B "rules: [{name: b, match: {app: b}, verdict: deny}]\n"

static bool is_warned(void *arg) {
    struct rig *r = arg;
    return tk_logged(r->tk, "stay in force");
}

static uint32_t count(str in, const char *needle) {
    uint32_t n = 0;
    for (const char *p = in.ptr; p && (p = strstr(p, needle)) != NULL; p++) {
        n++;
    }
    return n;
}

static void test_refused_at_start(void **state) {
    struct rig *r = *state;
    char want[160];
    refused(r, r->path, "cannot read");
    refused(r, r->dir, "no regular file");
    put(r, "rules:\n  - name: a\n    verdict: no\n");
    snprintf(want, sizeof(want), "%s:3:5: verdict 'no' is none of allow, warn, deny", r->path);
    refused(r, r->path, want);
    put(r, "rules: [\n");
    snprintf(want, sizeof(want), "%s:2:1: ", r->path);
    refused(r, r->path, want);
    put(r, "");
    refused(r, r->path, "nothing stands in it");
    char *huge = mem_alloc(FILE_MAX + 2); /* a comment, and one byte too many */
    memset(huge, '#', FILE_MAX + 1);
    huge[FILE_MAX + 1] = '\0';
    put(r, huge);
    refused(r, r->path, "more than 1048576 bytes");
    mem_free(huge);
}

/* What rules do not look at is left out of subjects: they must not say too little. */
static void test_looks(void **state) {
    static const struct {
        const char *match;
        uint32_t point, looks;
    } cases[] = {{"app: a", TRL_POINT_DEPLOY, 0},
                 {"image: a", TRL_POINT_DEPLOY, 0},
                 {"verb: scale", TRL_POINT_DEPLOY, TRL_LOOKS_PLAN},
                 {"verb: scale, host: {id: a}", TRL_POINT_DEPLOY, TRL_LOOKS_PLAN | TRL_LOOKS_HOST},
                 {"plan: {start: {over: 1}}", TRL_POINT_DEPLOY, TRL_LOOKS_PLAN},
                 {"app: a", TRL_POINT_COMMAND, 0},
                 {"host: {id: a}", TRL_POINT_COMMAND, TRL_LOOKS_HOST},
                 {"host: {name: a}", TRL_POINT_COMMAND, TRL_LOOKS_HOST},
                 {"host: {labels: {a: b}}", TRL_POINT_COMMAND, TRL_LOOKS_LABELS}};
    struct rig *r = *state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "rules: [{name: a, match: {%s}, verdict: deny}]\n",
                 cases[i].match);
        put(r, text);
        open_rules(r);
        uint32_t looks = policy_looks_at(r->in, cases[i].point);
        if (looks != cases[i].looks) {
            fail_msg("%s: %u", cases[i].match, looks);
        }
        policy_watch_end(r->watch);
        r->watch = NULL;
        tk_close(r->tk, r->in);
        r->in = NULL;
    }
}

static void test_changes(void **state) {
    struct rig *r = *state;
    put(r, DENY_A);
    open_rules(r);
    TK_CHECK(r->tk, decide(r, "{\"app\":\"a\"}") == TRL_V_DENY);
    TK_CHECK_F(r->tk, strstr(r->text, "r.yaml:1)"), "%s", r->text);
    put(r, DENY_B);
    tk_until_count(r->tk, &r->told, 1);
    TK_CHECK(r->tk, decide(r, "{\"app\":\"a\"}") == TRL_V_ABSTAIN);
    TK_CHECK(r->tk, decide(r, "{\"app\":\"b\"}") == TRL_V_DENY);
    TK_CHECK(r->tk, policy_points(r->in) == (1u << TRL_POINTS) - 1);
    put_in_place(r, "rules: []\n");
    tk_until_count(r->tk, &r->told, 2);
    TK_CHECK(r->tk, policy_points(r->in) == 0);
    put_in_place(r, DENY_A "# of the same length or not\n");
    tk_until_count(r->tk, &r->told, 3);
    TK_CHECK(r->tk, decide(r, "{\"app\":\"a\"}") == TRL_V_DENY);
}

/* The old rules hold, and one warning is said. */
static void test_broken_later(void **state) {
    struct rig *r = *state;
    put(r, DENY_A);
    open_rules(r);
    put(r, "rules: [{name: a, match: {apps: a}, verdict: deny}]\n");
    tk_until(r->tk, is_warned, r);
    TK_CHECK(r->tk, tk_logged(r->tk, "r.yaml:1:27: apps is nothing that a rule can look at"));
    TK_CHECK(r->tk, decide(r, "{\"app\":\"a\"}") == TRL_V_DENY);
    TK_CHECK(r->tk, r->told == 0);
    put(r, DENY_B); /* mended: the poller came by several times since */
    tk_until_count(r->tk, &r->told, 1);
    TK_CHECK(r->tk, count(tk_log(r->tk), "stay in force") == 1);
    TK_CHECK(r->tk, decide(r, "{\"app\":\"b\"}") == TRL_V_DENY);
}

static void test_gone_and_back(void **state) {
    struct rig *r = *state;
    put(r, DENY_A);
    open_rules(r);
    assert_int_equal(unlink(r->path), 0);
    tk_until(r->tk, is_warned, r);
    TK_CHECK(r->tk, tk_logged(r->tk, "No such file"));
    TK_CHECK(r->tk, decide(r, "{\"app\":\"a\"}") == TRL_V_DENY);
    put(r, DENY_B);
    tk_until_count(r->tk, &r->told, 1);
    TK_CHECK(r->tk, decide(r, "{\"app\":\"b\"}") == TRL_V_DENY);
    TK_CHECK(r->tk, count(tk_log(r->tk), "stay in force") == 1);
}

/* A file that is no file does not hang the looks. */
static void test_fifo(void **state) {
    struct rig *r = *state;
    assert_int_equal(mkfifo(r->path, 0600), 0);
    refused(r, r->path, "no regular file");
}

struct many {
    struct rig *r;
    bool done;
};

static void on_many(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e) {
    struct many *m = arg;
    size_t bytes = 0;
    (void)e;
    m->done = true;
    TK_CHECK_ST(m->r->tk, st, TRL_OK);
    for (uint32_t i = 0; st == TRL_OK && i < POLICY_BATCH; i++) {
        TK_CHECK(m->r->tk, v[i].verdict == TRL_V_DENY);
        bytes += v[i].reasons.len;
    }
    TK_CHECK_F(m->r->tk, bytes > 5u << 20, "only %zu bytes were said", bytes);
}

/* More bytes of reasons than a stream may hold: the rest comes by and by, all of it; and is given
 * up when nobody listens any more. name_bytes: long names make subjects that are decided about on
 * the pool, short ones on the loop. */
static void say_much(struct rig *r, int name_bytes) {
    struct many m = {r, false}, cancelled = {r, false};
    struct buf rules = BUF_INIT, subject = BUF_INIT;
    str subjects[POLICY_BATCH];
    buf_addf(&rules,
             "rules: [{name: a, unless: {image: {registry: r.io}}, verdict: deny, "
             "message: \"%0390d\", remedy: \"%0390d\"}]\n",
             1, 1);
    buf_add_str(&subject, STR("{\"units\":["));
    for (int i = 0; i < 16; i++) {
        buf_addf(&subject, "%s{\"name\":\"n%0*d\",\"image\":\"i/%0*d\"}", i ? "," : "", name_bytes,
                 i, name_bytes, i);
    }
    buf_add_str(&subject, STR("]}"));
    for (uint32_t i = 0; i < POLICY_BATCH; i++) {
        subjects[i] = buf_str(&subject);
    }
    put(r, rules.ptr);
    open_rules(r);
    policy_decide(r->in, TRL_POINT_PUT, subjects, POLICY_BATCH, 0, on_many, &m);
    struct policy_call *c =
        policy_decide(r->in, TRL_POINT_PUT, subjects, POLICY_BATCH, 0, on_many, &cancelled);
    policy_call_cancel(c);
    tk_until_set(r->tk, &m.done);
    m.done = false;
    policy_decide(r->in, TRL_POINT_PUT, subjects, POLICY_BATCH, 0, on_many, &m);
    put(r, DENY_B); /* the rules it began with are those it ends with */
    tk_until_count(r->tk, &r->told, 1);
    tk_until_set(r->tk, &m.done);
    TK_CHECK(r->tk, !cancelled.done);
    /* Stopped in the middle: the teardown checks that nothing is left. */
    put(r, rules.ptr);
    tk_until_count(r->tk, &r->told, 2);
    c = policy_decide(r->in, TRL_POINT_PUT, subjects, POLICY_BATCH, 0, on_many, &cancelled);
    policy_call_cancel(c);
    buf_finish(&rules);
    buf_finish(&subject);
}

static void test_much_on_the_loop(void **state) {
    say_much(*state, 1);
}

static void test_much_on_the_pool(void **state) {
    say_much(*state, 200);
}

static void on_error(void *arg, trl_status st, const struct policy_verdict *v, const trl_err *e) {
    struct rig *r = arg;
    r->done = true;
    TK_CHECK(r->tk, !v);
    TK_CHECK_ST(r->tk, st, TRL_E_INVALID);
    TK_CHECK_F(r->tk, e && strstr(e->msg, "subject 400 is no JSON object"), "%s", e ? e->msg : "");
}

/* A plan of many actions with a damaged subject behind it. */
static void test_damaged_on_the_pool(void **state) {
    struct rig *r = *state;
    struct buf subject = BUF_INIT;
    str subjects[POLICY_BATCH];
    buf_addf(&subject, "{\"app\":\"%0*d\"}", 20000, 1);
    for (uint32_t i = 0; i < POLICY_BATCH; i++) {
        subjects[i] = i == 400 ? STR("{\"app\":") : buf_str(&subject);
    }
    put(r, DENY_A);
    open_rules(r);
    r->done = false;
    policy_decide(r->in, TRL_POINT_PUT, subjects, POLICY_BATCH, 0, on_error, r);
    tk_until_set(r->tk, &r->done);
    buf_finish(&subject);
}

/* What the config says, or why not. */
static void test_configs(void **state) {
    static const struct {
        const char *config, *want;
    } t[] = {
        {"{}", "either file or rules"},
        {"{\"file\":\"/x\",\"rules\":[]}", "either file or rules"},
        {"{\"file\":\"/x\",\"default\":\"deny\"}", "/default with file it stands in the file"},
        {"{\"rules\":[{\"name\":\"a\",\"verdict\":\"deny\",\"match\":{\"ap\":\"x\"}}]}",
         "/rules/0/match/ap ap is nothing"},
        {"{\"rules\":[],\"default\":\"no\"}", "default"},
        {"{\"rules\":[],\"more\":1}", "more"},
        {"{\"file\":\"\"}", "file"},
    };
    struct rig *r = *state;
    for (size_t i = 0; i < ARRAY_LEN(t); i++) {
        struct plug_inst *in =
            tk_create_inst(r->tk, TRL_KIND_POLICY, "rules", t[i].config, NULL, 0);
        assert_null(in);
        TK_CHECK_F(r->tk, strstr(tk_error(r->tk), t[i].want), "no '%s' in '%s'", t[i].want,
                   tk_error(r->tk));
    }
}

/* The configurations of the README. */
static char *example(const char *name) {
    char path[512];
    char *text = mem_zalloc(4096);
    snprintf(path, sizeof(path), "%s/policy/rules/examples/%s", TRELLIS_SOURCE_DIR, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    assert_true(fread(text, 1, 4095, f) > 0);
    fclose(f);
    return text;
}

static void test_examples(void **state) {
    struct rig *r = *state;
    char *config = example("rules.json");
    r->in = tk_open(r->tk, TRL_KIND_POLICY, "rules", config, NULL, 0);
    assert_non_null(r->in);
    TK_CHECK(r->tk, decide(r, "{\"units\":[{\"image\":\"x.io/a:1\"}]}") == TRL_V_DENY);
    TK_CHECK_F(r->tk, strstr(r->text, "(config)"), "%s", r->text);
    TK_CHECK(r->tk, decide(r, "{\"units\":[{\"instances\":21}]}") == TRL_V_WARN);
    mem_free(config);
    config = example("file.json");
    char *filled = NULL;
    struct err err = ERR_INIT;
    TK_CHECK_F(r->tk,
               plug_check_config(tk_plug(r->tk), TRL_KIND_POLICY, "rules", str_c(config), &filled,
                                 &err) == 0,
               "%s", err.msg);
    mem_free(filled);
    mem_free(config);
}

#define FILE_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        FILE_TEST(test_refused_at_start),
        FILE_TEST(test_changes),
        FILE_TEST(test_broken_later),
        FILE_TEST(test_gone_and_back),
        FILE_TEST(test_fifo),
        FILE_TEST(test_looks),
        FILE_TEST(test_much_on_the_loop),
        FILE_TEST(test_much_on_the_pool),
        FILE_TEST(test_damaged_on_the_pool),
        FILE_TEST(test_configs),
        FILE_TEST(test_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
