/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_priv.h"

static void storage(struct req *r, const struct op_result *o) {
    if (o->text.len) {
        req_fail(r, "STORAGE", ENVELOPE_STORAGE ": %.*s", PSTR(o->text));
    } else {
        req_fail(r, "STORAGE", ENVELOPE_STORAGE);
    }
}

static void answer(struct req *r, const struct op_result *o) {
    struct buf out = BUF_INIT, text = BUF_INIT;
    switch (o->code) {
    case OP_OK:
        /* The version named is the one before, as wadm's clients know it. */
        buf_addf(&text, "Successfully put manifest %.*s %.*s%.*s", PSTR(r->name),
                 PSTR(o->cr->previous), PSTR(o->note));
        envelope_put(&out, o->cr->total == 1, o->cr->total, o->cr->version, buf_str(&text),
                     r->name);
        req_reply_buf(r, &out);
        break;
    case OP_STORAGE:
        storage(r, o);
        break;
    default:
        req_fail(r, "REFUSED", "%.*s", PSTR(o->text));
        break;
    }
    buf_finish(&text);
}

static void put(struct req *r) {
    op_put(r, false, answer);
}

void model_put(struct req *r) {
    str refusal = STR("");
    if (op_admit(r, &refusal)) {
        req_enter(r, str_trim(r->m->name), put);
    } else {
        req_fail(r, "REFUSED", "%.*s", PSTR(refusal));
    }
}
