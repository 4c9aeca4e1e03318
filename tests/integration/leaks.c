/* SPDX-License-Identifier: Apache-2.0 */
#include "leaks.h"

#include <dirent.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMS   6   /* plain, base64 at three alignments, hex in both cases */
#define OVERLAP 256 /* a form may lie across two chunks */
#define CHUNK   (1u << 20)
#define REGION  (1ull << 30) /* larger ones are address space that a sanitizer reserved */

struct wanted {
    char name[64], form[FORMS][OVERLAP];
    size_t len[FORMS];
};

struct leaks {
    struct wanted at[16];
    unsigned n;
};

struct leaks *leaks_create(void) {
    return calloc(1, sizeof(struct leaks));
}

void leaks_destroy(struct leaks *l) {
    sodium_memzero(l, sizeof(*l));
    free(l);
}

void leaks_add(struct leaks *l, const char *name, const char *value) {
    struct wanted *w = &l->at[l->n++];
    size_t n = strlen(value);
    snprintf(w->name, sizeof(w->name), "%s", name);
    snprintf(w->form[0], OVERLAP, "%s", value);
    for (size_t shift = 0; shift < 3; shift++) {
        /* Only whole groups of the value's own bytes: what is around it is not known. */
        size_t skip = (3 - shift) % 3, whole = (n - skip) / 3 * 3;
        sodium_bin2base64(w->form[1 + shift], OVERLAP, (const unsigned char *)value + skip, whole,
                          sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    }
    sodium_bin2hex(w->form[4], OVERLAP, (const unsigned char *)value, n);
    for (size_t i = 0; i <= 2 * n; i++) {
        char c = w->form[4][i];
        w->form[5][i] = c >= 'a' && c <= 'f' ? (char)(c - 32) : c;
    }
    for (int f = 0; f < FORMS; f++) {
        w->len[f] = strlen(w->form[f]);
    }
}

unsigned leaks_in_bytes(const struct leaks *l, const char *where, const void *p, size_t n) {
    static const char *const forms[FORMS] = {"plain", "base64", "base64", "base64", "hex", "hex"};
    unsigned found = 0;
    for (unsigned i = 0; i < l->n; i++) {
        for (int f = 0; f < FORMS; f++) {
            if (memmem(p, n, l->at[i].form[f], l->at[i].len[f])) {
                fprintf(stderr, "%s: %s stands there (%s)\n", where, l->at[i].name, forms[f]);
                found++;
            }
        }
    }
    return found;
}

static unsigned in_range(const struct leaks *l, const char *where, int fd, off_t from, off_t to,
                         size_t *ret_bytes) {
    char *chunk = malloc(CHUNK + OVERLAP);
    size_t kept = 0;
    unsigned found = 0;
    while (from < to) {
        size_t want = (size_t)(to - from) < CHUNK ? (size_t)(to - from) : CHUNK;
        ssize_t n = pread(fd, chunk + kept, want, from);
        if (n <= 0) {
            break; /* pages that cannot be read: guards */
        }
        found += leaks_in_bytes(l, where, chunk, kept + (size_t)n);
        *ret_bytes += (size_t)n;
        size_t all = kept + (size_t)n;
        kept = all < OVERLAP ? all : OVERLAP;
        memmove(chunk, chunk + all - kept, kept);
        from += n;
    }
    sodium_memzero(chunk, CHUNK + OVERLAP);
    free(chunk);
    return found;
}

unsigned leaks_in_file(const struct leaks *l, const char *path) {
    struct stat st;
    size_t bytes = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return 0;
    }
    unsigned found = in_range(l, path, fd, 0, st.st_size, &bytes);
    close(fd);
    return found;
}

unsigned leaks_in_tree(const struct leaks *l, const char *dir) {
    unsigned found = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[1024];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
            found += leaks_in_tree(l, path);
        } else if (S_ISREG(st.st_mode)) {
            found += leaks_in_file(l, path);
        }
    }
    if (d) {
        closedir(d);
    }
    return found;
}

/* "7f0000000000-7f0000001000 rw-p ..." of /proc/PID/smaps, and the line VmFlags at its end. */
struct region {
    unsigned long long from, to;
    char mode[8], line[544];
};

static unsigned scan(const struct leaks *l, int mem, const struct region *r, size_t *ret_bytes) {
    if (r->mode[0] != 'r' || r->mode[1] != 'w' || r->to - r->from >= REGION) {
        return 0;
    }
    return in_range(l, r->line, mem, (off_t)r->from, (off_t)r->to, ret_bytes);
}

unsigned leaks_in_process(const struct leaks *l, pid_t pid, int dumped_only, size_t *ret_bytes) {
    char path[64], line[512];
    struct region now = {0};
    unsigned found = 0;
    snprintf(path, sizeof(path), "/proc/%d/smaps", (int)pid);
    FILE *maps = fopen(path, "r");
    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    int mem = open(path, O_RDONLY | O_CLOEXEC);
    *ret_bytes = 0;
    while (maps && mem >= 0 && fgets(line, sizeof(line), maps)) {
        struct region next = {0};
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line, "%llx-%llx %7s", &next.from, &next.to, next.mode) == 3) {
            now = next;
            snprintf(now.line, sizeof(now.line), "memory %s", line);
        } else if (strncmp(line, "VmFlags:", 8) == 0 && !(dumped_only && strstr(line, " dd"))) {
            found += scan(l, mem, &now, ret_bytes);
        }
    }
    if (maps) {
        fclose(maps);
    }
    if (mem >= 0) {
        close(mem);
    }
    return found;
}
