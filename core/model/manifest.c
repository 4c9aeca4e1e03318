/* SPDX-License-Identifier: Apache-2.0 */
#include "model/manifest.h"

#include "base/mem.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "model/decode.h"

static void dec_metadata(struct decoder *d, const struct node *n, struct manifest *m) {
    struct node *out[FIELDS_MAX];
    size_t len = dec_member(d, STR("metadata"));
    if (dec_fields(d, n, &fields_metadata, out)) {
        dec_need_string(d, n, &fields_metadata, out, 0, &m->name);
        const struct node *a = dec_need(d, n, &fields_metadata, out, 1);
        if (a) {
            size_t at = dec_member(d, STR("annotations"));
            dec_map(d, a, DIRECT, &m->annotations, &m->n_annotations);
            dec_pop(d, at);
        }
        if (out[2]) {
            size_t at = dec_member(d, STR("labels"));
            dec_map(d, out[2], DIRECT, &m->labels, &m->n_labels);
            dec_pop(d, at);
        }
    }
    dec_pop(d, len);
}

static void dec_policy(struct decoder *d, const struct node *n, struct policy *p) {
    struct node *out[FIELDS_MAX];
    p->at = n;
    if (!dec_fields(d, n, &fields_policy, out)) {
        return;
    }
    dec_need_string(d, n, &fields_policy, out, 0, &p->name);
    dec_need_string(d, n, &fields_policy, out, 2, &p->type);
    const struct node *props = dec_need(d, n, &fields_policy, out, 1);
    if (props) {
        size_t len = dec_member(d, STR("properties"));
        dec_map(d, props, DIRECT, &p->properties, &p->n_properties);
        dec_pop(d, len);
    }
}

static void dec_components(struct decoder *d, const struct node *n, struct manifest *m) {
    size_t len = dec_member(d, STR("components"));
    if (dec_list(d, n, DIRECT, &m->n_items)) {
        m->items = ARENA_ARRAY(d->arena, struct item, m->n_items);
    }
    for (uint32_t i = 0; i < m->n_items; i++) {
        size_t at = dec_index(d, i);
        dec_item(d, n->items[i], &m->items[i]);
        dec_pop(d, at);
    }
    dec_pop(d, len);
}

static void dec_policies(struct decoder *d, const struct node *n, struct manifest *m) {
    size_t len = dec_member(d, STR("policies"));
    if (dec_list(d, n, DIRECT, &m->n_policies)) {
        m->policies = ARENA_ARRAY(d->arena, struct policy, m->n_policies);
    }
    for (uint32_t i = 0; i < m->n_policies; i++) {
        size_t at = dec_index(d, i);
        dec_policy(d, n->items[i], &m->policies[i]);
        dec_pop(d, at);
    }
    dec_pop(d, len);
}

static void dec_spec(struct decoder *d, const struct node *n, struct manifest *m) {
    struct node *out[FIELDS_MAX];
    size_t len = dec_member(d, STR("spec"));
    if (dec_fields(d, n, &fields_spec, out)) {
        const struct node *c = dec_need(d, n, &fields_spec, out, 0);
        if (c) {
            dec_components(d, c, m);
        }
        if (out[1]) {
            dec_policies(d, out[1], m);
        }
    }
    dec_pop(d, len);
}

static bool decode(struct manifest *m, bool json, struct findings *f) {
    struct decoder d = {.arena = &m->arena, .f = f, .json = json};
    struct node *out[FIELDS_MAX];
    if (dec_fields(&d, m->root, &fields_manifest, out)) {
        dec_need_string(&d, m->root, &fields_manifest, out, 0, &m->api_version);
        dec_need_string(&d, m->root, &fields_manifest, out, 1, &m->kind);
        const struct node *meta = dec_need(&d, m->root, &fields_manifest, out, 2);
        const struct node *spec = dec_need(&d, m->root, &fields_manifest, out, 3);
        if (meta) {
            dec_metadata(&d, meta, m);
        }
        if (spec) {
            dec_spec(&d, spec, m);
        }
    }
    buf_finish(&d.path);
    return d.faults == 0;
}

/* One decoder's answer. syntax: the text could be read at all. */
struct attempt {
    struct manifest *m;
    struct findings f;
    bool syntax;
    bool limit; /* it could not, because of a limit of ours */
};

static void attempt_finish(struct attempt *t) {
    manifest_destroy(t->m);
    findings_finish(&t->f);
}

static void attempt(struct attempt *t, str text, bool json) {
    struct manifest *m = mem_zalloc(sizeof(*m));
    struct node *root = NULL;
    struct yaml_report report = {{0, 0}, 0, false};
    struct err err = ERR_INIT;
    findings_init(&t->f);
    int rc = json ? json_parse_pos(text, &m->arena, &root, &report.pos, &err)
                  : yaml_parse_report(text, &m->arena, &root, &report, &err);
    t->syntax = rc == 0;
    t->limit = report.limit;
    m->root = root;
    if (rc < 0) {
        findings_add(&t->f, FINDING_ERROR, json ? "json-syntax" : "yaml-syntax", STR(""),
                     report.pos.line, report.pos.column, str_c(err.msg), STR(""));
    }
    if (rc == 0 && decode(m, json, &t->f)) {
        t->m = m;
    } else {
        manifest_destroy(m);
    }
}

/* Is the text meant as JSON? */
static bool looks_like_json(str text) {
    if (str_starts(text, STR("\xef\xbb\xbf"))) {
        text = str_skip(text, 3);
    }
    text = str_trim(text);
    return text.len && (text.ptr[0] == '{' || text.ptr[0] == '[');
}

static void hand_over(struct attempt *t, struct manifest **ret, struct findings *f) {
    for (uint32_t i = 0; i < t->f.n; i++) {
        const struct finding *x = &t->f.at[i];
        findings_add(f, x->level, x->code, x->path, x->line, x->column, x->message, x->fix);
    }
    if (t->m) {
        *ret = t->m;
        t->m = NULL;
    }
}

int manifest_parse(str text, enum manifest_type type, struct manifest **ret, struct findings *f) {
    struct attempt yaml = {.m = NULL}, json = {.m = NULL};
    struct attempt *best = &yaml;
    if (type != MANIFEST_JSON) {
        attempt(&yaml, text, false);
    }
    if (type == MANIFEST_JSON || (type == MANIFEST_ANY && !yaml.m)) {
        attempt(&json, text, true);
        /* Both failed: the answer of the one that got further, else of what it seems to be. */
        bool better =
            json.m || (!yaml.limit && !yaml.syntax && (json.syntax || looks_like_json(text)));
        best = type == MANIFEST_JSON || better ? &json : &yaml;
    }
    int rc = best->m ? 0 : TRL_E_INVALID;
    hand_over(best, ret, f);
    attempt_finish(&yaml);
    attempt_finish(&json);
    return rc;
}

void manifest_destroy(struct manifest *m) {
    if (m) {
        struct arena a = m->arena;
        arena_finish(&a);
        mem_free(m);
    }
}

str manifest_annotation(const struct manifest *m, const char *key) {
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        if (str_is(m->annotations[i].key, key)) {
            return m->annotations[i].value;
        }
    }
    return STR_NONE;
}

str manifest_version(const struct manifest *m) {
    return manifest_annotation(m, "version");
}
