/* SPDX-License-Identifier: Apache-2.0
 *
 * Trait properties are resolved by shape: a link, else a scaler, else custom (WA 3.2).
 */
#include <math.h>
#include <stdlib.h>

#include "base/mem.h"
#include "model/decode.h"
#include "model/write.h"

bool trait_is_scaler(const struct trait *t) {
    return str_is(t->type, "spreadscaler") || str_is(t->type, "daemonscaler");
}

bool trait_is_link(const struct trait *t) {
    return str_is(t->type, "link");
}

/* config and secrets stand side by side in both ends. */
static void dec_end(struct decoder *d, struct node *config, struct node *secrets,
                    struct link_end *e) {
    if (config) {
        size_t len = dec_member(d, STR("config"));
        dec_configs(d, config, TREE, &e->config, &e->n_config);
        dec_pop(d, len);
    }
    if (secrets) {
        size_t len = dec_member(d, STR("secrets"));
        dec_secrets(d, secrets, TREE, &e->secrets, &e->n_secrets);
        dec_pop(d, len);
    }
}

static void deprecated(struct decoder *d, const struct node *n, const char *member,
                       const char *instead, bool ignored) {
    if (ignored) {
        dec_warn(d, dec_pos(n), "dropped-member", "remove it",
                 "%s is ignored and dropped, because %s is there", member, instead);
    } else {
        dec_warn(
            d, dec_pos(n), "deprecated-member", NULL,
            "one of the components' link trait contains a %s key, please use %s:config: rather",
            member, instead);
    }
}

static void dec_target(struct decoder *d, struct node **out, struct link_end *e) {
    struct node *target = out[4], *old = out[7], *in[FIELDS_MAX];
    size_t len;
    e->present = target != NULL;
    e->name = STR("");
    if (target && target->type == NODE_STRING) {
        e->name = target->text;
    } else if (target) {
        len = dec_member(d, STR("target"));
        if (dec_fields(d, target, &fields_link_target, in)) {
            dec_need_string(d, target, &fields_link_target, in, 0, &e->name);
            dec_end(d, in[1], in[2], e);
        }
        dec_pop(d, len);
    }
    if (old) {
        len = dec_member(d, STR("target_config"));
        bool used = target && target->type == NODE_STRING;
        deprecated(d, old, "target_config", "target", !used && target);
        if (used) {
            dec_configs(d, old, TREE, &e->config, &e->n_config);
        }
        dec_pop(d, len);
    }
}

static void dec_source(struct decoder *d, struct node **out, struct link_end *e) {
    struct node *source = out[3], *old = out[6], *in[FIELDS_MAX];
    size_t len;
    e->present = source || old;
    if (source) {
        len = dec_member(d, STR("source"));
        if (dec_fields(d, source, &fields_link_source, in)) {
            dec_end(d, in[0], in[1], e);
        }
        dec_pop(d, len);
    }
    if (old) {
        struct link_end unused = {.present = false};
        struct link_end *to = source ? &unused : e;
        len = dec_member(d, STR("source_config"));
        deprecated(d, old, "source_config", "source", source != NULL);
        dec_configs(d, old, TREE, &to->config, &to->n_config);
        dec_pop(d, len);
    }
}

static void dec_interfaces(struct decoder *d, const struct node *n, struct link_trait *l) {
    size_t len = dec_member(d, STR("interfaces"));
    if (dec_list(d, n, TREE, &l->n_interfaces)) {
        l->interfaces = ARENA_ARRAY(d->arena, str, l->n_interfaces);
    }
    for (uint32_t i = 0; i < l->n_interfaces; i++) {
        size_t at = dec_index(d, i);
        dec_string(d, n->items[i], TREE, &l->interfaces[i]);
        dec_pop(d, at);
    }
    dec_pop(d, len);
}

static struct link_trait *dec_link(struct decoder *d, const struct node *n) {
    struct node *out[FIELDS_MAX];
    struct link_trait *l = ARENA_NEW(d->arena, struct link_trait);
    if (!dec_fields(d, n, &fields_link, out)) {
        return NULL;
    }
    dec_need_string(d, n, &fields_link, out, 0, &l->ns);
    dec_need_string(d, n, &fields_link, out, 1, &l->package);
    const struct node *interfaces = dec_need(d, n, &fields_link, out, 2);
    if (interfaces) {
        dec_interfaces(d, interfaces, l);
    }
    if (out[5]) { /* null is refused as any other type: it crashes wadm */
        dec_need_string(d, n, &fields_link, out, 5, &l->name);
    }
    dec_target(d, out, &l->target);
    dec_source(d, out, &l->source);
    return l;
}

static void dec_u64(struct decoder *d, const struct node *n, const char *name, uint64_t *ret) {
    size_t len = dec_member(d, str_c(name));
    if (!node_u64(n, ret)) {
        dec_fault(d, dec_pos(n), "wrong-type", "write digits only, without quotes",
                  "expected an integer from 0 to 18446744073709551615");
    }
    dec_pop(d, len);
}

