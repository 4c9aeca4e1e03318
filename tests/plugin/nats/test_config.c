/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations that are right and wrong, and the small parts: subjects, addresses, keys.
 */
#include <jansson.h>
#include <stdlib.h>

#include "../../unit/cmocka_all.h"
#include "fake.h"
#include "nkey.h"
#include "opts.h"
#include "subject.h"

#define SEED "SUAIBDPBAUTWCWBKIO6XHQNINK5FWJW4OHLXC3HQ2KFE4PEJUA44CNHTC4"

static void refused(const char *name, const char *config, const char *why) {
    const trl_component *c = comp_find(name);
    trl_err err = {.struct_size = sizeof(err)};
    trl_status st = c->check(trl_cstr(config), &err);
    if (st != TRL_E_INVALID) {
        fprintf(stderr, "%s: taken\n", config);
    }
    assert_int_equal(st, TRL_E_INVALID);
    if (!strstr(err.msg, why)) {
        fprintf(stderr, "%s: %s, not %s\n", config, err.msg, why);
    }
    assert_non_null(strstr(err.msg, why));
    assert_null(strstr(err.msg, "hush"));
    assert_null(strstr(err.msg, "SUAI"));
}

static void accepted(const char *name, const char *config) {
    const trl_component *c = comp_find(name);
    trl_err err = {.struct_size = sizeof(err)};
    trl_status st = c->check(trl_cstr(config), &err);
    if (st != TRL_OK) {
        fprintf(stderr, "%s: %s\n", config, err.msg);
    }
    assert_int_equal(st, TRL_OK);
}

static void test_check(void **state) {
    (void)state;
    accepted("nats", "{}");
    accepted("nats-kv", "{}");
    accepted("nats", "{\"url\":\"a:1, nats://b:2/ ,tls://u:p@[::1]:4222,host\"}");
    accepted("nats", "{\"nkey_seed\":\"" SEED "\",\"jwt\":\"eyJ\"}");
    accepted("nats", "{\"nkey_seed\":\"file\"}");
    refused("nats", "[]", "no JSON object");
    refused("nats", "{\"jwt\":\"eyJhush\"}", "needs nkey_seed");
    refused("nats", "{\"creds\":\"f\",\"nkey_seed\":\"" SEED "\"}", "drop nkey_seed");
    refused("nats", "{\"creds\":\"f\",\"token\":\"hush\"}", "more than one way");
    refused("nats", "{\"user\":\"u\"}", "needs the other");
    refused("nats", "{\"password\":\"hush\"}", "needs the other");
    refused("nats", "{\"user\":\"u\",\"password\":\"hush\",\"password_file\":\"f\"}", "keep one");
    refused("nats", "{\"token\":\"hush\",\"token_file\":\"f\"}", "keep one");
    refused("nats", "{\"user\":\"u\",\"password\":\"hush\",\"token\":\"hush\"}", "more than one");
    refused("nats", "{\"tls\":{\"cert\":\"f\"}}", "cert and key");
    refused("nats", "{\"url\":\"http://x\"}", "a scheme other");
    refused("nats", "{\"url\":\"nats://\"}", "host is missing");
    refused("nats", "{\"url\":\"a,,b\"}", "host is missing");
    refused("nats", "{\"url\":\"a:99999\"}", "port");
    refused("nats", "{\"url\":\"a:x\"}", "port");
    refused("nats", "{\"url\":\"[::1\"}", "']'");
    refused("nats", "{\"url\":\"a b\"}", "character");
    refused("nats", "{\"url\":\"u:hush@a,u:hush2@b\"}", "different users");
    refused("nats", "{\"url\":\"u:hush@a,hush@b\"}", "different users");
    refused("nats", "{\"inbox_prefix\":\"a.*\"}", "inbox_prefix");
    refused("nats", "{\"js_domain\":\"a.b\"}", "js_domain");
    refused("nats", "{\"streams\":[{\"name\":\"a.b\",\"subjects\":[\"x\"]}]}", "streams[0].name");
    refused("nats", "{\"streams\":[{\"name\":\"a\",\"subjects\":[]}]}", "at least one");
    refused("nats", "{\"streams\":[{\"name\":\"a\",\"subjects\":[\"x\",\"x..\"]}]}", "subjects[1]");
    refused("nats",
            "{\"streams\":[{\"name\":\"a\",\"subjects\":[\"x\"]},{\"name\":\"a\",\"subjects\":["
            "\"y\"]}]}",
            "the same as of streams[0]");
    refused("nats-kv", "{\"bucket\":\"a.b\"}", "bucket:");
    refused("nats-kv", "{\"bucket\":\"a b\"}", "bucket:");
}

