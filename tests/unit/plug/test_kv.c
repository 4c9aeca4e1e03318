/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "testkit.h"

struct heard {
    uint32_t entries, done, syncs;
    trl_status st;
    uint64_t revision;
    char key[32], value[32], text[256];
};

static void keep(struct heard *h, const struct kv_entry *e) {
    h->entries++;
    h->syncs += (e->flags & TRL_ENTRY_SYNC) != 0;
    h->revision = e->revision;
    snprintf(h->key, sizeof(h->key), "%.*s", PSTR(e->key));
    snprintf(h->value, sizeof(h->value), "%.*s", PSTR(e->value));
}
static void on_get(void *arg, trl_status st, const struct kv_entry *e) {
    struct heard *h = arg;
    h->done++;
    h->st = st;
    if (e) {
        keep(h, e);
    }
}
static void on_entry(void *arg, const struct kv_entry *e) {
    keep(arg, e);
}
static void on_done(void *arg, trl_status st, uint64_t revision, const trl_err *err) {
    struct heard *h = arg;
    h->done++;
    h->st = st;
    h->revision = revision;
    snprintf(h->text, sizeof(h->text), "%s", err ? err->msg : "");
}
static void on_list_done(void *arg, trl_status st, const trl_err *err) {
    on_done(arg, st, 0, err);
}
static void on_end(void *arg, trl_status st) {
    on_done(arg, st, 0, NULL);
}
static void on_info(void *arg, trl_status st, str json) {
    on_done(arg, st, json.len, NULL);
}

static void calls(void **state) {
    struct tk *tk = tk_create_in(*state != NULL, TEST_PLUGIN_DIR);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    struct kv *k = kv_create(in);
    struct heard h = {0};
    uint32_t n = 0;
    assert_int_equal(kv_flags(k), TRL_S_ACKED);
    kv_get(k, STR("now"), on_get, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.st, TRL_OK);
    assert_string_equal(h.key, "now");
    assert_string_equal(h.value, "value");
    assert_int_equal(h.revision, 7);
    static const char *const ways[] = {"later", "work", "post"};
    for (int i = 0; i < 3; i++) {
        kv_get(k, str_c(ways[i]), on_get, &h);
        assert_true(tk_until_count(tk, &h.done, ++n));
        assert_int_equal(h.st, TRL_OK);
    }
    kv_get(k, STR("none"), on_get, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.st, TRL_E_NOTFOUND);
    kv_put(k, STR("a"), STR("b"), TRL_REV_ANY, on_done, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.revision, 8);
    kv_put(k, STR("a"), STR("b"), TRL_REV_ABSENT, on_done, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.st, TRL_E_CONFLICT);
    assert_string_equal(h.text, "it is there");
    kv_del(k, STR("a"), 8, on_done, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.revision, 9);
    trl_put puts[2] = {{sizeof(trl_put), 0, STR("a"), {"1", 1}, 0},
                       {sizeof(trl_put), 0, STR("b"), {"four", 4}, 0}};
    kv_batch(k, puts, 2, on_done, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.revision, 4);
    h.entries = 0;
    kv_list(k, STR("p"), STR_NONE, 3, on_entry, on_list_done, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.entries, 3);
    kv_info(k, on_info, &h);
    assert_true(tk_until_count(tk, &h.done, ++n));
    assert_int_equal(h.st, TRL_E_UNSUPP);
    kv_destroy(k);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void watches(void **state) {
    struct tk *tk = tk_create_in(*state != NULL, TEST_PLUGIN_DIR);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    struct kv *k = kv_create(in);
    struct heard h = {0}, gone = {0};
    struct kv_watch *w = kv_watch(k, STR("flood"), on_entry, on_end, &h);
    assert_true(tk_until_count(tk, &h.syncs, 1));
    assert_int_equal(h.entries, 3001);
    kv_watch_end(w);
    kv_watch_end(NULL);
    kv_watch(k, STR("flood"), on_entry, on_end, &gone);
    kv_get(k, STR("never"), on_get, &gone);
    kv_get(k, STR("now"), on_get, &gone);
    kv_destroy(k); /* nothing is heard any more */
    tk_settle(tk);
    assert_int_equal(gone.entries + gone.done + h.done, 0);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void a_watch_ends_with_the_store(void **state) {
    struct tk *tk = tk_create_in(*state != NULL, TEST_PLUGIN_DIR);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    struct kv *k = kv_create(in);
    struct heard h = {0};
    kv_watch(k, STR("x"), on_entry, on_end, &h);
    tk_close(tk, in);
    assert_int_equal(h.done, 1);
    assert_int_equal(h.st, TRL_E_CANCELLED);
    kv_destroy(k);
    assert_int_equal(tk_destroy(tk), 0);
}

static void threaded_stores_get_copies(void **state) {
    static const char *const names[] = {"slow-serial", "parallel"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
        struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, names[i], NULL, NULL, 0);
        struct kv *k = kv_create(in);
        struct heard h = {0};
        char key[] = "key", value[] = "value";
        trl_put puts[1] = {{sizeof(trl_put), 0, str_c(key), {value, 5}, 0}};
        kv_get(k, str_c(key), on_get, &h);
        kv_put(k, str_c(key), str_c(value), 0, on_done, &h);
        kv_del(k, str_c(key), 0, on_done, &h);
        kv_batch(k, puts, 1, on_done, &h);
        kv_list(k, str_c(key), str_c(key), 0, on_entry, on_list_done, &h);
        struct kv_watch *w = kv_watch(k, str_c(key), on_entry, on_end, &h);
        memset(key, 'x', sizeof(key));
        memset(value, 'x', sizeof(value));
        memset(puts, 0, sizeof(puts));
        assert_true(tk_until_count(tk, &h.done, 5));
        kv_watch_end(w);
        kv_destroy(k);
        tk_close(tk, in);
        assert_int_equal(tk_destroy(tk), 0);
    }
}

#define BOTH(f)                                                                                    \
    {#f " (uv)", f, NULL, NULL, NULL}, {                                                           \
#f " (virtual)", f, NULL, NULL, &virtual_kind                                              \
    }

int main(void) {
    static int virtual_kind;
    const struct CMUnitTest tests[] = {
        BOTH(calls),
        BOTH(watches),
        BOTH(a_watch_ends_with_the_store),
        cmocka_unit_test(threaded_stores_get_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
