/* SPDX-License-Identifier: Apache-2.0
 *
 * host.secret_read/1 over a scripted backend and a scripted policy (tests/abi): what a driver is
 * given, what it is refused and why, calls that are taken back, and a plane that stops.
 */
#include "../cmocka_all.h"

#include <trellis/kind/driver.h>
#include <trellis/kind/policy.h>

#include "base/mem.h"
#include "serve/secret_read.h"
#include "testkit.h"

struct fix {
    struct tk *tk, *store_tk;
    struct plug_inst *backend, *policy, *driver, *store;
    struct kv *kv;
    struct audit *audit;
    struct policy_chains *chains;
    struct secrets *secrets;
    struct secret_reads *reads;
    uint32_t answers;
    trl_status st;
    char value[100], why[300];
    bool read;
    char *log;
};

static void setup(struct fix *f, bool with_policy) {
    *f = (struct fix){0};
    f->tk = tk_create_in(true, TEST_PLUGIN_DIR);
    f->backend = tk_open(f->tk, TRL_KIND_SECRETS, "secrets-script", NULL, NULL, 0);
    if (with_policy) {
        f->store_tk = tk_create(true);
        f->store = tk_open(f->store_tk, TRL_KIND_STORE, "memory", NULL, NULL, 0);
        f->kv = kv_create(f->store);
        f->audit = audit_create(tk_loop(f->store_tk), f->kv, NULL, &(struct audit_limits){0});
        f->policy = tk_open(f->tk, TRL_KIND_POLICY, "policy-script", NULL, NULL, 0);
        struct policy_backend b = {.in = f->policy, .name = STR("house"), .points = 63};
        struct policy_env env = {
            .loop = tk_loop(f->tk), .audit = f->audit, .backends = &b, .n_backends = 1};
        f->chains = policy_create(&env);
    }
    struct secrets_backend b = {.in = f->backend, .name = STR("vault")};
    struct secrets_env env = {.loop = tk_loop(f->tk), .backends = &b, .n_backends = 1};
    f->secrets = secrets_create(&env);
    struct secret_reads_env reads = {.loop = tk_loop(f->tk),
                                     .log = plug_log(tk_plug(f->tk)),
                                     .policy = f->chains,
                                     .secrets = f->secrets};
    f->reads = secret_reads_create(&reads);
    struct plug_iface iface = {TRL_HOST_SECRET_READ_V1, &secret_reads_iface, f->reads};
    f->driver = tk_open(f->tk, TRL_KIND_SECRETS, "secrets-script", NULL, &iface, 1);
}

static void teardown(struct fix *f) {
    secret_reads_finish(f->reads);
    policy_destroy(f->chains);
    secrets_destroy(f->secrets);
    tk_close(f->tk, f->driver);
    secret_reads_destroy(f->reads);
    tk_close(f->tk, f->backend);
    if (f->policy) {
        tk_close(f->tk, f->policy);
        audit_destroy(f->audit);
        tk_settle(f->store_tk);
        kv_destroy(f->kv);
        tk_close(f->store_tk, f->store);
        assert_int_equal(tk_destroy(f->store_tk), 0);
    }
    mem_free(f->log);
    assert_int_equal(tk_destroy(f->tk), 0);
}

static void on_value(void *arg, trl_status st, const trl_secret *s, trl_str why) {
    struct fix *f = arg;
    f->answers++;
    f->st = st;
    snprintf(f->why, sizeof(f->why), "%.*s", PSTR(why));
    snprintf(f->value, sizeof(f->value), "%.*s", s ? (int)s->value.len : 0,
             s ? (const char *)s->value.ptr : "");
    assert_true((st == TRL_OK) == (s != NULL));
}

static uint64_t begin(struct fix *f, const char *backend, const char *key) {
    trl_secret_ref ref = {.struct_size = sizeof(ref),
                          .key = str_c(key),
                          .lattice = STR("default"),
                          .app = STR("shop"),
                          .entity = STR("shop-web")};
    trl_secret_read r = {.struct_size = sizeof(r),
                         .kind = TRL_RUN_COMPONENT,
                         .backend = str_c(backend),
                         .host_id = STR("NHOST"),
                         .ref = &ref};
    return secret_reads_iface.fetch(f->driver, &r, on_value, f);
}

