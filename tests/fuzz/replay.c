/* SPDX-License-Identifier: Apache-2.0
 *
 * Gives every file of the directories named, and of the fixtures, to the fuzz target once: whole,
 * then cut short and with bytes changed at a few fixed places.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "fuzz.h"

static void try_bytes(const char *p, size_t n) {
    char *exact = n ? mem_dup(p, n) : NULL; /* a read past the end is seen by the sanitizer */
    LLVMFuzzerTestOneInput((const uint8_t *)(exact ? exact : ""), n);
    mem_free(exact);
}

static void mutate(const struct buf *b, struct rng *rng) {
    char *copy = mem_dup(b->ptr, b->len);
    for (int i = 0; i < 8; i++) {
        static const char bytes[] = "{}[]:,\"'&*!#%@`|>-?\n\t \\\0\xff\xc3"
                                    "0";
        size_t at = (size_t)rng_below(rng, b->len);
        copy[at] = bytes[rng_below(rng, sizeof(bytes))];
        try_bytes(copy, b->len);
    }
    mem_free(copy);
    try_bytes(b->ptr, (size_t)rng_below(rng, b->len));
}

static int replay_file(const char *path, struct rng *rng) {
    struct buf b = BUF_INIT;
    char block[65536];
    size_t n;
    FILE *f = fopen(path, "rb");
    if (!f) {
        perror(path);
        return 1;
    }
    while ((n = fread(block, 1, sizeof(block), f)) > 0) {
        buf_add(&b, block, n);
    }
    fclose(f);
    try_bytes(b.ptr, b.len);
    if (b.len && b.len < 65536) {
        mutate(&b, rng);
    }
    buf_finish(&b);
    return 0;
}

static int replay_dir(const char *path, uint32_t *files) {
    struct dirent **names = NULL;
    struct rng rng;
    int rc = 0, n = scandir(path, &names, NULL, alphasort);
    rng_seed(&rng, 1);
    if (n < 0) {
        perror(path);
        return 1;
    }
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            struct buf file = BUF_INIT;
            buf_addf(&file, "%s/%s", path, names[i]->d_name);
            rc |= replay_file(file.ptr, &rng);
            buf_finish(&file);
            ++*files;
        }
        free(names[i]);
    }
    free(names);
    return rc;
}

int main(int argc, char **argv) {
    uint32_t files = 0;
    int rc = 0;
    const char *fixtures = getenv("TRELLIS_FIXTURES");
    for (int i = 1; i < argc; i++) {
        rc |= replay_dir(argv[i], &files);
    }
    if (fixtures) {
        struct buf path = BUF_INIT;
        buf_addf(&path, "%s/manifests/cases", fixtures);
        rc |= replay_dir(path.ptr, &files);
        buf_finish(&path);
    }
    printf("%u files replayed\n", files);
    return rc || files == 0;
}
