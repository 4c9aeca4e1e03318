/* SPDX-License-Identifier: Apache-2.0
 *
 * The malloc that the program is linked with: it is the one, it is set as it says, and it gives
 * back what is free. Not built with sanitizers, which have their own.
 */
#define _GNU_SOURCE
#include "../cmocka_all.h"

#include <dlfcn.h>
#include <jemalloc/jemalloc.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 20000
#define SIZE   4000

static void test_is_ours(void **state) {
    Dl_info at;
    char line[512];
    (void)state;
    void *p = malloc(100);
    assert_true(dladdr(dlsym(RTLD_DEFAULT, "malloc"), &at) != 0);
    assert_non_null(strstr(at.dli_fname, "libtrellis-malloc.so"));
    assert_true(malloc_usable_size(p) >= 100);
    free(p);
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        assert_null(strstr(line, "libstdc++")); /* a megabyte */
    }
    fclose(maps);
}

static void test_options(void **state) {
    unsigned arenas = 0;
    bool thread = false;
    ssize_t decay_ms = -1;
    size_t cached = 0, n = sizeof(arenas);
    (void)state;
    assert_int_equal(mallctl("opt.narenas", &arenas, &n, NULL, 0), 0);
    n = sizeof(thread);
    assert_int_equal(mallctl("background_thread", &thread, &n, NULL, 0), 0);
    n = sizeof(decay_ms);
    assert_int_equal(mallctl("opt.dirty_decay_ms", &decay_ms, &n, NULL, 0), 0);
    n = sizeof(cached);
    assert_int_equal(mallctl("arenas.tcache_max", &cached, &n, NULL, 0), 0);
    assert_true(arenas == 1 && thread && decay_ms == 200 && cached == 65536);
}

static long own_kb(void) {
    char line[256];
    long kb = -1;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "RssAnon: %ld", &kb) == 1) {
            break;
        }
    }
    if (f) {
        fclose(f);
    }
    return kb;
}

static void *take(void *arg) {
    char **pieces = arg;
    for (int i = 0; i < PIECES; i++) {
        pieces[i] = malloc(SIZE);
        if (!pieces[i]) {
            return NULL;
        }
        memset(pieces[i], i & 0x7f, SIZE);
    }
    return arg;
}

/* Taken by one thread that ends, given back by another: what the process has goes down again. */
static void test_gives_back(void **state) {
    static char *pieces[PIECES];
    pthread_t other;
    void *done = NULL;
    (void)state;
    long before = own_kb();
    assert_int_equal(pthread_create(&other, NULL, take, pieces), 0);
    pthread_join(other, &done);
    assert_ptr_equal(done, pieces);
    long full = own_kb();
    assert_true(full - before > PIECES / 1024 * SIZE * 9 / 10);
    for (int i = 0; i < PIECES; i++) {
        assert_true(pieces[i][0] == (i & 0x7f) && pieces[i][SIZE - 1] == (i & 0x7f));
        free(pieces[i]);
    }
    int turns = 0;
    while (own_kb() - before > (full - before) / 10 && turns < 3000) {
        poll(NULL, 0, 10); /* until the system has it */
        turns++;
    }
    assert_true(turns < 3000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_ours),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_gives_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
