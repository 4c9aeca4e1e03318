/* SPDX-License-Identifier: Apache-2.0
 *
 * The policy suite: the cases.
 */
#include <stdio.h>

#include "base/mem.h"
#include "base/rand.h"
#include "codec/json.h"
#include "suite_policy_priv.h"

#define MANY_CALLS 64

struct rig {
    const struct suite_policy *p;
    struct rng rng;
    struct heard *alone; /* what each case got when asked about alone */
    /* In the air when the backend is stopped. */
    struct deciding air[MANY_CALLS];
    struct call watch, info;
};

static struct rig *rig_of(struct suite *s) {
    return s->user;
}

/* Cases of the same point are asked about together. */
static bool case_of_point(const struct rig *r, uint32_t nth, uint32_t point, uint32_t *ret) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < r->p->n_cases; i++) {
        n += r->p->cases[i].point == point;
    }
    for (uint32_t i = 0, k = n ? nth % n : 0; n && i < r->p->n_cases; i++) {
        if (r->p->cases[i].point == point && k-- == 0) {
            *ret = i;
            return true;
        }
    }
    return false;
}

static void begin_one(struct suite *s, struct deciding *d, uint32_t point, str subject) {
    deciding_begin(s, d, point, &subject, 1, 0);
}

static void points_are_known(struct suite *s) {
    const trl_policy_v1 *t = policy_of(s);
    uint32_t all = (1u << TRL_POINTS) - 1, points = t->points ? t->points(s->raw) : all;
    CHECK(s, (points & ~all) == 0, "points() has bits beyond the points: %#x", points);
    CHECK(s, !t->points || t->points(s->raw) == points, "points() says another thing now");
    for (uint32_t i = 0; i < rig_of(s)->p->n_cases; i++) {
        const struct suite_policy_case *c = &rig_of(s)->p->cases[i];
        CHECK(s, points & (1u << c->point) || c->verdict <= TRL_V_ABSTAIN,
              "case %u is at a point that points() leaves out", i);
    }
}

static void cases_alone(struct suite *s) {
    struct rig *r = rig_of(s);
    for (uint32_t i = 0; i < r->p->n_cases; i++) {
        const struct suite_policy_case *c = &r->p->cases[i];
        for (int again = 0; again < 2; again++) {
            struct deciding d;
            begin_one(s, &d, c->point, str_c(c->subject));
            deciding_wait(&d);
            const struct heard *h = &d.heard[0];
            CHECK(s, d.st == TRL_OK, "case %u: %s %s", i, err_name(d.st), d.msg);
            CHECK(s, c->verdict == SUITE_ANY_VERDICT || h->verdict == c->verdict,
                  "case %u: verdict %d, not %d: %s", i, h->verdict, c->verdict,
                  h->reasons ? h->reasons : "");
            CHECK(s, !c->reason || (h->reasons && strstr(h->reasons, c->reason)),
                  "case %u: no '%s' in: %s", i, c->reason, h->reasons ? h->reasons : "");
            if (!again) {
                r->alone[i] = *h;
                r->alone[i].reasons = mem_strdup(h->reasons ? h->reasons : "");
            }
            deciding_free(&d);
        }
    }
}

/* n subjects of one point in one call; each gets what it got alone. */
static void ask_batch(struct suite *s, uint32_t point, uint32_t n) {
    struct rig *r = rig_of(s);
    struct deciding d;
    str *subjects = mem_array(n ? n : 1, sizeof(*subjects));
    uint32_t *which = mem_array(n ? n : 1, sizeof(*which));
    for (uint32_t i = 0; i < n; i++) {
        case_of_point(r, i, point, &which[i]);
        subjects[i] = str_c(r->p->cases[which[i]].subject);
    }
    deciding_begin(s, &d, point, subjects, n, 0);
    deciding_wait(&d);
    CHECK(s, d.st == TRL_OK, "%u subjects: %s %s", n, err_name(d.st), d.msg);
    for (uint32_t i = 0; i < n && d.st == TRL_OK; i++) {
        const struct heard *a = &r->alone[which[i]], *b = &d.heard[i];
        CHECK(s, a->verdict == b->verdict && a->flags == b->flags,
              "case %u: verdict %d alone, %d as %u of %u", which[i], a->verdict, b->verdict, i, n);
        CHECK(s, b->reasons && strcmp(a->reasons, b->reasons) == 0,
              "case %u: other reasons as %u of %u: %s", which[i], i, n,
              b->reasons ? b->reasons : "");
    }
    deciding_free(&d);
    mem_free(subjects);
    mem_free(which);
}

