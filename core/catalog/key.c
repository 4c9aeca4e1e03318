/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/key.h"

#include <string.h>

#include "catalog/catalog.h"

static bool plain(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
}

void key_escape(struct buf *out, str token) {
    for (size_t i = 0; i < token.len; i++) {
        if (plain(token.ptr[i])) {
            buf_add_c(out, token.ptr[i]);
        } else {
            buf_addf(out, "=%02X", (unsigned)(unsigned char)token.ptr[i]);
        }
    }
}

str key_tenant(str tenant) {
    return tenant.len ? tenant : STR("_");
}

/* Limits count what is stored, so that every key fits whatever the characters were. */
static bool add_token(struct buf *out, str token, uint32_t max) {
    size_t before = out->len;
    if (token.len == 0 || token.len > max) {
        return false;
    }
    key_escape(out, token);
    return out->len - before <= max;
}

bool key_format(const struct key *k, struct buf *out) {
    buf_clear(out);
    buf_add_str(out, STR("1."));
    if (!add_token(out, key_tenant(k->tenant), CATALOG_TENANT_MAX)) {
        return false;
    }
    buf_add_c(out, '.');
    if (!add_token(out, k->lattice, CATALOG_LATTICE_MAX)) {
        return false;
    }
    if (k->kind == KEY_LEASE) {
        buf_add_str(out, STR(".lease"));
        return true;
    }
    buf_add_str(out, k->kind == KEY_HEAD ? STR(".app.") : STR(".ver."));
    /* "1." and the four dots and letters around the lattice are no part of the names. */
    if (!add_token(out, k->app, CATALOG_APP_MAX) ||
        out->len - sizeof("1...app.") + 1 > CATALOG_NAMES_MAX) {
        return false;
    }
    if (k->kind != KEY_HEAD) {
        buf_add_c(out, '.');
        buf_add_str(out, k->uid);
        buf_add_c(out, '-');
        buf_add_u64(out, k->n);
    }
    if (k->kind == KEY_PART) {
        buf_addf(out, ".p%u", k->part);
    }
    return out->len <= KEY_MAX_BYTES;
}

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool unescape(str token, struct arena *a, str *ret) {
    char *out;
    size_t n = 0;
    if (token.len == 0) {
        return false;
    }
    if (!memchr(token.ptr, '=', token.len)) {
        *ret = arena_str(a, token);
        return true;
    }
    out = arena_alloc(a, token.len + 1);
    for (size_t i = 0; i < token.len; i++) {
        if (token.ptr[i] != '=') {
            out[n++] = token.ptr[i];
            continue;
        }
        if (i + 2 >= token.len || hex(token.ptr[i + 1]) < 0 || hex(token.ptr[i + 2]) < 0) {
            return false;
        }
        out[n++] = (char)(hex(token.ptr[i + 1]) * 16 + hex(token.ptr[i + 2]));
        i += 2;
    }
    *ret = str_n(out, n);
    return true;
}

static bool parse_number(str s, uint32_t *ret) {
    uint64_t v;
    if (s.len == 0 || s.ptr[0] == '0' || !str_u64(s, &v) || v > UINT32_MAX) {
        return false;
    }
    *ret = (uint32_t)v;
    return true;
}

/* "<uid>-<n>" and, behind it, nothing or "p<k>". */
static bool parse_version(str text, struct arena *a, struct key *k) {
    str rest, id = str_cut(text, '.', &rest);
    size_t dash = id.len;
    while (dash > 0 && id.ptr[dash - 1] != '-') {
        dash--;
    }
    if (dash < 2 || !parse_number(str_skip(id, dash), &k->n)) {
        return false;
    }
    k->uid = arena_str(a, str_n(id.ptr, dash - 1));
    k->kind = KEY_VERSION;
    if (rest.ptr) {
        k->kind = KEY_PART;
        return rest.len > 1 && rest.ptr[0] == 'p' && parse_number(str_skip(rest, 1), &k->part);
    }
    return true;
}

static bool parse(str text, struct arena *a, struct key *k) {
    str rest, token = str_cut(text, '.', &rest);
    if (!str_is(token, "1") || !rest.ptr) {
        return false;
    }
    token = str_cut(rest, '.', &rest);
    if (!rest.ptr || !unescape(token, a, &k->tenant)) {
        return false;
    }
    token = str_cut(rest, '.', &rest);
    if (!rest.ptr || !unescape(token, a, &k->lattice)) {
        return false;
    }
    token = str_cut(rest, '.', &rest);
    if (!rest.ptr) {
        k->kind = KEY_LEASE;
        return str_is(token, "lease");
    }
    if (str_is(token, "app")) {
        k->kind = KEY_HEAD;
        return !memchr(rest.ptr, '.', rest.len) && unescape(rest, a, &k->app);
    }
    if (!str_is(token, "ver")) {
        return false;
    }
    token = str_cut(rest, '.', &rest);
    return rest.ptr && unescape(token, a, &k->app) && parse_version(rest, a, k);
}

bool key_parse(str text, struct arena *a, struct key *ret) {
    struct key k = {0};
    bool ok = parse(text, a, &k);
    if (ok) {
        *ret = k;
    } else {
        *ret = (struct key){0};
    }
    return ok;
}
