/* SPDX-License-Identifier: Apache-2.0 */
#include "spec.h"

#include <stdlib.h>
#include <string.h>

#include "../common/jpull.h"
#include "../common/xmem.h"

#define WEIGHT_DEFAULT 100u

static const char not_whole[] = "must be a whole number from 0 to 18446744073709551615";

struct reading {
    struct jpull json;
    trl_scaler_spec *spec;
    trl_err *err;
    size_t cap_spreads;
};

/* Where: a JSON pointer. Returns false, for use in a return. */
static bool refuse(struct reading *r, const char *where, const char *what) {
    if (!r->err->code) {
        trl_errf(r->err, TRL_E_INVALID, "%s %s", where, what);
    }
    return false;
}

static bool refuse_json(struct reading *r, const char *where) {
    char what[80];
    snprintf(what, sizeof(what), "not JSON: %s", r->json.error);
    return refuse(r, where, what);
}

static void free_str(trl_str s) {
    free((void *)(uintptr_t)s.ptr);
}

/* A string with its quotes, as it is written; *ret is owned. */
static void decode(trl_str raw, trl_str *ret) {
    char *text = x_alloc(raw.len);
    jpull_decode(raw, text, &ret->len);
    text[ret->len] = '\0';
    ret->ptr = text;
}

static bool named(trl_str raw_key, const char *name) {
    return jpull_same(raw_key, trl_cstr(name));
}

/* The pointer of a member of spread i; `key` may be hostile, so it is cut and escaped. */
static void pointer(char *to, size_t cap, uint32_t i, const char *part, trl_str key) {
    int n = snprintf(to, cap, "/spread/%u%s", i, part);
    size_t len = n < 0 ? 0 : (size_t)n;
    if (key.ptr && len + 1 < cap) {
        to[len++] = '/';
        for (size_t k = 0; k < key.len && len + 3 < cap; k++) {
            char c = key.ptr[k];
            if (c == '~' || c == '/') {
                to[len++] = '~';
                to[len++] = c == '~' ? '0' : '1';
            } else {
                to[len++] = (unsigned char)c <= 0x20 || (unsigned char)c >= 0x7f ? '?' : c;
            }
        }
        to[len] = '\0';
    }
}

static int by_key(const void *a, const void *b) {
    const trl_label *x = a, *y = b;
    return trl_str_cmp(x->key, y->key);
}

static bool read_need(struct reading *r, uint32_t i, struct spread *s, size_t *cap) {
    char where[160];
    trl_str raw;
    if (!jpull_key(&r->json, &raw)) {
        pointer(where, sizeof(where), i, "/requirements", (trl_str){NULL, 0});
        return refuse_json(r, where);
    }
    s->needs = x_grow(s->needs, s->n_needs, cap, sizeof(*s->needs));
    trl_label *need = &s->needs[s->n_needs++];
    *need = (trl_label){{NULL, 0}, {NULL, 0}};
    decode((trl_str){raw.ptr - 1, raw.len + 2}, &need->key);
    pointer(where, sizeof(where), i, "/requirements", need->key);
    if (jpull_peek(&r->json) != JPULL_STRING) {
        return refuse(r, where, "must be a string: the value of the host's label");
    }
    if (!jpull_raw(&r->json, &raw)) {
        return refuse_json(r, where);
    }
    decode(raw, &need->value);
    return true;
}

static bool read_needs(struct reading *r, uint32_t i, struct spread *s) {
    char where[160];
    size_t cap = 0;
    bool first;
    pointer(where, sizeof(where), i, "/requirements", (trl_str){NULL, 0});
    if (jpull_peek(&r->json) != JPULL_OBJECT) {
        return refuse(r, where, "must be an object of labels: {\"zone\": \"a\"}");
    }
    if (!jpull_enter(&r->json, '{', &first)) {
        return refuse_json(r, where);
    }
    while (jpull_more(&r->json, &first, '}')) {
        if (!read_need(r, i, s, &cap)) {
            return false;
        }
    }
    if (r->json.error) {
        return refuse_json(r, where);
    }
    if (s->n_needs > 1) {
        qsort(s->needs, s->n_needs, sizeof(*s->needs), by_key);
    }
    for (uint32_t k = 1; k < s->n_needs; k++) {
        if (trl_str_eq(s->needs[k].key, s->needs[k - 1].key)) {
            pointer(where, sizeof(where), i, "/requirements", s->needs[k].key);
            return refuse(r, where, "is there twice");
        }
    }
    return true;
}

