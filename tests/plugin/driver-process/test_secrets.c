/* SPDX-License-Identifier: Apache-2.0
 *
 * Secrets of processes: where they are, who may read them, what a rotation does, what happens when
 * they cannot be had, and that nothing of them is left anywhere.
 */
#include "../../tools/outside.h"
#include "../../unit/cmocka_all.h"

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "rig.h"

#define DB "SECRET_app-db"
#define REFERENCE                                                                                  \
    "{\"type\":\"secret.wasmcloud.dev/v1alpha1\",\"backend\":\"house\",\"key\":\"db\","            \
    "\"name\":\"db\",\"policy\":\"{\\\"type\\\":\\\"properties.secret.wasmcloud.dev/v1alpha1\\\"," \
    "\\\"properties\\\":{}}\",\"version\":\"%d\"}"

struct bed {
    struct rig r;
    char shm[64]; /* place of the secrets: /dev/shm/trellis-process-XXXXXX */
    char more[200];
};

static void begin(struct bed *b, const char *more) {
    if (access("/dev/shm", W_OK) < 0) {
        skip();
    }
    snprintf(b->shm, sizeof(b->shm), "/dev/shm/trellis-process-XXXXXX");
    assert_non_null(mkdtemp(b->shm));
    chmod(b->shm, 0711);
    snprintf(b->more, sizeof(b->more), ",\"secrets_dir\":\"%s\"%s", b->shm, more);
    rig_open(&b->r, b->more);
    chmod(b->r.p.dir, 0755);
    chmod(b->r.p.state, 0755);
}

struct look {
    int files;
    char found[4][300];
};
static struct look looked;

static int note_file(const char *path, const struct stat *st, int type, struct FTW *f) {
    (void)st, (void)f;
    if (type == FTW_F && looked.files < 4) {
        snprintf(looked.found[looked.files], sizeof(looked.found[0]), "%s", path);
    }
    looked.files += type == FTW_F;
    return 0;
}

static int secret_files(const struct bed *b) {
    looked.files = 0;
    nftw(b->shm, note_file, 8, FTW_PHYS);
    return looked.files;
}

static bool none_left(struct rig *r, const void *arg) {
    (void)r;
    return secret_files(arg) == 0;
}

static void end(struct bed *b) {
    assert_int_equal(rig_finish(&b->r), 0);
    assert_int_equal(secret_files(b), 0);
    outside_remove(b->shm);
}

static void refer(struct rig *r, int version) {
    char text[400];
    snprintf(text, sizeof(text), REFERENCE, version);
    TK_CHECK_ST(r->tk, rig_config(r, DB, text), TRL_OK);
}

/* As the engine scales an item with a secret; scaler: the mark that a rotation by `roll` changes.
 */
static trl_status act(struct rig *r, uint32_t verb, const char *image, uint32_t n,
                      const char *settings, const char *scaler) {
    static const str configs[] = {STR("cfg"), STR(DB)};
    trl_label marks[] = {{STR("wasmcloud.dev/appspec"), STR("app")},
                         {STR("wasmcloud.dev/scaler"), str_c(scaler)}};
    trl_action a = rig_action(verb, "u", image, n);
    a.config_names = configs;
    a.n_config_names = 2;
    a.annotations = marks;
    a.n_annotations = 2;
    a.body = str_c(settings);
    return rig_do(r, &a);
}

static void scale(struct rig *r, const char *image, uint32_t n, const char *settings,
                  const char *scaler) {
    trl_status st = act(r, TRL_DO_SCALE, image, n, settings, scaler);
    TK_CHECK_F(r->tk, st == TRL_OK || (st == TRL_E_BUSY && r->failed), "%s", r->msg);
}

/* Writes what it sees of its secret to "seen", anew at SIGHUP. */
static const char *shower(struct rig *r) {
    return place_script(&r->p, "show",
                        "#!/bin/sh\nhere=$(dirname \"$0\")\n"
                        "show() { { echo \"value: $(cat \"$TRELLIS_SECRET_DB_FILE\")\"; "
                        "stat -L -c '%U %a' \"$TRELLIS_SECRET_DB_FILE\"; id -un; "
                        "echo \"dir: ${TRELLIS_SECRETS_DIR:-none}\"; env; } > $here/seen.new.$$ && "
                        "mv $here/seen.new.$$ $here/seen; }\n"
                        "trap show HUP\nshow\necho started\n" FOREVER);
}

