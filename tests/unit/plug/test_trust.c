/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "plug/trust.h"

struct dir {
    char path[64], sub[96], file[128], link[128];
};

static int make(void **state) {
    struct dir *d = mem_zalloc(sizeof(*d));
    snprintf(d->path, sizeof(d->path), "/tmp/trellis-trust-XXXXXX");
    if (!mkdtemp(d->path)) {
        return -1;
    }
    snprintf(d->sub, sizeof(d->sub), "%s/plugins", d->path);
    snprintf(d->file, sizeof(d->file), "%s/x.so", d->sub);
    snprintf(d->link, sizeof(d->link), "%s/link", d->path);
    int fd = mkdir(d->sub, 0755) == 0 ? open(d->file, O_CREAT | O_WRONLY | O_CLOEXEC, 0644) : -1;
    if (fd < 0 || fchmod(fd, 0644) < 0) {
        return -1;
    }
    close(fd);
    *state = d;
    return 0;
}

static int clean(void **state) {
    struct dir *d = *state;
    unlink(d->link);
    unlink(d->file);
    rmdir(d->file);
    rmdir(d->sub);
    rmdir(d->path);
    mem_free(d);
    return 0;
}

static int try_path(const char *path, struct err *err) {
    int fd = -1;
    int rc = trust_open(path, &fd, err);
    if (rc == 0) {
        assert_true(fd >= 0);
        close(fd);
    }
    return rc;
}

static void expect(const char *path, int code, const char *text) {
    struct err err = ERR_INIT;
    assert_int_equal(try_path(path, &err), code);
    if (!strstr(err.msg, text)) {
        fail_msg("'%s' lacks '%s'", err.msg, text);
    }
}

static void our_own_file_below_tmp_is_fine(void **state) {
    struct dir *d = *state;
    struct err err = ERR_INIT;
    if (try_path(d->file, &err) < 0) {
        fail_msg("%s", err.msg);
    }
}

static void what_others_may_write_is_refused(void **state) {
    struct dir *d = *state;
    assert_int_equal(chmod(d->file, 0664), 0);
    expect(d->file, TRL_E_DENIED, "x.so is writable by group or others: run 'chmod go-w");
    assert_int_equal(chmod(d->file, 0646), 0);
    expect(d->file, TRL_E_DENIED, "writable by group or others");
    assert_int_equal(chmod(d->file, 0644), 0);
    assert_int_equal(chmod(d->sub, 0775), 0);
    expect(d->file, TRL_E_DENIED, "plugins is writable by group or others");
    assert_int_equal(chmod(d->sub, 0755), 0);
    assert_int_equal(chmod(d->path, 0777), 0);
    expect(d->file, TRL_E_DENIED, "writable by group or others");
}

static void set_id_is_refused(void **state) {
    struct dir *d = *state;
    assert_int_equal(chmod(d->file, 04755), 0);
    expect(d->file, TRL_E_DENIED, "set-user-id");
    assert_int_equal(chmod(d->file, 02755), 0);
    expect(d->file, TRL_E_DENIED, "set-user-id or set-group-id");
}

static void links_are_refused(void **state) {
    struct dir *d = *state;
    char through[256];
    assert_int_equal(symlink(d->sub, d->link), 0);
    snprintf(through, sizeof(through), "%s/x.so", d->link);
    expect(through, TRL_E_DENIED, "/link is a symbolic link");
    unlink(d->link);
    assert_int_equal(symlink(d->file, d->link), 0);
    expect(d->link, TRL_E_DENIED, "/link is a symbolic link");
}

static void only_regular_files(void **state) {
    struct dir *d = *state;
    expect(d->sub, TRL_E_DENIED, "no regular file");
    unlink(d->file);
    assert_int_equal(mkfifo(d->file, 0644), 0);
    expect(d->file, TRL_E_DENIED, "no regular file");
    expect("/dev/null", TRL_E_DENIED, "no regular file");
}

static void what_is_not_there(void **state) {
    struct dir *d = *state;
    char path[256];
    snprintf(path, sizeof(path), "%s/y.so", d->sub);
    expect(path, TRL_E_NOTFOUND, "y.so does not exist");
    snprintf(path, sizeof(path), "%s/no/x.so", d->path);
    expect(path, TRL_E_NOTFOUND, "/no does not exist");
    snprintf(path, sizeof(path), "%s/x", d->file);
    expect(path, TRL_E_DENIED, "is no directory");
}

static void others_files_are_refused(void **state) {
    struct dir *d = *state;
    if (geteuid() != 0) {
        skip();
    }
    assert_int_equal(chown(d->file, 12345, 0), 0);
    expect(d->file, TRL_E_DENIED, "belongs to user 12345");
    assert_int_equal(chown(d->file, 0, 0), 0);
    assert_int_equal(chown(d->sub, 12345, 0), 0);
    expect(d->file, TRL_E_DENIED, "plugins belongs to user 12345");
    assert_int_equal(chmod(d->sub, 01777), 0); /* sticky counts for root's directories only */
    expect(d->file, TRL_E_DENIED, "belongs to user 12345");
}

static void paths_become_absolute(void **state) {
    (void)state;
    static const char *const pairs[][2] = {
        {"/a/b", "/a/b"}, {"/a//b/./c/", "/a/b/c"}, {"/a/../b", "/b"},
        {"/../..", "/"},  {"/a/b/../../c", "/c"},   {"/", "/"},
    };
    for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
        char *p = trust_absolute(pairs[i][0]);
        assert_string_equal(p, pairs[i][1]);
        mem_free(p);
    }
    char *p = trust_absolute("x/y.so");
    assert_true(p[0] == '/' && str_ends(str_c(p), STR("/x/y.so")));
    mem_free(p);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, clean)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(our_own_file_below_tmp_is_fine),
        T(what_others_may_write_is_refused),
        T(set_id_is_refused),
        T(links_are_refused),
        T(only_regular_files),
        T(what_is_not_there),
        T(others_files_are_refused),
        cmocka_unit_test(paths_become_absolute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
