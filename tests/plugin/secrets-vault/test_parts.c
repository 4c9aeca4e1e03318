/* SPDX-License-Identifier: Apache-2.0
 *
 * The readers: JSON in place, and HTTP, whole, in pieces of every size, and damaged.
 */
#include <stdlib.h>

#include "../../../plugins/common/jpull.h"
#include "../../../plugins/common/utf8.h"
#include "../../unit/cmocka_all.h"
#include "http.h"

static void *plain_alloc(void *ctx, size_t n) {
    (void)ctx;
    return malloc(n);
}

static void plain_free(void *ctx, void *p) {
    (void)ctx;
    free(p);
}

static const trl_host_secret_v1 table = {sizeof(table), 0, NULL, plain_alloc, plain_free};
static const struct sbuf_mem mem = {&table, NULL};

/* A copy without a NUL behind it, so that reading too far is seen. */
static char *copy(const char *text, size_t *n) {
    *n = strlen(text);
    char *c = malloc(*n ? *n : 1);
    memcpy(c, text, *n);
    return c;
}

static void decoded(const char *json, const char *want, size_t want_n) {
    size_t n;
    char *c = copy(json, &n);
    struct jpull j;
    trl_str s;
    jpull_init(&j, c, n);
    assert_true(jpull_string(&j, &s) && jpull_end(&j));
    assert_int_equal(s.len, want_n);
    assert_memory_equal(s.ptr, want, want_n);
    free(c);
}

static void test_strings(void **state) {
    (void)state;
    decoded("\"\"", "", 0);
    decoded(" \"plain\" ", "plain", 5);
    decoded("\"a\\n\\t\\\"\\\\\\/\\b\\f\\r\"", "a\n\t\"\\/\b\f\r", 9);
    decoded("\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac", 6);
    decoded("\"\\ud83d\\ude00\\u0000x\"", "\xf0\x9f\x98\x80\0x", 6);
}

static void bad(const char *json) {
    size_t n;
    char *c = copy(json, &n);
    struct jpull j;
    trl_str s;
    jpull_init(&j, c, n);
    if (jpull_raw(&j, &s) && jpull_end(&j)) {
        fprintf(stderr, "taken: %s\n", json);
        fail();
    }
    assert_non_null(j.error);
    free(c);
}

static void test_bad_json(void **state) {
    static const char *const all[] = {
        "",          "{",           "}",           "[1",
        "[1,]",      "{\"a\"}",     "{\"a\":}",    "{\"a\":1,}",
        "{a:1}",     "\"",          "\"\\\"",      "\"\\x\"",
        "\"\\u12\"", "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"",
        "\"\n\"",    "01",          "-",           "1.",
        "1e",        "+1",          "tru",         "nul",
        "truefalse", "1 2",         "[1 2]",       "{\"a\" 1}",
        "'a'",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bad(all[i]);
    }
    char deep[200];
    memset(deep, '[', 199);
    deep[199] = '\0';
    bad(deep);
}

static void test_find(void **state) {
    static const char text[] =
        "{\"a\":{\"x\":[1,{\"b\":2}]}, \"e\\\"s\\u0063\":\"v\\n\",\"b\":-7,\"b\":12,\"z\":null}";
    size_t n;
    char *c = copy(text, &n);
    const char *wrong;
    trl_str raw, object = {c, n};
    int64_t v;
    struct jpull j;
    (void)state;
    assert_true(jpull_find(object, trl_cstr("a"), &raw, &wrong));
    assert_true(trl_str_is(raw, "{\"x\":[1,{\"b\":2}]}"));
    assert_true(jpull_find(object, trl_cstr("e\"sc"), &raw, &wrong));
    assert_true(trl_str_is(raw, "\"v\\n\""));
    assert_true(jpull_find(object, trl_cstr("e\"sc"), &raw, &wrong)); /* nothing was changed */
    assert_true(jpull_find(object, trl_cstr("b"), &raw, &wrong));
    jpull_init(&j, raw.ptr, raw.len);
    assert_true(jpull_int(&j, &v));
    assert_int_equal(v, 12);
    assert_true(jpull_find(object, trl_cstr("z"), &raw, &wrong) && jpull_is(raw, "null"));
    assert_false(jpull_find(object, trl_cstr("e"), &raw, &wrong));
    assert_null(wrong);
    assert_false(jpull_find(trl_strn(c, n - 1), trl_cstr("a"), &raw, &wrong));
    assert_non_null(wrong);
    free(c);
}

