/* SPDX-License-Identifier: Apache-2.0 */
#include "serve/secret_subject.h"

static void some(struct jw *w, const char *key, str value) {
    if (value.len) {
        jw_kv(w, key, value);
    }
}

void secret_subject_write(const struct secret_subject *x, struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "point", STR("secret"));
    jw_key(&w, "caller");
    jw_object(&w);
    jw_kv(&w, "id", x->host_id);
    jw_kv(&w, "via", STR("host"));
    jw_end_object(&w);
    some(&w, "app", x->app);
    jw_key(&w, "entity");
    jw_object(&w);
    jw_kv(&w, "kind", x->provider ? STR("provider") : STR("component"));
    jw_kv(&w, "subject", x->entity);
    some(&w, "issuer", x->entity_issuer);
    some(&w, "name", x->entity_name);
    jw_end_object(&w);
    jw_key(&w, "host");
    jw_object(&w);
    jw_kv(&w, "id", x->host_id);
    some(&w, "issuer", x->host_issuer);
    jw_end_object(&w);
    jw_key(&w, "secret");
    jw_object(&w);
    jw_kv(&w, "backend", x->backend);
    jw_kv(&w, "key", x->key);
    some(&w, "field", x->field);
    some(&w, "version", x->version);
    jw_end_object(&w);
    if (x->properties.len) {
        jw_key(&w, "properties");
        jw_raw(&w, x->properties);
    }
    jw_end_object(&w);
}
