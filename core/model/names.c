/* SPDX-License-Identifier: Apache-2.0
 *
 * Names as hosts see them (WA 3.9, RC 4.1) and what is stored under them (LP 5.1).
 */
#include "codec/json.h"
#include "codec/utf8.h"
#include "model/manifest.h"

str model_sanitise(struct arena *a, str s) {
    struct buf b = BUF_INIT;
    for (size_t i = 0; i < s.len;) {
        uint32_t c = 0;
        size_t n = utf8_next(s.ptr + i, s.len - i, &c);
        if (c >= 'A' && c <= 'Z') {
            c += 'a' - 'A';
        } else if (c == 0x212a) { /* the Kelvin sign: its lower case is an ASCII k */
            c = 'k';
        } else if (c == 0x130) { /* the only letter whose lower case is two: i and a dot above */
            buf_add_c(&b, 'i');
            c = '_';
        }
        bool keep = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        buf_add_c(&b, keep ? (char)c : '_');
        i += n ? n : 1;
    }
    str r = arena_str(a, buf_str(&b));
    buf_finish(&b);
    return r;
}

static str joined(struct arena *a, str prefix, str app, str name) {
    const str parts[4] = {prefix, model_sanitise(a, app), STR("-"), model_sanitise(a, name)};
    return arena_join(a, parts, 4, STR(""));
}

str model_item_id(struct arena *a, str app, const struct item *it) {
    return it->id.ptr ? arena_str(a, it->id) : joined(a, STR(""), app, it->name);
}

str model_config_name(struct arena *a, str app, const struct config_item *c) {
    return c->managed ? joined(a, STR(""), app, c->name) : arena_str(a, c->name);
}

str model_secret_name(struct arena *a, str app, const struct secret_item *s) {
    return joined(a, STR("SECRET_"), app, s->name);
}

static const struct policy *find_policy(const struct manifest *m, str name) {
    for (uint32_t i = m->n_policies; i-- > 0;) { /* the last of a name wins */
        if (str_eq(m->policies[i].name, name)) {
            return &m->policies[i];
        }
    }
    return NULL;
}

static void write_policy(const struct policy *p, struct buf *out, str *backend) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "type", STR("properties.secret.wasmcloud.dev/v1alpha1"));
    jw_key(&w, "properties");
    jw_object(&w);
    for (uint32_t i = 0; i < p->n_properties; i++) {
        if (str_is(p->properties[i].key, "backend")) {
            *backend = p->properties[i].value;
        } else {
            jw_key_str(&w, p->properties[i].key);
            jw_str(&w, p->properties[i].value);
        }
    }
    jw_end_object(&w);
    jw_end_object(&w);
}

bool model_secret_reference(struct arena *a, const struct manifest *m, const struct secret_item *s,
                            str *ret_json) {
    const struct policy *p = find_policy(m, s->policy);
    struct buf inner = BUF_INIT, out = BUF_INIT;
    str backend = STR_NONE;
    struct jw w;
    if (p) {
        write_policy(p, &inner, &backend);
    }
    if (!backend.ptr) {
        buf_finish(&inner);
        return false;
    }
    jw_init(&w, &out, false);
    jw_object(&w); /* keys sorted, as in any config */
    jw_kv(&w, "backend", backend);
    if (s->field.ptr) {
        jw_kv(&w, "field", s->field);
    }
    jw_kv(&w, "key", s->key);
    jw_kv(&w, "name", s->name);
    jw_kv(&w, "policy", buf_str(&inner));
    jw_kv(&w, "type", STR("secret.wasmcloud.dev/v1alpha1"));
    if (s->version.ptr) {
        jw_kv(&w, "version", s->version);
    }
    jw_end_object(&w);
    *ret_json = arena_str(a, buf_str(&out));
    buf_finish(&inner);
    buf_finish(&out);
    return true;
}

str model_config_json(struct arena *a, const struct config_item *c) {
    struct buf out = BUF_INIT;
    struct jw w;
    jw_init(&w, &out, false);
    jw_object(&w);
    for (uint32_t i = 0; i < c->n_properties; i++) {
        jw_key_str(&w, c->properties[i].key);
        jw_str(&w, c->properties[i].value);
    }
    jw_end_object(&w);
    str r = arena_str(a, buf_str(&out));
    buf_finish(&out);
    return r;
}