static void batches(struct suite *s) {
    static const uint32_t sizes[] = {0, 1, 2, 3, 7, 64, 511, 512};
    for (uint32_t point = 0; point < TRL_POINTS; point++) {
        uint32_t any;
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            if (sizes[i] == 0 || case_of_point(rig_of(s), 0, point, &any)) {
                ask_batch(s, point, sizes[i]);
            }
        }
    }
}

/* Whatever it says, it says it by one verdict or an error, and goes on. */
static void ask_odd(struct suite *s, uint32_t point, str subject, bool must_fail) {
    struct deciding d;
    begin_one(s, &d, point, subject);
    deciding_wait(&d);
    CHECK(s, !must_fail || d.st != TRL_OK, "taken for a subject: %.*s",
          (int)(subject.len < 200 ? subject.len : 200), subject.ptr);
    deciding_free(&d);
}

static void damaged_subjects(struct suite *s) {
    static const char *const bad[] = {"",
                                      " ",
                                      "{",
                                      "}",
                                      "nope",
                                      "{\"app\":}",
                                      "{\"app\":\"x\"",
                                      "{}x",
                                      "{},\"more\":{}",
                                      "\"\\ud800",
                                      "\xff\xfe",
                                      "{\"a\" 1}",
                                      "[{}",
                                      "null",
                                      "7",
                                      "\"x\"",
                                      "[]",
                                      "true"};
    static const char *const odd[] = {
        "{}",
        "{\"app\":\"\xff\"}",
        "{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]"
        "]]]]]]]}",
        "{\"app\":7,\"units\":{},\"links\":\"x\",\"secrets\":null,\"host\":[],\"caller\":1}",
        "{\"units\":[null,7,\"x\",[],{\"name\":{}}],\"links\":[{}],\"secrets\":[{}]}",
        "{\"plan\":[],\"manifest\":7,\"host\":{\"labels\":[]},\"unit\":\"web\",\"count\":-1}",
        "{\"plan\":{\"actions\":{},\"counts\":[]},\"units\":[{\"instances\":-1}]}",
        "{\"units\":[{\"instances\":1e300}],\"count\":18446744073709551616}",
        "{\"app\":\"a\\u0000b\",\"secret\":{\"key\":[]},\"entity\":null,\"properties\":[]}",
    };
    str two[2];
    struct deciding d;
    for (uint32_t point = 0; point < TRL_POINTS; point++) {
        for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
            ask_odd(s, point, str_c(bad[i]), true);
        }
        for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
            ask_odd(s, point, str_c(odd[i]), false);
        }
    }
    two[0] = str_c(rig_of(s)->p->cases[0].subject);
    two[1] = STR("{\"app\":");
    deciding_begin(s, &d, rig_of(s)->p->cases[0].point, two, 2, 0);
    deciding_wait(&d);
    CHECK(s, d.st != TRL_OK, "one of two subjects is damaged, and the call succeeds");
    deciding_free(&d);
}

/* Bytes of good subjects changed, or their end cut off. */
static void mutated_subjects(struct suite *s) {
    static const char bytes[] = "\"\\{}[],:0-9.eE nulltrue/*@\x01\x80\xff";
    struct rig *r = rig_of(s);
    for (int i = 0; i < 400; i++) {
        const struct suite_policy_case *c = &r->p->cases[rng_below(&r->rng, r->p->n_cases)];
        size_t len = strlen(c->subject);
        char *text = mem_dup(c->subject, len);
        for (uint64_t n = rng_below(&r->rng, 4); n > 0; n--) {
            text[rng_below(&r->rng, len)] = bytes[rng_below(&r->rng, sizeof(bytes) - 1)];
        }
        ask_odd(s, c->point, str_n(text, i % 4 ? len : rng_below(&r->rng, len)), false);
        mem_free(text);
    }
}

