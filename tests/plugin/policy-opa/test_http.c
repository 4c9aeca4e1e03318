/* SPDX-License-Identifier: Apache-2.0
 *
 * "opa" against servers that misbehave: every failure of the README's table with its outcome, what
 * goes over the wire, and that neither the token nor anything else of it reaches the log.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "rig.h"
#include "server.h"

enum mode {
    GOOD,
    SILENT,
    HALF_HEAD,
    HALF_BODY,
    HUGE_TOLD,
    HUGE_UNTOLD,
    MALFORMED,
    EMPTY,
    NO_HTTP,
    CLOSES,
    REDIRECTS,
    REFUSES_401,
    LACKS_404,
    FAILS_500,
    BUSY_503,
    CLOSES_AFTER, /* a good answer */
    SHORT_BATCH,
    PLAIN_TRUE,
};

struct liar {
    struct fake_http *f;
    atomic_int mode;
    atomic_uint batches; /* requests to the batch path */
    atomic_uint revision, holds;
    pthread_mutex_t lock;
    char head[4096]; /* of the last request */
};

static void long_answer(struct fake_conn *c, bool told) {
    static const char head[] = "HTTP/1.1 200 OK\r\n\r\n{\"result\":[\"";
    char more[8192];
    memset(more, 'x', sizeof(more));
    if (told) {
        fake_reply(c, 200, "", more, sizeof(more));
        return;
    }
    fake_raw(c, head, sizeof(head) - 1);
    for (int i = 0; i < 64; i++) {
        fake_raw(c, more, sizeof(more));
    }
    fake_close(c);
}

static void raw(struct fake_conn *c, const char *text) {
    fake_raw(c, text, strlen(text));
}

static void misbehave(struct liar *s, struct fake_conn *c, const struct fake_req *q) {
    switch ((enum mode)atomic_load(&s->mode)) {
    case SILENT:
        atomic_fetch_add(&s->holds, 1);
        fake_hold(c);
        break;
    case HALF_HEAD:
        raw(c, "HTTP/1.1 200 OK\r\nContent-Le");
        fake_hold(c);
        break;
    case HALF_BODY:
        raw(c, "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"result\":");
        fake_close(c);
        break;
    case HUGE_TOLD:
    case HUGE_UNTOLD:
        long_answer(c, atomic_load(&s->mode) == HUGE_TOLD);
        break;
    case MALFORMED:
        fake_json(c, 200, "{\"result\":{\"allow\":tru");
        break;
    case EMPTY:
        fake_json(c, 200, "");
        break;
    case NO_HTTP:
        raw(c, "220 mail.example.com ESMTP\r\n");
        fake_close(c);
        break;
    case CLOSES:
        fake_close(c);
        break;
    case REDIRECTS:
        fake_reply(c, 307, "Location: /v1/data/elsewhere\r\n", "", 0);
        break;
    case REFUSES_401:
        fake_json(c, 401, "{\"code\":\"unauthorized\"}");
        break;
    case LACKS_404:
        fake_reply(c, 404, "", "404 page not found", 18);
        break;
    case FAILS_500:
        fake_json(c, 500, "{\"code\":\"internal_error\",\"message\":\"evaluation\"}");
        break;
    case BUSY_503:
        fake_reply(c, 503, "Retry-After: 3\r\n", "", 0);
        break;
    case CLOSES_AFTER:
        rig_answer(c, q);
        fake_close(c);
        break;
    case SHORT_BATCH:
        fake_json(c, 200, "{\"result\":[true]}");
        break;
    case PLAIN_TRUE:
        fake_json(c, 200, "{\"result\":true}");
        break;
    case GOOD:
        rig_answer(c, q);
        break;
    }
}

static void on_req(void *arg, struct fake_conn *c, const struct fake_req *q) {
    struct liar *s = arg;
    char text[64];
    pthread_mutex_lock(&s->lock);
    snprintf(s->head, sizeof(s->head), "%s", q->head);
    pthread_mutex_unlock(&s->lock);
    atomic_fetch_add(&s->batches, strcmp(q->path, "/v1/data/t/batch") == 0);
    if (strcmp(q->method, "GET") == 0 && atomic_load(&s->mode) == GOOD) {
        snprintf(text, sizeof(text), "{\"result\":\"rev-%u\"}", atomic_load(&s->revision));
        fake_json(c, 200, text);
    } else {
        misbehave(s, c, q);
    }
}

