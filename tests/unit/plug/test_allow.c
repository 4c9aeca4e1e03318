/* SPDX-License-Identifier: Apache-2.0
 *
 * Libraries that are loaded by what they contain: listed, unlisted, changed, and out of reach of
 * whoever changes the file afterwards.
 */
#include "../cmocka_all.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "testkit.h"

#define OTHER "00000000000000000000000000000000000000000000000000000000000000Aa"

/* A directory of its own with one plugin in it. */
struct place {
    char dir[64], path[96], sum[65];
    struct tk *tk;
};

static void copy_file(const char *from, const char *to) {
    char bytes[65536];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    while ((n = fread(bytes, 1, sizeof(bytes), in)) > 0) {
        assert_int_equal(fwrite(bytes, 1, n, out), n);
    }
    fclose(in);
    assert_int_equal(fclose(out), 0);
    assert_int_equal(chmod(to, 0644), 0);
}

static void open_place(struct place *p) {
    struct plug_file_info info;
    struct err err = ERR_INIT;
    snprintf(p->dir, sizeof(p->dir), "/tmp/trellis-allow-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    snprintf(p->path, sizeof(p->path), "%s/store-good.so", p->dir);
    copy_file(TEST_PLUGIN_DIR "/good.so", p->path);
    assert_int_equal(plug_inspect_file(p->path, &info, &err), 0);
    snprintf(p->sum, sizeof(p->sum), "%s", info.sha256);
    plug_file_info_finish(&info);
    p->tk = tk_create_in(false, p->dir);
}

static void close_place(struct place *p) {
    assert_int_equal(tk_destroy(p->tk), 0);
    unlink(p->path);
    rmdir(p->dir);
}

static void allow(struct place *p, enum plug_trust trust, const char *library, const char *sum) {
    struct plug_allowed at = {library, sum};
    plug_allow(tk_plug(p->tk), trust, &at, 1);
}

static void refused(struct place *p, const char *text) {
    assert_null(tk_create_inst(p->tk, TRL_KIND_STORE, "good", NULL, NULL, 0));
    if (!strstr(tk_error(p->tk), text)) {
        fail_msg("'%s' lacks '%s'", tk_error(p->tk), text);
    }
}

static void what_is_listed_is_loaded(void **state) {
    struct place p;
    (void)state;
    open_place(&p);
    allow(&p, PLUG_TRUST_REQUIRE, "store-good", p.sum);
    struct plug_inst *in = tk_open(p.tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    assert_non_null(in);
    assert_true(tk_logged(p.tk, ", as a sealed copy: /proc/self/fd/"));
    tk_close(p.tk, in);
    close_place(&p);
}

static void anything_else_is_refused(void **state) {
    struct place p;
    char text[256];
    (void)state;
    open_place(&p);
    allow(&p, PLUG_TRUST_REQUIRE, "store-other", p.sum);
    snprintf(text, sizeof(text),
             "/store-good.so: 'store-good' is not in plugins.allow: add `store-good: %s`", p.sum);
    refused(&p, text);
    allow(&p, PLUG_TRUST_REQUIRE, "store-good", OTHER);
    snprintf(text, sizeof(text), "its SHA-256 is %s, plugins.allow has " OTHER, p.sum);
    refused(&p, text);
    plug_allow(tk_plug(p.tk), PLUG_TRUST_REQUIRE, NULL, 0);
    refused(&p, "is not in plugins.allow");
    close_place(&p);
}

static void a_warning_is_a_line_in_the_log(void **state) {
    struct place p;
    (void)state;
    open_place(&p);
    allow(&p, PLUG_TRUST_WARN, "store-good", OTHER);
    struct plug_inst *in = tk_open(p.tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    assert_non_null(in);
    assert_true(tk_logged(p.tk, "(loaded all the same: plugins.check is warn)"));
    assert_false(tk_logged(p.tk, "sealed copy"));
    tk_close(p.tk, in);
    close_place(&p);
}

/* The file is cut off while its code is in use: that would be the end of the process. */
static void what_was_checked_is_what_runs(void **state) {
    struct place p;
    struct err err = ERR_INIT;
    char *config = NULL;
    (void)state;
    open_place(&p);
    allow(&p, PLUG_TRUST_REQUIRE, "store-good", p.sum);
    assert_int_equal(
        plug_check_config(tk_plug(p.tk), TRL_KIND_STORE, "good", STR("{}"), &config, &err), 0);
    mem_free(config);
    assert_int_equal(truncate(p.path, 0), 0);
    struct plug_inst *in = tk_open(p.tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    assert_non_null(in);
    tk_close(p.tk, in);
    /* A plane that comes later reads the file again. */
    struct tk *late = tk_create_in(false, p.dir);
    assert_null(tk_create_inst(late, TRL_KIND_STORE, "good", NULL, NULL, 0));
    assert_int_equal(tk_destroy(late), 0);
    close_place(&p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_listed_is_loaded),
        cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(a_warning_is_a_line_in_the_log),
        cmocka_unit_test(what_was_checked_is_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
