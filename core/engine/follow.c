/* SPDX-License-Identifier: Apache-2.0
 *
 * Spans of what the engine does for an app. A deployment: `converge`, from the change of the head
 * to the status that ends it, in the trace of the call. What is done later, because a host died or
 * somebody meddled, is `reconcile`, a trace of its own that names the deployment's. Below either:
 * the plans that led to commands, the commands, what hosts reported.
 */
#include <string.h>

#include "engine/engine_priv.h"

#define MORE 8u

static uint32_t common(const struct engine *e, str app, trl_label *to) {
    to[0] = (trl_label){STR("lattice"), engine_lattice(e)};
    to[1] = (trl_label){STR("app"), app};
    to[2] = (trl_label){STR("tenant"), str_is(engine_tenant(e), "_") ? STR_NONE : engine_tenant(e)};
    return 3;
}

static void end(struct engine *e, struct span *s, str app, struct span_end *how,
                const trl_label *more, uint32_t n) {
    trl_label a[3 + MORE];
    uint32_t all = common(e, app, a);
    for (uint32_t i = 0; i < n; i++) {
        a[all++] = more[i];
    }
    how->attributes = a;
    how->n_attributes = all;
    span_end(e->env.tracer, s, how);
}

static str work_name(const struct desired_app *a) {
    return a->healing ? STR("reconcile") : STR("converge");
}

static void end_work(struct engine *e, struct desired_app *a, uint32_t outcome, str text) {
    char id[TRACE_LEN + 1];
    if (!span_open(&a->work)) {
        return;
    }
    trl_label more[] = {{STR("version"), a->version},
                        {STR("deployment"), a->healing ? trace_id_text(&a->trace, id) : STR_NONE}};
    end(e, &a->work, a->name,
        &(struct span_end){
            .kind = TRL_SPAN_INTERNAL, .outcome = outcome, .name = work_name(a), .text = text},
        more, ARRAY_LEN(more));
}

const struct trace_ctx *follow_work(struct engine *e, struct desired_app *a) {
    if (!span_open(&a->work)) {
        a->healing = a->converged;
        span_begin(e->env.tracer, a->healing ? NULL : &a->trace, &a->work);
    }
    return &a->work.ctx;
}

void follow_head(struct engine *e, struct desired_app *a, const struct app *head, bool news) {
    end_work(e, a, TRL_SPAN_UNSET, STR("another change came first"));
    a->trace = head->trace;
    a->converged = false;
    if (news && e->active) {
        follow_work(e, a);
    }
}

void follow_status(struct engine *e, struct desired_app *a, bool gone) {
    const struct app_status *s = a->told;
    bool over = gone || (s && s->type == STATUS_DEPLOYED && !e->plan.pending);
    if (over) {
        end_work(e, a, TRL_SPAN_OK, STR_NONE);
        a->converged = true;
    } else if (s && s->type == STATUS_FAILED) {
        end_work(e, a, TRL_SPAN_ERROR, s->message);
    }
}

void follow_drop(struct engine *e, struct desired_app *a, str why) {
    end_work(e, a, TRL_SPAN_UNSET, why);
}

void follow_plan(struct engine *e, struct desired_app *a, int64_t begun_ns, struct trace_ctx *ret) {
    struct span s;
    char n[24];
    memset(ret, 0, sizeof(*ret));
    if (!e->env.tracer) {
        return;
    }
    span_begin_at(e->env.tracer, follow_work(e, a), begun_ns, &s);
    *ret = s.ctx;
    snprintf(n, sizeof(n), "%u", e->plan.n_actions);
    trl_label more[] = {{STR("version"), a->version}, {STR("actions"), str_c(n)}};
    end(e, &s, a->name,
        &(struct span_end){.kind = TRL_SPAN_INTERNAL, .outcome = TRL_SPAN_OK, .name = STR("plan")},
        more, ARRAY_LEN(more));
}

