/* SPDX-License-Identifier: Apache-2.0 */
#include "suite_driver_seen.h"

#include "base/mem.h"

static void set_running(struct seen *o, const trl_report *r, const trl_running *e) {
    struct buf key = BUF_INIT;
    buf_addf(&key, "%.*s %.*s", PSTR(r->host_id), PSTR(e->unit_id));
    if (e->count == 0) {
        map_del(&o->running, buf_str(&key));
    } else {
        map_set(&o->running, buf_str(&key), (void *)(uintptr_t)(e->count + 1));
        mem_free(map_set(&o->images, buf_str(&key), str_dup(e->image)));
    }
    buf_finish(&key);
}

static void on_report(void *ctx, const trl_report *r) {
    struct seen *o = plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
    struct suite *s = o->s;
    CHECK(s, r->struct_size >= sizeof(*r), "a report's size");
    CHECK(s, str_is(r->lattice, "suite") && r->host_id.len, "a report names lattice and host");
    CHECK(s, r->seen_ns >= 0 && r->seen_ns <= loop_now_ns(s->loop), "seen_ns is monotonic time");
    CHECK(s, r->n_entries == 0 || r->entry_stride >= sizeof(trl_running), "entry_stride is set");
    CHECK(s, !(r->flags & TRL_REPORT_FULL) || (r->flags & TRL_REPORT_LABELS),
          "a full report has labels");
    for (uint32_t i = 1; i < r->n_labels; i++) {
        CHECK(s, str_cmp(r->labels[i - 1].key, r->labels[i].key) < 0, "labels are sorted");
    }
    if (r->flags & (TRL_REPORT_FULL | TRL_REPORT_STARTED)) {
        o->fulls += (r->flags & TRL_REPORT_FULL) != 0;
        for (uint32_t i = o->running.n; i-- > 0;) {
            str key = o->running.at[i].key;
            if (str_starts(key, r->host_id) && key.ptr[r->host_id.len] == ' ') {
                map_del(&o->running, key);
            }
        }
    }
    for (uint32_t i = 0; i < r->n_entries; i++) {
        const trl_running *e = trl_at(r->entries, r->entry_stride, i);
        CHECK(s, e->kind == TRL_RUN_COMPONENT || e->kind == TRL_RUN_PROVIDER, "an entry's kind");
        CHECK(s, !(r->flags & TRL_REPORT_FULL) || e->count, "a full report lists what runs");
        if (!(e->flags & TRL_RUNNING_HEALTH_ONLY)) {
            set_running(o, r, e);
        }
    }
}

static void on_host_gone(void *ctx, trl_str lattice, trl_str id, int32_t why) {
    struct seen *o = plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
    CHECK(o->s, lattice.len && id.len, "a host that is gone has a name");
    CHECK(o->s, why == TRL_GONE_STOPPED || why == TRL_GONE_UNREACHABLE, "why it is gone");
}

static void link_name(struct buf *b, const trl_link *l) {
    buf_addf(b, "%.*s %.*s", PSTR(l->source), PSTR(l->target));
}

static void on_links(void *ctx, trl_str lattice, const trl_link *links, uint32_t n, uint32_t stride,
                     int32_t full) {
    struct seen *o = plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
    CHECK(o->s, str_is(lattice, "suite"), "links name their lattice");
    if (full) {
        o->full_links++;
        map_clear(&o->links);
    }
    for (uint32_t i = 0; i < n; i++) {
        struct buf key = BUF_INIT;
        link_name(&key, trl_at(links, stride, i));
        map_set(&o->links, buf_str(&key), o);
        buf_finish(&key);
    }
}

static void on_link_gone(void *ctx, trl_str lattice, const trl_link *key) {
    struct seen *o = plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
    struct buf b = BUF_INIT;
    (void)lattice;
    link_name(&b, key);
    map_del(&o->links, buf_str(&b));
    buf_finish(&b);
}

static void on_configs(void *ctx, trl_str lattice, const trl_config_seen *configs, uint32_t n,
                       uint32_t stride) {
    struct seen *o = plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
    (void)lattice;
    for (uint32_t i = 0; i < n; i++) {
        const trl_config_seen *c = trl_at(configs, stride, i);
        int absent = (c->flags & TRL_CONFIG_ABSENT) != 0;
        map_set(&o->configs, c->name, (void *)(uintptr_t)(absent ? 1 : 2));
        o->config_hash = c->hash;
    }
}

static void on_note(void *ctx, trl_str lattice, trl_str host, trl_str unit, int32_t code,
                    trl_str text) {
    struct seen *o = plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
    o->notes += lattice.len && host.len && unit.len && code == TRL_NOTE_START_FAILED && text.len;
}

static void on_lattice_seen(void *ctx, trl_str lattice) {
    (void)ctx;
    (void)lattice; /* it is followed already */
}

static void on_link_state(void *ctx, int32_t up) {
    (void)ctx;
    (void)up;
}

const trl_host_observe_v1 seen_observe = {.struct_size = sizeof(seen_observe),
                                          .report = on_report,
                                          .host_gone = on_host_gone,
                                          .links = on_links,
                                          .link_gone = on_link_gone,
                                          .configs = on_configs,
                                          .note = on_note,
                                          .lattice_seen = on_lattice_seen,
                                          .link_state = on_link_state};

void seen_finish(struct seen *o) {
    for (uint32_t i = 0; i < o->images.n; i++) {
        mem_free(o->images.at[i].value);
    }
    map_finish(&o->running);
    map_finish(&o->images);
    map_finish(&o->links);
    map_finish(&o->configs);
}
