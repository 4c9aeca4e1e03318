/* SPDX-License-Identifier: Apache-2.0
 *
 * The transport suite: the semantics of core NATS, asked of every transport. Where nothing must
 * come, a message that must come on the same way is waited for first.
 */
#include <stdio.h>

#include "base/mem.h"
#include "suite_priv.h"

static const trl_transport_v1 *table_of(struct suite *s) {
    return s->table;
}

static trl_msg make_msg(const char *subject, str body) {
    return (trl_msg){
        .struct_size = sizeof(trl_msg), .subject = str_c(subject), .payload = {body.ptr, body.len}};
}

static void pub(struct suite *s, const char *subject, const char *body) {
    trl_msg m = make_msg(subject, str_c(body));
    table_of(s)->publish(s->raw, NULL, &m);
}

static void reply_to(struct suite *s, const struct got *g, const char *body) {
    trl_msg m = {.struct_size = sizeof(m), .subject = g->reply, .payload = {body, strlen(body)}};
    table_of(s)->publish(s->raw, NULL, &m);
}

static void sub(struct suite *s, struct call *c, const char *subject, const char *queue) {
    table_of(s)->subscribe(s->raw, call_begin(s, c, 0), str_c(subject), str_c(queue));
}

static void request(struct suite *s, struct call *c, const char *subject, const char *body,
                    int64_t timeout_ns) {
    trl_msg m = make_msg(subject, str_c(body));
    table_of(s)->request(s->raw, call_begin(s, c, timeout_ns), &m);
}

static void end(struct call *c) {
    call_cancel(c);
    CHECK_ST(c->s, c->st, TRL_E_CANCELLED);
    CHECK_N(c->s, c->done, 1);
    call_free(c);
}

/* Everything published before has been handed out. */
static void fence(struct suite *s) {
    struct call f;
    sub(s, &f, "fence.x", "");
    pub(s, "fence.x", "");
    call_wait_got(&f, 1);
    end(&f);
    suite_settle(s);
}

static void case_wildcards(struct suite *s) {
    static const struct {
        const char *pattern, *want; /* which of the subjects, by letter */
    } rows[] = {
        {"w.a", "A"},    {"w.*", "AB"},    {"w.>", "ABCDE"}, {"w.a.b", "C"},
        {"w.*.b", "CE"}, {"w.a.*", "CD"},  {"w.*.*", "CDE"}, {"w.a.>", "CD"},
        {"*.a", "A"},    {"w.*.>", "CDE"}, {"w.c", ""},      {"w.a.b.>", ""},
        {"*.*.b", "CE"}, {"w", "F"},       {"w.*.b.*", ""},  {"*.a.c", "D"},
    };
    static const char *const subjects[] = {"w.a", "w.b", "w.a.b", "w.a.c", "w.b.b", "w"};
    struct call c[ARRAY_LEN(rows)];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        sub(s, &c[i], rows[i].pattern, "");
    }
    for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
        char letter[2] = {(char)('A' + i), '\0'};
        pub(s, subjects[i], letter);
    }
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        call_wait_got(&c[i], (uint32_t)strlen(rows[i].want));
    }
    fence(s);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buf have = BUF_INIT;
        for (uint32_t k = 0; k < c[i].n_got; k++) {
            buf_add_str(&have, c[i].got[k].value);
            CHECK(s, str_is(c[i].got[k].key, subjects[c[i].got[k].value.ptr[0] - 'A']),
                  "the subject is the published one");
        }
        CHECK(s, str_is(buf_str(&have), rows[i].want), "%s got '%.*s', not '%s'", rows[i].pattern,
              PSTR(buf_str(&have)), rows[i].want);
        buf_finish(&have);
        end(&c[i]);
    }
}

/* A burst from one turn of the loop: nothing lost, nothing out of order, also for a second pattern.
 */
static void case_burst(struct suite *s) {
    enum { MANY = 10000 };
    struct call all, odd;
    uint32_t bad = 0;
    sub(s, &all, "burst.>", "");
    sub(s, &odd, "burst.odd", "");
    for (int i = 0; i < MANY; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%d", i);
        pub(s, i % 2 ? "burst.odd" : "burst.even", body);
    }
    call_wait_got(&all, MANY);
    call_wait_got(&odd, MANY / 2);
    CHECK_N(s, all.n_got, MANY);
    CHECK_N(s, odd.n_got, MANY / 2);
    for (uint32_t i = 0; i < all.n_got; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%u", i);
        bad += !str_is(all.got[i].value, body);
    }
    for (uint32_t i = 0; i < odd.n_got; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%u", 2 * i + 1);
        bad += !str_is(odd.got[i].value, body);
    }
    CHECK_N(s, bad, 0);
    end(&all);
    end(&odd);
}

