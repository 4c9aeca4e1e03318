/* SPDX-License-Identifier: Apache-2.0 */
#include "model/write.h"

#include <stdlib.h>

#include "base/digest.h"
#include "base/mem.h"
#include "codec/json.h"
#include "model/decode.h"

static int member_cmp(const void *a, const void *b) {
    const struct node_member *x = *(const struct node_member *const *)a;
    const struct node_member *y = *(const struct node_member *const *)b;
    int c = str_cmp(x->key, y->key);
    return c ? c : x < y ? -1 : x > y;
}

const struct node_member **write_sorted(const struct node *o, uint32_t *ret_n) {
    const struct node_member **at = mem_array(o->n + 1, sizeof(*at));
    for (uint32_t i = 0; i < o->n; i++) {
        at[i] = &o->members[i];
    }
    qsort(at, o->n, sizeof(*at), member_cmp);
    *ret_n = o->n;
    return at;
}

static bool plain_key(const struct node_member *m) {
    return !m->key_node || (m->key_node->type != NODE_ARRAY && m->key_node->type != NODE_OBJECT);
}

static void write_free(struct jw *w, const struct node *n);

/* fs: only members it does not know, and none that say nothing (null); NULL: all. */
static void write_members(struct jw *w, const struct node *o, const struct fields *fs) {
    uint32_t n = 0;
    const struct node_member **at = write_sorted(o, &n);
    for (uint32_t i = 0; i < n; i++) {
        bool last = i + 1 == n || !str_eq(at[i]->key, at[i + 1]->key);
        bool wanted = !fs || (fields_find(fs, at[i]->key) < 0 && at[i]->value->type != NODE_NULL);
        if (last && wanted && plain_key(at[i])) {
            jw_key_str(w, at[i]->key);
            write_free(w, at[i]->value);
        }
    }
    mem_free(at);
}

/* Free-form data: keys sorted, the last of equal ones. */
static void write_free(struct jw *w, const struct node *n) {
    if (n->type == NODE_OBJECT) {
        jw_object(w);
        write_members(w, n, NULL);
        jw_end_object(w);
    } else if (n->type == NODE_ARRAY) {
        jw_array(w);
        for (uint32_t i = 0; i < n->n; i++) {
            write_free(w, n->items[i]);
        }
        jw_end_array(w);
    } else {
        jw_node(w, n);
    }
}

/* The members of an object that Trellis does not know are kept. */
static void write_unknown(struct jw *w, const struct node *o, const struct fields *fs) {
    if (o && o->type == NODE_OBJECT) {
        write_members(w, o, fs);
    }
}

static void write_pairs(struct jw *w, const char *key, const struct pair *at, uint32_t n) {
    jw_key(w, key);
    jw_object(w);
    for (uint32_t i = 0; i < n; i++) {
        jw_key_str(w, at[i].key);
        jw_str(w, at[i].value);
    }
    jw_end_object(w);
}

static void write_opt(struct jw *w, const char *key, str s) {
    if (s.ptr) {
        jw_kv(w, key, s);
    }
}

static void write_configs(struct jw *w, const struct config_item *at, uint32_t n) {
    if (n == 0) {
        return;
    }
    jw_key(w, "config");
    jw_array(w);
    for (uint32_t i = 0; i < n; i++) {
        jw_object(w);
        jw_kv(w, "name", at[i].name);
        if (at[i].managed) {
            write_pairs(w, "properties", at[i].properties, at[i].n_properties);
        }
        jw_end_object(w);
    }
    jw_end_array(w);
}

static void write_secrets(struct jw *w, const struct secret_item *at, uint32_t n) {
    if (n == 0) {
        return;
    }
    jw_key(w, "secrets");
    jw_array(w);
    for (uint32_t i = 0; i < n; i++) {
        jw_object(w);
        jw_kv(w, "name", at[i].name);
        jw_key(w, "properties");
        jw_object(w);
        jw_kv(w, "policy", at[i].policy);
        jw_kv(w, "key", at[i].key);
        write_opt(w, "field", at[i].field);
        write_opt(w, "version", at[i].version);
        write_unknown(w, node_get(at[i].at, "properties"), &fields_source);
        jw_end_object(w);
        write_unknown(w, at[i].at, &fields_secret);
        jw_end_object(w);
    }
    jw_end_array(w);
}

static void write_link(struct jw *w, const struct link_trait *l, const struct node *at) {
    jw_object(w);
    jw_kv(w, "namespace", l->ns);
    jw_kv(w, "package", l->package);
    jw_key(w, "interfaces");
    jw_array(w);
    for (uint32_t i = 0; i < l->n_interfaces; i++) {
        jw_str(w, l->interfaces[i]);
    }
    jw_end_array(w);
    if (l->source.present) {
        jw_key(w, "source");
        jw_object(w);
        write_configs(w, l->source.config, l->source.n_config);
        write_secrets(w, l->source.secrets, l->source.n_secrets);
        write_unknown(w, node_get(at, "source"), &fields_link_source);
        jw_end_object(w);
    }
    jw_key(w, "target");
    jw_object(w);
    jw_kv(w, "name", l->target.name);
    write_configs(w, l->target.config, l->target.n_config);
    write_secrets(w, l->target.secrets, l->target.n_secrets);
    write_unknown(w, node_get(at, "target"), &fields_link_target);
    jw_end_object(w);
    write_opt(w, "name", l->name);
    write_unknown(w, at, &fields_link);
    jw_end_object(w);
}

