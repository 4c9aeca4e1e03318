/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/xmem.h"
#include "bundle.h"
#include "settings.h"
#include "unit.h"

static struct want *make(uint32_t kind, json_t *j) {
    struct want *w = x_zalloc(sizeof(*w));
    w->refs = 1;
    w->kind = kind;
    w->j = j;
    return w;
}

struct want *want_of(uint32_t kind, trl_str image, const trl_str *configs, uint32_t n_configs,
                     const trl_label *marks, uint32_t n_marks, trl_str settings, char *why,
                     size_t cap) {
    json_t *set = settings.len ? json_loadb(settings.ptr, settings.len, 0, NULL) : json_object();
    if (!bundle_is_file(image)) {
        snprintf(why, cap,
                 "image %.*s: the process driver runs files of this machine only: write "
                 "file:///path/of/the/executable",
                 STR_ARG(image));
        json_decref(set);
        return NULL;
    }
    if (!set || settings_check(set, why, cap) < 0) {
        if (!set) {
            snprintf(why, cap, "the settings of the process are no JSON");
        }
        json_decref(set);
        return NULL;
    }
    json_t *j = json_object(), *list = json_array(), *map = json_object();
    for (uint32_t i = 0; i < n_configs; i++) {
        json_array_append_new(list, j_of(configs[i]));
    }
    for (uint32_t i = 0; i < n_marks; i++) {
        char *key = text_dup(marks[i].key);
        json_object_set_new(map, key, j_of(marks[i].value));
        free(key);
    }
    json_object_set_new(j, "kind", json_integer(kind));
    json_object_set_new(j, "image", j_of(image));
    json_object_set_new(j, "configs", list);
    json_object_set_new(j, "marks", map);
    json_object_set_new(j, "settings", set);
    return make(kind, j);
}

struct want *want_load(const json_t *j) {
    char why[256];
    int64_t kind = j_int(j, "kind", 0);
    if ((kind != TRL_RUN_COMPONENT && kind != TRL_RUN_PROVIDER) ||
        !bundle_is_file(trl_cstr(j_str(j, "image", ""))) ||
        settings_check(json_object_get(j, "settings"), why, sizeof(why)) < 0) {
        return NULL;
    }
    return make((uint32_t)kind, json_deep_copy(j));
}

struct want *want_ref(struct want *w) {
    w->refs++;
    return w;
}

void want_unref(struct want *w) {
    if (w && --w->refs == 0) {
        json_decref(w->j);
        free(w);
    }
}
