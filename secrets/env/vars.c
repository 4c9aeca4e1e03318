/* SPDX-License-Identifier: Apache-2.0 */
#include "vars.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../plugins/common/xmem.h"

static int is_capital(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c == '_' ? '/' : c;
}

/* "PROD_DB__USER" as "prod/db" and "user". 0: it is no such name. */
static int take_name(const char *name, size_t n, struct var *out) {
    size_t field = 0;
    for (size_t i = 0; i < n; i++) {
        int gap = i == 0 || name[i - 1] == '_';
        if (name[i] == '_' && gap) { /* the second of two */
            if (field || i < 2) {
                return 0;
            }
            field = i;
        } else if (name[i] != '_' && !is_capital(name[i])) {
            return 0;
        }
    }
    if (n == 0 || name[0] == '_' || name[n - 1] == '_') {
        return 0;
    }
    out->name = x_zalloc(n + 1);
    out->key_len = field ? field - 1 : n;
    for (size_t i = 0, to = 0; i < n; i++) {
        if (i != field || !field) {
            out->name[to++] = i + 1 == field ? ' ' : lower(name[i]);
        }
    }
    return 1;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const struct var *)a)->name, ((const struct var *)b)->name);
}

/* Calls with each variable that begins with the prefix. */
static void collect(struct vars *v, const char *prefix, size_t *ret_bytes) {
    size_t n = strlen(prefix);
    for (char **e = environ; *e; e++) {
        const char *eq = strchr(*e, '=');
        struct var one;
        if (!eq || (size_t)(eq - *e) < n || strncmp(*e, prefix, n) != 0) {
            continue;
        }
        memset(&one, 0, sizeof(one));
        if (!take_name(*e + n, (size_t)(eq - *e) - n, &one)) {
            v->n_odd++;
            continue;
        }
        one.at = (size_t)(e - environ); /* for now: which */
        one.len = strlen(eq + 1);
        *ret_bytes += one.len;
        v->all = x_grow(v->all, v->n, &v->cap, sizeof(*v->all));
        v->all[v->n++] = one;
    }
}

static void copy_values(struct vars *v, int unset) {
    size_t at = 0;
    for (size_t i = 0; i < v->n; i++) {
        struct var *one = &v->all[i];
        char *value = strchr(environ[one->at], '=') + 1;
        memcpy(v->block + at, value, one->len);
        if (unset) {
            sodium_memzero(value, one->len); /* what /proc/PID/environ shows, too */
        }
        one->at = at;
        at += one->len;
    }
}

/* The names are empty by now. */
static void unset_all(const char *prefix) {
    size_t n = strlen(prefix);
    struct var one;
    for (char **e = environ; *e;) {
        const char *eq = strchr(*e, '=');
        char *name;
        if (!eq || strncmp(*e, prefix, n) != 0 || !take_name(*e + n, (size_t)(eq - *e) - n, &one)) {
            e++;
            continue;
        }
        free(one.name);
        name = x_checked(strndup(*e, (size_t)(eq - *e)));
        unsetenv(name);
        free(name);
        e = environ;
    }
}

trl_status vars_read(struct vars *v, const char *prefix, int unset, trl_err *err) {
    size_t bytes = 0;
    collect(v, prefix, &bytes);
    v->block = v->mem->alloc(v->ctx, bytes + 1);
    if (!v->block) {
        return trl_errf(err, TRL_E_BUSY,
                        "no memory can be locked for %zu bytes: raise the limit (ulimit -l, "
                        "LimitMEMLOCK=)",
                        bytes);
    }
    copy_values(v, unset);
    if (unset) {
        unset_all(prefix);
    }
    if (v->n) {
        qsort(v->all, v->n, sizeof(*v->all), by_name);
    }
    return TRL_OK;
}

void vars_finish(struct vars *v) {
    for (size_t i = 0; i < v->n; i++) {
        free(v->all[i].name);
    }
    free(v->all);
    v->mem->free(v->ctx, v->block);
}

static int well_formed(trl_str s, int slashes) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        int sep = c == '/' && slashes && i > 0 && i + 1 < s.len && s.ptr[i - 1] != '/';
        if (!sep && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
            return 0;
        }
    }
    return s.len <= 250;
}

trl_status vars_check(const char *prefix, trl_str key, trl_str field, trl_err *err) {
    if (key.len == 0 || !well_formed(key, 1)) {
        return trl_errf(err, TRL_E_INVALID,
                        "keys of the environment are of a-z, 0-9 and '/': prod/db is variable "
                        "%sPROD_DB",
                        prefix);
    }
    if (!well_formed(field, 1)) {
        return trl_errf(
            err, TRL_E_INVALID,
            "fields of the environment are of a-z, 0-9 and '/': key prod/db, field user "
            "is variable %sPROD_DB__USER",
            prefix);
    }
    return TRL_OK;
}

const struct var *vars_find(const struct vars *v, trl_str key, trl_str field) {
    char name[512];
    struct var *at, want = {.name = name};
    snprintf(name, sizeof(name), "%.*s%s%.*s", (int)key.len, key.ptr, field.len ? " " : "",
             (int)field.len, field.len ? field.ptr : "");
    at = v->n ? bsearch(&want, v->all, v->n, sizeof(*v->all), by_name) : NULL;
    return at;
}
