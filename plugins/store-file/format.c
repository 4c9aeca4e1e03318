/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"

#include "../common/xmem.h"

#define SECTOR      512u
#define ENTRY_HEAD  20u
#define FRAME_MAGIC 0x464c5254u /* "TRLF" */
#define FRAME_END   0x2e646e65u /* "end." */

static const char file_magic[8] = {'T', 'R', 'L', 'S', 'T', 'O', 'R', 'E'};

void crc_init(struct crc *c) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t v = i;
        for (int k = 0; k < 8; k++) {
            v = v & 1 ? (v >> 1) ^ 0x82f63b78u : v >> 1;
        }
        c->t[0][i] = v;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (int k = 1; k < 8; k++) {
            c->t[k][i] = (c->t[k - 1][i] >> 8) ^ c->t[0][c->t[k - 1][i] & 255];
        }
    }
}

static uint32_t get32(const char *p) {
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

static uint64_t get64(const char *p) {
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static void set32(char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) {
        p[i] = (char)(unsigned char)(v >> (8 * i));
    }
}

static void set64(char *p, uint64_t v) {
    set32(p, (uint32_t)v);
    set32(p + 4, (uint32_t)(v >> 32));
}

uint32_t crc_of(const struct crc *c, uint32_t start, const void *data, size_t n) {
    const char *p = data;
    uint32_t v = ~start;
    for (; n >= 8; n -= 8, p += 8) {
        uint32_t lo = get32(p) ^ v, hi = get32(p + 4);
        v = c->t[7][lo & 255] ^ c->t[6][lo >> 8 & 255] ^ c->t[5][lo >> 16 & 255] ^
            c->t[4][lo >> 24] ^ c->t[3][hi & 255] ^ c->t[2][hi >> 8 & 255] ^
            c->t[1][hi >> 16 & 255] ^ c->t[0][hi >> 24];
    }
    for (; n; n--, p++) {
        v = (v >> 8) ^ c->t[0][(v ^ (unsigned char)*p) & 255];
    }
    return ~v;
}

void out_finish(struct out *o) {
    free(o->ptr);
    memset(o, 0, sizeof(*o));
}

static char *out_room(struct out *o, size_t n) {
    char *at;
    if (o->len + n > o->cap) {
        o->cap = o->cap * 2 > o->len + n ? o->cap * 2 : o->len + n + 256;
        o->ptr = x_realloc_n(o->ptr, o->cap, 1);
    }
    at = o->ptr + o->len;
    o->len += n;
    return at;
}

void format_header_put(struct out *o, const struct crc *c, const struct format_header *h) {
    char *p = out_room(o, FORMAT_HEADER);
    memset(p, 0, FORMAT_HEADER);
    memcpy(p, file_magic, sizeof(file_magic));
    set32(p + 8, h->version);
    set32(p + 12, h->kind);
    set64(p + 16, h->gen);
    set64(p + 24, h->revision);
    set64(p + 32, h->floor);
    set32(p + 40, h->flags);
    set32(p + 60, crc_of(c, 0, p, 60));
}

int format_header_get(const char *p, size_t n, const struct crc *c, struct format_header *h) {
    if (n < FORMAT_HEADER || memcmp(p, file_magic, sizeof(file_magic)) != 0) {
        return -1;
    }
    memset(h, 0, sizeof(*h));
    h->version = get32(p + 8);
    if (h->version > FORMAT_VERSION) {
        return 1;
    }
    h->kind = get32(p + 12);
    h->gen = get64(p + 16);
    h->revision = get64(p + 24);
    h->floor = get64(p + 32);
    h->flags = get32(p + 40);
    return h->version && get32(p + 60) == crc_of(c, 0, p, 60) ? 0 : -1;
}

size_t format_frame_begin(struct out *o) {
    size_t start = o->len;
    out_room(o, FORMAT_FRAME_HEAD);
    return start;
}

void format_entry_put(struct out *o, const struct kvrec *r) {
    size_t n = (size_t)r->e.key_len + r->e.value_len;
    char *p = out_room(o, ENTRY_HEAD + n);
    set32(p, r->e.flags);
    set32(p + 4, r->e.key_len);
    set32(p + 8, r->e.value_len);
    set64(p + 12, r->e.revision);
    if (n) {
        memcpy(p + ENTRY_HEAD, r->data, n);
    }
}

static uint32_t head_crc(const struct crc *c, const char *head, uint64_t gen) {
    char salt[8];
    set64(salt, gen);
    return crc_of(c, crc_of(c, 0, salt, sizeof(salt)), head, FORMAT_FRAME_HEAD - 4);
}

void format_frame_end(struct out *o, const struct crc *c, size_t start, uint64_t gen,
                      uint64_t first, uint32_t count) {
    size_t body_len = o->len - start - FORMAT_FRAME_HEAD;
    char *end = out_room(o, FORMAT_FRAME_TAIL), *head = o->ptr + start;
    set32(end, FRAME_END);
    set32(head, FRAME_MAGIC);
    set32(head + 4, (uint32_t)body_len);
    set64(head + 8, first);
    set32(head + 16, count);
    set32(head + 20, crc_of(c, 0, head + FORMAT_FRAME_HEAD, body_len));
    set32(head + 24, head_crc(c, head, gen));
}

enum format_result format_frame_get(const char *p, size_t n, const struct crc *c, uint64_t gen,
                                    struct format_frame *f) {
    if (n < FORMAT_FRAME_HEAD) {
        return FORMAT_CUT;
    }
    if (get32(p) != FRAME_MAGIC || get32(p + 4) > FORMAT_FRAME_MAX ||
        get32(p + 24) != head_crc(c, p, gen)) {
        return FORMAT_BAD_HEAD;
    }
    f->body_len = get32(p + 4);
    f->first = get64(p + 8);
    f->count = get32(p + 16);
    f->body = p + FORMAT_FRAME_HEAD;
    f->whole = FORMAT_FRAME_HEAD + f->body_len + FORMAT_FRAME_TAIL;
    if (f->whole > n) {
        return FORMAT_CUT;
    }
    if (get32(f->body + f->body_len) != FRAME_END ||
        get32(p + 20) != crc_of(c, 0, f->body, f->body_len)) {
        return FORMAT_BAD_BODY;
    }
    return FORMAT_OK;
}

int format_entry_get(const struct format_frame *f, size_t *at, struct kvrec **ret) {
    const char *p = f->body + *at;
    size_t left = f->body_len - *at, key_len, value_len;
    trl_bytes value;
    uint32_t flags;
    if (left < ENTRY_HEAD) {
        return -1;
    }
    flags = get32(p);
    key_len = get32(p + 4);
    value_len = get32(p + 8);
    if (flags & ~TRL_ENTRY_DELETED || key_len + value_len > left - ENTRY_HEAD ||
        !trl_key_ok(trl_strn(p + ENTRY_HEAD, key_len)) ||
        (flags & TRL_ENTRY_DELETED && value_len)) {
        return -1;
    }
    value.ptr = p + ENTRY_HEAD + key_len;
    value.len = value_len;
    *ret = kvrec_new(trl_strn(p + ENTRY_HEAD, key_len), value, flags);
    (*ret)->e.revision = get64(p + 12);
    *at += ENTRY_HEAD + key_len + value_len;
    return 0;
}

static int all_zero(const char *p, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (p[i]) {
            return 0;
        }
    }
    return 1;
}

int format_is_torn(const char *p, size_t n, uint64_t offset) {
    size_t at = 0;
    if (n == 0 || p[n - 1] == 0) { /* no end mark ends so */
        return 1;
    }
    while (at < n) { /* sector by sector, as the medium sees it */
        size_t room = SECTOR - (size_t)((offset + at) % SECTOR);
        size_t part = room < n - at ? room : n - at;
        if (all_zero(p + at, part)) {
            return 1;
        }
        at += part;
    }
    return 0;
}
