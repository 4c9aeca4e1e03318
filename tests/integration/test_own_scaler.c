/* SPDX-License-Identifier: Apache-2.0
 *
 * A scaler from outside: built against the installed SDK only, found by name in a directory of the
 * configuration, places a real deployment.
 */
#include "../unit/cmocka_all.h"

#include "site.h"

#include <signal.h>
#include <stdlib.h>

static void must_run(const char *const argv[]) {
    char *text = NULL;
    int rc = proc_run(argv, 90000, &text);
    if (rc != 0) {
        fail_msg("%s %s: %d\n%s", argv[0], argv[1], rc, text);
    }
    free(text);
}

static void build_example(struct site *s) {
    char sdk[100], prefix[140], source[160], build[100];
    snprintf(sdk, sizeof(sdk), "%s/sdk", s->nats.dir);
    snprintf(source, sizeof(source), "%s/share/trellis/examples/scaler-bin-pack", sdk);
    snprintf(prefix, sizeof(prefix), "-DCMAKE_PREFIX_PATH=%s", sdk);
    snprintf(build, sizeof(build), "%s/build", s->nats.dir);
    must_run((const char *const[]){CMAKE_PROGRAM, "--install", CMAKE_BUILD, "--component", "sdk",
                                   "--prefix", sdk, NULL});
    must_run((const char *const[]){CMAKE_PROGRAM, "-G", "Ninja", "-S", source, "-B", build, prefix,
                                   NULL});
    must_run((const char *const[]){CMAKE_PROGRAM, "--build", build, NULL});
}

static const char APP[] =
    "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: packed\n  "
    "annotations: {}\n"
    "spec:\n  components:\n    - name: web\n      type: component\n      properties:\n"
    "        image: reg.example/web:1\n      traits:\n        - type: binpack\n"
    "          properties: { instances: 20, max_per_host: 8 }\n";

static void test_bin_pack(void **state) {
    struct site *s = *state;
    char config[600];
    uint32_t used = 0, most = 0, instances = 0;
    site_open(s, "");
    site_connect(s);
    build_example(s);
    snprintf(config, sizeof(config),
             "plugin_dirs: [%s/build/plugins]\ntransport: { plugin: nats, url: \"%s\" }\n"
             "store: { plugin: nats-kv, url: \"%s\" }\nscalers: { binpack: bin-pack }\n",
             s->nats.dir, s->url, s->url);
    site_serve_start(s, 0, config);
    assert_true(proc_wait(&s->serve[0], "serving the API", 1, SITE_MS));
    site_sim(s, "10");
    WAIT(site_hosts(s, NULL) == 10, SITE_MS);
    site_model(s, "put", APP, "created");
    site_model(s, "deploy.packed", "", "acknowledged");
    WAIT(site_is(s, "packed", "deployed"), SITE_MS);
    WAIT(site_hosts(s, &instances) == 10 && instances == 20, SITE_MS);
    const struct node *list = node_get(site_ask(s, "trellis.api.default.host.list", ""), "data");
    for (uint32_t i = 0; i < list->n; i++) {
        uint32_t n = (uint32_t)node_u64_or(list->items[i], "instances", 0);
        used += n > 0;
        most = n > most ? n : most;
    }
    print_message("20 instances on %u of 10 hosts, at most %u on one\n", used, most);
    assert_int_equal(used, 3); /* 8 + 8 + 4 */
    assert_int_equal(most, 8);
    assert_int_equal(proc_end(&s->serve[0], SIGTERM), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        SITE_TEST(test_bin_pack),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    nats_Close();
    return rc;
}
