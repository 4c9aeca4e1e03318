/* SPDX-License-Identifier: Apache-2.0 */
#include "hostwire/strs.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct strs {
    uint32_t refs, n;
    struct {
        uint32_t off, len;
    } at[]; /* [n], then the bytes */
};

static char *bytes(const struct strs *s) {
    return (char *)(uintptr_t)(s->at + s->n);
}

struct strs *strs_of(const str *at, uint32_t n) {
    size_t size = 0;
    if (n == 0) {
        return NULL;
    }
    for (uint32_t i = 0; i < n; i++) {
        size += at[i].len;
    }
    struct strs *s = mem_alloc(sizeof(*s) + n * sizeof(s->at[0]) + size);
    uint32_t off = 0;
    s->refs = 1;
    s->n = n;
    for (uint32_t i = 0; i < n; i++) {
        s->at[i].off = off;
        s->at[i].len = (uint32_t)at[i].len;
        if (at[i].len) {
            memcpy(bytes(s) + off, at[i].ptr, at[i].len);
        }
        off += (uint32_t)at[i].len;
    }
    return s;
}

struct strs *strs_of_array(const struct node *array) {
    struct strs *s = NULL;
    if (array && array->n) {
        str *at = mem_array(array->n, sizeof(*at));
        for (uint32_t i = 0; i < array->n; i++) {
            at[i] = array->items[i]->text;
        }
        s = strs_of(at, array->n);
        mem_free(at);
    }
    return s;
}

struct strs *strs_ref(struct strs *s) {
    if (s) {
        s->refs++;
    }
    return s;
}

void strs_unref(struct strs *s) {
    if (s && --s->refs == 0) {
        mem_free(s);
    }
}

uint32_t strs_n(const struct strs *s) {
    return s ? s->n : 0;
}

str strs_at(const struct strs *s, uint32_t i) {
    return str_n(bytes(s) + s->at[i].off, s->at[i].len);
}

bool strs_eq(const struct strs *a, const struct strs *b) {
    if (a == b) {
        return true;
    }
    if (strs_n(a) != strs_n(b)) {
        return false;
    }
    for (uint32_t i = 0; i < strs_n(a); i++) {
        if (!str_eq(strs_at(a, i), strs_at(b, i))) {
            return false;
        }
    }
    return true;
}

bool strs_common(const struct strs *a, const struct strs *b) {
    for (uint32_t i = 0; i < strs_n(a); i++) {
        for (uint32_t k = 0; k < strs_n(b); k++) {
            if (str_eq(strs_at(a, i), strs_at(b, k))) {
                return true;
            }
        }
    }
    return false;
}

void strs_write(const struct strs *s, struct jw *w) {
    jw_array(w);
    for (uint32_t i = 0; i < strs_n(s); i++) {
        jw_str(w, strs_at(s, i));
    }
    jw_end_array(w);
}

struct keyed {
    str key, value;
    uint32_t index;
};

static int by_key(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    int c = str_cmp(x->key, y->key);
    return c ? c : (x->index > y->index) - (x->index < y->index);
}

struct strs *pairs_of_object(const struct node *object) {
    uint32_t n = object ? object->n : 0, used = 0;
    if (n == 0) {
        return NULL;
    }
    struct keyed *k = mem_array(n, sizeof(*k));
    str *flat = mem_array(n, 2 * sizeof(*flat));
    for (uint32_t i = 0; i < n; i++) {
        k[i] = (struct keyed){object->members[i].key, object->members[i].value->text, i};
    }
    qsort(k, n, sizeof(*k), by_key);
    for (uint32_t i = 0; i < n; i++) {
        if (i + 1 < n && str_eq(k[i].key, k[i + 1].key)) {
            continue;
        }
        flat[used++] = k[i].key;
        flat[used++] = k[i].value;
    }
    struct strs *s = strs_of(flat, used);
    mem_free(flat);
    mem_free(k);
    return s;
}

static struct strs *changed(const struct strs *s, str key, const str *value) {
    uint32_t n = pairs_n(s), used = 0;
    str *flat = mem_array(n + 1, 2 * sizeof(*flat));
    bool done = value == NULL;
    for (uint32_t i = 0; i < n; i++) {
        int c = str_cmp(strs_at(s, 2 * i), key);
        if (c >= 0 && !done) {
            flat[used++] = key;
            flat[used++] = *value;
            done = true;
        }
        if (c != 0) {
            flat[used++] = strs_at(s, 2 * i);
            flat[used++] = strs_at(s, 2 * i + 1);
        }
    }
    if (!done) {
        flat[used++] = key;
        flat[used++] = *value;
    }
    struct strs *r = strs_of(flat, used);
    mem_free(flat);
    return r;
}

struct strs *pairs_with(const struct strs *s, str key, str value) {
    return changed(s, key, &value);
}

struct strs *pairs_without(const struct strs *s, str key) {
    return changed(s, key, NULL);
}

uint32_t pairs_n(const struct strs *s) {
    return strs_n(s) / 2;
}

bool pairs_get(const struct strs *s, str key, str *ret) {
    for (uint32_t i = 0; i < pairs_n(s); i++) {
        if (str_eq(strs_at(s, 2 * i), key)) {
            if (ret) {
                *ret = strs_at(s, 2 * i + 1);
            }
            return true;
        }
    }
    return false;
}

void pairs_write(const struct strs *s, struct jw *w) {
    jw_object(w);
    for (uint32_t i = 0; i < pairs_n(s); i++) {
        jw_key_str(w, strs_at(s, 2 * i));
        jw_str(w, strs_at(s, 2 * i + 1));
    }
    jw_end_object(w);
}
