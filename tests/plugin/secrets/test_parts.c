/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts that backends share: JSON read in place against jansson, also cut and changed anywhere;
 * files opened on kernels without openat2; keys made by several at once.
 */
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../../plugins/common/jpull.h"
#include "../../tools/outside.h"
#include "../../unit/cmocka_all.h"
#include "keyfile.h"
#include "sjson.h"

static void *get(void *ctx, size_t n) {
    (void)ctx;
    return malloc(n ? n : 1);
}

static void put_back(void *ctx, void *p) {
    (void)ctx;
    free(p);
}

static const trl_host_secret_v1 mem = {sizeof(mem), 0, NULL, get, put_back};

static trl_str S(const char *c) {
    return (trl_str){c, strlen(c)};
}

static void expect_member(const char *text, const char *name, const char *want) {
    trl_str v = {NULL, 0};
    enum sjson got = sjson_member(S(text), S(name), &v);
    if (!want) {
        assert_int_equal(got, SJSON_ABSENT);
    } else {
        assert_int_equal(got, SJSON_OK);
        assert_int_equal(v.len, strlen(want));
        assert_memory_equal(v.ptr, want, v.len);
    }
}

static void test_members(void **state) {
    static const char *const bad[] = {
        "",
        "{",
        "}",
        "[]",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.1}",
        "{\"a\":1e}",
        "{\"a\":+1}",
        "{\"a\":-}",
        "{\"a\":tru}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":1} x",
        "{\"a\":1}{}",
        "{a:1}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":1,\"a\":2}",
        "{\"\\u0061\":1,\"a\":2}",
        "nul",
    };
    trl_str v;
    char deep[300];
    (void)state;
    expect_member("{}", "a", NULL);
    expect_member(" { \"a\" : 1 } ", "a", "1");
    expect_member("{\"a\":{\"b\":1},\"b\":[{\"c\":[]}]}", "b", "[{\"c\":[]}]");
    expect_member("{\"a\":{\"b\":1}}", "b", NULL);
    expect_member("{\"\\u0061\\/\":-0.5e+3}", "a/", "-0.5e+3");
    expect_member("{\"ab\":1,\"a\":null}", "a", "null");
    expect_member("{\"a\":\"}\\\"\"}", "a", "\"}\\\"\"");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(sjson_member(S(bad[i]), S("a"), &v), SJSON_BAD);
    }
    memset(deep, '[', sizeof(deep));
    memcpy(deep, "{\"a\":", 5);
    assert_int_equal(sjson_member((trl_str){deep, sizeof(deep)}, S("a"), &v), SJSON_BAD);
}

/* Whatever sjson accepts, jansson accepts, and the strings are the same. */
static void agree(const char *text, size_t n) {
    char *exact = malloc(n ? n : 1), *out;
    trl_str v = {NULL, 0};
    size_t len = 0;
    json_t *j;
    memcpy(exact, text, n);
    if (sjson_member((trl_str){exact, n}, S("k"), &v) == SJSON_OK) {
        j = json_loadb(exact, n, JSON_ALLOW_NUL, NULL);
        assert_true(json_is_object(j));
        if (sjson_is_string(v)) {
            out = malloc(v.len);
            assert_true(jpull_decode(v, out, &len));
            assert_int_equal(len, json_string_length(json_object_get(j, "k")));
            assert_memory_equal(out, json_string_value(json_object_get(j, "k")), len);
            free(out);
        }
        json_decref(j);
    }
    free(exact);
}

static void test_against_jansson(void **state) {
    static const char text[] =
        "{\"x\":[1,-2.5e3,true,null,{\"y\":\"z\"}],\"k\":\"a\\u00e4\\n\\\"\\\\"
        "\xe2\x82\xac\\ud83d\\ude00\\u0000b\"}";
    size_t n = sizeof(text) - 1;
    char copy[sizeof(text)];
    static const char others[] = "\"\\{}[],:u0d8e\x80\xff\x01 ";
    (void)state;
    for (size_t i = 0; i <= n; i++) {
        agree(text, i);
        for (size_t k = 0; i < n && k < sizeof(others) - 1; k++) {
            memcpy(copy, text, n);
            copy[i] = others[k];
            agree(copy, n);
        }
    }
}

