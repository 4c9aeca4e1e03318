/* SPDX-License-Identifier: Apache-2.0
 *
 * The secrets suite: looking for values where none may be. What is looked for is held masked, so
 * that the search does not find itself.
 */
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "suite_secrets_priv.h"

static bool has(str text, const char *needle, size_t n) {
    return text.len >= n && memmem(text.ptr, text.len, needle, n) != NULL;
}

/* A value in plain, in hex of both cases, and in base64 at each of the three offsets. */
static bool seen_in(const struct sx *x, uint32_t i, str text) {
    char mark[SX_MARK_LEN], out[2 * SX_MARK_LEN + 16];
    uint8_t shifted[SX_MARK_LEN + 2] = {0};
    bool seen;
    sx_mark(x, i, mark);
    seen = has(text, mark, sizeof(mark));
    sodium_bin2hex(out, sizeof(out), (const unsigned char *)mark, sizeof(mark));
    seen |= has(text, out, 2 * SX_MARK_LEN);
    for (size_t k = 0; k < 2 * SX_MARK_LEN; k++) {
        out[k] = out[k] >= 'a' ? (char)(out[k] - 32) : out[k];
    }
    seen |= has(text, out, 2 * SX_MARK_LEN);
    for (size_t off = 0; off < 3; off++) {
        memcpy(shifted + off, mark, sizeof(mark));
        sodium_bin2base64(out, sizeof(out), shifted, sizeof(mark) + off,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        seen |= has(text, out + 4, SX_MARK_LEN); /* letters and digits: same in both alphabets */
    }
    sodium_memzero(mark, sizeof(mark));
    sodium_memzero(out, sizeof(out));
    sodium_memzero(shifted, sizeof(shifted));
    return seen;
}

void sx_check_silence(struct sx *x) {
    for (uint32_t i = 0; i < x->n_planted; i++) {
        TK_CHECK_F(x->tk, !seen_in(x, i, tk_log(x->tk)), "value %u is in the log", i);
        TK_CHECK_F(x->tk, !seen_in(x, i, buf_str(&x->said)), "value %u is in a result or error", i);
    }
}

#define MASK     0xa5u
#define WINDOW   (256u * 1024u)
#define HUGE_MAP (1ull << 31) /* shadow memory of sanitizers, not of the program */

struct seek {
    uint8_t (*masked)[SX_MARK_LEN];
    uint32_t n;
    uint8_t *window;
    int mem;
    uint32_t found; /* of the first one: number + 1 */
    unsigned long long at, searched;
};

static void seek_window(struct seek *k, size_t n, unsigned long long base) {
    bool first[256] = {false};
    for (uint32_t i = 0; i < k->n; i++) {
        first[k->masked[i][0] ^ MASK] = true;
    }
    for (size_t at = 0; at + SX_MARK_LEN <= n; at++) {
        if (!first[k->window[at]]) {
            continue;
        }
        for (uint32_t i = 0; i < k->n && !k->found; i++) {
            size_t same = 0;
            while (same < SX_MARK_LEN && (k->window[at + same] ^ MASK) == k->masked[i][same]) {
                same++;
            }
            if (same == SX_MARK_LEN) {
                k->found = i + 1;
                k->at = base + at;
            }
        }
    }
}

static void seek_map(struct seek *k, unsigned long long from, unsigned long long to) {
    unsigned long long own = (unsigned long long)(uintptr_t)k->window;
    if (from <= own && own < to) {
        return; /* the window has a mapping of its own */
    }
    while (from < to && !k->found) {
        size_t want = to - from < WINDOW ? (size_t)(to - from) : WINDOW;
        ssize_t n = pread(k->mem, k->window, want, (off_t)from);
        if (n < (ssize_t)SX_MARK_LEN) {
            return;
        }
        seek_window(k, (size_t)n, from);
        k->searched += (unsigned long long)n;
        from += (size_t)n == (size_t)(to - from) ? (size_t)n : (size_t)n - SX_MARK_LEN + 1;
    }
}

void sx_check_memory(struct sx *x) {
    struct seek k = {.n = x->n_planted, .mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC)};
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512], name[64];
    unsigned long long from, to;
    char rights[8];
    if (k.mem < 0 || !maps) {
        printf("the memory of the process cannot be searched here\n");
    } else {
        k.masked = mem_array(k.n + 1, sizeof(*k.masked));
        for (uint32_t i = 0; i < k.n; i++) {
            char mark[SX_MARK_LEN];
            sx_mark(x, i, mark);
            for (size_t at = 0; at < SX_MARK_LEN; at++) {
                k.masked[i][at] = (uint8_t)(mark[at] ^ MASK);
            }
            sodium_memzero(mark, sizeof(mark));
        }
        k.window = sodium_malloc(WINDOW);
        while (k.window && fgets(line, sizeof(line), maps) && !k.found) {
            if (sscanf(line, "%llx-%llx %7s %*s %*s %*s %63s", &from, &to, rights, name) >= 3 &&
                rights[0] == 'r' && rights[1] == 'w' && to - from < HUGE_MAP) {
                seek_map(&k, from, to);
            }
        }
        TK_CHECK_F(x->tk, k.window && !k.found, "value %u is still in memory, at %llx", k.found - 1,
                   k.at);
        TK_CHECK_F(x->tk, k.searched > 100000, "memory was searched");
        sodium_free(k.window);
        mem_free(k.masked);
    }
    if (maps) {
        fclose(maps);
    }
    if (k.mem >= 0) {
        close(k.mem);
    }
}