static void liar_start(struct liar *s) {
    memset(s, 0, sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    s->f = fake_http_create(on_req, s);
}

static void liar_stop(struct liar *s) {
    fake_http_destroy(s->f);
    pthread_mutex_destroy(&s->lock);
}

static void open_at(struct rig *r, const char *url, const char *more) {
    char config[1024];
    snprintf(config, sizeof(config), "{\"url\":\"%s\",\"path\":\"t/d\",\"watch_ms\":0%s}", url,
             more);
    rig_open(r, config);
}

static void good(struct rig *r) {
    struct asked a;
    ask_one(r, &a, GOOD_SUBJECT);
    if (a.st != TRL_OK) {
        fail_msg("%d %s", a.st, a.msg);
    }
    assert_int_equal(a.v[0].verdict, TRL_V_ALLOW);
    assert_int_equal(a.v[0].ttl_ms, 1000);
    asked_free(&a);
}

struct failing {
    enum mode mode;
    trl_status st;
    const char *text;
};

static const struct failing failings[] = {
    {SILENT, TRL_E_TIMEOUT, "no answer in time"},
    {HALF_HEAD, TRL_E_TIMEOUT, "no answer in time"},
    {HALF_BODY, TRL_E_UNAVAIL, "within the answer"},
    {HUGE_TOLD, TRL_E_INTERNAL, "longer than allowed (max_answer_bytes)"},
    {HUGE_UNTOLD, TRL_E_INTERNAL, "longer than allowed (max_answer_bytes)"},
    {MALFORMED, TRL_E_INTERNAL, "no JSON"},
    {EMPTY, TRL_E_INTERNAL, "no JSON"},
    {NO_HTTP, TRL_E_INTERNAL, "older than HTTP/1.0"},
    {CLOSES, TRL_E_UNAVAIL, "without an answer"},
    {REDIRECTS, TRL_E_INTERNAL, "redirects are not followed"},
    {REFUSES_401, TRL_E_DENIED, "token_file"},
    {LACKS_404, TRL_E_NOTFOUND, "is url the address"},
    {FAILS_500, TRL_E_INTERNAL, "HTTP 500: evaluation"},
    {BUSY_503, TRL_E_BUSY, "HTTP 503"},
};

static void test_failures(void **state) {
    struct liar s;
    struct rig r;
    (void)state;
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), ",\"request_timeout_ms\":300,\"max_answer_bytes\":4096");
    for (size_t i = 0; i < ARRAY_LEN(failings); i++) {
        const struct failing *f = &failings[i];
        struct asked a;
        uint32_t before = fake_http_requests(s.f);
        atomic_store(&s.mode, (int)f->mode);
        ask_one(&r, &a, GOOD_SUBJECT);
        if (a.st != f->st || !strstr(a.msg, f->text)) {
            fail_msg("mode %d: %d %s", f->mode, a.st, a.msg);
        }
        assert_int_equal(a.retry_after_ms, f->mode == BUSY_503 ? 3000 : 0);
        /* a request whose connection broke may be asked once more, by a fresh one */
        assert_true(fake_http_requests(s.f) - before <= 2);
        asked_free(&a);
        atomic_store(&s.mode, GOOD);
        if (f->st != TRL_E_TIMEOUT) { /* which may hold for this too on a slow machine */
            good(&r);
        }
    }
    assert_true(tk_logged(r.tk, "without an answer"));
    assert_true(tk_logged(r.tk, "answers again"));
    rig_close(&r);
    liar_stop(&s);
}

static void test_nobody_there(void **state) {
    struct liar s;
    struct rig r;
    struct asked a;
    char url[64];
    (void)state;
    liar_start(&s);
    snprintf(url, sizeof(url), "%s", fake_http_url(s.f));
    liar_stop(&s);
    open_at(&r, url, ",\"request_timeout_ms\":20000");
    ask_one(&r, &a, GOOD_SUBJECT);
    assert_int_equal(a.st, TRL_E_UNAVAIL);
    assert_non_null(strstr(a.msg, "no connection"));
    asked_free(&a);
    rig_close(&r);
    open_at(&r, "http://no-such-host.invalid:1", ",\"request_timeout_ms\":20000");
    ask_one(&r, &a, GOOD_SUBJECT);
    assert_true(a.st == TRL_E_UNAVAIL || a.st == TRL_E_TIMEOUT);
    asked_free(&a);
    rig_close(&r);
}

