/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "file": the suite on a directory and on a sealed file, and what is its own: rights,
 * links, keys, damage, fields, versions over restarts.
 */
#include <fcntl.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../tools/outside.h"
#include "../../unit/cmocka_all.h"
#include "ask.h"
#include "suite_secrets.h"

struct place {
    char dir[64];
    char config[512];
};

static int setup(void **state) {
    struct place *p = calloc(1, sizeof(*p));
    snprintf(p->dir, sizeof(p->dir), "/tmp/trellis-secrets-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->config, sizeof(p->config), "{\"dir\":\"%s\",\"poll_ms\":20}", p->dir);
    *state = p;
    return 0;
}

static int teardown(void **state) {
    struct place *p = *state;
    outside_remove(p->dir);
    free(p);
    return 0;
}

static int write_file(struct place *p, const char *name, const void *bytes, size_t n, mode_t mode) {
    char path[256], temp[256];
    int fd;
    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    for (char *at = path + strlen(p->dir) + 1; (at = strchr(at, '/')); at++) {
        *at = '\0';
        mkdir(path, 0700);
        *at = '/';
    }
    snprintf(temp, sizeof(temp), "%s/.planted", p->dir);
    fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n || fchmod(fd, mode) != 0 || close(fd) != 0) {
        return -1;
    }
    return rename(temp, path);
}

static int plant(void *ctx, const char *key, const char *field, const void *value, size_t n) {
    char *json;
    size_t len;
    int failed;
    if (!*field) {
        return write_file(ctx, key, value, n, 0600);
    }
    len = strlen(field) + n + 32; /* the suite's fields are letters */
    json = sodium_malloc(len);
    snprintf(json, len, "{\"other\":[1],\"%s\":\"%.*s\"}", field, (int)n, (const char *)value);
    failed = write_file(ctx, key, json, strlen(json), 0600);
    sodium_free(json);
    return failed;
}

static void remove_key(void *ctx, const char *key) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", ((struct place *)ctx)->dir, key);
    unlink(path);
}

static void deny(void *ctx, const char *key) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", ((struct place *)ctx)->dir, key);
    chmod(path, 0640);
}

static void outage(void *ctx, int down) {
    char away[80];
    const struct place *p = ctx;
    snprintf(away, sizeof(away), "%s.away", p->dir);
    rename(down ? p->dir : away, down ? away : p->dir);
}

static void test_suite_dir(void **state) {
    struct place *p = *state;
    struct suite_secrets s = {.component = "file",
                              .config = p->config,
                              .flags = SX_FIELDS,
                              .ctx = p,
                              .plant = plant,
                              .remove = remove_key,
                              .deny = deny,
                              .outage = outage};
    assert_int_equal(suite_secrets(&s), 0);
}

#define KEY_HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void sealed_config(struct place *p, const char *more) {
    write_file(p, "key", KEY_HEX "\n", 65, 0400);
    snprintf(p->config, sizeof(p->config),
             "{\"file\":\"%s/secrets.sealed\",\"key_file\":\"%s/key\",\"poll_ms\":20%s}", p->dir,
             p->dir, more);
}

/* Planted by put(): there is no other way in. */
static void test_suite_sealed(void **state) {
    struct place *p = *state;
    struct suite_secrets s = {.component = "file",
                              .config = p->config,
                              .flags = SX_FIELDS,
                              .max_bytes = 300000,
                              .ctx = p,
                              .outage = outage};
    sealed_config(p, "");
    assert_int_equal(suite_secrets(&s), 0);
}

static const char *at(const struct place *p, const char *name) {
    static char path[4][256];
    static int turn;
    char *out = path[turn++ % 4];
    snprintf(out, sizeof(path[0]), "%s/%s", p->dir, name);
    return out;
}

static trl_status st_of(struct tk *tk, struct plug_inst *in, const char *key, const char *part) {
    const struct answer *a = ask_fetch(tk, in, Q(key));
    TK_CHECK_F(tk, strstr(a->why, part) != NULL, "%s: '%s' is without '%s'", key, a->why, part);
    return a->st;
}