static void test_files(void **state) {
    struct bed b;
    struct rig *r = &b.r;
    (void)state;
    begin(&b, "");
    const char *settings = geteuid() == 0 ? "{\"user\":\"nobody\"}" : "{}";
    vault_set(r->vault, "db", "correct horse", 0);
    refer(r, 1);
    chmod(r->p.dir, 0777);
    scale(r, shower(r), 1, settings, "s");
    rig_wait_count(r, "u", 1);
    rig_wait_file(r, "seen", "value: correct horse\n");
    TK_CHECK(r->tk, rig_file_has(r, "seen", geteuid() == 0 ? "nobody 400\nnobody\n" : " 400\n"));
    TK_CHECK(r->tk, rig_file_has(r, "seen", b.shm));
    TK_CHECK_F(r->tk, !rig_file_has(r, "seen", "=correct horse"), "not in the environment");
    TK_CHECK_F(r->tk, !rig_file_has(r, "seen", "properties.secret"), "nor the reference");
    TK_CHECK_F(r->tk, secret_files(&b) == 1, "%d files", looked.files);
    char dir[300];
    struct stat st;
    snprintf(dir, sizeof(dir), "%s", looked.found[0]);
    *strrchr(dir, '/') = '\0';
    TK_CHECK_F(r->tk, stat(dir, &st) == 0 && (st.st_mode & 0027) == 0 && st.st_uid == geteuid(),
               "others stay out of %s, and its user changes nothing there: %o", dir, st.st_mode);
    scale(r, "", 0, "", "s");
    rig_until(r, none_left, &b);
    TK_CHECK_F(r->tk, !strstr(tk_log(r->tk).ptr ? tk_log(r->tk).ptr : "", "correct horse"), "log");
    end(&b);
}

/* Not asked for again where nothing changed; `hot` reaches who runs, `roll` makes others. */
static void test_rotation(void **state) {
    struct bed b;
    struct rig *r = &b.r;
    (void)state;
    begin(&b, "");
    const char *image = shower(r), *settings = "{\"reload\":\"SIGHUP\"}";
    vault_set(r->vault, "db", "first", 0);
    refer(r, 1);
    scale(r, image, 1, settings, "s");
    rig_wait_count(r, "u", 1);
    rig_wait_file(r, "seen", "value: first\n");
    uint32_t reads = vault_reads(r->vault);
    vault_set(r->vault, "db", "second", 0);
    scale(r, image, 1, settings, "s"); /* the reference is the same */
    TK_CHECK(r->tk, vault_reads(r->vault) == reads);
    refer(r, 2);
    rig_wait_file(r, "seen", "value: second\n");
    TK_CHECK_F(r->tk, secret_files(&b) == 1, "%d files", looked.files);
    TK_CHECK_ST(r->tk, rig_usage(r), TRL_OK);
    TK_CHECK_F(r->tk, r->result && strstr(r->result, "\"restarts\":0"), "%s", r->result);
    rig_wait_logged(r, "\"started\"", 1);
    const char *once = strstr(r->result, "\"started\"");
    TK_CHECK_F(r->tk, once && !strstr(once + 1, "\"started\""), "one process: %s", r->result);

    vault_set(r->vault, "db", NULL, TRL_E_UNAVAIL); /* what runs keeps what it has */
    refer(r, 3);
    TK_CHECK(r->tk, tk_until_count(r->tk, &reads, 1));
    vault_set(r->vault, "db", "third", 0);
    refer(r, 4);
    scale(r, image, 1, settings, "s2"); /* roll */
    rig_wait_file(r, "seen", "value: third\n");
    rig_wait_count(r, "u", 1);
    rig_wait_logged(r, "\"started\"", 2); /* another process */
    TK_CHECK(r->tk, r->failed == 0);
    end(&b);
}

static void test_missing(void **state) {
    static const struct {
        trl_status st;
        const char *says;
    } why[] = {{TRL_E_NOTFOUND, "secret db is missing: as the test wants it"},
               {TRL_E_DENIED, "secret db may not be read: as"},
               {TRL_E_UNAVAIL, "secret db cannot be had: as"}};
    struct bed b;
    struct rig *r = &b.r;
    (void)state;
    begin(&b, "");
    const char *image = shower(r);
    refer(r, 1);
    for (size_t i = 0; i < ARRAY_LEN(why); i++) {
        vault_set(r->vault, "db", NULL, why[i].st);
        scale(r, image, 1, "", "s");
        rig_wait_failed(r, (uint32_t)i + 1);
        TK_CHECK_F(r->tk, strstr(r->note, why[i].says), "%s", r->note);
        TK_CHECK(r->tk, rig_count(r, "u") == 0 && secret_files(&b) == 0);
        if (i < 2) { /* another reference is tried at once, without the back-off */
            vault_set(r->vault, "db", NULL, why[i + 1].st);
            refer(r, 10 + (int)i);
        }
    }
    vault_set(r->vault, "db", "there", 0); /* by itself, after the back-off */
    rig_wait_count(r, "u", 1);
    rig_wait_file(r, "seen", "value: there\n");
    end(&b);
}

