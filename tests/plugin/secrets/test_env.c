/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "env": the suite with everything planted beforehand, the names, and that nothing is
 * left in the environment when it is told so.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../unit/cmocka_all.h"
#include "ask.h"
#include "suite_secrets.h"

static int plant(void *ctx, const char *key, const char *field, const void *value, size_t n) {
    char name[128] = "TRELLIS_SECRET_", *at = name + strlen(name);
    char *text = sodium_malloc(n + 1);
    int failed;
    (void)ctx;
    snprintf(at, 100, "%s%s%s", key, *field ? "__" : "", field);
    for (; *at; at++) {
        *at = *at == '/' ? '_' : *at >= 'a' && *at <= 'z' ? (char)(*at - 32) : *at;
    }
    memcpy(text, value, n);
    text[n] = '\0';
    failed = setenv(name, text, 1);
    sodium_free(text);
    return failed;
}

static void test_suite(void **state) {
    struct suite_secrets s = {.component = "env",
                              .config = "{\"unset\":true}",
                              .flags = SX_FIXED | SX_TEXT | SX_FIELDS,
                              .plant = plant};
    (void)state;
    assert_int_equal(suite_secrets(&s), 0);
    assert_null(getenv("TRELLIS_SECRET_SUITE_TEXT"));
}

static void test_names(void **state) {
    struct tk *tk = tk_create(false);
    struct plug_inst *in;
    char version[256];
    (void)state;
    setenv("T_PROD_DB", "whole", 1);
    setenv("T_PROD_DB__USER", "al", 1);
    setenv("T_PROD_DB__PASS_WORD", "pw", 1);
    setenv("T_A1", "", 1);
    setenv("T_B__F", "only a field", 1);
    setenv("T_", "odd", 1);
    setenv("T__X", "odd", 1);
    setenv("T_lower", "odd", 1);
    setenv("T_X___Y", "odd", 1);
    setenv("T_X__Y__Z", "odd", 1);
    setenv("T_X_", "odd", 1);
    in = tk_open(tk, TRL_KIND_SECRETS, "env", "{\"prefix\":\"T_\"}", NULL, 0);
    TK_CHECK_F(tk, tk_logged(tk, "6 variables begin with T_"), "odd names are told");
    ASK_TEXT(tk, ask_list(tk, in, ""), "a1 b prod/db ");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("prod/db")), "whole");
    ASK_TEXT(tk, ask_fetch(tk, in, QF("prod/db", "user")), "al");
    ASK_TEXT(tk, ask_fetch(tk, in, QF("prod/db", "pass/word")), "pw");
    ASK_ST(tk, ask_fetch(tk, in, Q("a1")), TRL_OK);
    ASK_ST(tk, ask_fetch(tk, in, Q("b")), TRL_E_NOTFOUND);
    ASK_ST(tk, ask_fetch(tk, in, Q("prod_db")), TRL_E_INVALID);
    ASK_ST(tk, ask_fetch(tk, in, Q("PROD/DB")), TRL_E_INVALID);
    ASK_ST(tk, ask_fetch(tk, in, QF("prod", "/x")), TRL_E_INVALID);
    TK_CHECK_F(tk, strstr(ask_fetch(tk, in, Q("prod-db"))->why, "T_PROD_DB") != NULL,
               "it says how names are made");
    TK_CHECK_F(tk, !secrets_can_put(in), "read-only");
    snprintf(version, sizeof(version), "%s", ask_check(tk, in, Q("prod/db"))->version);
    setenv("T_PROD_DB", "later", 1);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("prod/db")), "whole");
    tk_close(tk, in);
    /* the same value has the same version after a restart, where the machine has an id */
    setenv("T_PROD_DB", "whole", 1);
    in = tk_open(tk, TRL_KIND_SECRETS, "env", "{\"prefix\":\"T_\",\"unset\":true}", NULL, 0);
    if (access("/etc/machine-id", R_OK) == 0 && !tk_logged(tk, "no /etc/machine-id")) {
        ASK_TEXT(tk, ask_check(tk, in, Q("prod/db")), version);
    }
    TK_CHECK_F(tk, !getenv("T_PROD_DB") && !getenv("T_B__F") && getenv("T_lower"),
               "what was read is taken out, nothing else");
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void test_config(void **state) {
    static const char *const bad[][2] = {
        {"{\"prefix\":\"\"}", "/prefix"},
        {"{\"prefix\":\"A-B\"}", "/prefix"},
        {"{\"prefix\":\"1A\"}", "/prefix"},
        {"{\"prefix\":7}", "/prefix"},
        {"{\"unset\":\"yes\"}", "/unset"},
        {"{\"perfix\":\"A\"}", "perfix"},
        {"{\"version_key\":\"/no/dir/key\"}", "set version_key"},
    };
    struct tk *tk = tk_create(false);
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ask_refused(tk, "env", bad[i][0], bad[i][1], NULL, 0);
    }
    assert_int_equal(tk_destroy(tk), 0);
}

static void test_example(void **state) {
    struct tk *tk = tk_create(false);
    struct plug_inst *in;
    char text[512];
    FILE *f = fopen(TRELLIS_SOURCE_DIR "/secrets/env/examples/env.json", "r");
    (void)state;
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    setenv("DEMO_SECRET_PROD_DB__PASSWORD", "pw", 1);
    in = tk_open(tk, TRL_KIND_SECRETS, "env", text, NULL, 0);
    ASK_TEXT(tk, ask_fetch(tk, in, QF("prod/db", "password")), "pw");
    ASK_TEXT(tk, ask_info(tk, in), "{\"prefix\":\"DEMO_SECRET_\",\"variables\":1}");
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_config),
        cmocka_unit_test(test_example),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