/* Rights of others, owners, links, things that are no files. */
static void test_rights(void **state) {
    struct place *p = *state;
    struct tk *tk = tk_create(false);
    struct plug_inst *in;
    write_file(p, "good", "v", 1, 0400);
    write_file(p, "group", "v", 1, 0640);
    write_file(p, "others", "v", 1, 0604);
    write_file(p, "..data/linked", "within", 6, 0400);
    mkdir(at(p, "empty"), 0700);
    mkfifo(at(p, "pipe"), 0600);
    assert_int_equal(symlink("..data/linked", at(p, "linked")), 0);
    assert_int_equal(symlink("/etc/hostname", at(p, "absolute")), 0);
    assert_int_equal(symlink("../../etc/hostname", at(p, "up")), 0);
    assert_int_equal(symlink("nowhere", at(p, "dangling")), 0);
    assert_int_equal(symlink("loop", at(p, "loop")), 0);
    assert_int_equal(symlink("/etc", at(p, "etc")), 0);
    in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("good")), "v");
    ASK_TEXT(tk, ask_fetch(tk, in, Q("linked")), "within");
    TK_CHECK_ST(tk, st_of(tk, in, "group", "chmod go="), TRL_E_DENIED);
    TK_CHECK_ST(tk, st_of(tk, in, "others", "mode 604"), TRL_E_DENIED);
    TK_CHECK_ST(tk, st_of(tk, in, "absolute", "symbolic link"), TRL_E_DENIED);
    TK_CHECK_ST(tk, st_of(tk, in, "up", "symbolic link"), TRL_E_DENIED);
    TK_CHECK_ST(tk, st_of(tk, in, "loop", "symbolic link"), TRL_E_DENIED);
    TK_CHECK_ST(tk, st_of(tk, in, "etc/hostname", "symbolic link"), TRL_E_DENIED);
    TK_CHECK_ST(tk, st_of(tk, in, "dangling", "no such file"), TRL_E_NOTFOUND);
    TK_CHECK_ST(tk, st_of(tk, in, "pipe", "regular file"), TRL_E_NOTFOUND);
    TK_CHECK_ST(tk, st_of(tk, in, "empty", "regular file"), TRL_E_NOTFOUND);
    TK_CHECK_ST(tk, st_of(tk, in, "..data/linked", "begins with '.'"), TRL_E_INVALID);
    TK_CHECK_ST(tk, st_of(tk, in, ".trellis-version-key", "begins with '.'"), TRL_E_INVALID);
    if (geteuid() == 0 && chown(at(p, "good"), 65534, 65534) == 0) {
        TK_CHECK_ST(tk, st_of(tk, in, "good", "belongs to user 65534"), TRL_E_DENIED);
    }
    ASK_TEXT(tk, ask_list(tk, in, ""), "good group linked others ");
    chmod(p->dir, 0770);
    TK_CHECK_ST(tk, st_of(tk, in, "linked", "chmod go-w"), TRL_E_DENIED);
    tk_close(tk, in);
    ask_refused(tk, "file", p->config, "chmod go-w", NULL, 0);
    chmod(p->dir, 0700);
    snprintf(p->config, sizeof(p->config), "{\"dir\":\"%s\",\"group_read\":true}", p->dir);
    in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("group")), "v");
    TK_CHECK_ST(tk, st_of(tk, in, "others", "chmod g-wx"), TRL_E_DENIED);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void expect_field(struct tk *tk, struct plug_inst *in, const char *field, const char *want) {
    const struct answer *a = ask_fetch(tk, in, QF("conf.json", field));
    TK_CHECK_F(tk, a->st == TRL_OK && strcmp(a->text, want) == 0, "%s is %s '%s' %s", field,
               err_name(a->st), a->text, a->why);
}

