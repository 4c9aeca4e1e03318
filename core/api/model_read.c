/* SPDX-License-Identifier: Apache-2.0
 *
 * get, list, versions, status, history of wadm's API: answered from memory; what is not there is
 * looked for in the store first.
 */
#include "api/api_priv.h"

static const struct app *find(const struct req *r) {
    return catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->name);
}

static str not_found(struct req *r) {
    return arena_printf(&r->arena, "Application with the name %.*s not found", PSTR(r->name));
}

void model_get(struct req *r) {
    struct err err = ERR_INIT;
    struct buf out = BUF_INIT;
    const struct app *a = find(r);
    const struct version *v;
    if (!req_read_version(r, &err)) {
        req_fail(r, "INVALID", "Unable to parse get application request: %s", err.msg);
        return;
    }
    v = !a ? NULL : r->version.ptr ? app_version(a, r->version) : app_current(a);
    if ((!v || !v->json.ptr) && req_look(r, model_get)) {
        return;
    }
    if (!a) {
        envelope_get(&out, "notfound", not_found(r), STR_NONE);
    } else if (!v) {
        envelope_get(&out, "notfound",
                     arena_printf(&r->arena, "Application %.*s with version %.*s doesn't exist",
                                  PSTR(r->name), PSTR(r->version)),
                     STR_NONE);
    } else if (!v->json.ptr) {
        envelope_error(&out, STR(ENVELOPE_STORAGE ": the record of this version is missing"));
    } else {
        str text = arena_printf(&r->arena, "Successfully fetched application %.*s%s%.*s",
                                PSTR(r->name), r->version.ptr ? " " : "", PSTR(r->version));
        envelope_get(&out, "success", text, v->json);
    }
    req_reply_buf(r, &out);
}

struct listing {
    struct req *r;
    struct engine *e;
    struct buf *out;
    bool brief, any;
};

static void add_summary(void *arg, const struct app *a) {
    struct listing *l = arg;
    const struct version *cur = app_current(a);
    const struct manifest *m = catalog_manifest(l->r->api->env.catalog, a, cur->n);
    str description = m ? manifest_annotation(m, "description") : STR_NONE;
    if (l->any) {
        buf_add_c(l->out, ',');
    }
    l->any = true;
    envelope_summary(l->out, a, description, l->e ? engine_status(l->e, a->name) : NULL, l->brief);
}

static void add_list(struct req *r, struct buf *out, bool brief) {
    struct listing l = {r, req_engine(r, false), out, brief, false};
    buf_add_c(out, '[');
    catalog_list(r->api->env.catalog, r->s.account, r->s.lattice, add_summary, &l);
    buf_add_c(out, ']');
}

/* wrapped: wadm's newer form. A list that fits no message is told without scalers first. */
static void list(struct req *r, bool wrapped) {
    struct buf out = BUF_INIT;
    for (int brief = 0; brief < 2; brief++) {
        buf_clear(&out);
        if (wrapped) {
            buf_addf(&out, "{\"result\":\"success\",\"message\":\"Successfully fetched list of "
                           "applications\",\"models\":");
        }
        add_list(r, &out, brief);
        if (wrapped) {
            buf_add_c(&out, '}');
        }
        if (out.len <= r->api->max_payload) {
            break;
        }
    }
    req_reply_buf(r, &out);
}

void model_get_list(struct req *r) {
    list(r, true);
}

void model_list(struct req *r) {
    list(r, false);
}

void model_versions(struct req *r) {
    struct buf out = BUF_INIT;
    const struct app *a = find(r);
    if (!a && req_look(r, model_versions)) {
        return;
    }
    if (a) {
        str text = arena_printf(&r->arena, "Successfully fetched versions for application %.*s",
                                PSTR(r->name));
        envelope_versions(&out, "success", text, a);
    } else {
        envelope_versions(&out, "notfound", not_found(r), NULL);
    }
    req_reply_buf(r, &out);
}

void model_status(struct req *r) {
    struct buf out = BUF_INIT, text = BUF_INIT;
    struct engine *e = req_engine(r, false);
    const struct app_status *s = e ? engine_status(e, r->name) : NULL;
    struct app_status none;
    if (!s && !find(r) && req_look(r, model_status)) {
        return;
    }
    if (!s) {
        envelope_default_status(find(r), false, &none);
        s = &none;
    }
    status_write(s, &text);
    envelope_status(&out, r->name, buf_str(&text));
    buf_finish(&text);
    req_reply_buf(r, &out);
}

void model_history(struct req *r) {
    req_fail(r, "UNSUPPORTED",
             "Model deployment history is not currently supported. It may be "
             "added in a future version");
}
