/* SPDX-License-Identifier: Apache-2.0 */
#include "decode.h"

#include <trellis/helper.h>

#include "../common/xmem.h"

void inventory_finish(struct inventory *inv) {
    free(inv->labels);
    free(inv->entries);
    free(inv->notes);
    memset(inv, 0, sizeof(*inv));
}

trl_str decode_str(const struct jnode *b_object, const char *key) {
    return jnode_str(jnode_get(b_object, key));
}

static int absent(const struct jnode *b) {
    return !b || b->kind == J_NULL;
}

/* Absent and null are the default; another type is garbage. */
static int opt_str(const struct jnode *b_object, const char *key, trl_str *ret) {
    const struct jnode *b = jnode_get(b_object, key);
    *ret = jnode_str(b);
    return absent(b) || b->kind == J_STRING ? 0 : -1;
}

static int opt_u32(const struct jnode *b_object, const char *key, uint32_t *ret) {
    const struct jnode *b = jnode_get(b_object, key);
    int64_t v = b ? b->integer : 0;
    if ((b && b->kind != J_INT) || v < 0) {
        return -1;
    }
    *ret = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return 0;
}

static int label_cmp(const void *a, const void *b) {
    return trl_str_cmp(((const trl_label *)a)->key, ((const trl_label *)b)->key);
}

/* Appends a map of strings to a growing array. */
static int add_map(const struct jnode *b_map, trl_label **to, size_t *n, size_t *cap) {
    if (absent(b_map)) {
        return 0;
    }
    if (b_map->kind != J_OBJECT) {
        return -1;
    }
    JNODE_EACH(b_map, b) {
        if (b->kind != J_STRING) {
            return -1;
        }
        *to = x_grow(*to, *n, cap, sizeof(**to));
        (*to)[(*n)++] = (trl_label){b->key, b->text};
    }
    return 0;
}

/* In order of keys. -1: a key is there twice. */
static int sort_map(trl_label *at, size_t n) {
    if (n > 1) {
        qsort(at, n, sizeof(*at), label_cmp);
    }
    for (size_t i = 1; i < n; i++) {
        if (trl_str_eq(at[i - 1].key, at[i].key)) {
            return -1;
        }
    }
    return 0;
}

int decode_labels(const struct jnode *b_object, struct inventory *inv) {
    inv->n_labels = 0;
    if (add_map(jnode_get(b_object, "labels"), &inv->labels, &inv->n_labels, &inv->cap_labels) <
        0) {
        return -1;
    }
    return sort_map(inv->labels, inv->n_labels);
}

/* Annotations are remembered by count only: the array may still move. */
static int add_entry(const struct jnode *b_object, const char *id_key, uint32_t kind,
                     struct inventory *inv) {
    size_t before = inv->n_notes;
    trl_running e = {.struct_size = sizeof(e), .kind = kind, .count = 1};
    e.unit_id = decode_str(b_object, id_key);
    if (!e.unit_id.len || opt_str(b_object, "image_ref", &e.image) < 0 ||
        add_map(jnode_get(b_object, "annotations"), &inv->notes, &inv->n_notes, &inv->cap_notes) <
            0) {
        return -1;
    }
    if (kind == TRL_RUN_COMPONENT && opt_u32(b_object, "max_instances", &e.count) < 0) {
        return -1;
    }
    e.name = decode_str(b_object, "name");
    e.n_annotations = (uint32_t)(inv->n_notes - before);
    inv->entries = x_grow(inv->entries, inv->n_entries, &inv->cap_entries, sizeof(*inv->entries));
    inv->entries[inv->n_entries++] = e;
    return 0;
}

static int add_entries(const struct jnode *b_list, uint32_t kind, struct inventory *inv) {
    if (!jnode_is(b_list, J_ARRAY)) {
        return -1;
    }
    JNODE_EACH(b_list, b_entry) {
        if (add_entry(b_entry, "id", kind, inv) < 0) {
            return -1;
        }
    }
    return 0;
}

static void place_notes(struct inventory *inv) {
    size_t at = 0;
    for (size_t i = 0; i < inv->n_entries; i++) {
        inv->entries[i].annotations = inv->entries[i].n_annotations ? inv->notes + at : NULL;
        at += inv->entries[i].n_annotations;
    }
}