/* One connection for one question after another; as many as allowed for many at once. */
static void test_keep_alive(void **state) {
    struct liar s;
    struct rig r;
    struct asked *many = mem_array(64, sizeof(*many));
    (void)state;
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), ",\"max_connections\":4,\"request_timeout_ms\":60000");
    for (int i = 0; i < 50; i++) {
        good(&r);
    }
    assert_int_equal(fake_http_requests(s.f), 50);
    assert_int_equal(fake_http_accepted(s.f), 1);
    for (int i = 0; i < 64; i++) {
        ask(&r, &many[i], TRL_POINT_HOST, i % 2 ? GOOD_SUBJECT : BAD_SUBJECT, 1, 0);
    }
    for (int i = 0; i < 64; i++) {
        asked_wait(&r, &many[i]);
        assert_int_equal(many[i].st, TRL_OK);
        assert_int_equal(many[i].v[0].verdict, i % 2 ? TRL_V_ALLOW : TRL_V_DENY);
        asked_free(&many[i]);
    }
    assert_int_equal(fake_http_requests(s.f), 114);
    assert_in_range(fake_http_accepted(s.f), 1, 4);
    /* a server that closes after each answer is asked over new ones */
    atomic_store(&s.mode, CLOSES_AFTER);
    for (int i = 0; i < 5; i++) {
        good(&r);
    }
    rig_close(&r);
    liar_stop(&s);
    mem_free(many);
}

static void test_batches(void **state) {
    struct liar s;
    struct rig r;
    struct asked *a = mem_array(1, sizeof(*a));
    (void)state;
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), ",\"batch_path\":\"t/batch\",\"request_timeout_ms\":60000");
    ask(&r, a, TRL_POINT_PLACE, BAD_SUBJECT, 512, 0);
    asked_wait(&r, a);
    assert_int_equal(a->st, TRL_OK);
    for (int i = 0; i < 512; i++) {
        assert_int_equal(a->v[i].verdict, TRL_V_DENY);
    }
    asked_free(a);
    assert_int_equal(fake_http_requests(s.f), 1);
    assert_int_equal(atomic_load(&s.batches), 1);
    good(&r); /* one subject needs no array */
    assert_int_equal(atomic_load(&s.batches), 1);
    atomic_store(&s.mode, SHORT_BATCH);
    ask(&r, a, TRL_POINT_PLACE, BAD_SUBJECT, 3, 0);
    asked_wait(&r, a);
    assert_int_equal(a->st, TRL_E_INTERNAL);
    assert_non_null(strstr(a->msg, "1 decisions on 3 subjects"));
    asked_free(a);
    rig_close(&r);
    liar_stop(&s);
    /* split by size; and one by one without batch_path */
    liar_start(&s);
    open_at(&r, fake_http_url(s.f),
            ",\"batch_path\":\"t/batch\",\"max_request_bytes\":4096,\"request_timeout_ms\":60000");
    ask(&r, a, TRL_POINT_PLACE, GOOD_SUBJECT, 512, 0);
    asked_wait(&r, a);
    assert_int_equal(a->st, TRL_OK);
    asked_free(a);
    assert_in_range(fake_http_requests(s.f), 512 * strlen(GOOD_SUBJECT) / 4096, 20);
    rig_close(&r);
    liar_stop(&s);
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), ",\"request_timeout_ms\":60000");
    ask(&r, a, TRL_POINT_PLACE, GOOD_SUBJECT, 512, 0);
    asked_wait(&r, a);
    assert_int_equal(a->st, TRL_OK);
    asked_free(a);
    assert_int_equal(fake_http_requests(s.f), 512);
    assert_in_range(fake_http_accepted(s.f), 1, 8);
    rig_close(&r);
    liar_stop(&s);
    mem_free(a);
}

