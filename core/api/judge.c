/* SPDX-License-Identifier: Apache-2.0 */
#include "api/judge.h"

#include <string.h>

#include "api/policy_subject.h"

void judge_subject(const struct api *a, uint32_t point, str tenant, str lattice, str caller_json,
                   const struct manifest *m, const struct plan *plan, struct buf *out) {
    uint32_t looks = policy_looks(a->env.policy, point);
    struct policy_subject s = {
        point,       a->env.multitenant ? &tenant : NULL,  lattice,
        caller_json, looks & TRL_LOOKS_PLAN ? plan : NULL, !(looks & TRL_LOOKS_MANIFEST)};
    policy_subject_write(&s, m, out);
}

/* Asking */

static void on_rulings(void *arg, struct ruling *const *rulings) {
    struct req *r = arg;
    struct buf text = BUF_INIT;
    trl_label more[] = {{STR("point"), str_c(policy_point_name(r->point))},
                        {STR("verdict"), str_c(ruling_word(rulings[0]->verdict))}};
    r->ask = NULL;
    if (ruling_denies(rulings[0])) {
        ruling_text(rulings[0], &text);
    }
    step_end_with(r, "policy", buf_str(&text), more, ARRAY_LEN(more));
    buf_finish(&text);
    r->judged(r, rulings[0]);
}

void judge_ask(struct req *r, uint32_t point, const struct manifest *m, const struct plan *plan,
               void (*then)(struct req *r, const struct ruling *ruling)) {
    struct api *a = r->api;
    struct buf subject = BUF_INIT;
    if (!policy_asks(a->env.policy, point)) {
        then(r, NULL);
        return;
    }
    judge_subject(a, point, r->s.account, r->s.lattice, r->caller, m, plan, &subject);
    str version = manifest_version(m);
    struct policy_question q = {buf_str(&subject),
                                arena_printf(&r->arena, "%s %.*s%s%.*s", policy_point_name(point),
                                             PSTR(r->name), version.len ? " " : "", PSTR(version))};
    char parent[TRACE_LEN + 1];
    struct policy_about about = {.tenant = r->s.account,
                                 .lattice = r->s.lattice,
                                 .app = r->name,
                                 .caller = r->caller,
                                 .trace = req_trace_id(r)};
    r->judged = then;
    r->point = point;
    step_begin(r);
    about.traceparent = trace_text(span_open(&r->step) ? &r->step.ctx : &r->ctx, parent);
    r->ask = NULL;
    struct policy_ask *ask = policy_ask_now(a->env.policy, point, &q, 1, &about, on_rulings, r);
    if (ask) { /* else it is answered, and the request perhaps gone */
        r->ask = ask;
    }
    buf_finish(&subject);
}

/* "/spec/components/0/properties" in a tree; NULL: no such place. */
static const struct node *at_pointer(const struct node *n, str pointer) {
    str rest = pointer.len && pointer.ptr[0] == '/' ? str_skip(pointer, 1) : pointer;
    while (n && rest.ptr && rest.len) {
        str token = str_cut(rest, '/', &rest);
        uint64_t i = 0;
        if (n->type == NODE_ARRAY) {
            n = str_u64(token, &i) && i < n->n ? n->items[i] : NULL;
        } else {
            n = node_get_str(n, token);
        }
    }
    return n;
}

void judge_findings(struct req *r, const struct manifest *m, const struct ruling *ruling) {
    enum finding_level level = ruling_denies(ruling) ? FINDING_ERROR : FINDING_WARNING;
    for (uint32_t i = 0; i < ruling->n_reasons; i++) {
        const struct reason *x = &ruling->reasons[i];
        const struct node *at = x->path.len ? at_pointer(m->root, x->path) : NULL;
        str text = arena_printf(&r->arena, "%.*s (%s%.*s%s%.*s)",
                                PSTR(x->text.len ? x->text : x->code), x->rule.len ? "rule " : "",
                                PSTR(x->rule), x->rule.len ? " of " : "", PSTR(x->backend));
        findings_add(&r->findings, level, "policy", x->path, at ? at->line : 0, at ? at->column : 0,
                     text, x->remedy);
    }
}

/* Secrets */

static void each_of(const struct secret_item *s, uint32_t n, struct judged_secret *j,
                    const struct api *a, struct arena *arena,
                    void (*fn)(void *arg, const struct judged_secret *j), void *arg) {
    for (uint32_t i = 0; i < n; i++) {
        const struct policy *p = policy_subject_find(j->manifest, s[i].policy);
        struct buf json = BUF_INIT;
        struct jw out;
        j->want.backend = policy_subject_property(p, "backend");
        if (!secrets_find(a->env.secrets, j->want.backend)) {
            continue; /* hosts ask somebody else for it */
        }
        jw_init(&out, &json, false);
        policy_subject_properties(&out, p);
        j->name = s[i].name;
        j->at = s[i].at;
        j->want.ref.key = s[i].key;
        j->want.ref.field = s[i].field;
        j->want.ref.version = s[i].version;
        j->want.ref.properties = arena_str(arena, buf_str(&json));
        buf_finish(&json);
        fn(arg, j);
    }
}

