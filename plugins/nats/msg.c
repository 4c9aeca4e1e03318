/* SPDX-License-Identifier: Apache-2.0 */
#include "msg.h"

#include "subject.h"
#include "text.h"

static int header_ok(const trl_label *h) {
    if (h->key.len == 0 || h->key.len > 1024) {
        return 0;
    }
    for (size_t i = 0; i < h->key.len; i++) {
        if (h->key.ptr[i] <= ' ' || h->key.ptr[i] > '~' || h->key.ptr[i] == ':') {
            return 0;
        }
    }
    for (size_t i = 0; i < h->value.len; i++) {
        if (h->value.ptr[i] == '\r' || h->value.ptr[i] == '\n' || h->value.ptr[i] == '\0') {
            return 0;
        }
    }
    return 1;
}

trl_status msg_check(const trl_msg *m, uint64_t max_payload, trl_err *err) {
    uint64_t size = m->payload.len;
    int shown = (int)(m->subject.len < 100 ? m->subject.len : 100);
    if (!subject_ok(m->subject, 0) || (m->reply.len && !subject_ok(m->reply, 0)) ||
        m->subject.len + m->reply.len > SUBJECT_MAX) {
        return trl_errf(
            err, TRL_E_INVALID,
            "\"%.*s\" (or its reply subject) is no subject to publish on: tokens joined "
            "by '.', no blanks, no wildcards, at most %u bytes together",
            shown, m->subject.ptr ? m->subject.ptr : "", SUBJECT_MAX);
    }
    for (uint32_t i = 0; i < m->n_headers; i++) {
        size += m->headers[i].key.len + m->headers[i].value.len + 4;
        if (!header_ok(&m->headers[i])) {
            return trl_errf(err, TRL_E_INVALID,
                            "header %u of the message on %.*s: a name has visible ASCII without "
                            "':', a value no line breaks",
                            i + 1, shown, m->subject.ptr);
        }
    }
    size += m->n_headers ? sizeof("NATS/1.0\r\n\r\n") - 1 : 0;
    if (max_payload && size > max_payload) {
        return trl_errf(err, TRL_E_INVALID,
                        "message on %.*s has %llu bytes, the server takes %llu: send less or raise "
                        "max_payload of the server",
                        shown, m->subject.ptr, (unsigned long long)size,
                        (unsigned long long)max_payload);
    }
    return TRL_OK;
}

natsMsg *msg_raw(const char *subject, const char *reply, const void *data, size_t len) {
    natsMsg *m = NULL;
    if (natsMsg_Create(&m, subject, reply, data, (int)len) != NATS_OK) {
        abort(); /* only memory can fail here: the arguments were checked */
    }
    return m;
}

void msg_header(natsMsg *m, const char *key, const char *value) {
    if (natsMsgHeader_Add(m, key, value) != NATS_OK) {
        abort();
    }
}

natsMsg *msg_build(const trl_msg *m, const char *reply) {
    char subject[SUBJECT_MAX + 1], own[SUBJECT_MAX + 1];
    natsMsg *out;
    memcpy(subject, m->subject.ptr, m->subject.len);
    subject[m->subject.len] = '\0';
    if (!reply && m->reply.len) {
        memcpy(own, m->reply.ptr, m->reply.len);
        own[m->reply.len] = '\0';
        reply = own;
    }
    out = msg_raw(subject, reply, m->payload.ptr, m->payload.len);
    for (uint32_t i = 0; i < m->n_headers; i++) {
        char *key = text_of(m->headers[i].key), *value = text_of(m->headers[i].value);
        msg_header(out, key, value);
        free(key);
        free(value);
    }
    return out;
}

size_t msg_cost(const natsMsg *m) {
    return (size_t)natsMsg_GetDataLength(m) + strlen(natsMsg_GetSubject(m)) + 256;
}

static void add_header(struct msg_view *v, size_t *cap, trl_str key, trl_str value) {
    v->headers = x_grow(v->headers, v->msg.n_headers, cap, sizeof(trl_label));
    v->headers[v->msg.n_headers].key = key;
    v->headers[v->msg.n_headers++].value = value;
    v->msg.headers = v->headers;
}

/* The header block as it came, status line first. The library has no call for it, and its own
 * parser takes the next line for an empty value and forgets the order of names. In 3.4 a received
 * message is one piece of memory: subject NUL [reply NUL] [headers NUL] data. So for that version,
 * and if what is there looks like it, the block is read from between; for any other, by the
 * library's calls. Returns 0 when the latter is needed. */