static void case_queue(struct suite *s) {
    enum { MANY = 600, MEMBERS = 3 };
    struct call m[MEMBERS], other, plain;
    uint8_t seen[MANY] = {0};
    uint32_t total = 0, bad = 0;
    for (int i = 0; i < MEMBERS; i++) {
        sub(s, &m[i], i == 2 ? "q.*" : "q.x", "team"); /* one queue, whatever the pattern */
    }
    sub(s, &other, "q.x", "others");
    sub(s, &plain, "q.x", "");
    for (int i = 0; i < MANY; i++) {
        char body[16];
        snprintf(body, sizeof(body), "%d", i);
        pub(s, "q.x", body);
    }
    call_wait_got(&plain, MANY);
    call_wait_got(&other, MANY);
    fence(s);
    for (int i = 0; i < MEMBERS; i++) {
        CHECK(s, m[i].n_got > MANY / 20, "member %d got only %u of %d", i, m[i].n_got, MANY);
        total += m[i].n_got;
        for (uint32_t k = 0; k < m[i].n_got; k++) {
            uint64_t v = MANY;
            bad += !str_u64(m[i].got[k].value, &v) || v >= MANY || seen[v]++;
        }
    }
    CHECK_N(s, total, MANY);
    CHECK_N(s, bad, 0);
    CHECK_N(s, other.n_got, MANY);
    CHECK_N(s, plain.n_got, MANY);
    /* a member leaves: the others take over */
    end(&m[0]);
    end(&m[1]);
    total = m[2].n_got;
    for (int i = 0; i < 10; i++) {
        pub(s, "q.x", "0");
    }
    call_wait_got(&m[2], total + 10);
    end(&m[2]);
    end(&other);
    end(&plain);
}

static void case_headers(struct suite *s) {
    static const trl_label headers[] = {
        {{"Nats-Thing", 10}, {"one", 3}}, {{"ce-type", 7}, {"a b: c;d", 8}}, {{"x", 1}, {NULL, 0}},
        {{"Multi", 5}, {"first", 5}},     {{"Multi", 5}, {"second", 6}},
    };
    trl_msg m = make_msg("hdr.x", str_c("body"));
    struct call c;
    uint32_t found = 0;
    m.headers = headers;
    m.n_headers = ARRAY_LEN(headers);
    m.reply = str_c("hdr.reply.to");
    sub(s, &c, "hdr.x", "");
    table_of(s)->publish(s->raw, NULL, &m);
    pub(s, "hdr.x", "plain");
    if (call_wait_got(&c, 2)) {
        const struct got *g = &c.got[0];
        CHECK_N(s, g->n_headers, ARRAY_LEN(headers));
        for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
            for (uint32_t k = 0; k < g->n_headers; k++) {
                found += trl_str_eq(g->headers[k].key, headers[i].key) &&
                         trl_str_eq(g->headers[k].value, headers[i].value);
            }
        }
        CHECK_N(s, found, ARRAY_LEN(headers));
        CHECK(s, str_is(g->reply, "hdr.reply.to"), "reply subject: %.*s", PSTR(g->reply));
        CHECK(s, str_is(g->value, "body"), "body: %.*s", PSTR(g->value));
        CHECK(s, c.got[1].n_headers == 0 && c.got[1].reply.len == 0, "a plain one has neither");
    }
    end(&c);
}

static void case_payloads(struct suite *s) {
    static const size_t sizes[] = {0, 1, 100, 65536, 1000000};
    size_t max = sizes[ARRAY_LEN(sizes) - 1];
    char *body = mem_alloc(max);
    struct call c, p;
    for (size_t i = 0; i < max; i++) {
        body[i] = (char)(i * 37 + i / 255);
    }
    sub(s, &c, "size.x", "");
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        trl_msg m = make_msg("size.x", str_n(body, sizes[i]));
        table_of(s)->publish(s->raw, call_begin(s, &p, 0), &m);
        call_wait(&p);
        CHECK(s, p.st == TRL_OK, "%zu bytes: %s %s", sizes[i], err_name(p.st), p.msg);
        call_free(&p);
    }
    if (call_wait_got(&c, ARRAY_LEN(sizes))) {
        for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
            CHECK(s,
                  c.got[i].value.len == sizes[i] &&
                      (!sizes[i] || memcmp(c.got[i].value.ptr, body, sizes[i]) == 0),
                  "%zu bytes come as they were", sizes[i]);
        }
    }
    mem_free(body);
    end(&c);
}

