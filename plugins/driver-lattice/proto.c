/* SPDX-License-Identifier: Apache-2.0 */
#include "proto.h"

#include <stdio.h>

#include "../common/jtree.h"
#include "../common/jwrite.h"
#include "text.h"

char *proto_op(const char *operation, trl_str token) {
    return text_dotted(trl_cstr(operation), token);
}

static void add_str(struct jwrite *w, const char *key, trl_str value) {
    jwrite_key(w, trl_cstr(key));
    jwrite_str(w, value);
}

static void add_list(struct jwrite *w, const char *key, const trl_str *list, uint32_t n) {
    jwrite_key(w, trl_cstr(key));
    jwrite_open(w, '[');
    for (uint32_t i = 0; i < n; i++) {
        jwrite_str(w, list[i]);
    }
    jwrite_close(w, ']');
}

static void add_map(struct jwrite *w, const char *key, const trl_label *labels, uint32_t n) {
    jwrite_key(w, trl_cstr(key));
    jwrite_open(w, '{');
    for (uint32_t i = 0; i < n; i++) {
        jwrite_key(w, labels[i].key);
        jwrite_str(w, labels[i].value);
    }
    jwrite_close(w, '}');
}

static char *finish(struct jwrite *w) {
    jwrite_close(w, '}');
    return jwrite_take(w);
}

/* Limits come as the core has them: numbers or strings. Hosts want strings. */
static void add_limits(struct jwrite *w, trl_str limits) {
    struct jtree tree = {.n = 0};
    const struct jnode *b_limits = jtree_parse(&tree, limits.ptr, limits.len);
    w->bad |= !jnode_is(b_limits, J_OBJECT);
    jwrite_key(w, STR_LIT("component_limits"));
    jwrite_open(w, '{');
    JNODE_EACH(b_limits, b) {
        char digits[24];
        trl_str text = jnode_str(b);
        if (b->kind == J_INT) {
            int n = snprintf(digits, sizeof(digits), "%lld", (long long)b->integer);
            text = trl_strn(digits, (size_t)n);
        }
        if (text.ptr) {
            jwrite_key(w, b->key);
            jwrite_str(w, text);
        }
        w->bad |= !text.ptr && b->kind != J_NULL;
    }
    jwrite_close(w, '}');
    jtree_finish(&tree);
}

static int settings_are_limits(const struct jnode *b_object) {
    int n = 0;
    JNODE_EACH(b_object, b) {
        if (!trl_str_is(b->key, "max_memory_limit") && !trl_str_is(b->key, "max_execution_time")) {
            return 0;
        }
        n++;
    }
    return n > 0;
}

/* What the image is run with: limits, or for files that agents run the settings of a process. */
static void add_settings(struct jwrite *w, const struct scale *s) {
    struct jtree tree = {.n = 0};
    int file = trl_str_starts(s->image, STR_LIT("file://"));
    const struct jnode *b = file ? jtree_parse(&tree, s->limits.ptr, s->limits.len) : NULL;
    if (s->limits.len && file && !settings_are_limits(b)) {
        w->bad |= !jnode_is(b, J_OBJECT);
        jwrite_key(w, STR_LIT("trellis_process"));
        jwrite_raw(w, s->limits);
    } else if (s->limits.len) {
        add_limits(w, s->limits);
    }
    jtree_finish(&tree);
}

char *proto_scale(const struct scale *s) {
    struct jwrite w = {.len = 0};
    jwrite_open(&w, '{');
    add_str(&w, "component_ref", s->image);
    add_str(&w, "component_id", s->unit_id);
    jwrite_key(&w, STR_LIT("count"));
    jwrite_u64(&w, s->count);
    add_map(&w, "annotations", s->annotations, s->n_annotations);
    add_list(&w, "config", s->config_names, s->n_config_names);
    jwrite_key(&w, STR_LIT("allow_update"));
    jwrite_false(&w);
    add_str(&w, "host_id", s->host_id);
    add_settings(&w, s);
    return finish(&w);
}

char *proto_provider_start(const struct scale *s) {
    struct jwrite w = {.len = 0};
    jwrite_open(&w, '{');
    add_str(&w, "provider_ref", s->image);
    add_str(&w, "provider_id", s->unit_id);
    add_map(&w, "annotations", s->annotations, s->n_annotations);
    add_list(&w, "config", s->config_names, s->n_config_names);
    add_str(&w, "host_id", s->host_id);
    if (trl_str_starts(s->image, STR_LIT("file://"))) {
        add_settings(&w, s);
    }
    return finish(&w);
}

char *proto_provider_stop(trl_str host_id, trl_str unit_id) {
    struct jwrite w = {.len = 0};
    jwrite_open(&w, '{');
    add_str(&w, "provider_id", unit_id);
    add_str(&w, "host_id", host_id);
    return finish(&w);
}

static void open_link(struct jwrite *w, const trl_link *l) {
    jwrite_open(w, '{');
    add_str(w, "source_id", l->source);
    add_str(w, "name", l->name);
    add_str(w, "wit_namespace", l->ns);
    add_str(w, "wit_package", l->package);
}

char *proto_link_put(const trl_link *l) {
    struct jwrite w = {.len = 0};
    open_link(&w, l);
    add_str(&w, "target", l->target);
    add_list(&w, "interfaces", l->interfaces, l->n_interfaces);
    add_list(&w, "source_config", l->source_config, l->n_source_config);
    add_list(&w, "target_config", l->target_config, l->n_target_config);
    return finish(&w);
}

char *proto_link_del(const trl_link *l) {
    struct jwrite w = {.len = 0};
    open_link(&w, l);
    return finish(&w);
}

char *proto_label(trl_str key, trl_str value) {
    struct jwrite w = {.len = 0};
    jwrite_open(&w, '{');
    add_str(&w, "key", key);
    if (value.ptr) {
        add_str(&w, "value", value);
    }
    return finish(&w);
}

char *proto_host_stop(trl_str host_id) {
    struct jwrite w = {.len = 0};
    jwrite_open(&w, '{');
    add_str(&w, "host_id", host_id);
    return finish(&w);
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