static int raw_block(natsMsg *m, trl_str *ret) {
    const char *subject = natsMsg_GetSubject(m), *reply = natsMsg_GetReply(m);
    const char *data = natsMsg_GetData(m), *start = reply ? reply : subject;
    if (nats_GetVersionNumber() >> 8 != 0x0304) {
        return 0;
    }
    start += strlen(start) + 1;
    *ret = trl_strn(NULL, 0);
    if (data == start) {
        return 1;
    }
    if (data < start + sizeof("NATS/1.0\r\n\r\n") || memcmp(start, "NATS/1.0", 8) != 0 ||
        memcmp(data - 5, "\r\n\r\n", 5) != 0) {
        return 0;
    }
    *ret = trl_strn(start, (size_t)(data - start) - 3); /* one line end and the NUL less */
    return 1;
}

/* Cuts the next line off the block. */
static int next_line(trl_str *block, trl_str *line) {
    const char *end = block->len ? memmem(block->ptr, block->len, "\r\n", 2) : NULL;
    if (!end) {
        return 0;
    }
    *line = trl_strn(block->ptr, (size_t)(end - block->ptr));
    *block = trl_strn(end + 2, block->len - line->len - 2);
    return 1;
}

static trl_str trimmed(trl_str s) {
    while (s.len && (*s.ptr == ' ' || *s.ptr == '\t')) {
        s = trl_strn(s.ptr + 1, s.len - 1);
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t')) {
        s.len--;
    }
    return s;
}

static int split(trl_str line, trl_str *key, trl_str *value) {
    const char *colon = line.len ? memchr(line.ptr, ':', line.len) : NULL;
    if (!colon || colon == line.ptr) {
        return 0;
    }
    *key = trl_strn(line.ptr, (size_t)(colon - line.ptr));
    *value = trimmed(trl_strn(colon + 1, line.len - key->len - 1));
    return 1;
}

static void view_raw(struct msg_view *v, trl_str block) {
    size_t cap = 0;
    trl_str line, key, value;
    next_line(&block, &line); /* the status line */
    while (next_line(&block, &line)) {
        if (split(line, &key, &value)) {
            add_header(v, &cap, key, value);
        }
    }
}

static int by_key(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Sorted by name: the library's hash table has no order. */
static void view_library(struct msg_view *v, natsMsg *m) {
    const char **keys = NULL;
    int n_keys = 0;
    size_t cap = 0;
    if (natsMsgHeader_Keys(m, &keys, &n_keys) != NATS_OK) {
        return;
    }
    qsort(keys, (size_t)n_keys, sizeof(*keys), by_key);
    for (int i = 0; i < n_keys; i++) {
        const char **values = NULL;
        int n_values = 0;
        if (natsMsgHeader_Values(m, keys[i], &values, &n_values) != NATS_OK) {
            continue;
        }
        for (int k = 0; k < n_values; k++) {
            add_header(v, &cap, trl_cstr(keys[i]), trl_cstr(values[k]));
        }
        free((void *)values);
    }
    free((void *)keys);
}

void msg_view_init(struct msg_view *v, natsMsg *m) {
    trl_str block;
    memset(v, 0, sizeof(*v));
    v->msg.struct_size = sizeof(v->msg);
    v->msg.subject = trl_cstr(natsMsg_GetSubject(m));
    v->msg.reply = trl_cstr(natsMsg_GetReply(m));
    v->msg.payload.ptr = natsMsg_GetData(m);
    v->msg.payload.len = (size_t)natsMsg_GetDataLength(m);
    if (raw_block(m, &block)) {
        view_raw(v, block);
    } else {
        view_library(v, m);
    }
}

void msg_view_finish(struct msg_view *v) {
    free(v->headers);
}

trl_str msg_get(natsMsg *m, const char *name) {
    trl_str block, line, key, value;
    const char *text = NULL;
    if (!raw_block(m, &block)) {
        return natsMsgHeader_Get(m, name, &text) == NATS_OK ? trl_cstr(text) : trl_strn(NULL, 0);
    }
    while (next_line(&block, &line)) {
        if (split(line, &key, &value) && trl_str_is(key, name)) {
            return value;
        }
    }
    return trl_strn(NULL, 0);
}

uint64_t msg_get_u64(natsMsg *m, const char *name) {
    trl_str s = msg_get(m, name);
    char text[24] = "";
    if (s.len && s.len < sizeof(text)) {
        memcpy(text, s.ptr, s.len);
    }
    return strtoull(text, NULL, 10);
}

int msg_status(natsMsg *m) {
    trl_str block, line;
    int code = 0;
    if (natsMsg_GetDataLength(m) != 0) {
        return 0;
    }
    if (!raw_block(m, &block)) {
        const char *text = NULL;
        return natsMsgHeader_Get(m, "Status", &text) == NATS_OK ? (int)strtol(text, NULL, 10) : 0;
    }
    if (!next_line(&block, &line) || line.len < sizeof("NATS/1.0 503") - 1) {
        return 0;
    }
    for (size_t i = 9; i < 12; i++) {
        if (line.ptr[i] < '0' || line.ptr[i] > '9') {
            return 0;
        }
        code = code * 10 + (line.ptr[i] - '0');
    }
    return code;
}
