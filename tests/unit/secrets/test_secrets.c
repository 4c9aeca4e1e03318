/* SPDX-License-Identifier: Apache-2.0
 *
 * The secrets room and the calls below it, over a scripted backend (tests/abi/secrets_script.c).
 */
#include "../cmocka_all.h"

#include "base/mem.h"
#include "plug/loop.h"
#include "secrets/secrets.h"
#include "testkit.h"

#define SECOND 1000000000ll

struct fix {
    struct tk *tk;
    struct plug_inst *in;
    struct secrets *s;
    uint32_t answers, told;
    trl_status st[8];
    char text[8][200];
    char value[100], version[40];
    uint32_t n;
};

static void setup(struct fix *f) {
    *f = (struct fix){0};
    f->tk = tk_create_in(true, TEST_PLUGIN_DIR);
    f->in = tk_open(f->tk, TRL_KIND_SECRETS, "secrets-script", NULL, NULL, 0);
    struct secrets_backend b = {.in = f->in, .name = STR("house")};
    struct secrets_env env = {.loop = tk_loop(f->tk), .backends = &b, .n_backends = 1};
    f->s = secrets_create(&env);
}

static void teardown(struct fix *f) {
    secrets_destroy(f->s);
    tk_close(f->tk, f->in);
    assert_int_equal(tk_destroy(f->tk), 0);
}

static struct secret_want want(const char *backend, const char *key) {
    return (struct secret_want){str_c(backend),
                                {.struct_size = sizeof(trl_secret_ref), .key = str_c(key)}};
}

static void on_have(void *arg, const struct secret_have *h) {
    struct fix *f = arg;
    for (uint32_t i = 0; i < f->n; i++) {
        str t = h[i].st == TRL_OK ? h[i].version : h[i].text;
        f->st[i] = h[i].st;
        snprintf(f->text[i], sizeof(f->text[i]), "%.*s", PSTR(t));
    }
    f->answers++;
}

static void each_reference_has_its_own_answer(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct secret_want w[] = {want("house", "db"),     want("house", "missing"),
                              want("house", "denied"), want("nobody", "db"),
                              want("house", "down"),   want("house", "hang")};
    static const trl_status expect[] = {TRL_OK,       TRL_E_NOTFOUND, TRL_E_DENIED,
                                        TRL_E_UNSUPP, TRL_E_UNAVAIL,  TRL_E_TIMEOUT};
    f.n = ARRAY_LEN(w);
    secrets_ask(f.s, w, f.n, on_have, &f);
    assert_int_equal(f.answers, 0); /* never in the call */
    tk_until_count(f.tk, &f.answers, 1);
    for (uint32_t i = 0; i < f.n; i++) {
        assert_int_equal(f.st[i], expect[i]);
        assert_true(f.text[i][0] != '\0');
    }
    assert_string_equal(f.text[0], "7");
    assert_non_null(strstr(f.text[3], "'nobody'"));
    f.n = 0;
    secrets_ask(f.s, w, 0, on_have, &f); /* nothing to ask is answered too */
    tk_until_count(f.tk, &f.answers, 2);
    teardown(&f);
}

static void ends_with_questions_open(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct secret_want hang = want("house", "hang"), db = want("house", "db"),
                       no = want("nobody", "db");
    f.n = 1;
    secrets_ask(f.s, &hang, 1, on_have, &f);
    secrets_ask(f.s, &no, 1, on_have, &f); /* its end is posted */
    secrets_asked_cancel(secrets_ask(f.s, &db, 1, on_have, &f));
    secrets_destroy(f.s);
    f.s = NULL;
    tk_settle(f.tk);
    assert_int_equal(f.answers, 0);
    teardown(&f);
}

/* Time passes, and what it sets off is done. */
static void pass(struct fix *f, int64_t ns) {
    for (; ns > 0; ns -= 10 * SECOND) {
        loop_advance(tk_loop(f->tk), 10 * SECOND);
        tk_settle(f->tk);
    }
}

static void on_version(void *arg, str version) {
    struct fix *f = arg;
    f->told++;
    snprintf(f->version, sizeof(f->version), "%.*s", PSTR(version));
}