/* A plan of thousands of actions: a verdict, or an error that says so. */
static void huge_subject(struct suite *s) {
    struct buf text = BUF_INIT;
    buf_add_str(&text, STR("{\"point\":\"deploy\",\"app\":\"huge\",\"units\":["));
    for (int i = 0; i < 2000; i++) {
        buf_addf(&text,
                 "%s{\"name\":\"u%d\",\"kind\":\"component\",\"path\":\"/spec/components/%d\","
                 "\"image\":\"registry.example.com/some/where/web:%d.0.0\"}",
                 i ? "," : "", i, i, i);
    }
    buf_add_str(&text, STR("],\"plan\":{\"actions\":["));
    for (int i = 0; i < 8000; i++) {
        buf_addf(&text,
                 "%s{\"verb\":\"scale\",\"host\":\"NHOST%d\",\"unit\":\"u%d\",\"count\":1,"
                 "\"reason\":\"%d more\"}",
                 i ? "," : "", i % 100, i % 2000, i);
    }
    buf_add_str(&text, STR("]}}"));
    ask_odd(s, TRL_POINT_DEPLOY, buf_str(&text), false);
    buf_finish(&text);
}

static void many_at_once(struct suite *s) {
    struct rig *r = rig_of(s);
    struct deciding d[MANY_CALLS];
    for (uint32_t i = 0; i < MANY_CALLS; i++) {
        const struct suite_policy_case *c = &r->p->cases[i % r->p->n_cases];
        begin_one(s, &d[i], c->point, str_c(c->subject));
    }
    for (uint32_t i = 0; i < MANY_CALLS; i++) {
        const struct heard *want = &r->alone[i % r->p->n_cases];
        deciding_wait(&d[i]);
        CHECK(s, d[i].st == TRL_OK && d[i].heard[0].verdict == want->verdict,
              "call %u of %u at once: %s %s", i, MANY_CALLS, err_name(d[i].st), d[i].msg);
        deciding_free(&d[i]);
    }
}

/* Deadlines that are over at once, calls that are cancelled, calls that nobody waits for. */
static void ended_early(struct suite *s) {
    struct rig *r = rig_of(s);
    for (uint32_t i = 0; i < 3 * r->p->n_cases; i++) {
        const struct suite_policy_case *c = &r->p->cases[i / 3];
        str subject = str_c(c->subject);
        struct deciding d;
        deciding_begin(s, &d, c->point, &subject, 1, i % 3 == 0 ? 1 : 0);
        if (i % 3 == 1 && d.op) {
            op_cancel(d.op);
        }
        if (i % 3 < 2) {
            deciding_wait(&d);
            CHECK(s, d.st == TRL_OK || d.st == (i % 3 ? TRL_E_CANCELLED : TRL_E_TIMEOUT),
                  "ended early, and told %s", err_name(d.st));
        }
        deciding_free(&d);
    }
    suite_settle(s);
    const struct suite_policy_case *c = &r->p->cases[0];
    ask_batch(s, c->point, 5);
}

static void check_told(struct suite *s, const struct call *w, uint32_t from) {
    for (uint32_t i = from; i < w->n_got; i++) {
        str text = w->got[i].value;
        CHECK(s, text.len > 0 && text.len <= 1024, "what changed is told in %zu bytes", text.len);
        CHECK(s, text.len == 0 || !memchr(text.ptr, '\n', text.len), "several lines: %.*s",
              PSTR(text));
    }
}

static void watches(struct suite *s) {
    const struct suite_policy *p = rig_of(s)->p;
    struct call a, b;
    CHECK(s, policy_of(s)->watch || !p->change, "rules change, and there is no watch()");
    if (!policy_of(s)->watch) {
        return;
    }
    watching_begin(s, &a);
    call_cancel(&a);
    CHECK_ST(s, a.st, TRL_E_CANCELLED);
    call_free(&a);
    watching_begin(s, &a);
    watching_begin(s, &b);
    suite_settle(s);
    CHECK(s, !a.done && !b.done, "a watch ends by itself: %s %s", err_name(a.done ? a.st : b.st),
          a.done ? a.msg : b.msg);
    for (int i = 0; p->change && i < 3; i++) {
        uint32_t had_a = a.n_got, had_b = b.n_got;
        p->change(p->arg);
        call_wait_got(&a, had_a + 1);
        call_wait_got(&b, had_b + 1);
        points_are_known(s);
        ask_batch(s, p->cases[0].point, 3);
    }
    check_told(s, &a, 0);
    check_told(s, &b, 0);
    call_cancel(&a);
    CHECK_ST(s, a.st, TRL_E_CANCELLED);
    suite_settle(s);
    CHECK(s, !b.done, "one watch is cancelled, and another ends");
    op_forget(b.op);
    b.op = NULL;
    suite_settle(s);
    call_free(&a);
    call_free(&b);
}

