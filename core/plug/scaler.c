/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/scaler.h"
#include "plug/watch.h"

#include <stdio.h>
#include <string.h>

#include "base/map.h"
#include "base/mem.h"

#define FROZEN (TRL_HOST_STALE | TRL_HOST_SUSPECT)

struct scaler {
    struct plug_inst *in;
    trl_inst *raw;
    const trl_scaler_v1 *t;
    const char *name;
};

struct held { /* a host that has instances by the last answer */
    uint32_t at, wanted, group, reason;
};

struct scaler_spec {
    struct scaler *scaler;
    trl_scaler_spec *raw;
    uint64_t rested_key; /* of the input that the plugin leaves as it is; 0: none */
    uint64_t asked_key;  /* of the input that the answer was for; 0: not kept */
    VEC(struct held) held;
};

struct scaler *scaler_create(struct plug_inst *in) {
    struct scaler *s = mem_zalloc(sizeof(*s));
    s->in = in;
    s->raw = plug_inst_raw(in);
    s->t = plug_inst_table(in);
    s->name = plug_inst_component(in)->name;
    return s;
}

void scaler_destroy(struct scaler *s) {
    mem_free(s);
}

const char *scaler_status_kind(const struct scaler *s) {
    return s->t->status_kind;
}

int scaler_compile(struct scaler *s, str properties, struct scaler_spec **ret, struct err *err) {
    trl_err e = {.struct_size = sizeof(e)};
    trl_scaler_spec *raw = NULL;
    struct watch w;
    watch_enter(s->in, &w);
    trl_status st = s->t->compile(s->raw, properties, &raw, &e);
    watch_leave(s->in, &w, "compile");
    if (st != TRL_OK) {
        return err_from_trl(err, st, &e); /* as it is: it begins with a JSON pointer */
    }
    if (!raw) {
        return err_set(err, TRL_E_INTERNAL, "scaler plugin '%s' compiles to nothing", s->name);
    }
    struct scaler_spec *sp = mem_alloc(sizeof(*sp));
    *sp = (struct scaler_spec){.scaler = s, .raw = raw};
    *ret = sp;
    return 0;
}

void scaler_release(struct scaler_spec *sp) {
    if (sp) {
        sp->scaler->t->release(sp->scaler->raw, sp->raw);
        VEC_FREE(&sp->held);
        mem_free(sp);
    }
}

static const trl_host_view *host_at(const trl_place_in *in, uint32_t i) {
    return trl_at(in->hosts, in->host_stride, i);
}

static int broken(struct scaler *s, const trl_place_in *in, uint32_t i, uint32_t wanted,
                  const char *rule, struct err *err) {
    str id = host_at(in, i)->id;
    return err_set(err, TRL_E_INTERNAL,
                   "scaler plugin '%s' gives host %.*s %u instances where %u run: %s", s->name,
                   PSTR(id), wanted, in->current[i], rule);
}

static int check_answer(struct scaler *s, const trl_place_in *in, const trl_place_out *out,
                        struct err *err) {
    bool single = in->unit && (in->unit->flags & TRL_UNIT_SINGLETON_PER_HOST);
    for (uint32_t i = 0; i < in->n_hosts; i++) {
        uint32_t flags = in->host_flags ? in->host_flags[i] : host_at(in, i)->flags;
        uint32_t now = in->current[i], wanted = out->wanted[i];
        if (flags & FROZEN) {
            if (wanted != now) {
                return broken(s, in, i, wanted, "a host that is not heard from keeps its count",
                              err);
            }
        } else if ((flags & TRL_HOST_EXCLUDED) && wanted != 0) {
            return broken(s, in, i, wanted, "an excluded host gets none", err);
        } else if ((flags & TRL_HOST_CORDONED) && wanted > now) {
            return broken(s, in, i, wanted, "a cordoned host gets nothing new", err);
        } else if (single && wanted > 1) {
            return broken(s, in, i, wanted, "of a provider a host runs one at most", err);
        }
    }
    return 0;
}

static void clear(const trl_place_in *in, trl_place_out *out) {
    out->struct_size = sizeof(*out);
    out->unplaced = out->failed = out->reserved = 0;
    out->message[0] = '\0';
    size_t bytes = in->n_hosts * sizeof(uint32_t);
    memset(out->wanted, 0, bytes);
    memset(out->group, 0xff, bytes); /* TRL_NO_GROUP */
    if (out->reasons) {
        memset(out->reasons, TRL_WHY_NONE, bytes);
    }
}

/* Most are one value n times, mostly zero. */
static uint64_t hash_list(const uint32_t *list, uint32_t n) {
    bool same = n && list && memcmp(list, list + 1, (n - 1) * sizeof(*list)) == 0;
    return !list || !n ? 1 : same ? (uint64_t)list[0] << 1 : hash_bytes(list, n * sizeof(*list));
}

