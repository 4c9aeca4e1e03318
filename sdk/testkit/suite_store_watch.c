/* SPDX-License-Identifier: Apache-2.0
 *
 * The store suite: watches, and ending them.
 */
#include <stdio.h>

#include "base/mem.h"
#include "suite_store_priv.h"

/* Item i of the watch is this. want NULL: a tombstone. */
static void expect_item(struct suite *s, const struct call *c, uint32_t i, const char *key,
                        const char *want) {
    const struct got *g = &c->got[i];
    if (i >= c->n_got) {
        CHECK(s, 0, "item %u (%s) is missing", i, key);
        return;
    }
    CHECK(s, str_is(g->key, key), "item %u: key %.*s, not %s", i, PSTR(g->key), key);
    CHECK_N(s, g->flags, want ? 0 : TRL_ENTRY_DELETED);
    CHECK(s, str_is(g->value, want ? want : ""), "item %u: value %.*s", i, PSTR(g->value));
}

void case_watch(struct suite *s) {
    struct call w, all;
    uint64_t r = 0;
    CHECK_ST(s, st_put(s, "wt.b", "b0", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_put(s, "wt.a", "a0", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_put(s, "wt.gone", "x", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_del(s, "wt.gone", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_put(s, "wtx", "other", TRL_REV_ANY, &r), TRL_OK);
    st_watch_begin(s, &w, STR("wt."), 0);
    st_watch_begin(s, &all, STR_NONE, 0);
    call_wait_sync(&w, 1);
    call_wait_sync(&all, 1);
    CHECK_N(s, w.n_got, 3);
    if (w.n_got == 3) { /* the order before SYNC is the store's own */
        CHECK(s, str_is(w.got[0].key, "wt.a") != str_is(w.got[1].key, "wt.a"), "wt.a once");
        CHECK(s, str_is(w.got[0].key, "wt.b") != str_is(w.got[1].key, "wt.b"), "wt.b once");
        CHECK_N(s, w.got[2].flags, TRL_ENTRY_SYNC);
        CHECK(s, w.got[2].key.len == 0 && w.got[2].value.len == 0, "SYNC is empty");
        CHECK(s, w.got[2].revision >= r, "SYNC has the store's latest revision: %llu, not %llu",
              (unsigned long long)w.got[2].revision, (unsigned long long)r);
    }
    CHECK_ST(s, st_put(s, "wt.a", "a1", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_put(s, "wtx", "other", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_del(s, "wt.b", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_put(s, "wt.a", "a1", TRL_REV_ANY, NULL), TRL_OK); /* same value, still news */
    CHECK_ST(s, st_put(s, "wt.no", "x", 12345678, NULL), TRL_E_CONFLICT);
    CHECK_ST(s, st_put(s, "wt.new", "", TRL_REV_ABSENT, NULL), TRL_OK);
    if (call_wait_got(&w, 7)) {
        expect_item(s, &w, 3, "wt.a", "a1");
        expect_item(s, &w, 4, "wt.b", NULL);
        expect_item(s, &w, 5, "wt.a", "a1");
        expect_item(s, &w, 6, "wt.new", "");
        for (uint32_t i = 4; i < 7; i++) {
            CHECK(s, w.got[i].revision > w.got[i - 1].revision, "changes in order of revision");
        }
    }
    CHECK_N(s, w.n_sync, 1);
    CHECK_N(s, w.bad_items, 0);
    call_cancel(&w);
    call_cancel(&all);
    CHECK(s, all.n_got > 10, "an empty prefix is everything");
    CHECK_ST(s, w.st, TRL_E_CANCELLED);
    call_free(&w);
    call_free(&all);
}

void case_watch_from(struct suite *s) {
    struct call w;
    uint64_t r1 = 0;
    CHECK_ST(s, st_put(s, "wf.a", "a0", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_put(s, "wf.b", "b0", TRL_REV_ANY, &r1), TRL_OK);
    CHECK_ST(s, st_put(s, "wf.c", "c0", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_del(s, "wf.a", TRL_REV_ANY, NULL), TRL_OK);
    st_watch_begin(s, &w, STR("wf."), r1);
    if (call_wait_got(&w, 3)) {
        CHECK_N(s, w.got[0].flags, TRL_ENTRY_SYNC);
        expect_item(s, &w, 1, "wf.c", "c0");
        expect_item(s, &w, 2, "wf.a", NULL);
    }
    CHECK_ST(s, st_put(s, "wf.b", "b1", TRL_REV_ANY, NULL), TRL_OK);
    if (call_wait_got(&w, 4)) {
        expect_item(s, &w, 3, "wf.b", "b1");
    }
    call_cancel(&w);
    CHECK_N(s, w.n_got, 4);
    call_free(&w);
}

/* Of a watch that may leave out overtaken changes: from item `at` on, waits for the last of the
 * puts; each is one of them, in order, and the last change of each of the 10 keys is there. */
static void expect_coalesced(struct suite *s, struct call *w, uint32_t at, const struct call *puts,
                             uint32_t first, uint32_t n) {
    uint64_t last = puts[n - 1].revision;
    uint32_t bad = 0, p = first;
    while (w->got[w->n_got - 1].revision < last && call_wait_got(w, w->n_got + 1)) {
    }
    for (uint32_t i = at; i < w->n_got && p < n; i++) {
        char value[32];
        while (p < n && puts[p].revision < w->got[i].revision) {
            bad += p + 10 >= n; /* nothing overtook that one */
            p++;
        }
        snprintf(value, sizeof(value), "%u", p);
        bad += p == n || puts[p].revision != w->got[i].revision ||
               !str_is(w->got[i].value, p % 17 == 5 ? "" : value);
        p += p < n;
    }
    CHECK_N(s, bad, 0);
    CHECK_N(s, p, n);
}

/* Every one of many changes, exactly once and in order, while more are written; a second watch that
 * begins in the middle. */
void case_watch_many(struct suite *s) {
    enum { MANY = 3000 };
    struct call *puts = mem_array(MANY, sizeof(*puts)), w, late;
    uint32_t bad = 0, before = 0;
    int coalesces = (store_of(s)->flags & TRL_S_COALESCES) != 0;
    st_watch_begin(s, &w, STR("wm."), 0);
    call_wait_sync(&w, 1);
    for (int i = 0; i < MANY; i++) {
        char key[32], value[32];
        if (i == MANY / 2) {
            st_watch_begin(s, &late, STR("wm."), 0);
        }
        snprintf(key, sizeof(key), "wm.%d", i % 10);
        snprintf(value, sizeof(value), "%d", i);
        if (i % 17 == 5) {
            st_del_begin(s, &puts[i], str_c(key), TRL_REV_ANY);
        } else {
            st_put_begin(s, &puts[i], str_c(key), str_c(value), TRL_REV_ANY);
        }
    }
    for (int i = 0; i < MANY; i++) {
        call_wait(&puts[i]);
        CHECK(s, puts[i].st == TRL_OK, "put %d: %s", i, err_name(puts[i].st));
    }
    if (coalesces) {
        expect_coalesced(s, &w, 1, puts, 0, MANY);
    } else {
        call_wait_got(&w, MANY + 1);
        CHECK_N(s, w.n_got, MANY + 1);
    }
    for (uint32_t i = 1; !coalesces && i < w.n_got && i <= MANY; i++) {
        char value[32];
        snprintf(value, sizeof(value), "%u", i - 1);
        bad += w.got[i].revision != puts[i - 1].revision ||
               !str_is(w.got[i].value, (i - 1) % 17 == 5 ? "" : value);
    }
    CHECK_N(s, bad, 0);
    call_wait_sync(&late, 1);
    while (before < late.n_got && !(late.got[before].flags & TRL_ENTRY_SYNC)) {
        before++;
    }
    CHECK(s, before <= 10 || coalesces, "before SYNC each key once: %u entries", before);
    if (late.n_sync == 1) { /* what came after SYNC is an unbroken end of what was written */
        uint64_t from = late.got[before].revision;
        uint32_t first = 0;
        while (first < MANY && puts[first].revision <= from) {
            first++;
        }
        if (coalesces && first < MANY) {
            expect_coalesced(s, &late, before + 1, puts, first, MANY);
        } else {
            call_wait_got(&late, before + 1 + (MANY - first));
        }
        for (uint32_t i = first; !coalesces && i < MANY && before + 1 + i - first < late.n_got;
             i++) {
            bad += late.got[before + 1 + i - first].revision != puts[i].revision;
        }
        CHECK_N(s, bad, 0);
    }
    call_cancel(&w);
    call_cancel(&late);
    for (int i = 0; i < MANY; i++) {
        call_free(&puts[i]);
    }
    mem_free(puts);
    call_free(&w);
    call_free(&late);
}

void case_watch_cancel(struct suite *s) {
    struct call w, list;
    uint32_t had;
    st_watch_begin(s, &w, STR("many."), 0); /* ended in the middle of its start */
    call_cancel(&w);
    CHECK_ST(s, w.st, TRL_E_CANCELLED);
    had = w.n_got;
    CHECK_ST(s, st_put(s, "many.00000", "new", TRL_REV_ANY, NULL), TRL_OK);
    suite_settle(s);
    CHECK_N(s, w.n_got, had);
    CHECK_N(s, w.done, 1);
    call_free(&w);
    st_list_begin(s, &list, STR("many."), STR_NONE, 0);
    op_cancel(list.op);
    call_wait(&list);
    CHECK(s, list.st == TRL_E_CANCELLED || list.st == TRL_OK, "a list ends by cancel: %s",
          err_name(list.st));
    call_free(&list);
    st_watch_begin(s, &w, STR("many."), 0);
    op_forget(w.op); /* and with nobody to hear of it */
    w.op = NULL;
    suite_settle(s);
    CHECK_N(s, w.n_got, 0);
    call_free(&w);
}

/* Stopped with everything under way: suite_close checks that no op is left. */
void case_stop_busy(struct suite *s) {
    enum { N = 200 };
    struct call *puts = mem_array(N, sizeof(*puts)), w, list;
    uint32_t kept = 0;
    st_watch_begin(s, &w, STR_NONE, 0);
    st_list_begin(s, &list, STR("many."), STR_NONE, 0);
    for (int i = 0; i < N; i++) {
        char key[32];
        snprintf(key, sizeof(key), "busy.%03d", i);
        st_put_begin(s, &puts[i], str_c(key), STR("x"), TRL_REV_ANY);
    }
    suite_close(s);
    for (int i = 0; i < N; i++) {
        CHECK(s, puts[i].done == 1, "put %d is over", i);
        kept += puts[i].st == TRL_OK;
    }
    CHECK(s, w.done == 1 && list.done == 1, "streams are over");
    if (s->flags & SUITE_DURABLE && suite_open(s) == 0) { /* what was acknowledged is there */
        uint32_t have = st_count(s, "busy.");
        CHECK(s, have >= kept, "%u acknowledged, %u there", kept, have);
        for (int i = 0; i < N; i++) {
            char key[32];
            snprintf(key, sizeof(key), "busy.%03d", i);
            if (puts[i].st == TRL_OK) {
                st_expect(s, key, "x", puts[i].revision);
            }
        }
    }
    for (int i = 0; i < N; i++) {
        call_free(&puts[i]);
    }
    mem_free(puts);
    call_free(&w);
    call_free(&list);
}
