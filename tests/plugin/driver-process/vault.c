/* SPDX-License-Identifier: Apache-2.0 */
#include "vault.h"

#include <stdlib.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

struct kept {
    char *value; /* owned; NULL: fails with st */
    trl_status st;
};

struct call {
    struct rig_vault *v;
    struct call *next;
    uint64_t id;
    char *key;
    struct loop_timer timer;
    void (*on_value)(void *arg, trl_status st, const trl_secret *s, trl_str why);
    void *arg;
};

struct rig_vault {
    struct loop *loop;
    struct map kept; /* key -> struct kept */
    struct call *calls;
    uint64_t last_id;
    uint32_t reads;
    bool hold;
};

struct rig_vault *vault_create(struct loop *loop) {
    struct rig_vault *v = mem_zalloc(sizeof(*v));
    v->loop = loop;
    return v;
}

static void kept_free(struct kept *k) {
    if (k) {
        mem_free(k->value);
        mem_free(k);
    }
}

void vault_destroy(struct rig_vault *v) {
    for (uint32_t i = 0; i < v->kept.n; i++) {
        kept_free(v->kept.at[i].value);
    }
    map_finish(&v->kept);
    mem_free(v);
}

void vault_set(struct rig_vault *v, const char *key, const char *value, trl_status otherwise) {
    struct kept *k = mem_zalloc(sizeof(*k));
    k->value = value ? mem_strdup(value) : NULL;
    k->st = otherwise;
    kept_free(map_set(&v->kept, str_c(key), k));
}

static void unlink_call(struct call *c) {
    struct call **at = &c->v->calls;
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
    loop_timer_stop(&c->timer);
}

static void on_turn(void *arg) {
    struct call *c = arg;
    struct rig_vault *v = c->v;
    if (v->hold) {
        return;
    }
    const struct kept *k = map_get(&v->kept, str_c(c->key));
    unlink_call(c);
    if (k && k->value) {
        trl_secret s = {
            .struct_size = sizeof(s), .value = {k->value, strlen(k->value)}, .version = STR("1")};
        c->on_value(c->arg, TRL_OK, &s, STR_NONE);
    } else {
        c->on_value(c->arg, k ? k->st : TRL_E_NOTFOUND, NULL, STR("as the test wants it"));
    }
    mem_free(c->key);
    mem_free(c);
}

void vault_hold(struct rig_vault *v, bool hold) {
    v->hold = hold;
    for (struct call *c = v->calls; c; c = c->next) {
        loop_timer_start(&c->timer, 0);
    }
}

uint32_t vault_reads(const struct rig_vault *v) {
    return v->reads;
}

uint32_t vault_open(const struct rig_vault *v) {
    uint32_t n = 0;
    for (const struct call *c = v->calls; c; c = c->next) {
        n++;
    }
    return n;
}

static uint64_t fetch(void *ctx, const trl_secret_read *r,
                      void (*on_value)(void *arg, trl_status st, const trl_secret *s, trl_str why),
                      void *arg) {
    struct rig_vault *v = plug_iface_ctx(ctx, TRL_HOST_SECRET_READ_V1);
    struct call *c = mem_zalloc(sizeof(*c));
    c->v = v;
    c->id = ++v->last_id;
    c->key = str_dup(r->ref->key);
    c->on_value = on_value;
    c->arg = arg;
    c->next = v->calls;
    v->calls = c;
    v->reads++;
    loop_timer_init(&c->timer, v->loop, on_turn, c);
    loop_timer_start(&c->timer, 0);
    return c->id;
}

static void cancel(void *ctx, uint64_t id) {
    struct rig_vault *v = plug_iface_ctx(ctx, TRL_HOST_SECRET_READ_V1);
    for (struct call *c = v->calls; c; c = c->next) {
        if (c->id == id) {
            unlink_call(c);
            mem_free(c->key);
            mem_free(c);
            return;
        }
    }
}

const trl_host_secret_read_v1 vault_iface = {sizeof(vault_iface), 0, fetch, cancel};