/* The core's deadline ends a call; so does cancelling; nobody else is held up meanwhile. */
static void test_deadlines(void **state) {
    struct liar s;
    struct rig r;
    struct asked *held = mem_array(3, sizeof(*held)), *a = mem_array(1, sizeof(*a));
    (void)state;
    liar_start(&s);
    atomic_store(&s.mode, SILENT);
    open_at(&r, fake_http_url(s.f), ",\"request_timeout_ms\":600000");
    ask(&r, &held[0], TRL_POINT_HOST, GOOD_SUBJECT, 1, 0);
    ask(&r, &held[1], TRL_POINT_HOST, GOOD_SUBJECT, 3, 0);
    ask(&r, a, TRL_POINT_HOST, GOOD_SUBJECT, 1, 50);
    asked_wait(&r, a);
    assert_int_equal(a->st, TRL_E_TIMEOUT);
    asked_free(a);
    while (atomic_load(&s.holds) < 4) {
        tk_settle(r.tk);
    }
    atomic_store(&s.mode, GOOD);
    good(&r);
    policy_call_cancel(held[0].call);
    good(&r);
    assert_false(held[1].done);
    rig_close(&r); /* held[1] ends with it */
    assert_true(held[1].done);
    assert_true(held[1].st == TRL_E_CANCELLED || held[1].st == TRL_E_CLOSED);
    liar_stop(&s);
    mem_free(held);
    mem_free(a);
}

/* Those that wait for a connection are told in time too. */
static void test_queue_expires(void **state) {
    struct liar s;
    struct rig r;
    struct asked *a = mem_array(4, sizeof(*a));
    (void)state;
    liar_start(&s);
    atomic_store(&s.mode, SILENT);
    open_at(&r, fake_http_url(s.f), ",\"request_timeout_ms\":150,\"max_connections\":1");
    for (int i = 0; i < 4; i++) {
        ask(&r, &a[i], TRL_POINT_HOST, GOOD_SUBJECT, 2, 0);
    }
    for (int i = 0; i < 4; i++) {
        asked_wait(&r, &a[i]);
        assert_int_equal(a[i].st, TRL_E_TIMEOUT);
        asked_free(&a[i]);
    }
    rig_close(&r);
    liar_stop(&s);
    mem_free(a);
}

static void write_file(const char *path, const char *text) {
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static bool head_has(struct liar *s, const char *needle) {
    pthread_mutex_lock(&s->lock);
    bool yes = strstr(s->head, needle) != NULL;
    pthread_mutex_unlock(&s->lock);
    return yes;
}

static void refuses_token(struct rig *r, const char *why) {
    struct asked a;
    ask_one(r, &a, GOOD_SUBJECT);
    assert_int_equal(a.st, TRL_E_INVALID);
    if (!strstr(a.msg, why)) {
        fail_msg("no '%s' in: %s", why, a.msg);
    }
    asked_free(&a);
}

static void test_token(void **state) {
    char dir[] = "/tmp/trellis-opa-XXXXXX", path[64], more[128];
    struct liar s;
    struct rig r;
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/token", dir);
    snprintf(more, sizeof(more), ",\"token_file\":\"%s\"", path);
    write_file(path, "s3cret-one\n");
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), more);
    good(&r);
    assert_true(head_has(&s, "\r\nAuthorization: Bearer s3cret-one\r\n"));
    assert_true(head_has(&s, "POST /v1/data/t/d HTTP/1.1\r\n"));
    assert_true(head_has(&s, "Content-Type: application/json\r\n"));
    write_file(path, "s3cret-two"); /* renewed */
    good(&r);
    assert_true(head_has(&s, "\r\nAuthorization: Bearer s3cret-two\r\n"));
    write_file(path, "");
    refuses_token(&r, "it is empty");
    write_file(path, "s3cret-three\r\nX-Evil: 1");
    refuses_token(&r, "more than one line");
    unlink(path);
    refuses_token(&r, "No such file");
    str log = tk_log(r.tk);
    assert_true(log.len == 0 || !memmem(log.ptr, log.len, "s3cret", 6));
    assert_false(head_has(&s, "X-Evil"));
    rig_close(&r);
    liar_stop(&s);
    /* and it is missed at the start */
    rig_open(&r, NULL);
    char config[256];
    snprintf(config, sizeof(config), "{\"path\":\"t\",\"token_file\":\"%s\"}", path);
    r.in = tk_create_inst(r.tk, TRL_KIND_POLICY, "opa", config, NULL, 0);
    assert_non_null(r.in);
    assert_int_equal(tk_start(r.tk, r.in), TRL_E_INVALID);
    assert_non_null(strstr(tk_error(r.tk), "token_file"));
    rig_close(&r);
    rmdir(dir);
}