static void test_fields(void **state) {
    static const char json[] = " {\"user\":\"al\\u00e4 \\\"q\\\"\\n\",\"port\":5432,\"tls\":true,"
                               "\"o\":{\"x\":[1,\"2\"]},\"no\":null,\"\\u0061b\":\"esc\"}\n";
    struct place *p = *state;
    struct tk *tk = tk_create(false);
    struct plug_inst *in;
    const struct answer *a;
    write_file(p, "conf.json", json, strlen(json), 0600);
    write_file(p, "twice", "{\"a\":\"1\",\"a\":\"2\"}", 17, 0600);
    write_file(p, "plain", "text\n", 5, 0600);
    in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
    expect_field(tk, in, "user", "al\xc3\xa4 \"q\"\n");
    expect_field(tk, in, "port", "5432");
    expect_field(tk, in, "tls", "true");
    expect_field(tk, in, "o", "{\"x\":[1,\"2\"]}");
    expect_field(tk, in, "ab", "esc");
    expect_field(tk, in, "", json);
    ASK_ST(tk, ask_fetch(tk, in, QF("conf.json", "no")), TRL_E_NOTFOUND);
    ASK_ST(tk, ask_fetch(tk, in, QF("twice", "a")), TRL_E_INVALID);
    ASK_ST(tk, ask_fetch(tk, in, QF("plain", "a")), TRL_E_INVALID);
    ASK_ST(tk, ask_put(tk, in, QF("plain", "a"), "x", 1), TRL_E_INVALID);
    /* one field is set, the others stay; a new one is added; a new file is made */
    ASK_ST(tk, ask_put(tk, in, QF("conf.json", "port"), "1\"\x01", 3), TRL_OK);
    a = ask_put(tk, in, QF("conf.json", "new"), "n", 1);
    TK_CHECK_F(tk,
               a->st == TRL_OK &&
                   strcmp(a->version, ask_check(tk, in, QF("conf.json", "new"))->version) == 0,
               "put and check tell one version");
    expect_field(tk, in, "port", "1\"\x01");
    expect_field(tk, in, "tls", "true");
    expect_field(tk, in, "new", "n");
    ASK_ST(tk, ask_put(tk, in, QF("deep/er/f", "k"), "v", 1), TRL_OK);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("deep/er/f")), "{\"k\":\"v\"}");
    ASK_ST(tk, ask_put(tk, in, QF("conf.json", "b"), "\xff", 1), TRL_E_INVALID);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void test_put(void **state) {
    struct place *p = *state;
    struct tk *tk = tk_create(false);
    struct plug_inst *in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
    struct stat m;
    char *large = calloc(1, TRL_SECRET_MAX_BYTES + 2);
    ASK_ST(tk, ask_put(tk, in, Q("a/b"), "1", 1), TRL_OK);
    TK_CHECK_F(tk, stat(at(p, "a/b"), &m) == 0 && (m.st_mode & 0777) == 0600, "mode %o", m.st_mode);
    TK_CHECK_F(tk, stat(at(p, "a"), &m) == 0 && (m.st_mode & 0777) == 0700, "mode %o", m.st_mode);
    ASK_ST(tk, ask_put(tk, in, Q("a"), "1", 1), TRL_E_INVALID);
    ASK_ST(tk, ask_put(tk, in, Q("a/b/c"), "1", 1), TRL_E_NOTFOUND);
    ASK_ST(tk, ask_put(tk, in, QV("v", "abc"), "1", 1), TRL_E_INVALID);
    ASK_ST(tk, ask_put(tk, in, Q("empty"), "", 0), TRL_OK);
    ASK_ST(tk, ask_fetch(tk, in, Q("empty")), TRL_OK);
    write_file(p, "large", large, TRL_SECRET_MAX_BYTES + 1, 0600);
    ASK_ST(tk, ask_fetch(tk, in, Q("large")), TRL_E_INVALID);
    write_file(p, "large", large, TRL_SECRET_MAX_BYTES + 2, 0600);
    ASK_ST(tk, ask_fetch(tk, in, Q("large")), TRL_E_INVALID);
    assert_int_equal(symlink("/tmp", at(p, "out")), 0);
    TK_CHECK_F(tk, ask_put(tk, in, Q("out/x"), "1", 1)->st != TRL_OK,
               "nothing is written through a link");
    ASK_TEXT(tk, ask_list(tk, in, ""), "a/b empty large ");
    TK_CHECK_F(tk, strstr(ask_info(tk, in)->text, "\"watches\":0") != NULL, "info");
    tk_close(tk, in);
    snprintf(p->config, sizeof(p->config),
             "{\"dir\":\"%s\",\"readonly\":true,\"trim_newline\":true}", p->dir);
    in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
    TK_CHECK_F(tk, !secrets_can_put(in), "read-only: no put");
    write_file(p, "nl", "x\n\n", 3, 0600);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("nl")), "x\n");
    tk_close(tk, in);
    free(large);
    assert_int_equal(tk_destroy(tk), 0);
}

