/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets in a whole control plane: checked before a deploy, their versions pinned, rotation
 * followed as the manifest says. Values never pass through it.
 */
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/cmocka_all.h"

#include "engine/engine.h"
#include "rig.h"

#define D "default"

struct place {
    char dir[40], file[64], link[64];
};

static void secret_write(const struct place *p, const char *value) {
    char tmp[80];
    snprintf(tmp, sizeof(tmp), "%s/.new", p->dir);
    FILE *f = fopen(tmp, "w");
    assert_non_null(f);
    fputs(value, f);
    fchmod(fileno(f), 0600);
    fclose(f);
    assert_int_equal(rename(tmp, p->file), 0);
}

static struct rig *begin(struct place *p) {
    struct buf config = BUF_INIT;
    snprintf(p->dir, sizeof(p->dir), "/tmp/trlsecret.XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->file, sizeof(p->file), "%s/db", p->dir);
    buf_addf(&config, "secrets:\n  house: { plugin: file, dir: %s, poll_ms: 500 }\n", p->dir);
    struct rig *r =
        rig_create(&(struct rig_options){.hosts = 1, .secrets = true, .config = config.ptr});
    buf_finish(&config);
    return r;
}

static void end(struct rig *r, struct place *p) {
    char line[100];
    rig_destroy(r);
    snprintf(line, sizeof(line), "rm -rf %s", p->dir);
    assert_int_equal(system(line), 0);
}

static char *app(const char *annotations, const char *secret, const char *text) {
    struct buf b = BUF_INIT;
    buf_addf(
        &b,
        "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n"
        "  annotations: { %s }\n"
        "spec:\n  policies:\n    - name: house\n      type: policy.secret.wasmcloud.dev/v1alpha1\n"
        "      properties: { backend: house }\n"
        "  components:\n    - name: web\n      type: component\n      properties:\n"
        "        image: reg.example/web:1\n%s"
        "        config:\n          - { name: greeting, properties: { text: \"%s\" } }\n"
        "      traits:\n        - { type: spreadscaler, properties: { instances: 1 } }\n",
        annotations, secret, text);
    return buf_take(&b);
}

static char *with_secret(const char *annotations) {
    return app(
        annotations,
        "        secrets:\n          - { name: db, properties: { policy: house, key: db } }\n",
        "hello");
}

static bool says(struct rig *r, const struct node *reply, const char *needle) {
    struct buf b = BUF_INIT;
    struct jw w;
    (void)r;
    jw_init(&w, &b, false);
    jw_node(&w, reply);
    bool found = strstr(b.ptr, needle) != NULL;
    if (!found) {
        print_message("no %s in %s\n", needle, b.ptr);
    }
    buf_finish(&b);
    return found;
}

static void a_missing_secret_refuses_the_deploy(void **state) {
    struct place p;
    (void)state;
    struct rig *r = begin(&p);
    char *text = with_secret("");
    rig_put(r, D, text);
    const struct node *reply = rig_request(r, "trellis.api." D ".app.deploy.shop", "");
    assert_true(says(r, reply, "REFUSED"));
    assert_true(says(r, reply, "secret db"));
    rig_run(r, 5 * SECOND);
    assert_int_equal(rig_commands(r, D), 0);
    secret_write(&p, "first");
    rig_deploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "deployed", 30 * SECOND));
    reply = rig_request(r, "trellis.api." D ".app.status.shop", "");
    assert_true(says(r, reply, "\"secrets\":[{\"name\":\"db\",\"version\":\""));
    mem_free(text);
    end(r, &p);
}

static uint64_t rotate(struct rig *r, struct place *p) {
    uint64_t before = rig_commands(r, D);
    secret_write(p, "second");
    rig_run(r, 40 * SECOND);
    return rig_commands(r, D) - before;
}

static void rotation_follows_the_annotation(void **state) {
    static const struct {
        const char *how;
        uint64_t commands;
    } cases[] = {{"", 0},
                 {"\"trellis.dev/on-change.db\": ignore", 0},
                 {"\"trellis.dev/on-change.db\": hot", 1},   /* the reference */
                 {"\"trellis.dev/on-change.db\": roll", 2}}; /* and the component */
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct place p;
        struct rig *r = begin(&p);
        char *text = with_secret(cases[i].how);
        secret_write(&p, "first");
        rig_bring_up(r, D, "shop", text);
        uint64_t n = rotate(r, &p);
        if (n != cases[i].commands) {
            fail_msg("%s: %llu commands", cases[i].how, (unsigned long long)n);
        }
        assert_int_equal(rig_status(r, D, "shop")->type, STATUS_DEPLOYED);
        assert_int_equal(rig_running(r, D, "shop-web", NULL), 1);
        rig_plane_stop(r);
        uint64_t before = rig_commands(r, D);
        rig_plane_start(r);
        rig_run(r, 40 * SECOND);
        assert_int_equal(rig_commands(r, D), before); /* what was pinned stays pinned */
        mem_free(text);
        end(r, &p);
    }
}

