/* SPDX-License-Identifier: Apache-2.0 */
#include "glob.h"

#include <trellis/helper.h>

struct glob glob_make(trl_str p, bool any_case) {
    struct glob g = {any_case ? GLOB_PATTERN_CASE : GLOB_PATTERN, p};
    size_t wild = 0;
    for (size_t i = 0; i < p.len; i++) {
        wild += p.ptr[i] == '*' || p.ptr[i] == '?';
    }
    bool stars = p.len >= 2 && memcmp(p.ptr + p.len - 2, "**", 2) == 0;
    if (p.len == 2 && stars) {
        g.form = GLOB_ANY;
    } else if (wild == 0) {
        g.form = any_case ? GLOB_EXACT_CASE : GLOB_EXACT;
    } else if (!any_case && stars && wild == 2) {
        g.form = GLOB_PREFIX;
        g.text.len -= 2;
    }
    return g;
}

static unsigned char lower(char c) {
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static bool same(char pattern, char c, bool any_case) {
    return pattern == c || (any_case && lower(pattern) == lower(c));
}

/* Where to go on when it does not fit: behind a star of the pattern, with one character more of the
 * text. */
struct retry {
    bool set;
    size_t p, t;
};

/* How many bytes the character at the text's start has. */
static size_t char_len(const char *p, size_t left) {
    size_t n = 1;
    while (n < left && ((unsigned char)p[n] & 0xc0) == 0x80) {
        n++;
    }
    return n;
}

/* The last "*" may grow up to the next '/'; when that does not help, the last "**" grows, and
 * everything behind it is tried anew. An earlier star never has to: what follows it is found at its
 * first place already. */
static bool match(trl_str pat, trl_str text, bool any_case) {
    struct retry one = {false, 0, 0}, all = {false, 0, 0};
    size_t p = 0, t = 0;
    for (;;) {
        if (p < pat.len && pat.ptr[p] == '*') {
            bool both = p + 1 < pat.len && pat.ptr[p + 1] == '*';
            p += both ? 2 : 1;
            *(both ? &all : &one) = (struct retry){true, p, t};
            one.set = !both;
            continue;
        }
        if (t == text.len && p == pat.len) {
            return true;
        }
        if (t < text.len && p < pat.len && pat.ptr[p] == '?' && text.ptr[t] != '/') {
            t += char_len(text.ptr + t, text.len - t);
            p++;
            continue;
        }
        if (t < text.len && p < pat.len && pat.ptr[p] != '?' &&
            same(pat.ptr[p], text.ptr[t], any_case)) {
            t++;
            p++;
            continue;
        }
        if (one.set && one.t < text.len && text.ptr[one.t] != '/') {
            t = ++one.t;
            p = one.p;
        } else if (all.set && all.t < text.len) {
            t = ++all.t;
            p = all.p;
            one.set = false;
        } else {
            return false;
        }
    }
}

static bool equal_but_case(trl_str a, trl_str b) {
    size_t i = 0;
    while (a.len == b.len && i < a.len && lower(a.ptr[i]) == lower(b.ptr[i])) {
        i++;
    }
    return a.len == b.len && i == a.len;
}

/* The cheapest look: does the end fit, where the pattern has one of its own? */
static bool ends_alike(trl_str pat, trl_str text, bool any_case) {
    char last = pat.ptr[pat.len - 1];
    return last == '*' || last == '?' || (text.len && same(last, text.ptr[text.len - 1], any_case));
}

static bool fits(const struct glob *g, trl_str text, bool any_case) {
    return ends_alike(g->text, text, any_case) && match(g->text, text, any_case);
}

bool glob_match(const struct glob *g, trl_str text) {
    switch (g->form) {
    case GLOB_ANY:
        return true;
    case GLOB_EXACT:
        return trl_str_eq(g->text, text);
    case GLOB_PREFIX:
        return trl_str_starts(text, g->text);
    case GLOB_EXACT_CASE:
        return equal_but_case(g->text, text);
    case GLOB_PATTERN_CASE:
        return fits(g, text, true);
    default:
        return fits(g, text, false);
    }
}

static size_t find_last(trl_str s, char c) {
    size_t i = s.len;
    while (i > 0 && s.ptr[i - 1] != c) {
        i--;
    }
    return i; /* behind it; 0: not there */
}

static bool is_digest(trl_str d) {
    size_t name = d.len > 7 && memcmp(d.ptr, "sha256:", 7) == 0   ? 64
                  : d.len > 7 && memcmp(d.ptr, "sha512:", 7) == 0 ? 128
                                                                  : 0;
    for (size_t i = 7; i < d.len; i++) {
        char c = d.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
    }
    return name && d.len == 7 + name;
}

void image_split(trl_str ref, struct image_ref *ret) {
    trl_str rest = ref, none = {NULL, 0};
    size_t at = find_last(rest, '@');
    *ret = (struct image_ref){trl_strn(ref.ptr, 0), ref, none, none};
    if (ref.len > 7 && memcmp(ref.ptr, "file://", 7) == 0) {
        ret->registry = trl_strn(ref.ptr, 4);
        ret->repository = trl_strn(ref.ptr + 7, ref.len - 7);
        return;
    }
    if (at > 0) {
        trl_str digest = trl_strn(rest.ptr + at, rest.len - at);
        ret->digest = is_digest(digest) ? digest : none;
        rest.len = at - 1;
    }
    size_t colon = find_last(rest, ':'), slash = find_last(rest, '/');
    if (colon > slash) {
        ret->tag = trl_strn(rest.ptr + colon, rest.len - colon);
        rest.len = colon - 1;
    } else if (at == 0) {
        ret->tag = trl_cstr("latest");
    }
    const char *first = rest.len ? memchr(rest.ptr, '/', rest.len) : NULL;
    trl_str host = trl_strn(rest.ptr, first ? (size_t)(first - rest.ptr) : 0);
    if (host.len && (memchr(host.ptr, '.', host.len) || memchr(host.ptr, ':', host.len) ||
                     trl_str_is(host, "localhost"))) {
        ret->registry = host;
        rest = trl_strn(first + 1, rest.len - host.len - 1);
    }
    ret->repository = rest;
}
