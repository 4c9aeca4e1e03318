/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans of a request: one for the operation, below it one for each step it takes.
 */
#include "api/api_priv.h"

#define MORE 4u /* attributes of a step beside those of all */

static uint32_t common(const struct req *r, trl_label *to) {
    str app = r->name.len ? r->name : r->s.name;
    if (app.len == 0 && r->m) {
        app = str_trim(r->m->name);
    }
    to[0] = (trl_label){STR("lattice"), r->s.lattice};
    to[1] = (trl_label){STR("app"), app};
    to[2] = (trl_label){STR("tenant"), str_is(r->s.account, "_") ? STR_NONE : r->s.account};
    return 3;
}

str req_trace_id(struct req *r) {
    char text[TRACE_LEN + 1];
    if (!trace_known(&r->ctx)) {
        trace_child(loop_rng(r->api->env.loop), NULL, &r->ctx);
    }
    return arena_str(&r->arena, trace_id_text(&r->ctx, text));
}

void req_trace_begin(struct req *r, const struct operation *o) {
    r->operation = o;
    span_begin(r->api->env.tracer, &r->ctx, &r->span);
    if (span_open(&r->span)) {
        r->ctx = r->span.ctx;
    }
}

void req_trace_end(struct req *r, str json) {
    trl_label a[4];
    char name[64];
    str code;
    if (!span_open(&r->span)) {
        return;
    }
    bool ok = api_reply_status(json, &code) == TRL_OK;
    uint32_t n = common(r, a);
    a[n++] = (trl_label){STR("version"), r->version};
    snprintf(name, sizeof(name), "%s.%s", r->operation->category, r->operation->operation);
    step_end(r, "cut off", STR("the request ended first"));
    span_end(r->api->env.tracer, &r->span,
             &(struct span_end){.kind = TRL_SPAN_SERVER,
                                .outcome = ok ? TRL_SPAN_OK : TRL_SPAN_ERROR,
                                .name = str_c(name),
                                .text = ok               ? STR_NONE
                                        : r->failure.len ? r->failure
                                                         : code,
                                .attributes = a,
                                .n_attributes = n});
}

void step_begin(struct req *r) {
    if (span_open(&r->span)) {
        span_begin(r->api->env.tracer, &r->span.ctx, &r->step);
    }
}

void step_end_with(struct req *r, const char *name, str fault, const trl_label *more, uint32_t n) {
    trl_label a[3 + MORE];
    if (!span_open(&r->step)) {
        return;
    }
    uint32_t all = common(r, a);
    for (uint32_t i = 0; i < n && i < MORE; i++) {
        a[all++] = more[i];
    }
    span_end(r->api->env.tracer, &r->step,
             &(struct span_end){.kind = TRL_SPAN_INTERNAL,
                                .outcome = fault.len ? TRL_SPAN_ERROR : TRL_SPAN_OK,
                                .name = str_c(name),
                                .text = fault,
                                .attributes = a,
                                .n_attributes = all});
}

void step_end(struct req *r, const char *name, str fault) {
    step_end_with(r, name, fault, NULL, 0);
}