static void test_numbers(void **state) {
    static const struct {
        const char *text;
        int ok;
        int64_t v;
    } all[] = {{"0", 1, 0},
               {"-5", 1, -5},
               {"9223372036854775807", 1, INT64_MAX},
               {"9223372036854775808", 0, 0},
               {"1.5", 0, 0},
               {"1e3", 0, 0},
               {"\"1\"", 0, 0}};
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        size_t n;
        char *c = copy(all[i].text, &n);
        int64_t v = 0;
        struct jpull j;
        jpull_init(&j, c, n);
        assert_int_equal(jpull_int(&j, &v), all[i].ok);
        assert_int_equal(v, all[i].v);
        free(c);
    }
}

/* Every single change of a byte of a good answer: never beyond its end, never endless. */
static void test_damaged_json(void **state) {
    static const char text[] = "{\"data\":{\"k\\u00e9\":[1,-2.5e3,true,null,\"\\ud83d\\ude00\"]}}";
    static const char with[] = "\0\"\\{}[]:,0u\xff";
    size_t n;
    const char *wrong;
    trl_str raw;
    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        for (size_t k = 0; k < sizeof(with) - 1; k++) {
            char *c = copy(text, &n);
            c[i] = with[k];
            if (jpull_find(trl_strn(c, n), trl_cstr("data"), &raw, &wrong)) {
                jpull_find(raw, trl_cstr("k\xc3\xa9"), &raw, &wrong);
            }
            jpull_find(trl_strn(c, i), trl_cstr("data"), &raw, &wrong);
            free(c);
        }
    }
}

struct read_back {
    enum http_state state;
    int status, keep, redirect;
    int64_t retry;
    char body[256];
};

/* Fed in pieces of `step` bytes, then the end of the connection when it still wants more. */
static struct read_back feed(const char *text, size_t n, size_t step, size_t max) {
    struct sbuf b;
    struct http_in in;
    struct read_back r;
    enum http_state s = HTTP_MORE;
    memset(&r, 0, sizeof(r));
    sbuf_init(&b, &mem);
    http_in_init(&in, &b, max);
    for (size_t at = 0; at < n && s == HTTP_MORE;) {
        size_t room;
        char *to = http_in_room(&in, &room);
        size_t k = n - at < step ? n - at : step;
        k = k < room ? k : room;
        memcpy(to, text + at, k);
        at += k;
        s = http_in_got(&in, k);
    }
    r.state = s == HTTP_MORE ? http_in_eof(&in) : s;
    r.status = in.status;
    r.keep = in.keep;
    r.redirect = in.redirect;
    r.retry = in.retry_after_s;
    if (r.state == HTTP_DONE) {
        snprintf(r.body, sizeof(r.body), "%.*s", (int)b.n, b.n ? b.at : "");
    }
    sbuf_finish(&b);
    return r;
}

static struct read_back whole(const char *text) {
    struct read_back first = feed(text, strlen(text), 4096, 1000);
    for (size_t step = 1; step < 40; step++) {
        struct read_back r = feed(text, strlen(text), step, 1000);
        assert_int_equal(r.state, first.state);
        if (r.state == HTTP_DONE) {
            assert_int_equal(r.status, first.status);
            assert_string_equal(r.body, first.body);
        }
    }
    return first;
}