static void dec_spread(struct decoder *d, const struct node *n, struct spread *s) {
    struct node *out[FIELDS_MAX];
    if (!dec_fields(d, n, &fields_spread, out)) {
        return;
    }
    dec_need_string(d, n, &fields_spread, out, 0, &s->name);
    const struct node *r = dec_need(d, n, &fields_spread, out, 1);
    if (r) {
        size_t len = dec_member(d, STR("requirements"));
        dec_map(d, r, BUFFERED, &s->requirements, &s->n_requirements);
        dec_pop(d, len);
    }
    if (!node_is_null(out[2])) {
        s->has_weight = true;
        dec_u64(d, out[2], "weight", &s->weight);
    }
}

static struct scaler_trait *dec_scaler(struct decoder *d, const struct node *n) {
    struct node *out[FIELDS_MAX];
    struct scaler_trait *s = ARENA_NEW(d->arena, struct scaler_trait);
    if (!dec_fields(d, n, &fields_scaler, out)) {
        return NULL;
    }
    const struct node *instances = dec_need(d, n, &fields_scaler, out, 0);
    if (instances) {
        dec_u64(d, instances, node_get(n, "replicas") ? "replicas" : "instances", &s->instances);
    }
    if (out[1]) {
        size_t len = dec_member(d, STR("spread"));
        if (dec_list(d, out[1], BUFFERED, &s->n_spread)) {
            s->spread = ARENA_ARRAY(d->arena, struct spread, s->n_spread);
        }
        for (uint32_t i = 0; i < s->n_spread; i++) {
            size_t at = dec_index(d, i);
            dec_spread(d, out[1]->items[i], &s->spread[i]);
            dec_pop(d, at);
        }
        dec_pop(d, len);
    }
    return s;
}

/* What is stored as written, yet cannot be: no JSON has it. And what the last of two keys hides. */
static void check_free_form(struct decoder *d, const struct node *n) {
    if (n->type == NODE_FLOAT && !isfinite(n->number)) {
        dec_fault(d, dec_pos(n), "number", "put it in quotes, if text will do",
                  "infinity and not-a-number cannot be stored");
    } else if (n->type == NODE_FLOAT && (n->flags & NODE_INEXACT)) {
        dec_fault(d, dec_pos(n), "number", "put it in quotes, if text will do",
                  "an integer beyond 64 bits cannot be stored");
    } else if (n->flags & NODE_INEXACT) {
        dec_warn(d, dec_pos(n), "number-as-text", "put it in quotes to say so",
                 "a number too large for a double is kept as text");
    }
    for (uint32_t i = 0; n->type == NODE_ARRAY && i < n->n; i++) {
        size_t len = dec_index(d, i);
        check_free_form(d, n->items[i]);
        dec_pop(d, len);
    }
    if (n->type != NODE_OBJECT) {
        return;
    }
    uint32_t count = 0;
    const struct node_member **sorted = write_sorted(n, &count);
    for (uint32_t i = 0; i < count; i++) {
        size_t len = dec_member(d, sorted[i]->key);
        if (i + 1 < count && str_eq(sorted[i]->key, sorted[i + 1]->key)) {
            dec_warn(d, (struct text_pos){sorted[i]->line, sorted[i]->column}, "duplicate-key",
                     "remove one of them",
                     "this key is there twice: this one is dropped, the one in line %u counts",
                     sorted[i + 1]->line);
        } else {
            check_free_form(d, sorted[i]->value);
        }
        dec_pop(d, len);
    }
    mem_free(sorted);
}

/* Tries are silent; what fits is decoded again, for its warnings. */
static void resolve(struct decoder *d, const struct node *p, struct trait *t) {
    struct decoder trial = *d;
    trial.trial = &t->link_faults;
    trial.faults = 0;
    t->shape = TRAIT_LINK;
    t->link = dec_link(&trial, p);
    if (trial.faults) {
        t->link = NULL;
        trial.trial = &t->scaler_faults;
        trial.faults = 0;
        t->shape = TRAIT_SCALER;
        t->scaler = dec_scaler(&trial, p);
    }
    if (trial.faults) {
        t->scaler = NULL;
        t->shape = TRAIT_CUSTOM;
    }
    d->path = trial.path;
    if (t->shape == TRAIT_LINK) {
        t->link = dec_link(d, p);
    } else if (t->shape == TRAIT_SCALER && trait_is_scaler(t)) {
        t->scaler = dec_scaler(d, p);
    } else {
        check_free_form(d, p);
    }
}

void dec_trait(struct decoder *d, const struct node *n, struct trait *t) {
    struct node *out[FIELDS_MAX];
    t->at = n;
    t->shape = TRAIT_CUSTOM;
    if (!dec_fields(d, n, &fields_trait, out)) {
        return;
    }
    dec_need_string(d, n, &fields_trait, out, 0, &t->type);
    t->properties = dec_need(d, n, &fields_trait, out, 1);
    if (t->properties) {
        size_t len = dec_member(d, STR("properties"));
        if (dec_buffered(d, t->properties, true)) {
            resolve(d, t->properties, t);
        }
        dec_pop(d, len);
        t->properties_json = write_trait_json(d->arena, t);
    }
}
