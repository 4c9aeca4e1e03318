/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <elf.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/rand.h"
#include "plug/note.h"

struct file {
    struct buf bytes;
};

static int load(void **state) {
    struct file *f = mem_zalloc(sizeof(*f));
    int fd = open(TEST_PLUGIN_DIR "/good.so", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || note_read_file("good.so", fd, &f->bytes, NULL) < 0) {
        return -1;
    }
    close(fd);
    *state = f;
    return 0;
}

static int unload(void **state) {
    struct file *f = *state;
    buf_finish(&f->bytes);
    mem_free(f);
    return 0;
}

static int find(str bytes, str *note, struct err *err) {
    return note_find("x.so", bytes, note, err);
}

static void the_note_is_found(void **state) {
    struct file *f = *state;
    struct arena a = ARENA_INIT;
    struct err err = ERR_INIT;
    struct note_info info;
    str note;
    assert_int_equal(find(buf_str(&f->bytes), &note, &err), 0);
    assert_int_equal(note_parse("x.so", note, &a, &info, &err), 0);
    assert_true(str_is(info.id, "test.good"));
    assert_true(str_is(info.version, "1.2.3"));
    assert_int_equal(info.abi_major, TRL_ABI_MAJOR);
    assert_int_equal(info.abi_minor_built, TRL_ABI_MINOR);
    assert_int_equal(info.abi_minor_needed, 0);
    assert_false(note_extra_export(buf_str(&f->bytes), &note));
    arena_finish(&a);
}

/* Every place is tried in an allocation of exactly that size, so that the sanitizer sees one byte
 * too far. */
static int find_cut(str whole, size_t n) {
    struct err err = ERR_INIT;
    str note = STR_NONE, extra;
    char *exact = mem_dup(whole.ptr, n);
    int rc = find(str_n(exact, n), &note, &err);
    note_extra_export(str_n(exact, n), &extra);
    if (rc < 0 && strncmp(err.msg, "x.so: ", 6) != 0) {
        rc = 1; /* every refusal names the file */
    }
    mem_free(exact);
    return rc;
}

static void cut_files_are_refused(void **state) {
    struct file *f = *state;
    str whole = buf_str(&f->bytes);
    Elf64_Ehdr h;
    str note;
    memcpy(&h, whole.ptr, sizeof(h));
    assert_int_equal(find(whole, &note, NULL), 0);
    size_t note_end = (size_t)(note.ptr + note.len - whole.ptr);
    for (size_t n = 0; n < note_end; n++) {
        assert_true(find_cut(whole, n) < 0);
    }
    for (size_t n = note_end; n < whole.len; n += 97) { /* the note is there; nothing may crash */
        assert_true(find_cut(whole, n) <= 0);
    }
    for (uint32_t i = 0; i <= h.e_shnum; i++) { /* at each section header, and one byte around */
        size_t at = h.e_shoff + i * sizeof(Elf64_Shdr);
        for (size_t n = at - 1; n <= at + 1 && n <= whole.len; n++) {
            assert_true(find_cut(whole, n) <= 0);
        }
    }
}

static void damaged_files_do_no_harm(void **state) {
    struct file *f = *state;
    str whole = buf_str(&f->bytes);
    struct rng r;
    rng_seed(&r, 11);
    char *copy = mem_dup(whole.ptr, whole.len);
    for (int round = 0; round < 20000; round++) {
        str note, extra;
        size_t at[4];
        size_t range = round % 3 ? 1024 : whole.len;
        for (int i = 0; i < 4; i++) {
            at[i] = rng_below(&r, range);
            copy[at[i]] = round % 2 ? (char)rng_next(&r) : (char)0xff;
        }
        find(str_n(copy, whole.len), &note, NULL);
        note_extra_export(str_n(copy, whole.len), &extra);
        for (int i = 0; i < 4; i++) {
            copy[at[i]] = whole.ptr[at[i]];
        }
    }
    mem_free(copy);
}

static void expect(const char *bytes, size_t n, const char *text) {
    struct err err = ERR_INIT;
    str note;
    assert_true(find(str_n(bytes, n), &note, &err) < 0);
    if (!strstr(err.msg, text)) {
        fail_msg("'%s' lacks '%s'", err.msg, text);
    }
}

static void each_refusal_says_why(void **state) {
    struct file *f = *state;
    char *copy = mem_dup(f->bytes.ptr, f->bytes.len);
    Elf64_Ehdr *h = (Elf64_Ehdr *)(void *)copy;
    expect("#!/bin/sh\n", 10, "not a shared library");
    h->e_machine = EM_68K;
    expect(copy, f->bytes.len, "another machine");
    h->e_type = ET_EXEC;
    expect(copy, f->bytes.len, "no shared library");
    h->e_ident[EI_CLASS] = ELFCLASS32;
    expect(copy, f->bytes.len, "another kind of machine");
    memcpy(copy, f->bytes.ptr, f->bytes.len);
    h->e_phnum = 0;
    expect(copy, f->bytes.len, "has no plugin note");
    h->e_phentsize = 7;
    expect(copy, f->bytes.len, "damaged");
    expect(copy, 40, "cut off");
    mem_free(copy);
}

static void bad_json_is_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "{}",
        "{\"id\":1,\"version\":\"1\",\"abi_major\":0,\"abi_minor_built\":1,\"abi_minor_needed\":0}",
        "{\"id\":\"a\",\"version\":\"1\",\"abi_major\":-1,\"abi_minor_built\":1,"
        "\"abi_minor_needed\":0}",
        "{\"id\":\"a\",\"version\":\"1\",\"abi_major\":0,\"abi_minor_built\":1,"
        "\"abi_minor_needed\":70000}",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct arena a = ARENA_INIT;
        struct err err = ERR_INIT;
        struct note_info info;
        assert_true(note_parse("x.so", str_c(bad[i]), &a, &info, &err) < 0);
        assert_non_null(strstr(err.msg, "x.so: its plugin note"));
        arena_finish(&a);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_note_is_found),        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(damaged_files_do_no_harm), cmocka_unit_test(each_refusal_says_why),
        cmocka_unit_test(bad_json_is_refused),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
