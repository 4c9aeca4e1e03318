/* SPDX-License-Identifier: Apache-2.0 */
#include "proto.h"

#include <jansson.h>

#include "text.h"

char *proto_op(const char *operation, trl_str token) {
    return text_format("%s.%.*s", operation, STR_ARG(token));
}

static json_t *string_of(trl_str s) {
    return json_stringn(s.ptr ? s.ptr : "", s.len);
}

/* 0, or 1 when the text is no UTF-8: jansson refuses the NULL that string_of gives then. */
static int set_str(json_t *b_object, const char *key, trl_str value) {
    return json_object_set_new(b_object, key, string_of(value)) != 0;
}

static int set_list(json_t *b_object, const char *key, const trl_str *list, uint32_t n) {
    json_t *j_list = json_array();
    int bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        bad |= json_array_append_new(j_list, string_of(list[i])) != 0;
    }
    return bad | (json_object_set_new(b_object, key, j_list) != 0);
}

static int set_map(json_t *b_object, const char *key, const trl_label *labels, uint32_t n) {
    json_t *j_map = json_object();
    int bad = 0;
    for (uint32_t i = 0; i < n; i++) {
        bad |= json_object_setn_new(j_map, labels[i].key.ptr ? labels[i].key.ptr : "",
                                    labels[i].key.len, string_of(labels[i].value)) != 0;
    }
    return bad | (json_object_set_new(b_object, key, j_map) != 0);
}

static char *finish(json_t *j_object, int bad) {
    char *text = bad ? NULL : json_dumps(j_object, JSON_COMPACT);
    json_decref(j_object);
    return text;
}

/* Limits come as the core has them: numbers or strings. Hosts want strings. */
static int set_limits(json_t *b_object, trl_str limits) {
    const char *key;
    json_t *b_value;
    json_t *j_in = json_loadb(limits.ptr ? limits.ptr : "", limits.len, 0, NULL);
    json_t *j_out = json_object();
    int bad = !json_is_object(j_in);
    json_object_foreach(j_in, key, b_value) {
        if (json_is_integer(b_value)) {
            char *digits = text_format("%lld", (long long)json_integer_value(b_value));
            bad |= json_object_set_new(j_out, key, json_string(digits)) != 0;
            free(digits);
        } else if (json_is_string(b_value)) {
            bad |= json_object_set(j_out, key, b_value) != 0;
        } else if (!json_is_null(b_value)) {
            bad = 1;
        }
    }
    json_decref(j_in);
    return bad | (json_object_set_new(b_object, "component_limits", j_out) != 0);
}

char *proto_scale(const struct scale *s) {
    json_t *j = json_object();
    int bad = set_str(j, "component_ref", s->image) | set_str(j, "component_id", s->unit_id);
    bad |= json_object_set_new(j, "count", json_integer((json_int_t)s->count)) != 0;
    bad |= set_map(j, "annotations", s->annotations, s->n_annotations);
    bad |= set_list(j, "config", s->config_names, s->n_config_names);
    bad |= json_object_set_new(j, "allow_update", json_false()) != 0;
    bad |= set_str(j, "host_id", s->host_id);
    if (s->limits.len) {
        bad |= set_limits(j, s->limits);
    }
    return finish(j, bad);
}

char *proto_provider_start(const struct scale *s) {
    json_t *j = json_object();
    int bad = set_str(j, "provider_ref", s->image) | set_str(j, "provider_id", s->unit_id);
    bad |= set_map(j, "annotations", s->annotations, s->n_annotations);
    bad |= set_list(j, "config", s->config_names, s->n_config_names);
    bad |= set_str(j, "host_id", s->host_id);
    return finish(j, bad);
}

char *proto_provider_stop(trl_str host_id, trl_str unit_id) {
    json_t *j = json_object();
    int bad = set_str(j, "provider_id", unit_id) | set_str(j, "host_id", host_id);
    return finish(j, bad);
}

static int set_link_key(json_t *b_object, const trl_link *l) {
    return set_str(b_object, "source_id", l->source) | set_str(b_object, "name", l->name) |
           set_str(b_object, "wit_namespace", l->ns) | set_str(b_object, "wit_package", l->package);
}

char *proto_link_put(const trl_link *l) {
    json_t *j = json_object();
    int bad = set_link_key(j, l) | set_str(j, "target", l->target);
    bad |= set_list(j, "interfaces", l->interfaces, l->n_interfaces);
    bad |= set_list(j, "source_config", l->source_config, l->n_source_config);
    bad |= set_list(j, "target_config", l->target_config, l->n_target_config);
    return finish(j, bad);
}

char *proto_link_del(const trl_link *l) {
    json_t *j = json_object();
    int bad = set_link_key(j, l);
    return finish(j, bad);
}

char *proto_label(trl_str key, trl_str value) {
    json_t *j = json_object();
    int bad = set_str(j, "key", key);
    if (value.ptr) {
        bad |= set_str(j, "value", value);
    }
    return finish(j, bad);
}

char *proto_host_stop(trl_str host_id) {
    json_t *j = json_object();
    int bad = set_str(j, "host_id", host_id);
    return finish(j, bad);
}

trl_str proto_provider_image(trl_str image) {
    static const char *const schemes[] = {"file://", "oci://", "https://", "http://",
                                          "wasmcloud+builtin://"};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t n = strlen(schemes[i]);
        if (image.len >= n && memcmp(image.ptr, schemes[i], n) == 0) {
            return trl_strn(image.ptr + n, image.len - n);
        }
    }
    return image;
}

/* Takes the first token off. */
static trl_str token(trl_str *rest) {
    const char *dot = rest->len ? memchr(rest->ptr, '.', rest->len) : NULL;
    trl_str t = *rest;
    if (dot) {
        t.len = (size_t)(dot - rest->ptr);
        *rest = trl_strn(dot + 1, rest->len - t.len - 1);
    } else {
        *rest = trl_strn(NULL, 0);
    }
    return t;
}

int proto_event_subject(trl_str subject, trl_str event_prefix, int multitenant, trl_str *account,
                        trl_str *lattice, trl_str *event) {
    trl_str rest = subject;
    *account = multitenant ? token(&rest) : trl_strn(NULL, 0);
    if (!trl_str_starts(rest, event_prefix) || rest.len <= event_prefix.len ||
        rest.ptr[event_prefix.len] != '.') {
        return -1;
    }
    rest = trl_strn(rest.ptr + event_prefix.len + 1, rest.len - event_prefix.len - 1);
    *lattice = token(&rest);
    *event = rest;
    return text_is_plain_name(*lattice) && text_is_token(rest) &&
                   (!multitenant || text_is_plain_name(*account))
               ? 0
               : -1;
}