static void test_http(void **state) {
    struct read_back r;
    (void)state;
    r = whole("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    assert_int_equal(r.state, HTTP_DONE);
    assert_true(r.keep && r.status == 200 && r.retry == -1);
    assert_string_equal(r.body, "hello");
    r = whole("HTTP/1.1 200 OK\r\ntransfer-encoding:  Chunked \r\n\r\n"
              "5\r\nhello\r\n6;ext=1\r\n world\r\n0\r\nTrailer: x\r\n\r\n");
    assert_int_equal(r.state, HTTP_DONE);
    assert_true(r.keep);
    assert_string_equal(r.body, "hello world");
    r = whole("HTTP/1.0 429 Slow\r\nRetry-After: 7\r\n\r\nuntil the end");
    assert_int_equal(r.state, HTTP_DONE);
    assert_true(!r.keep && r.status == 429 && r.retry == 7);
    assert_string_equal(r.body, "until the end");
    r = whole("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
    assert_true(r.state == HTTP_DONE && r.status == 204 && !r.keep);
    r = whole("HTTP/1.1 307 Away\nLocation: http://x/\nContent-Length: 0\n\n");
    assert_true(r.state == HTTP_DONE && r.redirect);
    r = feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", 40, 100, 1000);
    assert_true(r.state == HTTP_DONE && !r.keep); /* a byte too many: not used again */
}

static void test_bad_http(void **state) {
    static const char *const all[] = {
        "",
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 2x0 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell",
        "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nx",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhellooo\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        if (whole(all[i]).state != HTTP_BAD) {
            fprintf(stderr, "taken: %s\n", all[i]);
            fail();
        }
    }
    assert_int_equal(whole("HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n").state, HTTP_LARGE);
    assert_int_equal(
        whole("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n").state,
        HTTP_LARGE);
    char *endless = malloc(100000);
    memset(endless, 'x', 100000);
    memcpy(endless, "HTTP/1.1 200 OK\r\nA: ", 20);
    assert_int_equal(feed(endless, 100000, 1000, 1000).state, HTTP_BAD);
    memcpy(endless, "HTTP/1.1 200 OK\r\n\r\n", 19);
    assert_int_equal(feed(endless, 100000, 1000, 1000).state, HTTP_LARGE);
    free(endless);
}

/* A million chunks of one byte take no more than their bytes. */
static void test_many_chunks(void **state) {
    enum { MANY = 200000 };
    size_t n = 0, max = 64 + MANY * 6 + 8;
    char *text = malloc(max);
    (void)state;
    n += (size_t)snprintf(text, max, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < MANY; i++) {
        memcpy(text + n, "1\r\nx\r\n", 6);
        n += 6;
    }
    memcpy(text + n, "0\r\n\r\n", 5);
    assert_int_equal(feed(text, n + 5, 65536, MANY).state, HTTP_DONE);
    assert_int_equal(feed(text, n + 5, 65536, MANY - 1).state, HTTP_LARGE);
    free(text);
}

static void test_damaged_http(void **state) {
    static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRetry-After: 1"
                               "\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    static const char with[] = "\0\r\n: 0f\xff";
    char one[sizeof(text)];
    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        for (size_t k = 0; k < sizeof(with) - 1; k++) {
            memcpy(one, text, sizeof(text));
            one[i] = with[k];
            feed(one, sizeof(text) - 1, 7, 1000);
            feed(one, i, 4096, 1000);
        }
    }
}

static void test_utf8(void **state) {
    static const char *const good[] = {"",
                                       "a",
                                       "\xc3\xa9",
                                       "\xe2\x82\xac",
                                       "\xf0\x9f\x98\x80",
                                       "\xf4\x8f\xbf\xbf",
                                       "\xed\x9f\xbf"};
    static const char *const no[] = {"\x80",         "\xc0\x80",     "\xc3",
                                     "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                     "\xff",         "\xf0\x9f\x98", "\xf0\x8f\xbf\xbf",
                                     "a\xc3(",       "\xe2\x82(",    "\xf5\x80\x80\x80"};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(utf8_valid(good[i], strlen(good[i])));
    }
    for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        assert_false(utf8_valid(no[i], strlen(no[i])));
    }
}

static void test_quote(void **state) {
    struct sbuf b;
    (void)state;
    sbuf_init(&b, &mem);
    assert_true(sbuf_quote(&b, "a\"\\\n\x1f\x7f\0z", 8));
    assert_true(trl_str_is(sbuf_str(&b), "\"a\\\"\\\\\\n\\u001f\x7f\\u0000z\""));
    sbuf_finish(&b);
}

static void *no_alloc(void *ctx, size_t n) {
    size_t *left = ctx;
    if (n > *left) {
        return NULL;
    }
    *left -= n;
    return malloc(n);
}

/* No memory can be locked: it sticks, what was there stays, nothing is written beyond it. */
static void test_no_memory(void **state) {
    static const trl_host_secret_v1 small = {sizeof(small), 0, NULL, no_alloc, plain_free};
    size_t left = 5000, room;
    const struct sbuf_mem tight = {&small, &left};
    struct sbuf b;
    struct http_in in;
    char text[3000];
    (void)state;
    memset(text, 'x', sizeof(text));
    sbuf_init(&b, &tight);
    assert_true(sbuf_add(&b, text, 100));
    assert_false(sbuf_add(&b, text, sizeof(text)));
    assert_false(sbuf_add(&b, "x", 1));
    assert_false(sbuf_quote(&b, "x", 1));
    assert_true(b.failed && b.n == 100);
    sbuf_finish(&b);
    left = 100;
    http_in_init(&in, &b, 1000);
    assert_null(http_in_room(&in, &room));
    assert_int_equal(in.state, HTTP_NOMEM);
    sbuf_finish(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strings),      cmocka_unit_test(test_bad_json),
        cmocka_unit_test(test_find),         cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_damaged_json), cmocka_unit_test(test_http),
        cmocka_unit_test(test_bad_http),     cmocka_unit_test(test_many_chunks),
        cmocka_unit_test(test_damaged_http), cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_quote),        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
