/* SPDX-License-Identifier: Apache-2.0 */
#include "../common/xmem.h"
#include "links.h"
#include "secrets.h"

static int by_key(const void *a, const void *b) {
    return trl_str_cmp(((const trl_label *)a)->key, ((const trl_label *)b)->key);
}

uint64_t config_hash(const json_t *map) {
    size_t n = json_object_size(map), i = 0;
    trl_label *l = x_zalloc_n(n, sizeof(*l));
    const char *key;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)map, key, v) {
        l[i++] = (trl_label){trl_cstr(key), trl_strn(json_string_value(v), json_string_length(v))};
    }
    qsort(l, n, sizeof(*l), by_key);
    uint64_t h = trl_config_hash(l, (uint32_t)n);
    free(l);
    return h;
}

uint64_t configs_hash_of(const struct trl_inst *d, const char *name) {
    return secret_is(name) ? secret_hash(d, name) : config_hash(json_object_get(d->configs, name));
}

void configs_report(struct trl_inst *d, const trl_str *names, uint32_t n) {
    trl_config_seen *seen = x_zalloc_n(n, sizeof(*seen));
    for (uint32_t i = 0; i < n; i++) {
        char *name = text_dup(names[i]);
        const json_t *map = json_object_get(d->configs, name);
        seen[i] = (trl_config_seen){.struct_size = sizeof(seen[i]),
                                    .flags = map ? 0 : TRL_CONFIG_ABSENT,
                                    .name = names[i],
                                    .hash = map ? config_hash(map) : 0};
        free(name);
    }
    d->observe->configs(d->host->ctx, trl_cstr(d->set.lattice), seen, n, sizeof(*seen));
    free(seen);
}

struct put {
    struct ticket ticket;
    char *name;
};

static void on_saved(void *arg, int error) {
    struct put *p = arg;
    if (error) {
        ticket_fail(&p->ticket, TRL_E_UNAVAIL, "the configuration could not be kept on disk");
    } else {
        ticket_ok(&p->ticket);
    }
    free(p->name);
    free(p);
}

static int names(const json_t *list, const char *name) {
    size_t i;
    const json_t *x;
    json_array_foreach(list, i, x) {
        if (strcmp(json_string_value(x) ? json_string_value(x) : "", name) == 0) {
            return 1;
        }
    }
    return 0;
}

static void touch_users(struct trl_inst *d, const char *name) {
    size_t i;
    const json_t *l;
    for (struct unit *u = d->units; u; u = u->next) {
        int uses = u->want && names(json_object_get(u->want->j, "configs"), name);
        json_array_foreach(d->links, i, l) {
            uses |= (strcmp(j_str(l, "source", ""), u->id) == 0 &&
                     names(json_object_get(l, "source_config"), name)) ||
                    (strcmp(j_str(l, "target", ""), u->id) == 0 &&
                     names(json_object_get(l, "target_config"), name));
        }
        if (uses) {
            unit_touch(u);
        }
    }
}

/* A map of texts, or NULL. */
static json_t *parse(trl_str body) {
    json_t *j = json_loadb(body.ptr ? body.ptr : "", body.len, JSON_REJECT_DUPLICATES, NULL);
    const char *key;
    json_t *v;
    int ok = json_is_object(j);
    json_object_foreach(j, key, v) {
        ok &= json_is_string(v);
    }
    if (!ok) {
        json_decref(j);
        return NULL;
    }
    return j;
}

void configs_apply(struct trl_inst *d, trl_op *op, const trl_action *a) {
    json_t *map = a->verb == TRL_DO_CONFIG_PUT ? parse(a->body) : NULL;
    if (a->verb == TRL_DO_CONFIG_PUT && !map) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "the configuration is no map of texts");
        return;
    }
    if (!a->name.len) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "the configuration has no name");
        json_decref(map);
        return;
    }
    struct put *p = x_zalloc(sizeof(*p));
    p->name = text_dup(a->name);
    ticket_open(&p->ticket, &d->desk, op);
    const json_t *before = json_object_get(d->configs, p->name);
    int same = map ? before && json_equal(before, map) : !before;
    if (map) {
        json_object_set_new(d->configs, p->name, map);
    } else {
        json_object_del(d->configs, p->name);
    }
    if (!same) {
        touch_users(d, p->name);
    }
    configs_report(d, &a->name, 1);
    save_file(d, "configs.json", json_dumps(d->configs, JSON_COMPACT), on_saved, p);
}