static trl_status read_one(struct fix *f, const char *backend, const char *key) {
    uint32_t want = f->answers + 1;
    assert_true(begin(f, backend, key) > 0);
    assert_int_equal(f->answers, want - 1); /* never in the call */
    tk_until_count(f->tk, &f->answers, want);
    return f->st;
}

static void values_and_errors(void **state) {
    struct fix f;
    (void)state;
    setup(&f, false);
    assert_int_equal(read_one(&f, "vault", "db"), TRL_OK);
    assert_string_equal(f.value, "value-of-db");
    assert_int_equal(read_one(&f, "vault", "missing"), TRL_E_NOTFOUND);
    assert_string_equal(f.why, "scripted");
    assert_int_equal(read_one(&f, "vault", "denied"), TRL_E_DENIED);
    assert_int_equal(read_one(&f, "vault", "down"), TRL_E_UNAVAIL);
    assert_int_equal(read_one(&f, "vault", "hang"), TRL_E_TIMEOUT);
    assert_int_equal(read_one(&f, "nobody", "db"), TRL_E_UNSUPP);
    assert_non_null(strstr(f.why, "no secrets backend 'nobody' is configured"));
    assert_int_equal(read_one(&f, "vault", ""), TRL_E_INVALID);
    assert_true(tk_logged(f.tk, "secrets vault: missing for shop-web: scripted"));
    assert_false(tk_logged(f.tk, "value-of"));
    teardown(&f);
}

static void newer_plugins_are_told(void **state) {
    struct fix f;
    trl_secret_ref ref = {.struct_size = sizeof(ref), .key = STR("db"), .entity = STR("u")};
    struct {
        trl_secret_read r;
        uint64_t more;
    } q = {{.struct_size = sizeof(q), .backend = STR("vault"), .host_id = STR("N"), .ref = &ref},
           1};
    (void)state;
    setup(&f, false);
    secret_reads_iface.fetch(f.driver, &q.r, on_value, &f);
    tk_until_count(f.tk, &f.answers, 1);
    assert_int_equal(f.st, TRL_E_UNSUPP);
    teardown(&f);
}

static void on_read(void *arg, trl_status st, str json) {
    struct fix *f = arg;
    assert_int_equal(st, TRL_OK);
    f->log = str_dup(json);
    f->read = true;
}

/* The same question as for hosts; a denial gives no value, and is in the audit. */
static void policies_are_asked(void **state) {
    struct fix f;
    (void)state;
    setup(&f, true);
    assert_int_equal(read_one(&f, "vault", "db"), TRL_OK);
    assert_int_equal(read_one(&f, "vault", "deny-this"), TRL_E_DENIED);
    assert_non_null(strstr(f.why, "denied by policy: because of it"));
    assert_string_equal(f.value, "");
    assert_int_equal(read_one(&f, "vault", "error-here"), TRL_E_DENIED);
    assert_non_null(strstr(f.why, "cannot decide"));
    tk_settle(f.store_tk);
    audit_read(f.audit, &(struct audit_query){0}, on_read, &f);
    tk_until_set(f.store_tk, &f.read);
    assert_non_null(strstr(f.log, "\"what\":\"read deny-this of vault\""));
    assert_non_null(strstr(f.log, "\"caller\":\"host NHOST for shop-web\""));
    assert_non_null(strstr(f.log, "\"point\":\"secret\""));
    teardown(&f);
}

static void calls_end_with_their_plane(void **state) {
    struct fix f;
    (void)state;
    setup(&f, true);
    uint64_t id = begin(&f, "vault", "db");
    secret_reads_iface.cancel(f.driver, id);
    secret_reads_iface.cancel(f.driver, id);
    id = begin(&f, "vault", "hang"); /* at the backend */
    tk_settle(f.tk);
    secret_reads_iface.cancel(f.driver, id);
    begin(&f, "nobody", "db");
    begin(&f, "vault", "hang");
    tk_until_count(f.tk, &f.answers, 1);
    tk_settle(f.tk);
    assert_int_equal(f.answers, 1);
    secret_reads_finish(f.reads);
    tk_settle(f.tk);
    assert_int_equal(f.answers, 1); /* the other one never hears of it */
    assert_int_equal(read_one(&f, "vault", "db"), TRL_E_CLOSED);
    teardown(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_errors),
        cmocka_unit_test(newer_plugins_are_told),
        cmocka_unit_test(policies_are_asked),
        cmocka_unit_test(calls_end_with_their_plane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
