/* SPDX-License-Identifier: Apache-2.0 */
#include "spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "keeper.h"

#define SPEC_MAX (4u * 1024u * 1024u)

static const struct {
    const char *name;
    int which;
} limits[] = {{"as", RLIMIT_AS},         {"core", RLIMIT_CORE},   {"cpu", RLIMIT_CPU},
              {"data", RLIMIT_DATA},     {"fsize", RLIMIT_FSIZE}, {"memlock", RLIMIT_MEMLOCK},
              {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC}, {"stack", RLIMIT_STACK}};

static char *slurp(const char *path, size_t *n, char *why, size_t cap) {
    FILE *f = fopen(path, "re");
    char *text = f ? malloc(SPEC_MAX + 1) : NULL;
    *n = text ? fread(text, 1, SPEC_MAX + 1, f) : 0;
    if (!f || !text || ferror(f) || *n > SPEC_MAX) {
        snprintf(why, cap, "cannot read its specification: %s",
                 *n > SPEC_MAX ? "it is larger than 4 MiB" : strerror(errno));
        free(text);
        text = NULL;
    }
    if (f) {
        fclose(f);
    }
    return text;
}

static int number(const char *value, uint64_t *ret) {
    char *end;
    errno = 0;
    *ret = strtoull(value, &end, 10);
    return errno || end == value || *end ? -1 : 0;
}

static int limit(struct spec *s, const char *name, const char *value) {
    struct spec_limit l = {.which = -1};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        l.which = strcmp(limits[i].name, name) == 0 ? limits[i].which : l.which;
    }
    if (l.which < 0 || s->n_limits == SPEC_LIMITS_MAX || number(value, &l.value) < 0) {
        return -1;
    }
    s->limits[s->n_limits++] = l;
    return 0;
}

static int set_number(struct spec *s, const char *key, const char *value) {
    uint64_t n = 0;
    if (number(value, &n) < 0) {
        return -1;
    }
    if (strcmp(key, "uid") == 0) {
        s->uid = (int64_t)n;
    } else if (strcmp(key, "gid") == 0) {
        s->gid = (int64_t)n;
    } else if (strcmp(key, "log_bytes") == 0) {
        s->log_bytes = n;
    } else if (strcmp(key, "log_files") == 0) {
        s->log_files = n > 100 ? 100 : n < 1 ? 1 : (unsigned)n;
    } else if (strcmp(key, "stop_ms") == 0) {
        s->stop_ms = n;
    } else if (strcmp(key, "unclaimed_ms") == 0) {
        s->unclaimed_ms = n;
    } else if (strcmp(key, "notify") == 0) {
        s->notify = n != 0;
    } else if (strcmp(key, "fds") == 0 && n <= KEEPER_FDS_MAX) {
        s->n_fds = (int)n;
    } else if (strcmp(key, "sealed") == 0 && n <= KEEPER_FDS_MAX) {
        s->n_sealed = (int)n;
    } else {
        return -1;
    }
    return 0;
}

static int set(struct spec *s, const char *key, const char *value) {
    const char **to = strcmp(key, "dir") == 0           ? &s->dir
                      : strcmp(key, "cgroup") == 0      ? &s->cgroup
                      : strcmp(key, "secrets_dir") == 0 ? &s->secrets_dir
                      : strcmp(key, "memory.max") == 0  ? &s->memory_max
                      : strcmp(key, "cpu.max") == 0     ? &s->cpu_max
                      : strcmp(key, "pids.max") == 0    ? &s->pids_max
                      : strcmp(key, "fdnames") == 0     ? &s->fdnames
                                                        : NULL;
    if (to) {
        *to = value;
        return 0;
    }
    return strncmp(key, "rlimit.", 7) == 0 ? limit(s, key + 7, value) : set_number(s, key, value);
}

int spec_read(struct spec *s, const char *path, char *why, size_t cap) {
    size_t n = 0, entries = 0, n_argv = 0, n_env = 0, n_check = 0;
    *s = (struct spec){.uid = -1, .gid = -1, .log_bytes = 10u << 20, .log_files = 2};
    s->stop_ms = 10000;
    s->text = slurp(path, &n, why, cap);
    if (!s->text) {
        return -1;
    }
    s->text[n] = '\0';
    for (size_t i = 0; i < n; i++) {
        entries += s->text[i] == '\0';
    }
    s->argv = calloc(entries + 1, sizeof(*s->argv));
    s->env = calloc(entries + 1, sizeof(*s->env));
    s->check = calloc(entries + 1, sizeof(*s->check));
    if (!s->argv || !s->env || !s->check) {
        snprintf(why, cap, "out of memory");
        return -1;
    }
    for (char *at = s->text; at < s->text + n;) {
        char *value = strchr(at, '='), *next = at + strlen(at) + 1;
        if (value) {
            *value++ = '\0';
        }
        if (value && strcmp(at, "argv") == 0) {
            s->argv[n_argv++] = value;
        } else if (value && strcmp(at, "env") == 0) {
            s->env[n_env++] = value;
        } else if (value && strcmp(at, "check") == 0) {
            s->check[n_check++] = value;
        } else if (!value || set(s, at, value) < 0) {
            snprintf(why, cap, "its specification has an entry '%s' that is not understood", at);
            return -1;
        }
        at = next;
    }
    if (n_argv == 0) {
        snprintf(why, cap, "its specification names no program");
        return -1;
    }
    return 0;
}

void spec_finish(struct spec *s) {
    free(s->text);
    free(s->argv);
    free(s->env);
    free(s->check);
}
