/* SPDX-License-Identifier: Apache-2.0
 *
 * Components, capabilities, their configs and secrets.
 */
#include "model/decode.h"

static void one_config(struct decoder *d, const struct node *n, enum regime regime,
                       struct config_item *c) {
    struct fields fs = fields_config;
    struct node *out[FIELDS_MAX];
    fs.regime = regime;
    c->at = n;
    if (!dec_fields(d, n, &fs, out)) {
        return;
    }
    dec_need_string(d, n, &fs, out, 0, &c->name);
    if (!node_is_null(out[1])) {
        size_t len = dec_member(d, STR("properties"));
        c->managed = true;
        dec_map(d, out[1], regime, &c->properties, &c->n_properties);
        dec_pop(d, len);
    }
}

void dec_configs(struct decoder *d, const struct node *n, enum regime regime,
                 struct config_item **ret, uint32_t *ret_n) {
    uint32_t count = 0;
    if (!dec_list(d, n, regime, &count)) {
        return;
    }
    *ret = ARENA_ARRAY(d->arena, struct config_item, count);
    *ret_n = count;
    for (uint32_t i = 0; i < count; i++) {
        size_t len = dec_index(d, i);
        one_config(d, n->items[i], regime, &(*ret)[i]);
        dec_pop(d, len);
    }
}

static void one_secret(struct decoder *d, const struct node *n, enum regime regime,
                       struct secret_item *s) {
    struct fields fs = fields_secret, source = fields_source;
    struct node *out[FIELDS_MAX], *src[FIELDS_MAX];
    fs.regime = source.regime = regime;
    s->at = n;
    if (!dec_fields(d, n, &fs, out)) {
        return;
    }
    dec_need_string(d, n, &fs, out, 0, &s->name);
    const struct node *p = dec_need(d, n, &fs, out, 1);
    size_t len = dec_member(d, STR("properties"));
    if (p && dec_fields(d, p, &source, src)) {
        dec_need_string(d, p, &source, src, 0, &s->policy);
        dec_need_string(d, p, &source, src, 1, &s->key);
        dec_opt_string(d, &source, src, 2, &s->field);
        dec_opt_string(d, &source, src, 3, &s->version);
    }
    dec_pop(d, len);
}

void dec_secrets(struct decoder *d, const struct node *n, enum regime regime,
                 struct secret_item **ret, uint32_t *ret_n) {
    uint32_t count = 0;
    if (!dec_list(d, n, regime, &count)) {
        return;
    }
    *ret = ARENA_ARRAY(d->arena, struct secret_item, count);
    *ret_n = count;
    for (uint32_t i = 0; i < count; i++) {
        size_t len = dec_index(d, i);
        one_secret(d, n->items[i], regime, &(*ret)[i]);
        dec_pop(d, len);
    }
}

static void dec_application(struct decoder *d, const struct node *n, struct item *it) {
    struct node *out[FIELDS_MAX];
    size_t len = dec_member(d, STR("application"));
    it->shared = true;
    if (dec_fields(d, n, &fields_application, out)) {
        dec_need_string(d, n, &fields_application, out, 0, &it->shared_app);
        dec_need_string(d, n, &fields_application, out, 1, &it->shared_component);
    }
    dec_pop(d, len);
}

static void dec_properties(struct decoder *d, const struct node *n, struct item *it) {
    struct node *out[FIELDS_MAX];
    if (!dec_buffered(d, n, false) || !dec_fields(d, n, &fields_properties, out)) {
        return;
    }
    dec_opt_string(d, &fields_properties, out, 0, &it->image);
    if (!node_is_null(out[1])) {
        dec_application(d, out[1], it);
    }
    dec_opt_string(d, &fields_properties, out, 2, &it->id);
    if (out[3]) {
        size_t len = dec_member(d, STR("config"));
        dec_configs(d, out[3], BUFFERED, &it->config, &it->n_config);
        dec_pop(d, len);
    }
    if (out[4]) {
        size_t len = dec_member(d, STR("secrets"));
        dec_secrets(d, out[4], BUFFERED, &it->secrets, &it->n_secrets);
        dec_pop(d, len);
    }
}

static void dec_kind(struct decoder *d, const struct node *n, struct item *it) {
    str s = STR_NONE;
    size_t len = dec_member(d, STR("type"));
    if (dec_buffered(d, n, false) && dec_string(d, n, BUFFERED, &s)) {
        if (str_is(s, "capability")) {
            it->kind = ITEM_CAPABILITY;
        } else if (str_is(s, "component") || str_is(s, "actor")) {
            it->kind = ITEM_COMPONENT;
        } else {
            dec_fault(d, dec_pos(n), "component-type", NULL,
                      "unknown type, expected component or capability");
        }
    }
    dec_pop(d, len);
}

static void dec_traits(struct decoder *d, const struct node *n, struct item *it) {
    size_t len = dec_member(d, STR("traits"));
    if (dec_list(d, n, DIRECT, &it->n_traits)) {
        it->has_traits = true;
        it->traits = ARENA_ARRAY(d->arena, struct trait, it->n_traits);
    }
    for (uint32_t i = 0; i < it->n_traits; i++) {
        size_t at = dec_index(d, i);
        dec_trait(d, n->items[i], &it->traits[i]);
        dec_pop(d, at);
    }
    dec_pop(d, len);
}

void dec_item(struct decoder *d, const struct node *n, struct item *it) {
    struct node *out[FIELDS_MAX];
    it->at = n;
    if (!dec_fields(d, n, &fields_component, out)) {
        return;
    }
    for (uint32_t i = 0; n->type == NODE_OBJECT && i < n->n; i++) {
        /* Members wadm does not know are buffered too, so they can be at fault as well. */
        if (fields_find(&fields_component, n->members[i].key) < 0) {
            size_t len = dec_member(d, n->members[i].key);
            dec_buffered(d, n->members[i].value, false);
            dec_pop(d, len);
        }
    }
    dec_need_string(d, n, &fields_component, out, 0, &it->name);
    const struct node *type = dec_need(d, n, &fields_component, out, 1);
    if (type) {
        dec_kind(d, type, it);
    }
    const struct node *p = dec_need(d, n, &fields_component, out, 2);
    if (p) {
        size_t len = dec_member(d, STR("properties"));
        dec_properties(d, p, it);
        dec_pop(d, len);
    }
    if (!node_is_null(out[3])) {
        dec_traits(d, out[3], it);
    }
}