static void tls_fails(const struct liar *s, const char *host, const char *more, trl_status st,
                      const char *text) {
    char url[64];
    struct rig r;
    struct asked a;
    snprintf(url, sizeof(url), "https://%s%s", host, strrchr(fake_http_url(s->f), ':'));
    open_at(&r, url, more);
    ask_one(&r, &a, GOOD_SUBJECT);
    if (a.st != st || !strstr(a.msg, text)) {
        fail_msg("%s%s: %d %s", url, more, a.st, a.msg);
    }
    asked_free(&a);
    rig_close(&r);
}

/* Both sides show certificates, and everything but the right ones is refused. */
static void test_tls(void **state) {
    struct server files = {.pid = 0};
    struct liar s = {.f = NULL};
    struct rig r;
    char mine[700], no_client[300];
    (void)state;
    server_dir(&files);
    server_certificates(&files);
    pthread_mutex_init(&s.lock, NULL);
    s.f = fake_http_create_tls(on_req, &s, server_file(&files, "server.pem", NULL),
                               server_file(&files, "server.key", NULL),
                               server_file(&files, "ca.pem", NULL));
    snprintf(no_client, sizeof(no_client), ",\"tls\":{\"ca\":\"%s\"}",
             server_file(&files, "ca.pem", NULL));
    snprintf(mine, sizeof(mine), ",\"tls\":{\"ca\":\"%s\",\"cert\":\"%s\",\"key\":\"%s\"}",
             server_file(&files, "ca.pem", NULL), server_file(&files, "client.pem", NULL),
             server_file(&files, "client.key", NULL));
    open_at(&r, fake_http_url(s.f), mine);
    good(&r);
    good(&r);
    assert_int_equal(fake_http_accepted(s.f), 1);
    rig_close(&r);
    tls_fails(&s, "127.0.0.1", "", TRL_E_DENIED, "its certificate is not trusted; check tls.ca");
    tls_fails(&s, "localhost", mine, TRL_E_DENIED, "its certificate is not trusted");
    tls_fails(&s, "127.0.0.1", no_client, TRL_E_UNAVAIL, "");
    server_file(&files, "client.key", "nonsense");
    tls_fails(&s, "127.0.0.1", mine, TRL_E_INVALID, "tls.cert or tls.key cannot be used");
    server_file(&files, "ca.pem", "nonsense");
    tls_fails(&s, "127.0.0.1", no_client, TRL_E_INVALID, "tls.ca cannot be used");
    liar_stop(&s);
    /* a server that waits for something else than TLS */
    liar_start(&s);
    tls_fails(&s, "127.0.0.1", ",\"connect_timeout_ms\":100", TRL_E_TIMEOUT, "SSL");
    liar_stop(&s);
    server_end(&files);
}

/* The environment of the process does not lead requests elsewhere. */
static void test_no_proxy(void **state) {
    struct liar s;
    struct rig r;
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("ALL_PROXY", "http://127.0.0.1:1", 1);
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), "");
    good(&r);
    rig_close(&r);
    liar_stop(&s);
    unsetenv("http_proxy");
    unsetenv("ALL_PROXY");
}

struct told {
    uint32_t n, ended;
    char last[300];
};

static void on_change(void *arg, str what) {
    struct told *t = arg;
    t->n++;
    snprintf(t->last, sizeof(t->last), "%.*s", PSTR(what));
}

static void on_end(void *arg, trl_status st) {
    struct told *t = arg;
    (void)st;
    t->ended++;
}

static uint32_t ttl_now(struct rig *r) {
    struct asked a;
    uint32_t ttl;
    ask_one(r, &a, GOOD_SUBJECT);
    assert_int_equal(a.st, TRL_OK);
    ttl = a.v[0].ttl_ms;
    asked_free(&a);
    return ttl;
}

static bool polled(void *arg) {
    return fake_http_requests(arg) > 0;
}

