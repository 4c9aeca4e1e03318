/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "testkit.h"

static void refused(struct tk *tk, const char *kind, const char *name, const char *config,
                    const char *text) {
    struct plug_inst *in = tk_create_inst(tk, kind, name, config, NULL, 0);
    if (in) {
        fail_msg("%s '%s' was not refused", kind, name);
    }
    if (!strstr(tk_error(tk), text)) {
        fail_msg("'%s' lacks '%s'", tk_error(tk), text);
    }
}

static void bad_libraries_are_refused_with_a_reason(void **state) {
    (void)state;
    struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
    refused(tk, TRL_KIND_STORE, "wrong-magic", NULL,
            "begins with 12345678, not with 4c525431: set magic");
    refused(tk, TRL_KIND_STORE, "note-lies", NULL, "disagree about 'id'");
    refused(tk, TRL_KIND_STORE, "wrong-major", NULL,
            "built for plugin ABI 9, this core offers 0.2");
    refused(tk, TRL_KIND_STORE, "needs-newer", NULL, "needs plugin ABI 0.99, this core offers 0.2");
    refused(tk, TRL_KIND_STORE, "no-note", NULL, "has no plugin note");
    refused(tk, TRL_KIND_STORE, "two-exports", NULL, "exports 'helper' beside trl_plugin_entry");
    refused(tk, TRL_KIND_STORE, "missing-fn", NULL, "store/1 table lacks the function 'put'");
    refused(tk, TRL_KIND_STORE, "bad-model", NULL, "has thread model 7");
    refused(tk, TRL_KIND_STORE, "needs-iface", NULL,
            "needs the host interface 'host.teapot/1', which this core does not offer");
    assert_int_equal(tk_destroy(tk), 0);
}

static void names_not_paths(void **state) {
    (void)state;
    struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
    refused(tk, TRL_KIND_STORE, "../good", NULL, "is no plugin name");
    refused(tk, TRL_KIND_STORE, "", NULL, "is no plugin name");
    refused(tk, TRL_KIND_STORE, "Good", NULL, "is no plugin name");
    refused(tk, TRL_KIND_STORE, "nowhere", NULL,
            "no plugin provides store/1 'nowhere': looked for nowhere.so and store-nowhere.so "
            "in " TEST_PLUGIN_DIR);
    refused(tk, TRL_KIND_SCALER, "good", NULL, "no plugin provides scaler/1 'good'");
    refused(tk, TRL_KIND_EXTENSION, "good", NULL, "no plugin provides extension/1 'good'");
    refused(tk, "toaster/1", "x", NULL, "unknown plugin kind");
    assert_int_equal(tk_destroy(tk), 0);
}

static void a_good_one_is_named_in_the_log(void **state) {
    (void)state;
    struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
    struct plug_inst *in = tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0);
    assert_non_null(in);
    assert_true(tk_logged(tk, "plugin test.good 1.2.3 loaded from " TEST_PLUGIN_DIR "/good.so"));
    assert_string_equal(plug_inst_component(in)->name, "good");
    assert_string_equal(plug_inst_plugin(in)->id, "test.good");
    assert_true(plug_inst_ready(in));
    assert_int_equal(((const trl_store_v1 *)plug_inst_table(in))->flags, TRL_S_ACKED);
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
}

static void older_and_newer_tables(void **state) {
    (void)state;
    struct tk *tk = tk_create_in(true, TEST_PLUGIN_DIR);
    struct plug_inst *old = tk_open(tk, TRL_KIND_STORE, "short-table", NULL, NULL, 0);
    struct plug_inst *new = tk_open(tk, TRL_KIND_STORE, "long-table", NULL, NULL, 0);
    const trl_store_v1 *t = plug_inst_table(old);
    assert_null(t->info);
    assert_int_equal(t->flags, TRL_S_HISTORY);
    t = plug_inst_table(new);
    assert_int_equal(t->struct_size, sizeof(*t));
    tk_close(tk, old);
    tk_close(tk, new);
    assert_int_equal(tk_destroy(tk), 0);
}

static void config_is_checked_and_filled(void **state) {
    (void)state;
    struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
    struct err err = ERR_INIT;
    char *filled;
    refused(tk, TRL_KIND_STORE, "good", "{\"start\":\"maybe\"}", "config of plugin 'good': /start");
    refused(tk, TRL_KIND_STORE, "good", "{\"nme\":1}", "config of plugin 'good': ");
    refused(tk, TRL_KIND_STORE, "good", "[]", "must be a JSON object");
    refused(tk, TRL_KIND_STORE, "good", "{", "config of plugin 'good'");
    refused(tk, TRL_KIND_STORE, "good", "{\"name\":\"odd\"}", "/name must not be odd");
    assert_int_equal(
        plug_check_config(tk_plug(tk), TRL_KIND_STORE, "good", STR_NONE, &filled, &err), 0);
    assert_string_equal(filled, "{\"start\":\"ok\"}");
    mem_free(filled);
    assert_int_equal(tk_destroy(tk), 0);
}

