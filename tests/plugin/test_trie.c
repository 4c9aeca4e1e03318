/* SPDX-License-Identifier: Apache-2.0
 *
 * The subject trie against a plain matcher, over random patterns and subjects.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../plugins/transport-inproc/trie.h"

#define LINKS 200

struct entry {
    struct trie_link link;
    char pattern[32];
    int added, hits;
};

/* Does the subject fit? Token by token, by the book. */
static int fits(const char *pattern, const char *subject) {
    while (*pattern && *subject) {
        size_t p = strcspn(pattern, "."), s = strcspn(subject, ".");
        if (p == 1 && *pattern == '>') {
            return 1;
        }
        if (!(p == 1 && *pattern == '*') && (p != s || strncmp(pattern, subject, p) != 0)) {
            return 0;
        }
        pattern += p + (pattern[p] == '.');
        subject += s + (subject[s] == '.');
    }
    return !*pattern && !*subject;
}

static uint64_t draw(uint64_t *seed, uint64_t below) {
    *seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
    return (*seed >> 33) % below;
}

static void make_subject(uint64_t *seed, int wild, char text[32]) {
    static const char *const tokens[] = {"a", "b", "cc", "a1", "*", ">"};
    size_t n = 1 + draw(seed, 4), len = 0;
    for (size_t i = 0; i < n; i++) {
        const char *t = tokens[draw(seed, wild ? (i + 1 == n ? 6 : 5) : 4)];
        len += (size_t)snprintf(text + len, 32 - len, "%s%s", i ? "." : "", t);
    }
}

static void hit(void *arg, struct trie_link *l) {
    int *total = arg;
    ((struct entry *)l)->hits++;
    (*total)++;
}

static void test_against_plain(void **state) {
    static struct entry e[LINKS];
    struct trie t;
    uint64_t seed = 42, hits = 0;
    (void)state;
    memset(e, 0, sizeof(e));
    trie_init(&t);
    for (int round = 0; round < 20000; round++) {
        struct entry *x = &e[draw(&seed, LINKS)];
        char subject[32];
        int total = 0, want = 0;
        if (x->added) {
            trie_remove(&t, &x->link);
        } else {
            make_subject(&seed, 1, x->pattern);
            assert_true(subject_ok(trl_cstr(x->pattern), 1));
            trie_add(&t, trl_cstr(x->pattern), &x->link);
        }
        x->added = !x->added;
        make_subject(&seed, 0, subject);
        trie_match(&t, trl_cstr(subject), hit, &total);
        for (int i = 0; i < LINKS; i++) {
            int w = e[i].added && fits(e[i].pattern, subject);
            if (e[i].hits != w) {
                fail_msg("%s against %s: %d", subject, e[i].pattern, e[i].hits);
            }
            want += w;
            e[i].hits = 0;
        }
        assert_int_equal(total, want);
        hits += (uint64_t)total;
    }
    assert_true(hits > 10000);
    for (int i = 0; i < LINKS; i++) {
        trie_remove(&t, &e[i].link);
    }
    assert_int_equal(t.n_nodes, 0);
    trie_finish(&t);
}

static void test_subjects(void **state) {
    static const struct {
        const char *text;
        int publish, subscribe;
    } rows[] = {
        {"a", 1, 1},    {"a.b", 1, 1},  {"", 0, 0},       {".", 0, 0},        {"a.", 0, 0},
        {".a", 0, 0},   {"a..b", 0, 0}, {"a b", 0, 0},    {"a.*", 0, 1},      {"*", 0, 1},
        {">", 0, 1},    {"a.>", 0, 1},  {">.a", 0, 0},    {"a.>.b", 0, 0},    {"a*", 1, 1},
        {"a.b>", 1, 1}, {"a\t", 0, 0},  {"a\r\nb", 0, 0}, {"\xc3\xa4", 1, 1}, {"$SYS.x", 1, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (subject_ok(trl_cstr(rows[i].text), 0) != rows[i].publish ||
            subject_ok(trl_cstr(rows[i].text), 1) != rows[i].subscribe) {
            fail_msg("row %zu: %s", i, rows[i].text);
        }
    }
}

/* Patterns left behind are freed, and many of them stay cheap to pass by. */
static void test_many(void **state) {
    enum { MANY = 20000 };
    struct entry *e = calloc(MANY, sizeof(*e));
    struct trie t;
    int total = 0;
    (void)state;
    trie_init(&t);
    for (int i = 0; i < MANY; i++) {
        snprintf(e[i].pattern, sizeof(e[i].pattern), "ctl.host.%d.%s", i, i % 2 ? ">" : "*.x");
        trie_add(&t, trl_cstr(e[i].pattern), &e[i].link);
    }
    for (int i = 0; i < MANY; i++) {
        char subject[32];
        snprintf(subject, sizeof(subject), "ctl.host.%d.do.x", i);
        trie_match(&t, trl_cstr(subject), hit, &total);
    }
    assert_int_equal(total, MANY);
    trie_finish(&t);
    free(e);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_subjects),
        cmocka_unit_test(test_against_plain),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
