/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/frame.h"

#include <string.h>

#include "codec/json.h"

long frame_read(str in, struct arena *a, struct frame *ret, struct err *err) {
    if (in.len < 4) {
        return 0;
    }
    const unsigned char *p = (const unsigned char *)in.ptr;
    uint32_t n = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    if (n > FRAME_MAX_BYTES) {
        return err_set(err, TRL_E_INVALID, "a frame of %u bytes: at most %u are taken", n,
                       FRAME_MAX_BYTES);
    }
    if (in.len - 4 < n) {
        return 0;
    }
    str body, header = str_cut(str_n(in.ptr + 4, n), '\n', &body);
    struct node *h = NULL;
    if (!body.ptr || json_parse(header, a, &h, err) < 0 || h->type != NODE_OBJECT) {
        return err_set(err, TRL_E_INVALID, "a frame without a JSON header line");
    }
    memset(ret, 0, sizeof(*ret));
    str op = node_text(h, "op", STR_NONE);
    if (op.len == 0 || op.len >= sizeof(ret->op)) {
        return err_set(err, TRL_E_INVALID, "a frame without an op");
    }
    memcpy(ret->op, op.ptr, op.len);
    ret->id = node_text(h, "id", STR(""));
    ret->subject = node_text(h, "subject", STR(""));
    ret->body = body;
    const struct node *headers = node_get(h, "headers");
    for (uint32_t i = 0; headers && headers->type == NODE_OBJECT && i < headers->n; i++) {
        if (ret->n_headers < FRAME_HEADERS && headers->members[i].value->type == NODE_STRING) {
            ret->headers[ret->n_headers++] =
                (trl_label){headers->members[i].key, headers->members[i].value->text};
        }
    }
    return (long)n + 4;
}

void frame_write(struct buf *out, const char *op, str id, str subject, const trl_label *headers,
                 uint32_t n_headers, str body) {
    struct buf line = BUF_INIT;
    struct jw w;
    jw_init(&w, &line, false);
    jw_object(&w);
    jw_kv(&w, "op", str_c(op));
    if (id.len) {
        jw_kv(&w, "id", id);
    }
    if (subject.len) {
        jw_kv(&w, "subject", subject);
    }
    if (n_headers) {
        jw_key(&w, "headers");
        jw_object(&w);
        for (uint32_t i = 0; i < n_headers; i++) {
            jw_key_str(&w, headers[i].key);
            jw_str(&w, headers[i].value);
        }
        jw_end_object(&w);
    }
    jw_end_object(&w);
    buf_add_c(&line, '\n');
    uint32_t n = (uint32_t)(line.len + body.len);
    const unsigned char len[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
                                  (unsigned char)(n >> 8), (unsigned char)n};
    buf_add(out, len, 4);
    buf_add_str(out, buf_str(&line));
    buf_add_str(out, body);
    buf_finish(&line);
}
