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

static int by_key(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The library keeps headers in a hash table: the order between names is lost, so they come sorted;
 * several values of one name keep theirs. */
static void view_headers(struct msg_view *v, natsMsg *m) {
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
            v->headers = x_grow(v->headers, v->msg.n_headers, &cap, sizeof(trl_label));
            v->headers[v->msg.n_headers].key = trl_cstr(keys[i]);
            v->headers[v->msg.n_headers++].value = trl_cstr(values[k]);
        }
        free((void *)values);
    }
    free((void *)keys);
    v->msg.headers = v->headers;
}

void msg_view_init(struct msg_view *v, natsMsg *m) {
    memset(v, 0, sizeof(*v));
    v->msg.struct_size = sizeof(v->msg);
    v->msg.subject = trl_cstr(natsMsg_GetSubject(m));
    v->msg.reply = trl_cstr(natsMsg_GetReply(m));
    v->msg.payload.ptr = natsMsg_GetData(m);
    v->msg.payload.len = (size_t)natsMsg_GetDataLength(m);
    view_headers(v, m);
}

void msg_view_finish(struct msg_view *v) {
    free(v->headers);
}

const char *msg_get(natsMsg *m, const char *key) {
    const char *value = NULL;
    return natsMsgHeader_Get(m, key, &value) == NATS_OK ? value : NULL;
}

int msg_status(natsMsg *m) {
    const char *s = natsMsg_GetDataLength(m) == 0 ? msg_get(m, "Status") : NULL;
    return s && strlen(s) == 3 ? (int)strtol(s, NULL, 10) : 0;
}
