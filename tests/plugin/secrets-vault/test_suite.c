/* SPDX-License-Identifier: Apache-2.0
 *
 * The suite of secrets/1 on this backend with a real OpenBao server: over plain HTTP, over TLS, and
 * on both versions of the KV engine. It ends with a search of the process's memory.
 */
#include "suite_secrets.h"

#include <stdio.h>

#include "../../unit/cmocka_all.h"
#include "bao.h"

struct bed {
    struct bao bao;
    const char *mount;
};

static int plant(void *ctx, const char *key, const char *field, const void *value, size_t n) {
    struct bed *b = ctx;
    return bao_plant(&b->bao, b->mount, key, *field ? field : "value", value, n);
}

static void drop(void *ctx, const char *key) {
    struct bed *b = ctx;
    char path[200];
    snprintf(path, sizeof(path), "%s/%s", b->mount, key);
    BAO(&b->bao, "kv", "delete", path);
}

static void deny(void *ctx, const char *key) {
    struct bed *b = ctx;
    char rules[1200];
    snprintf(rules, sizeof(rules),
             "path \"%s/*\" { capabilities = [\"create\",\"read\",\"update\",\"list\"] }\n"
             "path \"%s/%s\" { capabilities = [\"deny\"] }\n"
             "path \"%s/data/%s\" { capabilities = [\"deny\"] }\n",
             b->mount, b->mount, key, b->mount, key);
    bao_run(&b->bao, rules, strlen(rules), NULL,
            (const char *const[]){"policy", "write", "suite", "-", NULL});
}

static void outage(void *ctx, int down) {
    struct bed *b = ctx;
    bao_pause(&b->bao, down);
}

/* A token with a policy that "deny" narrows. */
static const char *token_file(struct bed *b) {
    char token[4096];
    deny(b, "suite/nobody");
    BAO_OUT(&b->bao, token, "token", "create", "-policy=suite", "-field=token", "-ttl=1h");
    return bao_file(&b->bao, "token", token);
}

static void run(int tls, int kv) {
    struct bed b = {.mount = kv == 2 ? "secret" : "old"};
    char config[700];
    if (!bao_present()) {
        skip();
    }
    bao_start(&b.bao, tls);
    if (kv == 1) {
        assert_int_equal(BAO(&b.bao, "secrets", "enable", "-path=old", "-version=1", "kv"), 0);
    }
    char tls_part[200] = "";
    if (tls) {
        snprintf(tls_part, sizeof(tls_part), ",\"tls\":{\"ca\":\"%s\"}",
                 bao_file(&b.bao, "vault-ca.pem", NULL));
    }
    snprintf(config, sizeof(config),
             "{\"address\":\"%s\",\"mount\":\"%s\",\"kv_version\":%d,\"poll_interval_ms\":50,"
             "\"request_timeout_ms\":10000,\"auth\":{\"token_file\":\"%s\"}%s}",
             b.bao.address, b.mount, kv, token_file(&b), tls_part);
    struct suite_secrets s = {
        .component = "vault",
        .config = config,
        .flags = SX_TEXT | SX_FIELDS,
        .ctx = &b,
        .plant = plant,
        .remove = drop,
        .deny = deny,
        .outage = outage,
    };
    int failed = suite_secrets(&s);
    bao_end(&b.bao);
    assert_int_equal(failed, 0);
}

static void test_plain(void **state) {
    (void)state;
    run(0, 2);
}

static void test_tls(void **state) {
    (void)state;
    run(1, 2);
}

static void test_version_one(void **state) {
    (void)state;
    run(0, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_version_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
