/* SPDX-License-Identifier: Apache-2.0 */
#include "api/envelope.h"

#include "codec/json.h"

void envelope_error(struct buf *out, str message) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "message", message);
    jw_kv(&w, "result", STR("error"));
    jw_end_object(&w);
}

void envelope_put(struct buf *out, bool first, uint32_t total, str version, str message, str name) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", first ? STR("created") : STR("newversion"));
    jw_kv_u64(&w, "total_versions", total);
    jw_kv(&w, "current_version", version);
    jw_kv(&w, "message", message);
    jw_kv(&w, "name", name);
    jw_end_object(&w);
}

void envelope_get(struct buf *out, const char *result, str message, str manifest) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", str_c(result));
    jw_kv(&w, "message", message);
    if (manifest.ptr) {
        jw_key(&w, "manifest");
        jw_raw(&w, manifest);
    }
    jw_end_object(&w);
}

void envelope_versions(struct buf *out, const char *result, str message, const struct app *a) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", str_c(result));
    jw_kv(&w, "message", message);
    jw_key(&w, "versions");
    jw_array(&w);
    for (uint32_t i = 0; a && i < a->n_versions; i++) {
        jw_object(&w);
        jw_kv(&w, "version", a->versions[i].version);
        jw_kv_bool(&w, "deployed", a->versions[i].n == a->deployed);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    jw_end_object(&w);
}

void envelope_delete(struct buf *out, const char *result, str message, bool undeploy) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", str_c(result));
    jw_kv(&w, "message", message);
    jw_kv_bool(&w, "undeploy", undeploy);
    jw_end_object(&w);
}

static void text_or_null(struct jw *w, const char *key, str s) {
    jw_key(w, key);
    if (s.ptr) {
        jw_str(w, s);
    } else {
        jw_null(w);
    }
}

void envelope_deploy(struct buf *out, const char *result, str message, str name, str version) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", str_c(result));
    jw_kv(&w, "message", message);
    jw_kv(&w, "name", name);
    text_or_null(&w, "version", version);
    jw_end_object(&w);
}

void envelope_status(struct buf *out, str app, str status) {
    struct jw w;
    struct buf message = BUF_INIT;
    buf_addf(&message, "Successfully fetched status for application %.*s", PSTR(app));
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", STR("ok"));
    jw_kv(&w, "message", buf_str(&message));
    jw_key(&w, "status");
    jw_raw(&w, status);
    jw_end_object(&w);
    buf_finish(&message);
}

void envelope_default_status(const struct app *a, bool listing, struct app_status *ret) {
    *ret = (struct app_status){.type = STATUS_UNDEPLOYED, .message = STR("")};
    if (a && !a->deployed && a->generation > 0) {
        ret->message = STR(ENVELOPE_UNDEPLOYED); /* it was deployed, before we were started */
    } else if ((a && a->deployed) || listing) {
        ret->type = STATUS_WAITING;
        ret->message = STR(ENVELOPE_NO_HOSTS);
    }
}

void envelope_summary(struct buf *out, const struct app *a, str description,
                      const struct app_status *status, bool brief) {
    struct jw w;
    struct buf text = BUF_INIT;
    struct app_status shown;
    const struct version *cur = app_current(a), *deployed = app_version_n(a, a->deployed);
    enum status_type old;
    if (status) {
        shown = *status;
    } else {
        envelope_default_status(a, true, &shown);
    }
    if (brief) {
        shown.n_scalers = 0;
    }
    old = shown.type == STATUS_WAITING ? STATUS_UNDEPLOYED : shown.type;
    status_write(&shown, &text);
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "name", a->name);
    jw_kv(&w, "version", cur ? cur->version : STR(""));
    text_or_null(&w, "description", description);
    text_or_null(&w, "deployed_version", deployed ? deployed->version : STR_NONE);
    jw_key(&w, "detailed_status");
    jw_raw(&w, buf_str(&text));
    jw_kv(&w, "status", str_c(status_type_name(old)));
    jw_kv(&w, "status_message", shown.message);
    jw_end_object(&w);
    buf_finish(&text);
}

static void write_findings(struct jw *w, const struct findings *f) {
    jw_key(w, "findings");
    jw_array(w);
    for (uint32_t i = 0; i < f->n; i++) {
        const struct finding *x = &f->at[i];
        jw_object(w);
        jw_kv(w, "level", x->level == FINDING_ERROR ? STR("error") : STR("warning"));
        jw_kv(w, "code", str_c(x->code));
        jw_kv(w, "path", x->path);
        jw_kv_u64(w, "line", x->line);
        jw_kv_u64(w, "column", x->column);
        jw_kv(w, "message", x->message);
        jw_kv(w, "fix", x->fix);
        jw_end_object(w);
    }
    jw_end_array(w);
}

void envelope_ok(struct buf *out, str data, const struct findings *f) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", STR("ok"));
    jw_key(&w, "data");
    jw_raw(&w, data);
    if (f && f->n) {
        write_findings(&w, f);
    }
    jw_end_object(&w);
}

void envelope_refusal(struct buf *out, const char *code, str message, const struct findings *f) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "result", STR("error"));
    jw_kv(&w, "code", str_c(code));
    jw_kv(&w, "message", message);
    if (f && f->n) {
        write_findings(&w, f);
    }
    jw_end_object(&w);
}
