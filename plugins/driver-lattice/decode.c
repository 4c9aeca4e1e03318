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

static trl_str str_of(const json_t *b_string) {
    return trl_strn(json_string_value(b_string), json_string_length(b_string));
}

trl_str decode_str(const json_t *b_object, const char *key) {
    return str_of(json_object_get(b_object, key));
}

/* Absent and null are the default; another type is garbage. */
static int opt_str(const json_t *b_object, const char *key, trl_str *ret) {
    const json_t *b = json_object_get(b_object, key);
    *ret = str_of(b);
    return !b || json_is_null(b) || json_is_string(b) ? 0 : -1;
}

static int opt_u32(const json_t *b_object, const char *key, uint32_t *ret) {
    const json_t *b = json_object_get(b_object, key);
    json_int_t v = json_integer_value(b);
    if ((b && !json_is_integer(b)) || v < 0) {
        return -1;
    }
    *ret = v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    return 0;
}

static int label_cmp(const void *a, const void *b) {
    return trl_str_cmp(((const trl_label *)a)->key, ((const trl_label *)b)->key);
}

/* Appends a map of strings to a growing array. */
static int add_map(const json_t *b_map, trl_label **to, size_t *n, size_t *cap) {
    const char *key;
    size_t len;
    json_t *b_value;
    if (!b_map || json_is_null(b_map)) {
        return 0;
    }
    if (!json_is_object(b_map)) {
        return -1;
    }
    json_object_keylen_foreach((json_t *)(uintptr_t)b_map, key, len, b_value) {
        if (!json_is_string(b_value)) {
            return -1;
        }
        *to = x_grow(*to, *n, cap, sizeof(**to));
        (*to)[(*n)++] = (trl_label){trl_strn(key, len), str_of(b_value)};
    }
    return 0;
}

int decode_labels(const json_t *b_object, struct inventory *inv) {
    inv->n_labels = 0;
    if (add_map(json_object_get(b_object, "labels"), &inv->labels, &inv->n_labels,
                &inv->cap_labels) < 0) {
        return -1;
    }
    if (inv->n_labels > 1) {
        qsort(inv->labels, inv->n_labels, sizeof(*inv->labels), label_cmp);
    }
    return 0;
}