static void case_publish_errors(struct suite *s) {
    char *body = mem_zalloc(80u << 20);
    struct call p;
    trl_msg m = make_msg("", STR("x"));
    table_of(s)->publish(s->raw, call_begin(s, &p, 0), &m);
    call_wait(&p);
    CHECK_ST(s, p.st, TRL_E_INVALID);
    call_free(&p);
    m = make_msg("err.large", str_n(body, 80u << 20));
    table_of(s)->publish(s->raw, call_begin(s, &p, 0), &m);
    call_wait(&p);
    CHECK_ST(s, p.st, TRL_E_INVALID);
    CHECK(s, p.msg[0] != '\0', "the refusal says why");
    call_free(&p);
    mem_free(body);
    sub(s, &p, "", "");
    call_wait(&p);
    CHECK_ST(s, p.st, TRL_E_INVALID);
    call_free(&p);
    sub(s, &p, "a..b", "");
    call_wait(&p);
    CHECK_ST(s, p.st, TRL_E_INVALID);
    call_free(&p);
    m = make_msg("err.nobody", STR("x")); /* nobody listens: not an error of publish */
    table_of(s)->publish(s->raw, call_begin(s, &p, 0), &m);
    call_wait(&p);
    CHECK_ST(s, p.st, TRL_OK);
    call_free(&p);
}

static void case_request(struct suite *s) {
    struct call responder, r;
    sub(s, &responder, "rq.echo", "workers");
    request(s, &r, "rq.echo", "ping", SUITE_PATIENCE);
    if (call_wait_got(&responder, 1)) {
        CHECK(s, responder.got[0].reply.len > 0, "a request has a reply subject");
        CHECK(s, str_is(responder.got[0].value, "ping"), "the request's body");
        reply_to(s, &responder.got[0], "pong");
        reply_to(s, &responder.got[0], "late"); /* only one counts */
    }
    call_wait(&r);
    CHECK_ST(s, r.st, TRL_OK);
    if (CHECK(s, r.n_got == 1, "one reply: %u", r.n_got)) {
        CHECK(s, str_is(r.got[0].value, "pong"), "the first reply");
    }
    fence(s);
    CHECK_N(s, r.n_got, 1);
    CHECK_N(s, r.done, 1);
    call_free(&r);
    end(&responder);
}

/* Many at once, answered in another order: each gets its own. */
static void case_request_parallel(struct suite *s) {
    enum { MANY = 500 };
    struct call *r = mem_array(MANY, sizeof(*r)), responder;
    sub(s, &responder, "rq.many.*", "");
    for (int i = 0; i < MANY; i++) {
        char subject[32];
        snprintf(subject, sizeof(subject), "rq.many.%d", i);
        request(s, &r[i], subject, "", SUITE_PATIENCE);
    }
    call_wait_got(&responder, MANY);
    for (uint32_t i = responder.n_got; i-- > 0;) {
        char body[64];
        snprintf(body, sizeof(body), "re %.*s", PSTR(responder.got[i].key));
        reply_to(s, &responder.got[i], body);
    }
    for (int i = 0; i < MANY; i++) {
        char want[64];
        snprintf(want, sizeof(want), "re rq.many.%d", i);
        call_wait(&r[i]);
        CHECK(s, r[i].st == TRL_OK && r[i].n_got == 1 && str_is(r[i].got[0].value, want),
              "request %d: %s", i, err_name(r[i].st));
        call_free(&r[i]);
    }
    mem_free(r);
    end(&responder);
}

static void case_no_responder(struct suite *s) {
    struct call r;
    int64_t before = loop_now_ns(s->loop);
    trl_msg m = make_msg("rq.nobody", STR("x"));
    request(s, &r, "rq.nobody", "x", SUITE_PATIENCE);
    call_wait(&r);
    CHECK_ST(s, r.st, TRL_E_NORESPONDER);
    CHECK_N(s, r.n_got, 0);
    call_free(&r);
    table_of(s)->request_many(s->raw, call_begin(s, &r, SUITE_PATIENCE), &m);
    call_wait(&r);
    CHECK_ST(s, r.st, TRL_E_NORESPONDER);
    call_free(&r);
    CHECK(s, loop_now_ns(s->loop) - before < 5000 * SUITE_MS, "said at once, not by time-out");
}