/* Versions outlive the process, and without the key they are others: they do not tell the value. */
static void test_versions(void **state) {
    struct place *p = *state;
    struct tk *tk = tk_create(false);
    char v[4][256];
    for (int i = 0; i < 4; i++) {
        struct plug_inst *in;
        write_file(p, "a", "same", 4, 0600);
        write_file(p, "b", "same", 4, 0600);
        if (i == 3) {
            unlink(at(p, ".trellis-version-key"));
        }
        in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
        snprintf(v[i], sizeof(v[i]), "%s", ask_check(tk, in, Q(i == 2 ? "b" : "a"))->version);
        tk_close(tk, in);
    }
    TK_CHECK_F(tk, strlen(v[0]) == 32 && strcmp(v[0], v[1]) == 0, "'%s', '%s'", v[0], v[1]);
    TK_CHECK_F(tk, strcmp(v[0], v[2]) != 0, "equal values of two keys cannot be told");
    TK_CHECK_F(tk, strcmp(v[0], v[3]) != 0, "another key, other versions");
    write_file(p, ".trellis-version-key", "short", 5, 0600);
    ask_refused(tk, "file", p->config, "64 hexadecimal", NULL, 0);
    write_file(p, ".trellis-version-key", KEY_HEX, 64, 0644);
    ask_refused(tk, "file", p->config, "chmod go=", NULL, 0);
    snprintf(p->config, sizeof(p->config), "{\"dir\":\"%s\",\"version_key\":\"%s/not/there/key\"}",
             p->dir, p->dir);
    ask_refused(tk, "file", p->config, "set version_key", NULL, 0);
    snprintf(p->config, sizeof(p->config), "{\"dir\":\"%s/none\"}", p->dir);
    ask_refused(tk, "file", p->config, "no such file", NULL, 0);
    assert_int_equal(tk_destroy(tk), 0);
}

static void test_config(void **state) {
    static const char *const bad[][2] = {
        {"{}", "/dir"},
        {"{\"dir\":\"/x\",\"file\":\"/y\"}", "/dir"},
        {"{\"dir\":\"/x\",\"key_file\":\"/y\"}", "/key_file"},
        {"{\"file\":\"/x\"}", "/key_file"},
        {"{\"file\":\"/x/\",\"key_file\":\"k\"}", "/file"},
        {"{\"file\":\"/x\",\"key_file\":\"k\",\"credential\":\"c\"}", "/key_file"},
        {"{\"file\":\"/x\",\"credential\":\"../c\"}", "/credential"},
        {"{\"file\":\"/x\",\"credential\":\"c\"}", "CREDENTIALS_DIRECTORY"},
        {"{\"file\":\"/x\",\"key_file\":\"k\",\"version_key\":\"v\"}", "/version_key"},
        {"{\"dir\":\"/x\",\"poll_ms\":1}", "/poll_ms"},
        {"{\"dri\":\"/x\"}", "dri"},
        {"{\"dir\":\"\"}", "/dir"},
    };
    struct tk *tk = tk_create(false);
    (void)state;
    unsetenv("CREDENTIALS_DIRECTORY");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        ask_refused(tk, "file", bad[i][0], bad[i][1], NULL, 0);
    }
    assert_int_equal(tk_destroy(tk), 0);
}