static void run_info(trl_inst *raw, trl_op *op, void *arg) {
    const trl_policy_v1 *t = arg;
    t->info(raw, op);
}

static void info_is_an_object(struct suite *s) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct call c;
    if (!policy_of(s)->info) {
        return;
    }
    call_begin_by(s, &c, 0, run_info, (void *)(uintptr_t)policy_of(s));
    call_wait(&c);
    CHECK_ST(s, c.st, TRL_OK);
    CHECK(s, json_parse(c.text, &a, &n, NULL) == 0 && n->type == NODE_OBJECT,
          "info is no JSON object: %.*s", PSTR(c.text));
    call_free(&c);
    arena_finish(&a);
}

/* Opened again it says the same; several times stopped at once. */
static void opened_again(struct suite *s) {
    for (int i = 0; i < 2; i++) {
        suite_close(s);
        if (suite_open(s) < 0) {
            return;
        }
    }
    points_are_known(s);
    ask_batch(s, rig_of(s)->p->cases[0].point, 5);
}

/* The suite stops the backend with all this under way, and checks that nothing is left. */
static void left_in_the_air(struct suite *s) {
    struct rig *r = rig_of(s);
    for (uint32_t i = 0; i < MANY_CALLS; i++) {
        const struct suite_policy_case *c = &r->p->cases[i % r->p->n_cases];
        begin_one(s, &r->air[i], c->point, str_c(c->subject));
    }
    if (policy_of(s)->watch) {
        watching_begin(s, &r->watch);
    }
    if (policy_of(s)->info) {
        call_begin_by(s, &r->info, 0, run_info, (void *)(uintptr_t)policy_of(s));
    }
    suite_close(s);
    for (uint32_t i = 0; i < MANY_CALLS; i++) {
        CHECK_N(s, r->air[i].done, 1);
        deciding_free(&r->air[i]);
    }
    CHECK(s, r->watch.done == (r->watch.s != NULL), "a watch outlives stop()");
    CHECK(s, r->info.done == (r->info.s != NULL), "an info outlives stop()");
    call_free(&r->watch);
    call_free(&r->info);
}

static void (*const cases[])(struct suite *s) = {
    points_are_known, cases_alone,  batches,         damaged_subjects, mutated_subjects,
    huge_subject,     many_at_once, ended_early,     watches,          info_is_an_object,
    points_are_known, opened_again, left_in_the_air,
};

static void run_cases(struct suite *s) {
    if (suite_open(s) == 0) {
        for (size_t i = 0; i < ARRAY_LEN(cases) && s->inst; i++) {
            cases[i](s);
        }
    }
    suite_close(s);
}

int suite_policy(const struct suite_policy *p) {
    struct suite t = {.kind = TRL_KIND_TRANSPORT, .component = "inproc", .config = "{}"};
    struct suite s = {.kind = TRL_KIND_POLICY, .component = p->component, .config = p->config};
    struct rig rig = {.p = p, .alone = mem_array(p->n_cases, sizeof(*rig.alone))};
    struct plug_iface iface = {TRL_HOST_TRANSPORT_V1, &bus_host_iface, NULL};
    rng_seed(&rig.rng, 20240611);
    t.flags = s.flags = p->flags;
    s.user = &rig;
    if (p->up && suite_open(&t) == 0) {
        struct bus *bus = bus_create(t.inst);
        iface.ctx = bus;
        s.ifaces = &iface;
        s.n_ifaces = 1;
        s.loop = t.loop;
        s.plug = t.plug;
        void *peer = p->up(p->arg, bus, t.loop);
        run_cases(&s);
        if (p->down) {
            p->down(p->arg, peer);
        }
        bus_destroy(bus);
        suite_close(&t);
    } else if (!p->up) {
        run_cases(&s);
    }
    if (s.plug) {
        plug_destroy(s.plug);
        loop_destroy(s.loop);
    }
    for (uint32_t i = 0; i < p->n_cases; i++) {
        mem_free(rig.alone[i].reasons);
    }
    mem_free(rig.alone);
    printf("%s %s: %d checks, %d failed\n", s.kind, s.component, s.checks, s.failures);
    return s.failures + t.failures;
}
