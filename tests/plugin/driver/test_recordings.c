/* SPDX-License-Identifier: Apache-2.0
 *
 * What real hosts said, replayed: every event, inventory, list of links and config of the
 * recordings must be understood, and the texts the driver looks for must be the ones hosts use.
 * Skipped when TRELLIS_FIXTURES is not set.
 */
#include <dirent.h>
#include <stdlib.h>

#include "decode.h"
#include "rig.h"

struct tally {
    struct core *c;
    size_t events, beats, inventories, links, configs, pongs, files;
    int texts[8];
};

static const char *const wanted_texts[8] = {"already running",
                                            "not running",
                                            "already exists with different target",
                                            "spec doesn't exist",
                                            "key cannot be empty",
                                            "config data should be a map",
                                            "unsupported subject",
                                            "Configuration not found"};

static const char *member(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

static void event(struct tally *t, const char *subject, const json_t *b_data) {
    char *body = json_dumps(b_data, JSON_COMPACT);
    core_publish(t->c, subject, body);
    core_run(t->c, 1);
    free(body);
    t->events++;
    if (strstr(subject, "host_heartbeat")) {
        char part[512];
        const json_t *d = json_object_get(b_data, "data");
        snprintf(part, sizeof(part), "report default %s FULL*LABELS BEAT name=%s version=%s",
                 member(b_data, "source"), member(d, "friendly_name"), member(d, "version"));
        assert_true(core_count(t->c, part) > 0);
        t->beats++;
    }
}

static void answer(struct tally *t, const char *request, const json_t *b_data) {
    char *body = json_dumps(b_data, JSON_COMPACT);
    struct jtree tree = {.n = 0};
    struct reply r;
    struct inventory inv = {.n_entries = 0};
    struct link_scratch ls = {.cap = 0};
    assert_int_equal(decode_reply(&tree, (trl_bytes){body, strlen(body)}, &r), 0);
    for (size_t i = 0; i < 8; i++) {
        t->texts[i] |= strstr(member(b_data, "message"), wanted_texts[i]) != NULL;
    }
    if (r.success && strstr(request, ".host.get.")) {
        assert_int_equal(decode_inventory(r.b_response, &inv), 0);
        assert_int_equal(inv.n_entries, jnode_count(jnode_get(r.b_response, "components")) +
                                            jnode_count(jnode_get(r.b_response, "providers")));
        t->inventories++;
    } else if (r.success && strstr(request, ".link.get")) {
        JNODE_EACH(r.b_response, b) {
            assert_int_equal(decode_link(b, &ls), 0);
            t->links++;
        }
    } else if (r.success && strstr(request, ".config.get.") && r.b_response) {
        uint64_t hash = 0;
        assert_int_equal(decode_config_hash(r.b_response, &hash), 0);
        t->configs++;
    } else if (r.success && strstr(request, ".host.ping")) {
        assert_true(decode_str(r.b_response, "id").len == 56);
        t->pongs++;
    }
    jtree_finish(&tree);
    inventory_finish(&inv);
    free(ls.lists);
    free(body);
}

static void line(struct tally *t, const char *text) {
    json_t *j = json_loads(text, 0, NULL);
    const json_t *b_data = json_object_get(j, "data");
    const char *subject = member(j, "subject"), *from = member(j, "from");
    const char *request = member(j, "in_reply_to");
    int host = strncmp(from, "host", 4) == 0;
    if (host && strncmp(subject, "wasmbus.evt.default.", 20) == 0 && json_is_object(b_data)) {
        event(t, subject, b_data);
    } else if (host && strncmp(request, "wasmbus.ctl.v1.default.", 23) == 0 &&
               json_is_object(b_data)) {
        answer(t, request, b_data);
    }
    json_decref(j);
}

static void replay(struct tally *t, const char *path) {
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t cap = 0;
    assert_non_null(f);
    t->c = core_create("{}");
    core_resync(t->c, "default");
    core_run(t->c, 10);
    while (getline(&text, &cap, f) >= 0) {
        line(t, text);
    }
    if (core_count(t->c, "skipped a message")) {
        fprintf(stderr, "in %s:\n", path);
        core_print(t->c);
    }
    assert_int_equal(core_count(t->c, "skipped a message"), 0);
    core_destroy(t->c);
    free(text);
    fclose(f);
    t->files++;
}

static void everything_recorded_is_understood(void **state) {
    const char *fixtures = getenv("TRELLIS_FIXTURES");
    char path[1024];
    struct tally t = {.files = 0};
    (void)state;
    if (!fixtures) {
        skip();
    }
    snprintf(path, sizeof(path), "%s/recordings", fixtures);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (const struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        size_t n = strlen(e->d_name);
        if (n > 6 && strcmp(e->d_name + n - 6, ".jsonl") == 0) {
            snprintf(path, sizeof(path), "%s/recordings/%s", fixtures, e->d_name);
            replay(&t, path);
        }
    }
    closedir(dir);
    fprintf(stderr,
            "%zu files: %zu events, %zu heartbeats, %zu inventories, %zu links, %zu configs, %zu "
            "pongs\n",
            t.files, t.events, t.beats, t.inventories, t.links, t.configs, t.pongs);
    assert_true(t.events > 500 && t.beats > 20 && t.inventories > 20 && t.links > 20 &&
                t.configs > 5 && t.pongs > 5);
    for (size_t i = 0; i < 8; i++) {
        if (!t.texts[i]) {
            fprintf(stderr, "no host said \"%s\"\n", wanted_texts[i]);
        }
        assert_true(t.texts[i]);
    }
}

/* Deployed by wadm, then stopped: what was observed in the end is what the last heartbeat said. */
static void a_component_comes_and_goes(void **state) {
    const char *fixtures = getenv("TRELLIS_FIXTURES");
    char path[1024];
    struct tally t = {.files = 0};
    (void)state;
    if (!fixtures) {
        skip();
    }
    snprintf(path, sizeof(path), "%s/recordings/C1-deploy.jsonl", fixtures);
    FILE *f = fopen(path, "r");
    char *text = NULL;
    size_t cap = 0;
    assert_non_null(f);
    t.c = core_create("{}");
    core_resync(t.c, "default");
    core_run(t.c, 10);
    while (getline(&text, &cap, f) >= 0) {
        line(&t, text);
    }
    static const char *const parts[] = {
        "[comp hello_app-hello file:///srv/wasm/hello-v1.wasm x5 h0 "
        "wasmcloud.dev/appspec=hello-app",
        "[prov hello_app-httpserver http-server x1",
        "link default delta hello_app-httpserver -> hello_app-hello",
        "linkgone default hello_app-httpserver -> hello_app-hello",
        "report default * DELTA * [comp hello_app-hello * x0"};
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (!core_count(t.c, parts[i])) {
            core_print(t.c);
            fail_msg("\"%s\" was not reported", parts[i]);
        }
    }
    core_destroy(t.c);
    free(text);
    fclose(f);
}

