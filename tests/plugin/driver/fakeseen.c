/* SPDX-License-Identifier: Apache-2.0 */
#include "fakeseen.h"

#include <stdio.h>

#define S(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

void seen_init(struct seen *s) {
    s->units = json_object();
    s->links = json_object();
    s->configs = json_object();
}

void seen_finish(struct seen *s) {
    json_decref(s->units);
    json_decref(s->links);
    json_decref(s->configs);
}

static void drop_prefix(json_t *map, const char *prefix) {
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(map, next, key, value) {
        if (strncmp(key, prefix, strlen(prefix)) == 0) {
            json_object_del(map, key);
        }
    }
}

void seen_host_gone(struct seen *s, trl_str host) {
    char prefix[128];
    snprintf(prefix, sizeof(prefix), "%.*s ", S(host));
    drop_prefix(s->units, prefix);
}

void seen_report(struct seen *s, const trl_report *r) {
    if (r->flags & (TRL_REPORT_FULL | TRL_REPORT_STARTED)) {
        seen_host_gone(s, r->host_id);
    }
    for (uint32_t i = 0; i < r->n_entries; i++) {
        const trl_running *e = trl_at(r->entries, r->entry_stride, i);
        char key[256], text[512];
        snprintf(key, sizeof(key), "%.*s %.*s", S(r->host_id), S(e->unit_id));
        snprintf(text, sizeof(text), "%.*s x%u", S(e->image), e->count);
        if (e->flags & TRL_RUNNING_HEALTH_ONLY) {
            continue;
        }
        if (e->count) {
            json_object_set_new(s->units, key, json_string(text));
        } else {
            json_object_del(s->units, key);
        }
    }
}

static void link_key(char *key, size_t cap, const trl_link *l, int with_target) {
    snprintf(key, cap, "%.*s %.*s:%.*s %.*s%s%.*s", S(l->source), S(l->ns), S(l->package),
             S(l->name), with_target ? " " : "", with_target ? (int)l->target.len : 0,
             l->target.ptr ? l->target.ptr : "");
}

void seen_links(struct seen *s, const trl_link *links, uint32_t n, uint32_t stride, int32_t full) {
    if (full) {
        json_object_clear(s->links);
    }
    for (uint32_t i = 0; i < n; i++) {
        const trl_link *l = trl_at(links, stride, i);
        char key[512];
        link_key(key, sizeof(key), l, 1);
        json_t *list = json_array();
        for (uint32_t k = 0; k < l->n_interfaces; k++) {
            json_array_append_new(list, json_stringn(l->interfaces[k].ptr, l->interfaces[k].len));
        }
        json_object_set_new(s->links, key, list);
    }
}

void seen_link_gone(struct seen *s, const trl_link *gone) {
    char key[512];
    link_key(key, sizeof(key), gone, gone->target.len > 0);
    if (gone->target.len) {
        json_object_del(s->links, key);
    } else {
        strncat(key, " ", sizeof(key) - strlen(key) - 1);
        drop_prefix(s->links, key);
    }
}

void seen_config(struct seen *s, const trl_config_seen *c) {
    char name[256], text[32];
    snprintf(name, sizeof(name), "%.*s", S(c->name));
    snprintf(text, sizeof(text), "%016llx", (unsigned long long)c->hash);
    json_object_set_new(s->configs, name,
                        json_string(c->flags & TRL_CONFIG_ABSENT ? "absent" : text));
}