/* A whole number from 0 to 2^64-1, written without fraction or exponent. */
static bool read_count(struct reading *r, const char *where, uint64_t *ret) {
    trl_str raw;
    uint64_t v = 0;
    if (jpull_peek(&r->json) != JPULL_NUMBER) {
        return refuse(r, where, not_whole);
    }
    if (!jpull_raw(&r->json, &raw)) {
        return refuse_json(r, where);
    }
    for (size_t i = 0; i < raw.len; i++) {
        unsigned digit = (unsigned char)raw.ptr[i] - (unsigned)'0';
        if (digit > 9 || __builtin_mul_overflow(v, 10u, &v) ||
            __builtin_add_overflow(v, digit, &v)) {
            return refuse(r, where, not_whole);
        }
    }
    *ret = v;
    return true;
}

static bool read_weight(struct reading *r, uint32_t i, struct spread *s) {
    char where[64];
    pointer(where, sizeof(where), i, "/weight", (trl_str){NULL, 0});
    if (jpull_peek(&r->json) != JPULL_WORD) {
        return read_count(r, where, &s->weight);
    }
    trl_str raw;
    if (!jpull_raw(&r->json, &raw)) {
        return refuse_json(r, where);
    }
    return jpull_is(raw, "null") || refuse(r, where, not_whole);
}

enum { SEEN_NAME = 1, SEEN_NEEDS = 2, SEEN_WEIGHT = 4 };

/* One member of a spread; `key` as it is written. */
static bool read_spread_member(struct reading *r, uint32_t i, struct spread *s, trl_str key,
                               unsigned *seen) {
    char where[160];
    trl_str raw;
    unsigned bit = named(key, "name")           ? SEEN_NAME
                   : named(key, "requirements") ? SEEN_NEEDS
                   : named(key, "weight")       ? SEEN_WEIGHT
                                                : 0;
    pointer(where, sizeof(where), i, "", key);
    if (!bit) {
        return refuse(r, where, "is not known here; a spread has name, requirements, weight");
    }
    if (*seen & bit) {
        return refuse(r, where, "is there twice");
    }
    *seen |= bit;
    if (bit == SEEN_NEEDS) {
        return read_needs(r, i, s);
    }
    if (bit == SEEN_WEIGHT) {
        return read_weight(r, i, s);
    }
    if (jpull_peek(&r->json) != JPULL_STRING) {
        return refuse(r, where, "must be a string");
    }
    if (!jpull_raw(&r->json, &raw)) {
        return refuse_json(r, where);
    }
    decode(raw, &s->name);
    return true;
}

static bool read_spread(struct reading *r, uint32_t i) {
    char where[64];
    unsigned seen = 0;
    bool first;
    pointer(where, sizeof(where), i, "", (trl_str){NULL, 0});
    if (i == SPEC_SPREADS_MAX) {
        return refuse(r, "/spread", "has more than 512 entries, the most a scaler can weigh");
    }
    r->spec->spreads = x_grow(r->spec->spreads, i, &r->cap_spreads, sizeof(struct spread));
    memset(&r->spec->spreads[i], 0, sizeof(struct spread));
    r->spec->spreads[i].weight = WEIGHT_DEFAULT;
    r->spec->n_spreads = i + 1;
    if (jpull_peek(&r->json) != JPULL_OBJECT) {
        return refuse(r, where, "must be an object: {\"name\": \"east\", \"requirements\": {}}");
    }
    if (!jpull_enter(&r->json, '{', &first)) {
        return refuse_json(r, where);
    }
    while (jpull_more(&r->json, &first, '}')) {
        trl_str key;
        if (!jpull_key(&r->json, &key)) {
            return refuse_json(r, where);
        }
        if (!read_spread_member(r, i, &r->spec->spreads[i], key, &seen)) {
            return false;
        }
    }
    if (r->json.error) {
        return refuse_json(r, where);
    }
    return (seen & SEEN_NAME) != 0 || refuse(r, where, "has no name");
}

static bool read_spreads(struct reading *r) {
    bool first;
    if (jpull_peek(&r->json) != JPULL_ARRAY) {
        return refuse(r, "/spread", "must be a list");
    }
    if (!jpull_enter(&r->json, '[', &first)) {
        return refuse_json(r, "/spread");
    }
    for (uint32_t i = 0; jpull_more(&r->json, &first, ']'); i++) {
        if (!read_spread(r, i)) {
            return false;
        }
    }
    return !r->json.error || refuse_json(r, "/spread");
}