/* A revision that changes voids what was kept; so does not hearing of it for three polls. */
static void test_watch(void **state) {
    struct told t = {0};
    struct liar s;
    struct rig r;
    char config[256];
    (void)state;
    liar_start(&s);
    snprintf(config, sizeof(config),
             "{\"url\":\"%s\",\"path\":\"t/d\",\"watch_ms\":5,\"revision_path\":\"rev.1/x\"}",
             fake_http_url(s.f));
    rig_open(&r, config);
    struct policy_watch *w = policy_watch(r.in, on_change, on_end, &t);
    assert_non_null(w);
    assert_true(tk_until(r.tk, polled, s.f));
    assert_true(head_has(&s, "GET /v1/data/rev.1/x HTTP/1.1\r\n"));
    assert_true(tk_until_count(r.tk, &t.n, 1));
    assert_non_null(strstr(t.last, "revision first seen at http://127.0.0.1"));
    atomic_fetch_add(&s.revision, 1);
    assert_true(tk_until_count(r.tk, &t.n, 2));
    assert_non_null(strstr(t.last, "revision changed at http://127.0.0.1"));
    uint32_t before = t.n;
    atomic_store(&s.mode, FAILS_500);
    assert_true(tk_until_count(r.tk, &t.n, before + 1));
    assert_non_null(strstr(t.last, "not known any more"));
    atomic_fetch_add(&s.revision, 1);
    atomic_store(&s.mode, GOOD);
    assert_true(tk_until_count(r.tk, &t.n, before + 2));
    assert_non_null(strstr(t.last, "changed"));
    assert_int_equal(t.ended, 0);
    policy_watch_end(w);
    rig_close(&r);
    liar_stop(&s);
}

/* ttl_ms: -1 keeps only while somebody looks at the rules, and knows them. */
static void test_kept_until_change(void **state) {
    struct told t = {0};
    struct liar s;
    struct rig r;
    char config[256];
    (void)state;
    liar_start(&s);
    atomic_store(&s.mode, PLAIN_TRUE);
    snprintf(config, sizeof(config),
             "{\"url\":\"%s\",\"path\":\"t/d\",\"watch_ms\":5,\"revision_path\":\"rev\","
             "\"ttl_ms\":-1,\"request_timeout_ms\":60000}",
             fake_http_url(s.f));
    rig_open(&r, config);
    assert_int_equal(ttl_now(&r), TRL_TTL_NONE);
    struct policy_watch *w = policy_watch(r.in, on_change, on_end, &t);
    while (ttl_now(&r) != TRL_TTL_RULES) { /* from the first poll on */
        assert_int_equal(tk_failures(r.tk), 0);
    }
    policy_watch_end(w);
    while (ttl_now(&r) != TRL_TTL_NONE) { /* nobody looks any more */
        assert_int_equal(tk_failures(r.tk), 0);
    }
    rig_close(&r);
    liar_stop(&s);
}

static void on_info(void *arg, trl_status st, str json) {
    char *to = arg;
    snprintf(to, 1024, "%d %.*s", st, PSTR(json));
}

static bool is_filled(void *arg) {
    return *(const char *)arg != '\0';
}

static bool head_says(struct liar *s, const char *text) {
    pthread_mutex_lock(&s->lock);
    bool says = strstr(s->head, text) != NULL;
    pthread_mutex_unlock(&s->lock);
    return says;
}

static void test_trace(void **state) {
    static const char trace[] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    struct liar s;
    struct rig r;
    (void)state;
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), "");
    r.trace = trace;
    good(&r);
    assert_true(head_says(&s, "\r\ntraceparent: 00-0af7651916cd43dd8448eb211c80319c-"
                              "b7ad6b7169203331-01\r\n"));
    r.trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203\r\nX: 1-01"; /* no such thing */
    good(&r);
    assert_false(head_says(&s, "traceparent"));
    r.trace = NULL;
    good(&r);
    assert_false(head_says(&s, "traceparent"));
    rig_close(&r);
    liar_stop(&s);
}

static void test_info(void **state) {
    struct liar s;
    struct rig r;
    char text[1024] = "";
    (void)state;
    liar_start(&s);
    open_at(&r, fake_http_url(s.f), "");
    good(&r);
    good(&r);
    policy_info(r.in, on_info, text);
    assert_true(tk_until(r.tk, is_filled, text));
    assert_non_null(strstr(text, "\"requests\":2,\"connections\":1,\"failures\":0}"));
    assert_null(policy_watch(r.in, on_change, on_end, NULL)); /* watch_ms: 0 */
    rig_close(&r);
    liar_stop(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_nobody_there),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_batches),
        cmocka_unit_test(test_deadlines),
        cmocka_unit_test(test_queue_expires),
        cmocka_unit_test(test_token),
        cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_kept_until_change),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_info),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