/* Of everything but the loads, which alone move nothing. */
static uint64_t rest_key(const trl_place_in *in, uint64_t hosts_revision) {
    uint64_t key[] = {hosts_revision,
                      in->n_hosts,
                      in->seed,
                      hash_list(in->host_flags, in->n_hosts),
                      hash_list(in->current, in->n_hosts),
                      hash_list(in->foreign, in->n_hosts),
                      hash_list(in->failing, in->n_hosts)};
    return hash_bytes(key, sizeof(key)) | 1;
}

/* With the loads; 0 where something runs: then also hosts count that have nothing by the answer. */
static uint64_t asked_key(const trl_place_in *in, uint64_t rest) {
    uint64_t key = hash_list(in->current, in->n_hosts) ? 0 : rest;
    for (uint32_t i = 0; i < in->n_hosts && key; i++) {
        key = (key ^ host_at(in, i)->n_instances) * 0x9e3779b97f4a7c15ull | 1;
    }
    return key;
}

/* An answer that was followed holds, so it need not be asked for again; nor is the same asked
 * twice, for a version that is looked at before it is deployed. */
static void remember(struct scaler_spec *sp, const trl_place_in *in, const trl_place_out *out,
                     uint64_t hosts_revision) {
    trl_place_in followed = *in;
    bool holds = !out->failed && out->unplaced == 0;
    followed.current = out->wanted;
    sp->rested_key = holds ? rest_key(&followed, hosts_revision) : 0;
    sp->asked_key = holds ? asked_key(in, rest_key(in, hosts_revision)) : 0;
    sp->held.n = 0;
    for (uint32_t i = 0; i < in->n_hosts && holds; i++) {
        if (out->wanted[i]) {
            *VEC_ADD(&sp->held) = (struct held){i, out->wanted[i], out->group[i],
                                                out->reasons ? out->reasons[i] : TRL_WHY_NONE};
        }
    }
}

static bool remembers(const struct scaler_spec *sp, const trl_place_in *in, uint64_t rest) {
    return rest == sp->rested_key || (sp->asked_key && sp->asked_key == asked_key(in, rest));
}

int scaler_place_again(struct scaler_spec *sp, const trl_place_in *in, uint64_t hosts_revision,
                       trl_place_out *out, struct err *err) {
    uint64_t key = rest_key(in, hosts_revision);
    if ((in->flags & TRL_PLACE_EXPLAIN) || !remembers(sp, in, key)) {
        int rc = scaler_place(sp, in, out, err);
        if (rc == 0) {
            remember(sp, in, out, hosts_revision);
        }
        return rc;
    }
    clear(in, out);
    for (uint32_t i = 0; i < sp->held.n; i++) {
        const struct held *h = &sp->held.at[i];
        out->wanted[h->at] = h->wanted;
        out->group[h->at] = h->group;
        if (out->reasons) {
            out->reasons[h->at] = in->current[h->at] ? TRL_WHY_KEPT : h->reason;
        }
    }
    return 0;
}

int scaler_place(struct scaler_spec *sp, const trl_place_in *in, trl_place_out *out,
                 struct err *err) {
    struct scaler *s = sp->scaler;
    trl_err e = {.struct_size = sizeof(e)};
    trl_place_in own = *in;
    own.struct_size = sizeof(own);
    clear(in, out);
    struct watch w;
    watch_enter(s->in, &w);
    trl_status st = s->t->place(s->raw, sp->raw, &own, out, &e);
    watch_leave(s->in, &w, "place");
    out->message[sizeof(out->message) - 1] = '\0';
    if (st != TRL_OK) {
        int rc = err_from_trl(err, st, &e);
        err_wrap(err, "scaler plugin '%s'", s->name);
        return rc;
    }
    return check_answer(s, in, out, err);
}

uint64_t scaler_total(struct scaler_spec *sp, uint32_t n_ready_hosts) {
    const struct scaler *s = sp->scaler;
    return s->t->total ? s->t->total(s->raw, sp->raw, n_ready_hosts) : UINT64_MAX;
}

str scaler_group_name(struct scaler_spec *sp, uint32_t group) {
    const struct scaler *s = sp->scaler;
    return s->t->group_name ? s->t->group_name(s->raw, sp->raw, group) : STR("default");
}

void scaler_describe(struct scaler_spec *sp, uint32_t why, const trl_host_view *h, char *text,
                     size_t cap) {
    const struct scaler *s = sp->scaler;
    if (cap == 0) {
        return;
    }
    text[0] = '\0';
    if (s->t->describe) {
        s->t->describe(s->raw, sp->raw, why, h, text, cap);
        text[cap - 1] = '\0';
    } else {
        snprintf(text, cap, "reason %u of scaler '%s'", why, s->name);
    }
}