/* One member of the whole; `seen` is a bit each for instances and spread. */
static bool read_member(struct reading *r, trl_str key, unsigned *seen) {
    bool replicas = named(key, "replicas");
    bool count = replicas || named(key, "instances");
    unsigned bit = count ? 1u : 2u;
    const char *where = replicas ? "/replicas" : count ? "/instances" : "/spread";
    if (!count && !named(key, "spread")) {
        char known[200];
        snprintf(known, sizeof(known),
                 "'%.*s' is not known here; a scaler has instances and spread",
                 (int)(key.len < 80 ? key.len : 80), key.ptr);
        for (char *c = known; *c; c++) {
            *c = (unsigned char)*c < 0x20 || (unsigned char)*c >= 0x7f ? '?' : *c;
        }
        return refuse(r, "", known);
    }
    if (*seen & bit) {
        return refuse(r, where,
                      count ? "is there twice (replicas is another word for instances)"
                            : "is there twice");
    }
    *seen |= bit;
    if (!count) {
        return read_spreads(r);
    }
    return read_count(r, where, &r->spec->instances);
}

static bool read_all(struct reading *r) {
    unsigned seen = 0;
    bool first;
    if (jpull_peek(&r->json) != JPULL_OBJECT || !jpull_enter(&r->json, '{', &first)) {
        return refuse(r, "", "a scaler's properties must be an object: {\"instances\": 1}");
    }
    while (jpull_more(&r->json, &first, '}')) {
        trl_str key;
        if (!jpull_key(&r->json, &key)) {
            return refuse_json(r, "");
        }
        if (!read_member(r, key, &seen)) {
            return false;
        }
    }
    if (!jpull_end(&r->json)) {
        return refuse_json(r, "");
    }
    return (seen & 1u) != 0 || refuse(r, "", "instances is missing: how many shall run");
}

trl_status spec_compile(trl_str properties, trl_scaler_spec **ret, trl_err *err) {
    trl_err none = {.struct_size = sizeof(none)};
    struct reading r = {.spec = x_zalloc(sizeof(*r.spec)), .err = err ? err : &none};
    r.err->code = TRL_OK;
    jpull_init(&r.json, properties.len ? properties.ptr : "", properties.len);
    if (!read_all(&r)) {
        spec_release(r.spec);
        return r.err->code;
    }
    if (r.spec->n_spreads == 0) {
        static const char name[] = "default";
        free(r.spec->spreads);
        r.spec->spreads = x_zalloc(sizeof(struct spread));
        r.spec->n_spreads = 1;
        r.spec->spreads[0].name = (trl_str){memcpy(x_alloc(sizeof(name)), name, sizeof(name)), 7};
        r.spec->spreads[0].weight = WEIGHT_DEFAULT;
    }
    *ret = r.spec;
    return TRL_OK;
}

void spec_release(trl_scaler_spec *spec) {
    if (!spec) {
        return;
    }
    for (uint32_t i = 0; i < spec->n_spreads; i++) {
        struct spread *s = &spec->spreads[i];
        for (uint32_t k = 0; k < s->n_needs; k++) {
            free_str(s->needs[k].key);
            free_str(s->needs[k].value);
        }
        free(s->needs);
        free_str(s->name);
    }
    free(spec->spreads);
    free(spec);
}

trl_str spec_group_name(const trl_scaler_spec *spec, uint32_t group) {
    return group < spec->n_spreads ? spec->spreads[group].name : (trl_str){NULL, 0};
}

/* Both sides are sorted by key, but a host has more labels than a spread needs: search each. */
static bool has_label(const trl_host_view *h, const trl_label *need) {
    uint32_t lo = 0, hi = h->n_labels;
    while (lo < hi) {
        uint32_t mid = lo + (hi - lo) / 2;
        int c = trl_str_cmp(h->labels[mid].key, need->key);
        if (c == 0) {
            return trl_str_eq(h->labels[mid].value, need->value);
        }
        if (c < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    return false;
}

bool spread_matches(const struct spread *s, const trl_host_view *h) {
    for (uint32_t k = 0; k < s->n_needs; k++) {
        if (!has_label(h, &s->needs[k])) {
            return false;
        }
    }
    return true;
}