void judge_each_secret(const struct api *a, str lattice, str app, const struct manifest *m,
                       struct arena *arena, void (*fn)(void *arg, const struct judged_secret *j),
                       void *arg) {
    struct judged_secret j = {.manifest = m};
    j.want.ref.struct_size = sizeof(j.want.ref);
    j.want.ref.lattice = lattice;
    j.want.ref.app = app;
    for (uint32_t i = 0; a->env.secrets && i < m->n_items; i++) {
        const struct item *it = &m->items[i];
        each_of(it->secrets, it->n_secrets, &j, a, arena, fn, arg);
        for (uint32_t t = 0; t < it->n_traits; t++) {
            const struct trait *x = &it->traits[t];
            if (x->shape == TRAIT_LINK) {
                each_of(x->link->source.secrets, x->link->source.n_secrets, &j, a, arena, fn, arg);
                each_of(x->link->target.secrets, x->link->target.n_secrets, &j, a, arena, fn, arg);
            }
        }
    }
}

struct wanted {
    struct req *r;
    const struct app *app; /* a rollback: its pins are what is wanted */
    uint32_t n;
    VEC(struct secret_want) at;
    VEC(str) name;
    VEC(const struct node *) place;
};

static void want(void *arg, const struct judged_secret *j) {
    struct wanted *w = arg;
    struct arena *a = &w->r->arena;
    struct secret_want *x = VEC_ADD(&w->at);
    *x = j->want;
    x->backend = arena_str(a, j->want.backend);
    x->ref.key = arena_str(a, j->want.ref.key);
    x->ref.field = arena_str(a, j->want.ref.field);
    x->ref.version = arena_str(a, j->want.ref.version);
    *VEC_ADD(&w->name) = arena_str(a, j->name);
    *VEC_ADD(&w->place) = w->r->m ? j->at : NULL; /* else it is no place of the asker's file */
    if (!w->app || x->ref.version.len) {
        return;
    }
    const trl_secrets_v1 *t =
        plug_inst_table(secrets_find(w->r->api->env.secrets, j->want.backend)->in);
    str pin = app_pin(w->app, w->n, j->name, NULL);
    if (pin.len && (t->flags & TRL_SX_VERSIONS)) {
        x->ref.version = arena_str(a, pin);
    } else {
        w->r->keep_pins = false; /* its backend keeps no older versions */
    }
}

static void tell_secret(struct req *r, uint32_t i, const struct secret_have *h,
                        struct buf *refusal) {
    bool says_no = h->st == TRL_E_NOTFOUND || h->st == TRL_E_DENIED || h->st == TRL_E_INVALID;
    str text =
        arena_printf(&r->arena, "secret %.*s: %.*s", PSTR(r->secret_names[i]), PSTR(h->text));
    const struct node *at = r->secret_places[i];
    findings_add(&r->findings, says_no ? FINDING_ERROR : FINDING_WARNING, "secret",
                 STR("spec.components"), at ? at->line : 0, at ? at->column : 0, text,
                 says_no ? STR("put it into the backend, or correct key, field and version")
                         : STR("it could not be checked; hosts will ask for it themselves"));
    if (says_no) {
        buf_addf(refusal, "%s%.*s", refusal->len ? "; " : "", PSTR(text));
    }
}

static void on_secrets(void *arg, const struct secret_have *h) {
    struct req *r = arg;
    struct buf refusal = BUF_INIT;
    r->secrets = NULL;
    step_end(r, "secrets", STR_NONE);
    r->n_pins = 0;
    r->pins = ARENA_ARRAY(&r->arena, struct secret_pin, r->n_secrets + 1);
    for (uint32_t i = 0; i < r->n_secrets; i++) {
        if (h[i].st == TRL_OK) {
            r->pins[r->n_pins++] = (struct secret_pin){0, r->secret_names[i],
                                                       arena_str(&r->arena, h[i].version), false};
        } else {
            tell_secret(r, i, &h[i], &refusal);
        }
    }
    str text = arena_str(&r->arena, buf_str(&refusal));
    buf_finish(&refusal);
    r->checked(r, text);
}

void judge_secrets(struct req *r, const struct manifest *m,
                   void (*then)(struct req *r, str refusal)) {
    struct wanted w = {.r = r};
    const struct app *a = catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
    const struct version *v = a ? app_version(a, r->deploying) : NULL;
    if (r->keep_pins && v) {
        w.app = a;
        w.n = v->n;
    }
    judge_each_secret(r->api, r->s.lattice, r->name, r->m ? r->m : m, &r->arena, want, &w);
    if (w.at.n == 0) {
        then(r, STR_NONE);
        return;
    }
    r->checked = then;
    r->n_secrets = w.at.n;
    r->secret_names = ARENA_ARRAY(&r->arena, str, w.at.n);
    memcpy(r->secret_names, w.name.at, w.at.n * sizeof(str));
    r->secret_places = ARENA_ARRAY(&r->arena, const struct node *, w.at.n);
    memcpy(r->secret_places, w.place.at, w.at.n * sizeof(*w.place.at));
    step_begin(r);
    r->secrets = secrets_ask(r->api->env.secrets, w.at.at, w.at.n, on_secrets, r);
    VEC_FREE(&w.at);
    VEC_FREE(&w.name);
    VEC_FREE(&w.place);
}
