/* SPDX-License-Identifier: Apache-2.0
 *
 * Patterns against a slow matcher that tries everything, and image references cut up.
 */
#include <stdlib.h>
#include <trellis/helper.h>

#include "../../unit/cmocka_all.h"
#include "glob.h"

static bool fits(const char *pattern, const char *text) {
    struct glob g = glob_make(trl_cstr(pattern), false);
    return glob_match(&g, trl_cstr(text));
}

static void test_examples(void **state) {
    static const struct {
        const char *pattern, *text;
        bool fits;
    } t[] = {
        {"", "", true},
        {"", "a", false},
        {"a", "a", true},
        {"a", "A", false},
        {"*", "", true},
        {"*", "abc", true},
        {"*", "a/b", false},
        {"**", "a/b", true},
        {"**", "", true},
        {"a/**", "a/", true},
        {"a/**", "a/b/c", true},
        {"a/**", "a", false},
        {"a/*", "a/b", true},
        {"a/*", "a/b/c", false},
        {"*/b", "a/b", true},
        {"**/b", "x/a/b", true},
        {"**/b", "b", false},
        {"?", "x", true},
        {"?", "/", false},
        {"?", "\xc3\xa4", true},
        {"??", "\xc3\xa4", false},
        {"shop-*", "shop-front", true},
        {"shop-*", "shop", false},
        {"*.example.com", "eu.example.com", true},
        {"*.example.com", "example.com", false},
        {"registry.example.com/**", "registry.example.com.evil.net/x", false},
        {"a*b*c", "a-b-b-c", true},
        {"a*b*c", "a-b-b-c-", false},
        {"a*/**c", "ab/x/c", true},
        {"a*/**c", "a/b/c/d", false},
        {"**a*b", "x/a/ab", true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        if (fits(t[i].pattern, t[i].text) != t[i].fits) {
            fail_msg("'%s' and '%s'", t[i].pattern, t[i].text);
        }
    }
}

static void test_any_case(void **state) {
    struct glob g = glob_make(trl_cstr("Docker.io"), true);
    (void)state;
    assert_true(glob_match(&g, trl_cstr("docker.IO")));
    assert_false(glob_match(&g, trl_cstr("docker.io.")));
}

static bool slow(const char *p, const char *t) {
    if (!*p) {
        return !*t;
    }
    if (p[0] == '*' && p[1] == '*') {
        return slow(p + 2, t) || (*t && slow(p, t + 1));
    }
    if (*p == '*') {
        return slow(p + 1, t) || (*t && *t != '/' && slow(p, t + 1));
    }
    return *t && (*p == '?' ? *t != '/' : *p == *t) && slow(p + 1, t + 1);
}

static void test_against_the_slow_one(void **state) {
    static const char in_pattern[] = "ab/**??", in_text[] = "ab/";
    unsigned seed = 7;
    uint32_t yes = 0;
    (void)state;
    for (int i = 0; i < 200000; i++) {
        char p[9] = "", t[11] = "";
        int np = (int)((seed = seed * 1103515245u + 12345u) >> 16) % 9;
        int nt = (int)((seed = seed * 1103515245u + 12345u) >> 16) % 11;
        for (int k = 0; k < np; k++) {
            seed = seed * 1103515245u + 12345u;
            p[k] = in_pattern[(seed >> 16) % (sizeof(in_pattern) - 1)];
        }
        for (int k = 0; k < nt; k++) {
            seed = seed * 1103515245u + 12345u;
            t[k] = in_text[(seed >> 16) % (sizeof(in_text) - 1)];
        }
        bool want = slow(p, t);
        yes += want;
        if (fits(p, t) != want) {
            fail_msg("'%s' and '%s': %d", p, t, want);
        }
    }
    assert_true(yes > 5000);
}

/* Patterns made to be slow are not: this ends. */
static void test_hostile(void **state) {
    char text[4097];
    (void)state;
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_false(fits("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text));
    assert_false(fits("**a**a**a**a**a**a**a**a**a**a**b", text));
    assert_false(fits("**a*a**a*a**a*a**a*a**a*a**a*a**b", text));
}

#define SHA "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void part_is(const char *ref, const char *what, trl_str have, const char *want) {
    if (want ? !have.ptr || !trl_str_is(have, want) : have.ptr != NULL) {
        fail_msg("%s: %s is '%.*s', not '%s'", ref, what, (int)have.len, have.ptr ? have.ptr : "",
                 want ? want : "(none)");
    }
}

static void test_images(void **state) {
    static const struct {
        const char *ref, *registry, *repository, *tag, *digest;
    } t[] = {
        {"ghcr.io/a/b:1.0", "ghcr.io", "a/b", "1.0", NULL},
        {"ghcr.io/a/b", "ghcr.io", "a/b", "latest", NULL},
        {"ghcr.io/a/b@" SHA, "ghcr.io", "a/b", NULL, SHA},
        {"ghcr.io/a/b:1@" SHA, "ghcr.io", "a/b", "1", SHA},
        {"localhost:5000/b:1", "localhost:5000", "b", "1", NULL},
        {"localhost/b", "localhost", "b", "latest", NULL},
        {"library/web:2", "", "library/web", "2", NULL},
        {"web", "", "web", "latest", NULL},
        {"web:3", "", "web", "3", NULL},
        {"file:///tmp/x.wasm", "file", "/tmp/x.wasm", NULL, NULL},
        {"ghcr.io/a@sha256:12", "ghcr.io", "a", NULL, NULL},
        {"ghcr.io/a@x@" SHA, "ghcr.io", "a@x", "latest", SHA},
        {"", "", "", "latest", NULL},
        {"/", "", "/", "latest", NULL},
        {":", "", "", "", NULL},
        {"@", "", "", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct image_ref r;
        image_split(trl_cstr(t[i].ref), &r);
        part_is(t[i].ref, "registry", r.registry, t[i].registry);
        part_is(t[i].ref, "repository", r.repository, t[i].repository);
        if (strcmp(t[i].ref, "ghcr.io/a@x@" SHA) != 0) {
            part_is(t[i].ref, "tag", r.tag, t[i].tag);
        }
        part_is(t[i].ref, "digest", r.digest, t[i].digest);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),
        cmocka_unit_test(test_any_case),
        cmocka_unit_test(test_against_the_slow_one),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