static size_t normal(uint32_t kind, const char *image, char *out, size_t cap) {
    struct core *c = core_create("{}");
    size_t n = core_table(c)->normal_image(core_inst(c), kind, trl_cstr(image), out, cap);
    core_destroy(c);
    return n;
}

static void provider_images_are_normalised_as_hosts_do(void **state) {
    static const char *const pairs[][2] = {{"file:///srv/p.par.gz", "/srv/p.par.gz"},
                                           {"oci://reg/p:1", "reg/p:1"},
                                           {"https://reg/p:1", "reg/p:1"},
                                           {"http://reg/p:1", "reg/p:1"},
                                           {"wasmcloud+builtin://http-server", "http-server"},
                                           {"reg:5000/p:1", "reg:5000/p:1"},
                                           {"", ""}};
    char out[64];
    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        size_t n = normal(TRL_RUN_PROVIDER, pairs[i][0], out, sizeof(out));
        assert_int_equal(n, strlen(pairs[i][1]));
        assert_memory_equal(out, pairs[i][1], n);
        n = normal(TRL_RUN_COMPONENT, pairs[i][0], out, sizeof(out));
        assert_int_equal(n, strlen(pairs[i][0]));
    }
    assert_int_equal(normal(TRL_RUN_PROVIDER, "oci://reg/p:1", out, 3), 7);
    assert_memory_equal(out, "reg", 3);
}

static void bad_configurations_are_refused(void **state) {
    static const char *const bad[] = {"[]",
                                      "{\"lattices\":[\"a.b\"]}",
                                      "{\"lattices\":[\"acc/a\"]}",
                                      "{\"ctl_prefix\":\"a..b\"}",
                                      "{\"event_prefix\":\"x.*\"}",
                                      "{\"multitenant\":true,\"lattices\":[\"a\"]}"};
    const trl_component *k = trl_plugin_entry(TRL_ABI_MAJOR)->components[0];
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        trl_err err = {.struct_size = sizeof(err)};
        assert_int_equal(k->check(trl_cstr(bad[i]), &err), TRL_E_INVALID);
        assert_true(err.msg_len > 0);
    }
    trl_err err = {.struct_size = sizeof(err)};
    assert_int_equal(k->check(trl_cstr(""), &err), TRL_OK);
    assert_int_equal(k->check(trl_cstr("{\"multitenant\":true,\"lattices\":[\"a/b\"]}"), &err),
                     TRL_OK);
    assert_null(trl_plugin_entry(TRL_ABI_MAJOR + 1));
    json_t *j = json_loads(k->config_schema, 0, NULL);
    assert_non_null(j);
    json_decref(j);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_recorded_is_understood),
        cmocka_unit_test(a_component_comes_and_goes),
        cmocka_unit_test(provider_images_are_normalised_as_hosts_do),
        cmocka_unit_test(bad_configurations_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