/* Another key, every sort of damage, and the key as a systemd credential. */
static void test_sealed(void **state) {
    struct place *p = *state;
    struct tk *tk = tk_create(false);
    struct plug_inst *in;
    uint8_t file[512];
    char *large = calloc(1, TRL_SECRET_MAX_BYTES);
    size_t n;
    int fd;
    sealed_config(p, "");
    in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
    ASK_ST(tk, ask_fetch(tk, in, Q("a")), TRL_E_NOTFOUND);
    ASK_ST(tk, ask_put(tk, in, Q("b"), "2", 1), TRL_OK);
    ASK_ST(tk, ask_put(tk, in, QF("a", "f"), "1", 1), TRL_OK);
    ASK_TEXT(tk, ask_list(tk, in, ""), "a b ");
    ASK_TEXT(tk, ask_fetch(tk, in, QF("a", "f")), "1");
    fd = open(at(p, "secrets.sealed"), O_RDONLY);
    n = (size_t)read(fd, file, sizeof(file));
    close(fd);
    for (size_t i = 0; i < n; i++) {
        file[i] ^= 0x10;
        write_file(p, "secrets.sealed", file, n, 0600);
        ASK_ST(tk, ask_fetch(tk, in, Q("a")), TRL_E_UNAVAIL);
        file[i] ^= 0x10;
        write_file(p, "secrets.sealed", file, i, 0600);
        ASK_ST(tk, ask_fetch(tk, in, Q("a")), TRL_E_UNAVAIL);
    }
    ASK_ST(tk, ask_put(tk, in, Q("c"), "3", 1), TRL_E_UNAVAIL);
    write_file(p, "secrets.sealed", file, n, 0640);
    ASK_ST(tk, ask_fetch(tk, in, Q("a")), TRL_E_DENIED);
    write_file(p, "secrets.sealed", file, n, 0600);
    ASK_TEXT(tk, ask_fetch(tk, in, Q("b")), "2");
    ASK_ST(tk, ask_put(tk, in, Q("large"), large, TRL_SECRET_MAX_BYTES), TRL_OK);
    ASK_ST(tk, ask_put(tk, in, Q("larger"), large, TRL_SECRET_MAX_BYTES), TRL_E_INVALID);
    ASK_TEXT(tk, ask_list(tk, in, ""), "a b large ");
    free(large);
    tk_close(tk, in);
    write_file(p, "key", "ff" KEY_HEX, 64, 0400);
    ask_refused(tk, "file", p->config, "another key", NULL, 0);
    write_file(p, "key", KEY_HEX, 60, 0400);
    ask_refused(tk, "file", p->config, "this has 60 bytes", NULL, 0);
    write_file(p, "key", KEY_HEX, 64, 0444);
    ask_refused(tk, "file", p->config, "chmod go=", NULL, 0);
    unlink(at(p, "key"));
    ask_refused(tk, "file", p->config, "no such file", NULL, 0);
    write_file(p, "credentials/seal", KEY_HEX, 64, 0440);
    setenv("CREDENTIALS_DIRECTORY", at(p, "credentials"), 1);
    snprintf(p->config, sizeof(p->config),
             "{\"file\":\"%s/secrets.sealed\",\"credential\":\"seal\"}", p->dir);
    in = tk_open(tk, TRL_KIND_SECRETS, "file", p->config, NULL, 0);
    ASK_TEXT(tk, ask_fetch(tk, in, QF("a", "f")), "1");
    tk_close(tk, in);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(tk_destroy(tk), 0);
}

/* The examples are run as they are, in a directory that has what they name. */
static void test_examples(void **state) {
    static const char *const names[] = {"dir.json", "sealed.json"};
    struct place *p = *state;
    char back[512];
    assert_non_null(getcwd(back, sizeof(back)));
    for (size_t i = 0; i < 2; i++) {
        char path[512], text[1024];
        struct tk *tk = tk_create(false);
        struct plug_inst *in;
        FILE *f;
        size_t n;
        snprintf(path, sizeof(path), TRELLIS_SOURCE_DIR "/secrets/file/examples/%s", names[i]);
        f = fopen(path, "r");
        assert_non_null(f);
        n = fread(text, 1, sizeof(text) - 1, f);
        text[n] = '\0';
        fclose(f);
        write_file(p, "secrets/.keep", "", 0, 0600);
        write_file(p, "seal.key", KEY_HEX, 64, 0400);
        assert_int_equal(chdir(p->dir), 0);
        in = tk_open(tk, TRL_KIND_SECRETS, "file", text, NULL, 0);
        assert_non_null(in);
        ASK_ST(tk, ask_put(tk, in, Q("prod/db"), "v", 1), TRL_OK);
        ASK_TEXT(tk, ask_fetch(tk, in, Q("prod/db")), "v");
        tk_close(tk, in);
        assert_int_equal(chdir(back), 0);
        assert_int_equal(tk_destroy(tk), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_suite_dir, setup, teardown),
        cmocka_unit_test_setup_teardown(test_suite_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rights, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_put, setup, teardown),
        cmocka_unit_test_setup_teardown(test_versions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_config, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_examples, setup, teardown),
    };
    return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