/* requirements are written even when empty: wadm leaves them out and then no longer takes its own
 * output for a scaler. */
static void write_scaler(struct jw *w, const struct scaler_trait *s) {
    jw_object(w);
    jw_kv_u64(w, "instances", s->instances);
    if (s->n_spread) {
        jw_key(w, "spread");
        jw_array(w);
        for (uint32_t i = 0; i < s->n_spread; i++) {
            const struct spread *p = &s->spread[i];
            jw_object(w);
            jw_kv(w, "name", p->name);
            write_pairs(w, "requirements", p->requirements, p->n_requirements);
            if (p->has_weight) {
                jw_kv_u64(w, "weight", p->weight);
            }
            jw_end_object(w);
        }
        jw_end_array(w);
    }
    jw_end_object(w);
}

str write_trait_json(struct arena *a, const struct trait *t) {
    struct buf out = BUF_INIT;
    struct jw w;
    jw_init(&w, &out, false);
    if (t->shape == TRAIT_LINK) { /* of any type: its old forms become the new one */
        write_link(&w, t->link, t->properties);
    } else if (t->shape == TRAIT_SCALER && trait_is_scaler(t)) {
        write_scaler(&w, t->scaler);
    } else { /* wadm rewrites a custom trait that looks like a scaler; it is a plugin's to read */
        write_free(&w, t->properties);
    }
    str r = arena_str(a, buf_str(&out));
    buf_finish(&out);
    return r;
}

static void write_item(struct jw *w, const struct item *it) {
    const struct node *p = node_get(it->at, "properties");
    jw_object(w);
    jw_kv(w, "name", it->name);
    jw_kv(w, "type", it->kind == ITEM_COMPONENT ? STR("component") : STR("capability"));
    jw_key(w, "properties");
    jw_object(w);
    write_opt(w, "image", it->image);
    if (it->shared) {
        jw_key(w, "application");
        jw_object(w);
        jw_kv(w, "name", it->shared_app);
        jw_kv(w, "component", it->shared_component);
        write_unknown(w, node_get(p, "application"), &fields_application);
        jw_end_object(w);
    }
    write_opt(w, "id", it->id);
    write_configs(w, it->config, it->n_config);
    write_secrets(w, it->secrets, it->n_secrets);
    jw_end_object(w);
    if (it->has_traits) {
        jw_key(w, "traits");
        jw_array(w);
        for (uint32_t i = 0; i < it->n_traits; i++) {
            jw_object(w);
            jw_kv(w, "type", it->traits[i].type);
            jw_key(w, "properties");
            jw_raw(w, it->traits[i].properties_json);
            jw_end_object(w);
        }
        jw_end_array(w);
    }
    write_unknown(w, it->at, &fields_component);
    jw_end_object(w);
}

/* Annotations sorted by key. keep: the version as it is; else version, or none when its ptr is
 * NULL. */
static void write_annotations(struct jw *w, const struct manifest *m, bool keep, str version) {
    str key = STR("version");
    bool pending = !keep && version.ptr;
    jw_key(w, "annotations");
    jw_object(w);
    for (uint32_t i = 0; i < m->n_annotations; i++) {
        const struct pair *p = &m->annotations[i];
        if (pending && str_cmp(p->key, key) >= 0) {
            jw_kv(w, "version", version);
            pending = false;
        }
        if (keep || !str_eq(p->key, key)) {
            jw_key_str(w, p->key);
            jw_str(w, p->value);
        }
    }
    if (pending) {
        jw_kv(w, "version", version);
    }
    jw_end_object(w);
}

static void write_all(const struct manifest *m, bool keep, str version, struct buf *out) {
    const struct node *spec = node_get(m->root, "spec");
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "apiVersion", m->api_version);
    jw_kv(&w, "kind", m->kind);
    jw_key(&w, "metadata");
    jw_object(&w);
    jw_kv(&w, "name", m->name);
    write_annotations(&w, m, keep, version);
    if (m->n_labels) {
        write_pairs(&w, "labels", m->labels, m->n_labels);
    }
    write_unknown(&w, node_get(m->root, "metadata"), &fields_metadata);
    jw_end_object(&w);
    jw_key(&w, "spec");
    jw_object(&w);
    jw_key(&w, "components");
    jw_array(&w);
    for (uint32_t i = 0; i < m->n_items; i++) {
        write_item(&w, &m->items[i]);
    }
    jw_end_array(&w);
    if (m->n_policies) {
        jw_key(&w, "policies");
        jw_array(&w);
    }
    for (uint32_t i = 0; i < m->n_policies; i++) {
        const struct policy *p = &m->policies[i];
        jw_object(&w);
        jw_kv(&w, "name", p->name);
        write_pairs(&w, "properties", p->properties, p->n_properties);
        jw_kv(&w, "type", p->type);
        write_unknown(&w, p->at, &fields_policy);
        jw_end_object(&w);
    }
    if (m->n_policies) {
        jw_end_array(&w);
    }
    write_unknown(&w, spec, &fields_spec);
    jw_end_object(&w);
    jw_end_object(&w);
}

void manifest_write(const struct manifest *m, str version, struct buf *out) {
    write_all(m, !version.ptr, version, out);
}

void manifest_hash(const struct manifest *m, char ret[65]) {
    struct buf out = BUF_INIT;
    write_all(m, false, STR_NONE, &out);
    str s = buf_str(&out);
    digest_sha256_hex(&s, 1, ret);
    buf_finish(&out);
}