static void a_followed_version_is_told_once(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct secret_want db = want("house", "db"), gone = want("house", "missing"),
                       down = want("house", "down"), other = want("nobody", "db");
    assert_null(secrets_follow(f.s, &other, on_version, &f));
    struct secrets_follow *one = secrets_follow(f.s, &db, on_version, &f);
    tk_until_count(f.tk, &f.told, 1);
    assert_string_equal(f.version, "7");
    pass(&f, 200 * SECOND); /* polled, and the same */
    assert_int_equal(f.told, 1);
    secrets_follow_end(one);
    secrets_follow(f.s, &gone, on_version, &f);
    tk_until_count(f.tk, &f.told, 2);
    assert_string_equal(f.version, "");
    secrets_follow(f.s, &down, on_version, &f); /* not being able to ask says nothing */
    pass(&f, 100 * SECOND);
    assert_int_equal(f.told, 2);
    teardown(&f); /* with follows open */
}

static void on_found(void *arg, trl_status st, const struct secret_found *found, const trl_err *e) {
    struct fix *f = arg;
    (void)e;
    f->st[0] = st;
    f->value[0] = '\0';
    if (found) {
        str v = guarded_bytes(found->value);
        snprintf(f->value, sizeof(f->value), "%.*s", PSTR(v));
        snprintf(f->version, sizeof(f->version), "%.*s", PSTR(found->version));
        guarded_free(found->value);
    }
    f->answers++;
}

static void a_value_comes_once_or_not_at_all(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct secret_want db = want("house", "db"), denied = want("house", "denied"),
                       hang = want("house", "hang");
    secrets_fetch(f.in, &db.ref, SECOND, on_found, &f);
    tk_until_count(f.tk, &f.answers, 1);
    assert_int_equal(f.st[0], TRL_OK);
    assert_string_equal(f.value, "value-of-db");
    assert_string_equal(f.version, "7");
    secrets_fetch(f.in, &denied.ref, SECOND, on_found, &f);
    tk_until_count(f.tk, &f.answers, 2);
    assert_int_equal(f.st[0], TRL_E_DENIED);
    secrets_fetch(f.in, &hang.ref, SECOND, on_found, &f);
    tk_until_count(f.tk, &f.answers, 3);
    assert_int_equal(f.st[0], TRL_E_TIMEOUT);
    secrets_cancel(secrets_fetch(f.in, &db.ref, SECOND, on_found, &f)); /* wiped unseen */
    secrets_cancel(secrets_fetch(f.in, &hang.ref, SECOND, on_found, &f));
    tk_settle(f.tk);
    assert_int_equal(f.answers, 3);
    teardown(&f);
}

static void on_text(void *arg, trl_status st, str text, const trl_err *e) {
    struct fix *f = arg;
    (void)text;
    (void)e;
    f->st[0] = st;
    f->answers++;
}

static void what_a_backend_cannot_is_said(void **state) {
    struct fix f;
    (void)state;
    setup(&f);
    struct secret_want db = want("house", "db");
    struct guarded *v = guarded_create("x", 1);
    assert_false(secrets_can_put(f.in));
    assert_false(secrets_can_watch(f.in));
    secrets_put(f.in, &db.ref, v, 0, SECOND, on_text, &f);
    tk_until_count(f.tk, &f.answers, 1);
    assert_int_equal(f.st[0], TRL_E_UNSUPP);
    secrets_list(f.in, STR(""), SECOND, NULL, on_text, &f);
    tk_until_count(f.tk, &f.answers, 2);
    assert_int_equal(f.st[0], TRL_E_UNSUPP);
    secrets_info(f.in, SECOND, on_text, &f);
    tk_until_count(f.tk, &f.answers, 3);
    assert_int_equal(f.st[0], TRL_E_UNSUPP);
    guarded_free(v);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_reference_has_its_own_answer),
        cmocka_unit_test(ends_with_questions_open),
        cmocka_unit_test(a_followed_version_is_told_once),
        cmocka_unit_test(a_value_comes_once_or_not_at_all),
        cmocka_unit_test(what_a_backend_cannot_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
