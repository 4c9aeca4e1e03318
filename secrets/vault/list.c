/* SPDX-License-Identifier: Apache-2.0
 *
 * The names of keys: the engine lists one folder at a time, so a tree is walked, in order.
 */
#include <stdio.h>
#include <time.h>

#include "../../plugins/common/jpull.h"
#include "../../plugins/common/utf8.h"
#include "../../plugins/common/xmem.h"
#include "kv_priv.h"
#include "put.h"
#include "vault.h"

#define LIST_DEPTH   64u
#define LIST_MAX     100000u
#define LIST_FULL_NS 10000000l /* before an emission that found no room is tried again */

struct walk {
    trl_inst *in;
    const struct patience *w;
    trl_op *op;
    trl_str prefix;
    uint32_t told;
    trl_err *err;
};

struct names {
    char **at;
    size_t n, cap;
};

static void names_finish(struct names *n) {
    for (size_t i = 0; i < n->n; i++) {
        free(n->at[i]);
    }
    free(n->at);
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* {"data":{"keys":["a","folder/"]}} */
static trl_status take_names(const struct answer *a, const char *what, struct names *to,
                             trl_err *err) {
    trl_str data, keys, s;
    const char *wrong = NULL;
    struct jpull j;
    bool first;
    trl_status st = ask_data(a, what, "data", &data, err);
    if (st != TRL_OK) {
        return st;
    }
    if (jpull_find(data, trl_cstr("keys"), &keys, &wrong)) {
        jpull_init(&j, keys.ptr, keys.len);
        if (jpull_enter(&j, '[', &first)) {
            while (jpull_more(&j, &first, ']') && jpull_string(&j, &s)) {
                if (s.len == 0 || s.len >= KV_KEY_MAX || memchr(s.ptr, '\0', s.len)) {
                    continue; /* no key that this backend could be asked for */
                }
                to->at = x_grow(to->at, to->n, &to->cap, sizeof(*to->at));
                to->at[to->n++] = x_checked(strndup(s.ptr, s.len));
            }
        }
        wrong = j.error;
    }
    if (wrong) {
        return trl_errf(err, TRL_E_INTERNAL, "the server's list of %.100s is no JSON: %s", what,
                        wrong);
    }
    if (to->n) {
        qsort(to->at, to->n, sizeof(*to->at), by_name);
    }
    return TRL_OK;
}

static trl_status list_folder(struct walk *k, const char *folder, struct names *to) {
    trl_inst *in = k->in;
    char key[2 * KV_KEY_MAX], path[KV_PATH_MAX], name[128];
    struct answer a;
    struct ask q = {.method = "LIST", .path = path};
    snprintf(key, sizeof(key), "%s%s%s", in->conf.prefix, *in->conf.prefix && *folder ? "/" : "",
             folder);
    kv_path(in, in->conf.kv_version == 2 ? "metadata" : NULL, key, path);
    kv_name(in, key, name, sizeof(name));
    answer_init(in, &a);
    trl_status st = ask(in, k->w, &q, &a, k->err);
    if (st == TRL_OK && a.status == 200) {
        st = take_names(&a, name, to, k->err);
    } else if (st == TRL_OK && a.status != 404) {
        st = ask_error(in, &a, name, true, k->err);
    } else if (st == TRL_OK) { /* an empty folder is one that is not there */
        char words[100];
        ask_words(&a, words, sizeof(words));
        if (*words) {
            st = ask_error(in, &a, name, true, k->err);
        }
    }
    answer_finish(&a);
    return st;
}

static trl_status emit(struct walk *k, const char *name) {
    const trl_host *h = k->in->h;
    trl_bytes item = {name, strlen(name)};
    if (++k->told > LIST_MAX) {
        return trl_errf(k->err, TRL_E_INVALID, "there are more than %u keys: ask for a prefix",
                        LIST_MAX);
    }
    for (;;) {
        struct timespec pause = {0, LIST_FULL_NS};
        trl_status st = h->op_emit(k->op, item);
        if (st == TRL_OK) {
            return TRL_OK;
        }
        if (st != TRL_E_BUSY) {
            return trl_errf(k->err, TRL_E_CANCELLED, "cancelled");
        }
        st = patience_left(k->w, k->err);
        if (st != TRL_OK) {
            return st;
        }
        nanosleep(&pause, NULL); /* our own thread; the loop is reading what there is */
    }
}

/* Is this folder on the way to the prefix, or below it? */
static bool on_the_way(trl_str prefix, const char *path) {
    size_t n = strlen(path);
    size_t m = n < prefix.len ? n : prefix.len;
    return memcmp(path, prefix.ptr ? prefix.ptr : "", m) == 0;
}

static trl_status walk(struct walk *k, const char *folder, uint32_t depth) {
    struct names names = {0};
    char path[2 * KV_KEY_MAX];
    trl_status st = list_folder(k, folder, &names);
    for (size_t i = 0; i < names.n && st == TRL_OK; i++) {
        int n = snprintf(path, sizeof(path), "%s%s", folder, names.at[i]);
        bool folder_too = path[n - 1] == '/';
        if ((size_t)n >= KV_KEY_MAX || !on_the_way(k->prefix, path)) {
            continue;
        }
        if (!folder_too) {
            st = (size_t)n >= k->prefix.len ? emit(k, path) : TRL_OK;
        } else if (depth < LIST_DEPTH) {
            st = walk(k, path, depth + 1);
        }
    }
    names_finish(&names);
    return st;
}

trl_status kv_list(trl_inst *in, const struct patience *w, trl_op *op, trl_str prefix,
                   trl_err *err) {
    struct walk k = {in, w, op, prefix, 0, err};
    char folder[KV_KEY_MAX];
    size_t n = prefix.len;
    if (n >= KV_KEY_MAX / 2 || !utf8_valid(prefix.ptr, n) || (n && memchr(prefix.ptr, 0, n))) {
        return trl_errf(err, TRL_E_INVALID, "prefix: it must be UTF-8 without NUL, up to %u bytes",
                        KV_KEY_MAX / 2 - 1);
    }
    while (n && prefix.ptr[n - 1] != '/') {
        n--;
    }
    if (n) {
        memcpy(folder, prefix.ptr, n);
    }
    folder[n] = '\0';
    for (const char *p = folder; *p;) {
        size_t part = strcspn(p, "/");
        if (part == 0 || (part <= 2 && strspn(p, ".") == part)) {
            return trl_errf(err, TRL_E_INVALID, "prefix: a part of it is empty, '.' or '..'");
        }
        p += part + 1;
    }
    return walk(&k, folder, 0);
}
