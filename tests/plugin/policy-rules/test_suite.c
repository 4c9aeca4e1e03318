/* SPDX-License-Identifier: Apache-2.0
 *
 * The conformance suite of policy/1 on these rules: from a file that changes, and from the config.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../unit/cmocka_all.h"
#include "base/mem.h"
#include "suite_policy.h"

#define RULES                                                                                      \
    "{name: ours, match: {unit: '**'}, unless: {image: {registry: registry.example.com}}, "        \
    "verdict: deny, message: images come from our registry, remedy: push it there, "               \
    "code: image.registry},"                                                                       \
    "{name: not-many, match: {instances: {over: 20}}, verdict: warn},"                             \
    "{name: no-cross, match: {link: {target: 'db-*', namespace: wasi}}, verdict: deny, "           \
    "enforce: stop},"                                                                              \
    "{name: team, points: [put], match: {app: 'shop-*'}, verdict: allow, ttl: 30s},"               \
    "{name: vault-only, match: {secret: {backend: '**'}}, unless: {secret: {backend: vault}}, "    \
    "verdict: deny},"                                                                              \
    "{name: no-east, points: [place], match: {host: {labels: {zone: 'east-*'}}}, verdict: deny}"

static const struct suite_policy_case cases[] = {
    {TRL_POINT_PUT,
     "{\"point\":\"put\",\"lattice\":\"default\",\"app\":\"shop-front\",\"version\":\"v1\","
     "\"manifest\":{},\"units\":[{\"name\":\"web\",\"kind\":\"component\",\"image\":"
     "\"registry.example.com/web:1\",\"instances\":3,\"path\":\"/spec/components/0\"}]}",
     TRL_V_ALLOW, "\"rule\":\"team\""},
    {TRL_POINT_PUT,
     "{\"point\":\"put\",\"lattice\":\"default\",\"app\":\"x\",\"units\":[{\"name\":\"web\","
     "\"kind\":\"component\",\"image\":\"docker.io/web:1\",\"path\":\"/spec/components/0\"}]}",
     TRL_V_DENY, "\"path\":\"/spec/components/0\""},
    {TRL_POINT_PUT,
     "{\"point\":\"put\",\"app\":\"x\",\"units\":[{\"name\":\"web\",\"image\":"
     "\"registry.example.com/web:1\",\"instances\":21,\"path\":\"/spec/components/0\"}]}",
     TRL_V_WARN, "not-many"},
    {TRL_POINT_DEPLOY,
     "{\"point\":\"deploy\",\"app\":\"x\",\"links\":[{\"source\":\"web\",\"target\":\"db-main\","
     "\"namespace\":\"wasi\",\"package\":\"keyvalue\",\"interfaces\":[\"store\"],"
     "\"path\":\"/spec/components/0/traits/1\"}]}",
     TRL_V_DENY, "/spec/components/0/traits/1"},
    {TRL_POINT_DEPLOY, "{\"point\":\"deploy\",\"app\":\"x\"}", TRL_V_ABSTAIN, NULL},
    {TRL_POINT_PLACE,
     "{\"point\":\"place\",\"app\":\"x\",\"unit\":{\"name\":\"web\",\"kind\":\"component\","
     "\"image\":\"registry.example.com/web:1\"},\"host\":{\"id\":\"NA\",\"labels\":{\"zone\":"
     "\"east-1\"}}}",
     TRL_V_DENY, "no-east"},
    {TRL_POINT_PLACE,
     "{\"point\":\"place\",\"app\":\"x\",\"unit\":{\"name\":\"web\",\"kind\":\"component\","
     "\"image\":\"registry.example.com/web:1\"},\"host\":{\"id\":\"NB\",\"labels\":{\"zone\":"
     "\"west-1\"}}}",
     TRL_V_ABSTAIN, NULL},
    {TRL_POINT_COMMAND,
     "{\"point\":\"command\",\"app\":\"x\",\"verb\":\"scale\",\"unit\":\"web\",\"image\":"
     "\"docker.io/web:1\",\"count\":2,\"host\":{\"id\":\"NA\",\"name\":\"a\",\"labels\":{}}}",
     TRL_V_DENY, "image.registry"},
    {TRL_POINT_HOST,
     "{\"point\":\"host\",\"kind\":\"startComponent\",\"unit\":{\"name\":\"web\",\"image\":"
     "\"docker.io/web:1\"},\"count\":1,\"host\":{\"id\":\"NA\",\"labels\":{}}}",
     TRL_V_DENY, "push it there"},
    {TRL_POINT_SECRET,
     "{\"point\":\"secret\",\"app\":\"x\",\"entity\":{\"kind\":\"component\",\"subject\":\"MA\"},"
     "\"host\":{\"id\":\"NA\"},\"secret\":{\"backend\":\"env\",\"key\":\"db\"}}",
     TRL_V_DENY, "vault-only"},
};

struct file {
    char dir[64], path[96];
    int written;
};

static void write_rules(void *arg) {
    struct file *f = arg;
    char temporary[128];
    snprintf(temporary, sizeof(temporary), "%s.new", f->path);
    FILE *out = fopen(temporary, "w");
    assert_non_null(out);
    fprintf(out, "# %d\nrules: [%s]\n", f->written++, RULES);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(rename(temporary, f->path), 0);
}

static int setup(void **state) {
    struct file *f = mem_zalloc(sizeof(*f));
    snprintf(f->dir, sizeof(f->dir), "/tmp/trlrules.XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/rules.yaml", f->dir);
    write_rules(f);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct file *f = *state;
    unlink(f->path);
    rmdir(f->dir);
    mem_free(f);
    return 0;
}

static void run(struct file *f, uint32_t flags) {
    char config[256];
    snprintf(config, sizeof(config), "{\"file\":\"%s\",\"poll_ms\":20}", f->path);
    assert_int_equal(suite_policy(&(struct suite_policy){.component = "rules",
                                                         .config = config,
                                                         .cases = cases,
                                                         .n_cases = ARRAY_LEN(cases),
                                                         .flags = flags,
                                                         .change = write_rules,
                                                         .arg = f}),
                     0);
}

static void test_file(void **state) {
    run(*state, 0);
}

static void test_virtual(void **state) {
    run(*state, SUITE_VIRTUAL);
}

static void test_config(void **state) {
    static const char config[] =
        "{\"rules\":[{\"name\":\"no\",\"match\":{\"app\":[\"a\",\"b*\"]},\"verdict\":\"deny\"}],"
        "\"default\":\"warn\",\"default_points\":[\"put\"]}";
    static const struct suite_policy_case few[] = {
        {TRL_POINT_PUT, "{\"app\":\"bb\"}", TRL_V_DENY, "(config)"},
        {TRL_POINT_PUT, "{\"app\":\"c\"}", TRL_V_WARN, "no rule speaks"},
        {TRL_POINT_COMMAND, "{\"app\":\"c\"}", TRL_V_ABSTAIN, NULL},
        {TRL_POINT_SECRET, "{\"app\":\"a\"}", TRL_V_DENY, NULL},
    };
    (void)state;
    assert_int_equal(
        suite_policy(&(struct suite_policy){
            .component = "rules", .config = config, .cases = few, .n_cases = ARRAY_LEN(few)}),
        0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_file, setup, teardown),
        cmocka_unit_test_setup_teardown(test_virtual, setup, teardown),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