/* An update that lacks its secret is none: what ran runs on. */
static void test_update_without(void **state) {
    struct bed b;
    struct rig *r = &b.r;
    (void)state;
    begin(&b, "");
    const char *image = shower(r);
    TK_CHECK_ST(r->tk, rig_config(r, "cfg", "{}"), TRL_OK);
    trl_action a = rig_action(TRL_DO_SCALE, "u", "file:///bin/sleep", 1);
    a.body = STR("{\"args\":[\"600\"]}");
    TK_CHECK_ST(r->tk, rig_do(r, &a), TRL_OK);
    rig_wait_count(r, "u", 1);
    refer(r, 1); /* the next version wants a secret that is not there */
    TK_CHECK(r->tk, act(r, TRL_DO_UPDATE, image, 1, "", "s") != TRL_OK);
    TK_CHECK_F(r->tk, strstr(r->msg, "secret db is missing"), "%s", r->msg);
    rig_wait_count(r, "u", 1);
    TK_CHECK_STR(r->tk, str_c(map_get(&r->images, STR("u"))), "file:///bin/sleep");
    vault_set(r->vault, "db", "now", 0);
    TK_CHECK_ST(r->tk, act(r, TRL_DO_UPDATE, image, 1, "", "s"), TRL_OK);
    rig_wait_file(r, "seen", "value: now\n");
    end(&b);
}

/* A stop, and the end of the driver, while the answer is awaited. */
static void test_held(void **state) {
    struct bed b;
    struct rig *r = &b.r;
    (void)state;
    begin(&b, "");
    const char *image = shower(r);
    vault_set(r->vault, "db", "late", 0);
    vault_hold(r->vault, true);
    refer(r, 1);
    scale(r, image, 2, "", "s");
    tk_settle(r->tk);
    TK_CHECK(r->tk, vault_open(r->vault) == 2);
    scale(r, image, 0, "", "s");
    rig_wait_count(r, "u", 0);
    tk_settle(r->tk);
    TK_CHECK_F(r->tk, vault_open(r->vault) == 0, "nobody waits for an answer");
    scale(r, image, 1, "", "s");
    tk_settle(r->tk);
    TK_CHECK(r->tk, vault_open(r->vault) == 1);
    rig_reopen(r, b.more);
    TK_CHECK(r->tk, vault_open(r->vault) == 0 && r->failed == 0);
    vault_hold(r->vault, false);
    scale(r, image, 1, "", "s");
    rig_wait_count(r, "u", 1);
    rig_wait_file(r, "seen", "value: late\n");
    end(&b);
}

/* The next life takes over what runs, with its secrets; what nobody has any more is swept. */
static void test_adoption(void **state) {
    struct bed b;
    struct rig *r = &b.r;
    char stale[400];
    (void)state;
    begin(&b, ",\"on_stop\":\"keep\"");
    const char *image = shower(r);
    vault_set(r->vault, "db", "one", 0);
    refer(r, 1);
    scale(r, image, 1, "", "s");
    rig_wait_count(r, "u", 1);
    TK_CHECK(r->tk, secret_files(&b) == 1);
    snprintf(stale, sizeof(stale), "%s", looked.found[0]);
    *strrchr(stale, '/') = '\0';
    snprintf(strrchr(stale, '/'), 40, "/u00000000-stale");
    TK_CHECK(r->tk, mkdir(stale, 0700) == 0);
    snprintf(stale + strlen(stale), 10, "/old");
    FILE *f = fopen(stale, "w");
    TK_CHECK(r->tk, f != NULL);
    fputs("of a run that is no more", f);
    fclose(f);
    TK_CHECK(r->tk, secret_files(&b) == 2);
    uint32_t reads = vault_reads(r->vault);
    *strstr(b.more, ",\"on_stop") = '\0'; /* at the end everything stops */
    rig_reopen(r, b.more);
    rig_wait_count(r, "u", 1);
    scale(r, image, 1, "", "s");
    TK_CHECK_F(r->tk, secret_files(&b) == 1, "%d files", looked.files);
    TK_CHECK_F(r->tk, vault_reads(r->vault) == reads, "nothing changed, nothing is asked for");
    place_end_keepers(&r->p); /* kill -9: the process goes along, and so do its files */
    rig_wait_failed(r, 1);
    rig_wait_count(r, "u", 1);
    TK_CHECK_F(r->tk, secret_files(&b) == 1, "%d files", looked.files);
    end(&b);
}

/* Nobody comes back for them: the keepers end what runs, and nothing is left. */
static void test_unclaimed(void **state) {
    struct bed b;
    struct rig *r = &b.r;
    (void)state;
    begin(&b, ",\"on_stop\":\"keep\",\"unclaimed_ms\":50");
    vault_set(r->vault, "db", "short lived", 0);
    refer(r, 1);
    scale(r, shower(r), 2, "", "s");
    rig_wait_count(r, "u", 2);
    TK_CHECK_F(r->tk, secret_files(&b) == 2, "%d files", looked.files);
    end(&b);
}