/* A link's identity is several lines. */
static str one_line(str s, char *buf, size_t cap) {
    size_t n = s.len < cap ? s.len : cap;
    for (size_t i = 0; i < n; i++) {
        buf[i] = s.ptr[i] == '\n' ? ' ' : s.ptr[i];
    }
    return str_n(buf, n);
}

void follow_answer(struct engine *e, struct span *s, const struct followed *f, trl_status st,
                   str text) {
    char name[256];
    trl_label more[] = {{f->kind, one_line(f->name, name, sizeof(name))},
                        {STR("host"), f->host},
                        {STR("reason"), f->reason}};
    end(e, s, f->app,
        &(struct span_end){.kind = TRL_SPAN_CLIENT,
                           .outcome = st == TRL_OK ? TRL_SPAN_OK : TRL_SPAN_ERROR,
                           .name = f->verb,
                           .text = text},
        more, ARRAY_LEN(more));
}

void follow_await(struct engine *e, struct ledger_item *i, const struct trace_ctx *of,
                  uint32_t unit) {
    span_begin(e->env.tracer, of, &i->awaited);
    i->awaited_unit = unit;
}

void follow_seen(struct engine *e, struct ledger_item *i, str fault) {
    if (!span_open(&i->awaited)) {
        return;
    }
    trl_label more[] = {{STR("unit"), intern_str(&e->o.names, i->awaited_unit)},
                        {STR("host"), i->host ? e->o.hosts.at[i->host - 1].id : STR_NONE},
                        {STR("host_trace"), e->told_by.len && !fault.len ? e->told_by : STR_NONE}};
    end(e, &i->awaited, i->app ? str_c(i->app) : STR_NONE,
        &(struct span_end){.kind = TRL_SPAN_INTERNAL,
                           .outcome = fault.len ? TRL_SPAN_ERROR : TRL_SPAN_OK,
                           .name = STR("report"),
                           .text = fault},
        more, ARRAY_LEN(more));
}

void follow_host_gone(struct engine *e, uint32_t slot) {
    for (uint32_t k = 0; k < e->l.items.n; k++) {
        struct ledger_item *i = e->l.items.at[k].value;
        if (i->host == slot + 1) {
            follow_seen(e, i, STR("the host is gone, or began anew"));
        }
    }
}

void follow_asked(struct engine *e, struct span *s, str app, uint32_t point, uint32_t n,
                  struct ruling *const *rulings) {
    const struct ruling *worst = n ? rulings[0] : NULL;
    struct buf text = BUF_INIT;
    char count[24];
    for (uint32_t i = 1; i < n; i++) {
        worst = rulings[i]->verdict > worst->verdict ? rulings[i] : worst;
    }
    if (!worst || !span_open(s)) {
        return;
    }
    if (ruling_denies(worst)) {
        ruling_text(worst, &text);
    }
    snprintf(count, sizeof(count), "%u", n);
    trl_label more[] = {{STR("point"), str_c(policy_point_name(point))},
                        {STR("verdict"), str_c(ruling_word(worst->verdict))},
                        {STR("questions"), str_c(count)}};
    end(e, s, app,
        &(struct span_end){.kind = TRL_SPAN_INTERNAL,
                           .outcome = text.len ? TRL_SPAN_ERROR : TRL_SPAN_OK,
                           .name = STR("policy"),
                           .text = buf_str(&text)},
        more, ARRAY_LEN(more));
    buf_finish(&text);
}

const struct trace_ctx *engine_trace(const struct engine *e, str app) {
    const struct desired_app *a = desired_find(&e->d, app);
    return !a ? NULL : span_open(&a->work) ? &a->work.ctx : &a->trace;
}

const struct span *engine_work(const struct engine *e, str app, str *ret_name) {
    const struct desired_app *a = desired_find(&e->d, app);
    if (!a || !span_open(&a->work)) {
        return NULL;
    }
    *ret_name = work_name(a);
    return &a->work;
}