/* Creation refuses the same, and leaves nothing behind. */
static void test_create(void **state) {
    static const char *const names[] = {"nats", "nats-kv"};
    struct fake *f = fake_new();
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        const trl_component *c = comp_find(names[i]);
        trl_err err = {.struct_size = sizeof(err)};
        trl_inst *in = NULL;
        assert_int_equal(c->create(fake_host(f), trl_cstr("{\"jwt\":\"x\"}"), &in, &err),
                         TRL_E_INVALID);
        assert_int_equal(c->create(fake_host(f),
                                   trl_cstr("{\"streams\":[{\"name\":\"a\"}],"
                                            "\"bucket\":\"a b\"}"),
                                   &in, &err),
                         TRL_E_INVALID);
        assert_null(in);
    }
    fake_free(f);
}

/* The schema is JSON, and every member is described. */
static void test_schema(void **state) {
    static const char *const names[] = {"nats", "nats-kv"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        json_t *j = json_loads(comp_find(names[i])->config_schema, 0, NULL), *b_member;
        const char *key;
        assert_true(json_is_object(j));
        json_object_foreach(json_object_get(j, "properties"), key, b_member) {
            assert_non_null(json_string_value(json_object_get(b_member, "description")));
        }
        json_decref(j);
    }
}

static void test_opts(void **state) {
    json_t *j = json_loads("{\"url\":\"b,nats://us%40er:p%3Aw@[::1]:7/\"}", 0, NULL);
    struct opts o;
    trl_err err = {.struct_size = sizeof(err)};
    (void)state;
    assert_int_equal(opts_parse(j, &o, &err), TRL_OK);
    assert_int_equal(o.n_urls, 2);
    assert_string_equal(o.urls[0].url, "nats://b:4222");
    assert_string_equal(o.urls[1].url, "nats://[::1]:7");
    assert_string_equal(o.urls[1].host, "::1");
    assert_string_equal(o.user, "us@er");
    assert_string_equal(o.password, "p:w");
    opts_finish(&o);
    json_decref(j);
}

static void test_subjects(void **state) {
    static const char *const good[] = {"a", "a.b", "*", ">", "a.*.b", "a.>", "$KV.x", "a.b>c"};
    static const char *const bad[] = {"",    ".",    "a.",  ".a",    "a..b",
                                      "a b", "a\tb", ">.a", "a.>.b", "a\n"};
    static const char *const covers[][2] = {{"a.>", "a.b"},   {"a.>", "a.b.c"}, {"a.*", "a.b"},
                                            {"a.*", "a.*"},   {">", "a"},       {"a.>", "a.>"},
                                            {"a.>", "a.*.c"}, {"a", "a"}};
    static const char *const not_covers[][2] = {{"a.>", "a"},   {"a.*", "a.b.c"}, {"a.*", "a.>"},
                                                {"a.b", "a.*"}, {"a", "b"},       {"a.b", "a"}};
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_true(subject_ok(trl_cstr(good[i]), 1));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(subject_ok(trl_cstr(bad[i]), 1));
    }
    assert_false(subject_ok(trl_cstr("a.*"), 0));
    assert_true(subject_ok(trl_cstr("a.b*"), 0));
    for (size_t i = 0; i < sizeof(covers) / sizeof(covers[0]); i++) {
        assert_true(subject_covers(trl_cstr(covers[i][0]), trl_cstr(covers[i][1])));
    }
    for (size_t i = 0; i < sizeof(not_covers) / sizeof(not_covers[0]); i++) {
        assert_false(subject_covers(trl_cstr(not_covers[i][0]), trl_cstr(not_covers[i][1])));
    }
}

static void test_nkey(void **state) {
    uint8_t seed[32] = {1, 2, 3};
    char text[NKEY_SEED_LEN + 1], pub[NKEY_PUBLIC_LEN + 1];
    (void)state;
    nkey_encode_seed(NKEY_PREFIX_USER, seed, text);
    assert_int_equal(strlen(text), NKEY_SEED_LEN);
    assert_true(opts_seed_literal(text));
    assert_memory_equal(text, "SU", 2);
    assert_true(nkey_public(text, pub));
    assert_int_equal(strlen(pub), NKEY_PUBLIC_LEN);
    assert_int_equal(pub[0], 'U');
    text[30] = text[30] == 'A' ? 'B' : 'A';
    assert_false(nkey_public(text, pub));
    assert_false(nkey_public("", pub));
    assert_false(nkey_public("SUa", pub));
    assert_false(opts_seed_literal("/etc/seed"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),    cmocka_unit_test(test_create),
        cmocka_unit_test(test_schema),   cmocka_unit_test(test_opts),
        cmocka_unit_test(test_subjects), cmocka_unit_test(test_nkey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