static void threads_on_a_virtual_loop(void **state) {
    (void)state;
    struct tk *tk = tk_create_in(true, TEST_PLUGIN_DIR);
    refused(tk, TRL_KIND_STORE, "slow-serial", NULL,
            "a virtual loop takes TRL_LOOP components only");
    refused(tk, TRL_KIND_STORE, "parallel", NULL, "a virtual loop takes TRL_LOOP components only");
    assert_int_equal(tk_destroy(tk), 0);
}

struct listed {
    uint32_t n, bad;
    bool good;
};

static void on_listed(void *arg, const struct plug_file_info *i, const char *err_text) {
    struct listed *l = arg;
    l->n++;
    l->bad += err_text != NULL;
    if (strcmp(i->path, TEST_PLUGIN_DIR "/good.so") == 0) {
        l->good = !err_text && i->note && strstr(i->note, "test.good") && !i->plugin;
    }
}

static void list_and_inspect_map_nothing(void **state) {
    (void)state;
    struct tk *tk = tk_create_in(false, TEST_PLUGIN_DIR);
    struct listed l = {0, 0, false};
    struct plug_file_info i;
    struct err err = ERR_INIT;
    plug_list(tk_plug(tk), on_listed, &l);
    assert_true(l.n >= 15);
    assert_true(l.bad >= 4); /* no_note, two_exports, wrong_major, needs_newer */
    assert_true(l.good);
    assert_int_equal(plug_inspect_file(TEST_PLUGIN_DIR "/good.so", &i, &err), 0);
    assert_null(i.plugin);
    plug_file_info_finish(&i);
    assert_true(plug_inspect_file("/etc/passwd", &i, &err) < 0);
    assert_non_null(strstr(err.msg, "/etc/passwd: not a shared library"));
    assert_int_equal(tk_destroy(tk), 0);
}

static void copy_file(const char *from, const char *to) {
    char chunk[4096];
    size_t n;
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    while ((n = fread(chunk, 1, sizeof(chunk), in)) > 0) {
        assert_int_equal(fwrite(chunk, 1, n, out), n);
    }
    fclose(in);
    fclose(out);
    assert_int_equal(chmod(to, 0644), 0);
}

static void an_untrusted_file_is_an_error_not_skipped(void **state) {
    (void)state;
    char dir[] = "/tmp/trellis-load-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/store-good.so", dir);
    copy_file(TEST_PLUGIN_DIR "/good.so", path);
    struct tk *tk = tk_create_in(false, dir);
    assert_int_equal(chmod(path, 0666), 0);
    refused(tk, TRL_KIND_STORE, "good", NULL, "store-good.so is writable by group or others");
    assert_int_equal(chmod(path, 0644), 0);
    struct plug_inst *in =
        tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0); /* <kind>-<name>.so */
    tk_close(tk, in);
    assert_int_equal(tk_destroy(tk), 0);
    unlink(path);
    rmdir(dir);
}

static void a_file_replaced_while_loaded_is_noticed(void **state) {
    (void)state;
    char dir[] = "/tmp/trellis-swap-XXXXXX", path[64], next[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof(path), "%s/store-good.so", dir);
    snprintf(next, sizeof(next), "%s/next", dir);
    copy_file(TEST_PLUGIN_DIR "/good.so", path);
    struct tk *tk = tk_create_in(false, dir);
    tk_close(tk, tk_open(tk, TRL_KIND_STORE, "good", NULL, NULL, 0));
    assert_int_equal(tk_destroy(tk), 0);
    copy_file(TEST_PLUGIN_DIR "/short-table.so",
              next); /* the loader would give the old code again */
    assert_int_equal(rename(next, path), 0);
    tk = tk_create_in(false, dir);
    refused(tk, TRL_KIND_STORE, "good", NULL, "replaced while the old one is in use (restart)");
    assert_int_equal(tk_destroy(tk), 0);
    unlink(path);
    rmdir(dir);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_libraries_are_refused_with_a_reason),
        cmocka_unit_test(names_not_paths),
        cmocka_unit_test(a_good_one_is_named_in_the_log),
        cmocka_unit_test(older_and_newer_tables),
        cmocka_unit_test(config_is_checked_and_filled),
        cmocka_unit_test(threads_on_a_virtual_loop),
        cmocka_unit_test(list_and_inspect_map_nothing),
        cmocka_unit_test(an_untrusted_file_is_an_error_not_skipped),
        cmocka_unit_test(a_file_replaced_while_loaded_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