/* Nobody acts while it rotates: who acts afterwards finds it. */
static void a_rotation_while_nobody_acts_is_not_lost(void **state) {
    struct place p;
    (void)state;
    struct rig *r = begin(&p);
    char *text = with_secret("\"trellis.dev/on-change.db\": roll");
    secret_write(&p, "first");
    rig_bring_up(r, D, "shop", text);
    rig_plane_stop(r);
    uint64_t before = rig_commands(r, D);
    secret_write(&p, "second");
    rig_plane_start(r);
    rig_run(r, 60 * SECOND);
    assert_int_equal(rig_commands(r, D) - before, 2);
    engine_set_active(rig_engine(r, D), false); /* as when another instance has the lease */
    secret_write(&p, "third");
    rig_run(r, 60 * SECOND);
    assert_int_equal(rig_commands(r, D) - before, 2);
    engine_set_active(rig_engine(r, D), true); /* and that one dies before it has written it */
    rig_run(r, 60 * SECOND);
    assert_int_equal(rig_commands(r, D) - before, 4);
    mem_free(text);
    end(r, &p);
}

static void a_lost_secret_touches_nothing(void **state) {
    struct place p;
    (void)state;
    struct rig *r = begin(&p);
    char *text = with_secret("\"trellis.dev/on-change.db\": roll");
    secret_write(&p, "first");
    rig_bring_up(r, D, "shop", text);
    uint64_t before = rig_commands(r, D);
    unlink(p.file);
    rig_run(r, 60 * SECOND);
    assert_int_equal(rig_commands(r, D), before);
    assert_int_equal(rig_status(r, D, "shop")->type, STATUS_DEPLOYED);
    mem_free(text);
    end(r, &p);
}

static void a_config_that_rolls_restarts_its_users(void **state) {
    struct place p;
    (void)state;
    struct rig *r = begin(&p);
    char *one = app("\"trellis.dev/on-change.greeting\": roll", "", "one");
    char *two = app("\"trellis.dev/on-change.greeting\": roll", "", "two");
    rig_bring_up(r, D, "shop", one);
    uint64_t before = rig_commands(r, D);
    rig_put(r, D, two);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_type(r, D, "shop", "deployed", 60 * SECOND));
    assert_true(rig_has_config(r, D, "shop-greeting", "text", "two"));
    assert_true(rig_commands(r, D) - before >= 2);
    assert_int_equal(rig_running(r, D, "shop-web", NULL), 1);
    before = rig_commands(r, D);
    rig_run(r, 120 * SECOND);
    assert_int_equal(rig_commands(r, D), before);
    mem_free(one);
    mem_free(two);
    end(r, &p);
}

/* Where the backend keeps older versions, hosts are told to read the very one. */
static void a_rollback_fixes_the_versions(void **state) {
    struct buf config = BUF_INIT;
    (void)state;
    buf_addf(&config, "plugin_dirs: [%s, %s]\nsecrets: { house: secrets-script }\n",
             TEST_PLUGIN_DIR, TRELLIS_PLUGIN_DIR);
    struct rig *r =
        rig_create(&(struct rig_options){.hosts = 1, .secrets = true, .config = config.ptr});
    char *one = with_secret(""), *two = with_secret("other: \"1\"");
    rig_bring_up(r, D, "shop", one);
    rig_put(r, D, two);
    rig_deploy(r, D, "shop");
    assert_true(rig_until_settled(r, 30 * SECOND));
    assert_false(rig_has_config(r, D, "SECRET_shop-db", "version", "7"));
    const struct node *reply = rig_request(r, "trellis.api." D ".app.rollback.shop", "");
    assert_true(says(r, reply, "deployed"));
    assert_true(rig_until_type(r, D, "shop", "deployed", 30 * SECOND));
    assert_true(rig_until_settled(r, 30 * SECOND));
    assert_true(rig_has_config(r, D, "SECRET_shop-db", "version", "7"));
    reply = rig_request(r, "trellis.api." D ".app.history.shop", "");
    assert_true(says(r, reply, "{\"name\":\"db\",\"version\":\"7\",\"fixed\":true}"));
    mem_free(one);
    mem_free(two);
    buf_finish(&config);
    rig_destroy(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_secret_refuses_the_deploy),
        cmocka_unit_test(rotation_follows_the_annotation),
        cmocka_unit_test(a_rotation_while_nobody_acts_is_not_lost),
        cmocka_unit_test(a_lost_secret_touches_nothing),
        cmocka_unit_test(a_config_that_rolls_restarts_its_users),
        cmocka_unit_test(a_rollback_fixes_the_versions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