/* Annotations are remembered by count only: the array may still move. */
static int add_entry(const json_t *b_object, const char *id_key, uint32_t kind,
                     struct inventory *inv) {
    size_t before = inv->n_notes;
    trl_running e = {.struct_size = sizeof(e), .kind = kind, .count = 1};
    e.unit_id = decode_str(b_object, id_key);
    if (!e.unit_id.len || opt_str(b_object, "image_ref", &e.image) < 0 ||
        add_map(json_object_get(b_object, "annotations"), &inv->notes, &inv->n_notes,
                &inv->cap_notes) < 0) {
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

static int add_entries(const json_t *b_list, uint32_t kind, struct inventory *inv) {
    size_t i;
    json_t *b_entry;
    if (!json_is_array(b_list)) {
        return -1;
    }
    json_array_foreach((json_t *)(uintptr_t)b_list, i, b_entry) {
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

int decode_inventory(const json_t *b_object, struct inventory *inv) {
    const json_t *b_components = json_object_get(b_object, "components");
    const json_t *b_uptime = json_object_get(b_object, "uptime_seconds");
    inv->n_entries = inv->n_notes = inv->n_labels = 0;
    if (!b_components) {
        b_components = json_object_get(b_object, "actors"); /* as hosts before 1.0 spelled it */
    }
    inv->host_id = decode_str(b_object, "host_id");
    inv->name = decode_str(b_object, "friendly_name");
    inv->version = decode_str(b_object, "version");
    inv->uptime_s = json_integer_value(b_uptime) > 0 ? (uint64_t)json_integer_value(b_uptime) : 0;
    if (decode_labels(b_object, inv) < 0 || add_entries(b_components, TRL_RUN_COMPONENT, inv) < 0 ||
        add_entries(json_object_get(b_object, "providers"), TRL_RUN_PROVIDER, inv) < 0) {
        return -1;
    }
    place_notes(inv);
    return 0;
}

int decode_entry_event(const json_t *b_data, uint32_t kind, struct inventory *inv) {
    inv->n_entries = inv->n_notes = 0;
    if (add_entry(b_data, kind == TRL_RUN_COMPONENT ? "component_id" : "provider_id", kind, inv) <
        0) {
        return -1;
    }
    place_notes(inv);
    return 0;
}

static int add_list(const json_t *b_list, struct link_scratch *ls, size_t *n, uint32_t *ret_n) {
    size_t i;
    json_t *b;
    *ret_n = 0;
    if (!b_list || json_is_null(b_list)) {
        return 0;
    }
    if (!json_is_array(b_list)) {
        return -1;
    }
    json_array_foreach((json_t *)(uintptr_t)b_list, i, b) {
        if (!json_is_string(b)) {
            return -1;
        }
        ls->lists = x_grow(ls->lists, *n, &ls->cap, sizeof(*ls->lists));
        ls->lists[(*n)++] = str_of(b);
    }
    *ret_n = (uint32_t)json_array_size(b_list);
    return 0;
}

int decode_link(const json_t *b_object, struct link_scratch *ls) {
    trl_link l = {.struct_size = sizeof(l)};
    const json_t *b_name = json_object_get(b_object, "name");
    size_t n = 0;
    l.source = decode_str(b_object, "source_id");
    l.target = decode_str(b_object, "target");
    l.ns = decode_str(b_object, "wit_namespace");
    l.package = decode_str(b_object, "wit_package");
    l.name = json_is_string(b_name) ? str_of(b_name) : trl_cstr("default");
    if (!l.source.ptr || !l.ns.ptr || !l.package.ptr ||
        add_list(json_object_get(b_object, "interfaces"), ls, &n, &l.n_interfaces) < 0 ||
        add_list(json_object_get(b_object, "source_config"), ls, &n, &l.n_source_config) < 0 ||
        add_list(json_object_get(b_object, "target_config"), ls, &n, &l.n_target_config) < 0) {
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

int decode_config_hash(const json_t *b_map, uint64_t *ret_hash) {
    trl_label *entries = NULL;
    size_t n = 0, cap = 0;
    int rc = json_is_object(b_map) ? add_map(b_map, &entries, &n, &cap) : -1;
    if (rc == 0) {
        if (n > 1) {
            qsort(entries, n, sizeof(*entries), label_cmp);
        }
        *ret_hash = trl_config_hash(entries, (uint32_t)n);
    }
    free(entries);
    return rc;
}

int decode_reply(trl_bytes payload, struct reply *r) {
    memset(r, 0, sizeof(*r));
    json_t *j_root = json_loadb(payload.ptr ? payload.ptr : "", payload.len, 0, NULL);
    const json_t *b_success = json_object_get(j_root, "success");
    const json_t *b_response = json_object_get(j_root, "response");
    if (!json_is_boolean(b_success)) {
        json_decref(j_root);
        return -1;
    }
    r->j_root = j_root;
    r->success = json_is_true(b_success);
    r->message = decode_str(j_root, "message");
    r->b_response = json_is_null(b_response) ? NULL : b_response;
    return 0;
}

int decode_event(trl_bytes payload, json_t **ret, const json_t **ret_data, trl_str *ret_source) {
    json_t *j_root = json_loadb(payload.ptr ? payload.ptr : "", payload.len, 0, NULL);
    const json_t *b_data = json_object_get(j_root, "data");
    trl_str source = decode_str(j_root, "source");
    if (!json_is_object(b_data) || !source.len) {
        json_decref(j_root);
        return -1;
    }
    *ret = j_root;
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
