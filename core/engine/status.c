/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/status.h"

#include "base/mem.h"
#include "codec/json.h"

static const char *const names[] = {"failed",      "undeployed", "waiting",
                                    "reconciling", "unhealthy",  "deployed"};

const char *status_type_name(enum status_type t) {
    return names[t];
}

void status_aggregate(struct app_status *s) {
    struct buf message = BUF_INIT;
    enum status_type type = s->n_scalers ? STATUS_DEPLOYED : STATUS_UNDEPLOYED;
    for (uint32_t i = 0; i < s->n_scalers; i++) {
        type = s->scalers[i].type < type ? s->scalers[i].type : type;
        str m = str_trim(s->scalers[i].message);
        if (m.len) {
            buf_add_str(&message, message.len ? STR(", ") : STR(""));
            buf_add_str(&message, m);
        }
    }
    s->type = type;
    s->message = arena_str(&s->arena, buf_str(&message));
    buf_finish(&message);
}

bool status_equal(const struct app_status *a, const struct app_status *b) {
    bool same = a->type == b->type && str_eq(a->message, b->message) &&
                str_eq(a->version, b->version) && a->n_scalers == b->n_scalers;
    for (uint32_t i = 0; same && i < a->n_scalers; i++) {
        const struct scaler_status *x = &a->scalers[i], *y = &b->scalers[i];
        same = x->type == y->type && str_eq(x->message, y->message) && str_eq(x->id, y->id) &&
               str_eq(x->kind, y->kind) && str_eq(x->name, y->name);
    }
    return same;
}

void status_destroy(struct app_status *s) {
    if (s) {
        arena_finish(&s->arena);
        mem_free(s);
    }
}

static void write_info(struct jw *w, enum status_type type, str message) {
    jw_key(w, "status");
    jw_object(w);
    jw_kv(w, "type", str_c(status_type_name(type)));
    if (message.len) {
        jw_kv(w, "message", message);
    }
    jw_end_object(w);
}

void status_write(const struct app_status *s, struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    write_info(&w, s->type, s->message);
    if (s->n_scalers) {
        jw_key(&w, "scalers");
        jw_array(&w);
        for (uint32_t i = 0; i < s->n_scalers; i++) {
            const struct scaler_status *x = &s->scalers[i];
            jw_object(&w);
            jw_kv(&w, "id", x->id);
            jw_kv(&w, "kind", x->kind);
            jw_kv(&w, "name", x->name);
            write_info(&w, x->type, x->message);
            jw_end_object(&w);
        }
        jw_end_array(&w);
    }
    jw_kv(&w, "version", STR(""));
    jw_key(&w, "components");
    jw_array(&w);
    jw_end_array(&w);
    jw_end_object(&w);
}