static void test_values(void **state) {
    uint8_t bytes[64];
    char text[200];
    size_t n = 0;
    (void)state;
    assert_true(sjson_bytes(S("[0, 255,1 ]"), bytes, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(bytes, "\x00\xff\x01", 3);
    assert_true(sjson_bytes(S("[]"), bytes, &n));
    assert_int_equal(n, 0);
    assert_false(sjson_bytes(S("[256]"), bytes, &n));
    assert_false(sjson_bytes(S("[-1]"), bytes, &n));
    assert_false(sjson_bytes(S("[1.0]"), bytes, &n));
    assert_false(sjson_bytes(S("[01]"), bytes, &n));
    assert_false(sjson_bytes(S("[1,]"), bytes, &n));
    assert_false(sjson_bytes(S("[1"), bytes, &n));
    assert_false(sjson_bytes(S("\"x\""), bytes, &n));
    assert_true(sjson_encode("a\"\\\n\x01\xc3\xa4", 7, text, &n));
    assert_int_equal(n, 2 + 1 + 2 + 2 + 2 + 6 + 2);
    assert_memory_equal(text, "\"a\\\"\\\\\\n\\u0001\xc3\xa4\"", n);
    assert_false(sjson_encode("\xff", 1, text, &n));
}

static int setup(void **state) {
    static char dir[64];
    snprintf(dir, sizeof(dir), "/tmp/trellis-parts-XXXXXX");
    *state = mkdtemp(dir);
    return *state ? 0 : -1;
}

static int teardown(void **state) {
    outside_remove(*state);
    return 0;
}

static void make_file(const char *dir, const char *name, const char *text) {
    char path[256];
    int fd;
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static trl_status load(int no_openat2, int dir, const char *path, char text[64]) {
    struct safe s = {.mem = &mem, .no_openat2 = no_openat2};
    struct safe_bytes b;
    struct stat meta;
    trl_err e = {.struct_size = sizeof(e)};
    trl_status st = safe_load(&s, dir, path, 100, &b, &meta, &e);
    text[0] = '\0';
    if (st == TRL_OK) {
        snprintf(text, 64, "%.*s", (int)b.len, (char *)b.ptr);
        safe_free(&s, &b);
    } else {
        assert_true(e.msg_len > 0);
    }
    return st;
}

/* Both ways of opening refuse what leads out; the plain one follows no link at all. */
static void test_open(void **state) {
    const char *dir = *state;
    char path[256], text[64];
    int fd;
    snprintf(path, sizeof(path), "%s/sub", dir);
    mkdir(path, 0700);
    make_file(dir, "sub/f", "within");
    snprintf(path, sizeof(path), "%s/link", dir);
    assert_int_equal(symlink("sub/f", path), 0);
    snprintf(path, sizeof(path), "%s/out", dir);
    assert_int_equal(symlink("/etc", path), 0);
    fd = open(dir, O_RDONLY | O_DIRECTORY);
    for (int plain = 0; plain < 2; plain++) {
        trl_status st;
        assert_int_equal(load(plain, fd, "sub/f", text), TRL_OK);
        assert_string_equal(text, "within");
        st = load(plain, fd, "link", text);
        assert_true(plain ? st == TRL_E_DENIED : st == TRL_OK || st == TRL_E_DENIED);
        st = load(plain, fd, "out/hostname", text);
        assert_true(st == TRL_E_DENIED || st == TRL_E_NOTFOUND);
        assert_int_equal(load(plain, fd, "sub", text), TRL_E_NOTFOUND);
        assert_int_equal(load(plain, fd, "sub/none", text), TRL_E_NOTFOUND);
        assert_int_equal(load(plain, fd, "none/f", text), TRL_E_NOTFOUND);
        assert_int_equal(load(plain, fd, "sub/f/g", text), TRL_E_NOTFOUND);
    }
    close(fd);
}

struct maker {
    pthread_t thread;
    const char *path;
    uint8_t key[32];
    trl_status st;
};

static void *make_key(void *arg) {
    struct maker *m = arg;
    struct safe s = {.mem = &mem};
    trl_err e = {.struct_size = sizeof(e)};
    m->st = keyfile_load_or_make(&s, m->path, m->key, &e);
    return NULL;
}

static void test_keyfile(void **state) {
    struct maker m[8];
    char path[256], v[2][VERSION_LEN + 1];
    struct stat meta;
    snprintf(path, sizeof(path), "%s/key", (char *)*state);
    for (int i = 0; i < 8; i++) {
        m[i].path = path;
        assert_int_equal(pthread_create(&m[i].thread, NULL, make_key, &m[i]), 0);
    }
    for (int i = 0; i < 8; i++) {
        pthread_join(m[i].thread, NULL);
        assert_int_equal(m[i].st, TRL_OK);
        assert_memory_equal(m[i].key, m[0].key, 32);
    }
    assert_int_equal(stat(path, &meta), 0);
    assert_int_equal(meta.st_mode & 0777, 0600);
    assert_int_equal(meta.st_size, 32);
    /* name and field do not run together */
    version_digest(m[0].key, S("ab"), S("c"), (trl_bytes){"v", 1}, v[0]);
    version_digest(m[0].key, S("a"), S("bc"), (trl_bytes){"v", 1}, v[1]);
    assert_string_not_equal(v[0], v[1]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_against_jansson),
        cmocka_unit_test(test_values),
        cmocka_unit_test_setup_teardown(test_open, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keyfile, setup, teardown),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