/* A secret of a link is a file of the end that names it, of nobody else's environment. */
static void test_of_a_link(void **state) {
    static const str target[] = {STR(DB)};
    struct bed b;
    struct rig *r = &b.r;
    trl_link l = {.struct_size = sizeof(l),
                  .source = STR("web"),
                  .target = STR("u"),
                  .name = STR("store"),
                  .ns = STR("example"),
                  .package = STR("shop"),
                  .target_config = target,
                  .n_target_config = 1};
    trl_action a = {.struct_size = sizeof(a), .verb = TRL_DO_LINK_PUT, .link = &l};
    (void)state;
    begin(&b, "");
    const char *image =
        place_script(&r->p, "show",
                     "#!/bin/sh\nf=$(dirname \"$0\")/of-$TRELLIS_UNIT\n{ env; cat "
                     "$TRELLIS_LINK_STORE_SECRET_DB_FILE </dev/null; echo; echo end; } > $f.new\n"
                     "mv $f.new $f\n" FOREVER);
    a.lattice = STR("suite");
    vault_set(r->vault, "db", "of a link", 0);
    refer(r, 1);
    TK_CHECK_ST(r->tk, rig_do(r, &a), TRL_OK);
    TK_CHECK_ST(r->tk, rig_scale(r, "u", image, 1, ""), TRL_OK);
    TK_CHECK_ST(r->tk, rig_scale(r, "web", image, 1, ""), TRL_OK);
    rig_wait_file(r, "of-u", "end\n");
    rig_wait_file(r, "of-web", "end\n");
    TK_CHECK(r->tk, rig_file_has(r, "of-u", "\nof a link\n"));
    TK_CHECK(r->tk, !rig_file_has(r, "of-u", "=of a link"));
    TK_CHECK(r->tk,
             !rig_file_has(r, "of-u", "STORE_BACKEND") && !rig_file_has(r, "of-web", "SECRET"));
    TK_CHECK_F(r->tk, secret_files(&b) == 1, "%d files", looked.files);
    end(&b);
}

static void test_descriptors(void **state) {
    struct rig r;
    (void)state;
    rig_open(&r, ",\"secrets_dir\":\"none\"");
    chmod(r.p.dir, 0777);
    const char *settings = geteuid() == 0 ? "{\"user\":\"nobody\"}" : "{}";
    vault_set(r.vault, "db", "sealed value", 0);
    refer(&r, 1);
    scale(&r, shower(&r), 1, settings, "s");
    rig_wait_count(&r, "u", 1);
    rig_wait_file(&r, "seen", "value: sealed value\n");
    TK_CHECK(r.tk, rig_file_has(&r, "seen", "TRELLIS_SECRET_DB_FILE=/proc/self/fd/3\n"));
    TK_CHECK(r.tk, rig_file_has(&r, "seen", "dir: none\n"));
    vault_set(r.vault, "db", "another", 0); /* a descriptor stays as it is: another process */
    refer(&r, 2);
    rig_wait_file(&r, "seen", "value: another\n");
    rig_wait_count(&r, "u", 1);
    assert_int_equal(rig_finish(&r), 0);
}

static void test_refusals(void **state) {
    struct rig r;
    char config[512];
    (void)state;
    rig_open(&r, "");
    struct plug_inst *in;
    struct plug_iface none[1] = {{TRL_HOST_OBSERVE_V1, NULL, NULL}};
    place_config(&r.p, ",\"secrets_dir\":\"here\"", config, sizeof(config));
    in = tk_create_inst(r.tk, TRL_KIND_DRIVER, "process", config, none, 0);
    TK_CHECK_F(r.tk, !in, "a wrong option is told");
    refer(&r, 1);
    TK_CHECK_ST(r.tk, rig_scale(&r, "u", shower(&r), 1, "{\"reload\":\"SIGKILL\"}"), TRL_E_INVALID);
    TK_CHECK_F(r.tk, strstr(r.msg, "\"SIGKILL\" is no signal for that"), "%s", r.msg);
    TK_CHECK_ST(r.tk, rig_config(&r, DB, "{\"name\":\"db\"}"), TRL_OK);
    scale(&r, shower(&r), 1, "", "s");
    rig_wait_failed(&r, 1);
    TK_CHECK_F(r.tk, strstr(r.note, "its reference names no backend and key"), "%s", r.note);
    assert_int_equal(rig_finish(&r), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),       cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_missing),     cmocka_unit_test(test_update_without),
        cmocka_unit_test(test_held),        cmocka_unit_test(test_adoption),
        cmocka_unit_test(test_unclaimed),   cmocka_unit_test(test_of_a_link),
        cmocka_unit_test(test_descriptors), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