int decode_inventory(const struct jnode *b_object, struct inventory *inv) {
    const struct jnode *b_components = jnode_get(b_object, "components");
    const struct jnode *b_uptime = jnode_get(b_object, "uptime_seconds");
    inv->n_entries = inv->n_notes = inv->n_labels = 0;
    if (!b_components) {
        b_components = jnode_get(b_object, "actors"); /* as hosts before 1.0 spelled it */
    }
    inv->host_id = decode_str(b_object, "host_id");
    inv->name = decode_str(b_object, "friendly_name");
    inv->version = decode_str(b_object, "version");
    inv->uptime_s = b_uptime && b_uptime->integer > 0 ? (uint64_t)b_uptime->integer : 0;
    if (decode_labels(b_object, inv) < 0 || add_entries(b_components, TRL_RUN_COMPONENT, inv) < 0 ||
        add_entries(jnode_get(b_object, "providers"), TRL_RUN_PROVIDER, inv) < 0) {
        return -1;
    }
    place_notes(inv);
    return 0;
}

int decode_entry_event(const struct jnode *b_data, uint32_t kind, struct inventory *inv) {
    inv->n_entries = inv->n_notes = 0;
    if (add_entry(b_data, kind == TRL_RUN_COMPONENT ? "component_id" : "provider_id", kind, inv) <
        0) {
        return -1;
    }
    place_notes(inv);
    return 0;
}

static int add_list(const struct jnode *b_list, struct link_scratch *ls, size_t *n,
                    uint32_t *ret_n) {
    *ret_n = 0;
    if (absent(b_list)) {
        return 0;
    }
    if (b_list->kind != J_ARRAY) {
        return -1;
    }
    JNODE_EACH(b_list, b) {
        if (b->kind != J_STRING) {
            return -1;
        }
        ls->lists = x_grow(ls->lists, *n, &ls->cap, sizeof(*ls->lists));
        ls->lists[(*n)++] = b->text;
        (*ret_n)++;
    }
    return 0;
}

int decode_link(const struct jnode *b_object, struct link_scratch *ls) {
    trl_link l = {.struct_size = sizeof(l)};
    const struct jnode *b_name = jnode_get(b_object, "name");
    size_t n = 0;
    l.source = decode_str(b_object, "source_id");
    l.target = decode_str(b_object, "target");
    l.ns = decode_str(b_object, "wit_namespace");
    l.package = decode_str(b_object, "wit_package");
    l.name = jnode_is(b_name, J_STRING) ? b_name->text : trl_cstr("default");
    if (!l.source.ptr || !l.ns.ptr || !l.package.ptr ||
        add_list(jnode_get(b_object, "interfaces"), ls, &n, &l.n_interfaces) < 0 ||
        add_list(jnode_get(b_object, "source_config"), ls, &n, &l.n_source_config) < 0 ||
        add_list(jnode_get(b_object, "target_config"), ls, &n, &l.n_target_config) < 0) {
        return -1;
    }
    if (n) {
        l.interfaces = ls->lists;
        l.source_config = ls->lists + l.n_interfaces;
        l.target_config = l.source_config + l.n_source_config;
    }
    ls->link = l;
    return 0;
}

int decode_config_hash(const struct jnode *b_map, uint64_t *ret_hash) {
    trl_label *entries = NULL;
    size_t n = 0, cap = 0;
    int rc = jnode_is(b_map, J_OBJECT) ? add_map(b_map, &entries, &n, &cap) : -1;
    if (rc == 0) {
        rc = sort_map(entries, n);
    }
    if (rc == 0) {
        *ret_hash = trl_config_hash(entries, (uint32_t)n);
    }
    free(entries);
    return rc;
}

int decode_reply(struct jtree *t, trl_bytes payload, struct reply *r) {
    const struct jnode *b_root = jtree_parse(t, payload.ptr, payload.len);
    const struct jnode *b_success = jnode_get(b_root, "success");
    const struct jnode *b_response = jnode_get(b_root, "response");
    memset(r, 0, sizeof(*r));
    if (!jnode_is(b_success, J_TRUE) && !jnode_is(b_success, J_FALSE)) {
        return -1;
    }
    r->success = b_success->kind == J_TRUE;
    r->message = decode_str(b_root, "message");
    r->b_response = absent(b_response) ? NULL : b_response;
    return 0;
}

int decode_event(struct jtree *t, trl_bytes payload, const struct jnode **ret_data,
                 trl_str *ret_source) {
    const struct jnode *b_root = jtree_parse(t, payload.ptr, payload.len);
    const struct jnode *b_data = jnode_get(b_root, "data");
    trl_str source = decode_str(b_root, "source");
    if (!jnode_is(b_data, J_OBJECT) || !source.len) {
        return -1;
    }
    *ret_data = b_data;
    *ret_source = source;
    return 0;
}

uint64_t label_set_hash(const trl_label *labels, size_t n) {
    uint64_t sum = n;
    for (size_t i = 0; i < n; i++) {
        uint64_t h = trl_hash_more(TRL_HASH_INIT, labels[i].key.ptr, labels[i].key.len);
        h = trl_hash_more(h, "", 1);
        sum += trl_hash_more(h, labels[i].value.ptr, labels[i].value.len);
    }
    return sum;
}