static void case_timeout_cancel(struct suite *s) {
    struct call silent, r;
    sub(s, &silent, "rq.silent", "");
    request(s, &r, "rq.silent", "x", 50 * SUITE_MS);
    call_wait(&r);
    CHECK_ST(s, r.st, TRL_E_TIMEOUT);
    call_wait_got(&silent, 1);
    if (silent.n_got) {
        reply_to(s, &silent.got[0], "too late");
    }
    fence(s);
    CHECK_N(s, r.n_got, 0);
    call_free(&r);
    request(s, &r, "rq.silent", "x", SUITE_PATIENCE);
    call_wait_got(&silent, 2);
    call_cancel(&r);
    CHECK_ST(s, r.st, TRL_E_CANCELLED);
    if (silent.n_got == 2) {
        reply_to(s, &silent.got[1], "too late");
    }
    fence(s);
    CHECK_N(s, r.n_got, 0);
    CHECK_N(s, r.done, 1);
    call_free(&r);
    end(&silent);
}

static void case_request_many(struct suite *s) {
    struct call a, b, r;
    trl_msg m = make_msg("rm.ping", STR("who"));
    sub(s, &a, "rm.ping", "");
    sub(s, &b, "rm.*", "");
    table_of(s)->request_many(s->raw, call_begin(s, &r, 0), &m);
    call_wait_got(&a, 1);
    call_wait_got(&b, 1);
    if (a.n_got && b.n_got) {
        reply_to(s, &a.got[0], "a1");
        reply_to(s, &b.got[0], "b1");
        reply_to(s, &a.got[0], "a2");
    }
    call_wait_got(&r, 3);
    CHECK_N(s, r.done, 0);
    call_cancel(&r);
    CHECK_ST(s, r.st, TRL_E_CANCELLED);
    CHECK_N(s, r.n_got, 3);
    call_free(&r);
    /* ended by its deadline */
    table_of(s)->request_many(s->raw, call_begin(s, &r, 50 * SUITE_MS), &m);
    call_wait(&r);
    CHECK_ST(s, r.st, TRL_E_TIMEOUT);
    call_free(&r);
    end(&a);
    end(&b);
}

static void case_unsubscribe(struct suite *s) {
    struct call a, b, gone;
    sub(s, &a, "un.x", "");
    sub(s, &b, "un.x", "");
    sub(s, &gone, "un.x", "");
    pub(s, "un.x", "1");
    call_wait_got(&a, 1);
    call_wait_got(&b, 1);
    call_cancel(&a);
    op_forget(gone.op);
    gone.op = NULL;
    pub(s, "un.x", "2");
    call_wait_got(&b, 2);
    fence(s);
    CHECK_N(s, a.n_got, 1);
    CHECK_N(s, b.n_got, 2);
    CHECK(s, gone.n_got <= 1, "nothing after forget");
    call_free(&a);
    call_free(&gone);
    end(&b);
}

static void case_link_info(struct suite *s) {
    struct call c;
    table_of(s)->watch_link(s->raw, call_begin(s, &c, 0));
    if (call_wait_got(&c, 1)) {
        CHECK(s, c.got[0].value.len == 1 && c.got[0].value.ptr[0] == TRL_LINK_UP, "link is up");
    }
    end(&c);
    if (table_of(s)->info) {
        table_of(s)->info(s->raw, call_begin(s, &c, 0));
        call_wait(&c);
        CHECK_ST(s, c.st, TRL_OK);
        CHECK(s, c.text.len > 2 && c.text.ptr[0] == '{' && c.text.ptr[c.text.len - 1] == '}',
              "info is an object: %.*s", PSTR(c.text));
        call_free(&c);
    }
}

/* Stopped with everything under way: suite_close checks that no op is left. */
static void case_stop_busy(struct suite *s) {
    struct call subs[20], r[20], link;
    for (int i = 0; i < 20; i++) {
        sub(s, &subs[i], i % 2 ? "busy.x" : "busy.>", i % 3 ? "" : "q");
        request(s, &r[i], "busy.x", "", 0);
    }
    table_of(s)->watch_link(s->raw, call_begin(s, &link, 0));
    for (int i = 0; i < 2000; i++) {
        pub(s, "busy.x", "x");
    }
    suite_close(s);
    for (int i = 0; i < 20; i++) {
        CHECK_N(s, subs[i].done, 1);
        CHECK_N(s, r[i].done, 1);
        call_free(&subs[i]);
        call_free(&r[i]);
    }
    CHECK_N(s, link.done, 1);
    call_free(&link);
}

int suite_transport(const char *component, const char *config_json, uint32_t flags) {
    static void (*const cases[])(struct suite * s) = {
        case_link_info,    case_wildcards,        case_burst,          case_queue,
        case_headers,      case_payloads,         case_publish_errors, case_request,
        case_no_responder, case_request_parallel, case_timeout_cancel, case_request_many,
        case_unsubscribe,  case_stop_busy,
    };
    struct suite s = {
        .kind = TRL_KIND_TRANSPORT, .component = component, .config = config_json, .flags = flags};
    return suite_run(&s, cases, ARRAY_LEN(cases));
}
