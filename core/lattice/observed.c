/* SPDX-License-Identifier: Apache-2.0 */
#include "lattice/observed.h"

#include <string.h>

#include "lattice/observed_priv.h"

static const char MANAGED_BY[] = "wasmcloud.dev/managed-by";
static const char APPSPEC[] = "wasmcloud.dev/appspec";
static const char SCALER[] = "wasmcloud.dev/scaler";
static const char SPREAD[] = "wasmcloud.dev/spread_name";

void observed_init(struct observed *o, void (*touched)(void *, enum obs_what, uint32_t, str),
                   void *arg) {
    memset(o, 0, sizeof(*o));
    o->touched = touched;
    o->arg = arg;
}

static void host_clear(struct seen_host *h) {
    mem_free((char *)(uintptr_t)h->id.ptr);
    mem_free((char *)(uintptr_t)h->name.ptr);
    mem_free((char *)(uintptr_t)h->version.ptr);
    mem_free(h->labels);
    VEC_FREE(&h->entries);
    memset(h, 0, sizeof(*h));
}

void observed_finish(struct observed *o) {
    o->touched = NULL;
    for (uint32_t i = 0; i < o->hosts.n; i++) {
        host_clear(&o->hosts.at[i]);
    }
    for (uint32_t i = 0; i < o->units.n; i++) {
        VEC_FREE(&o->units.at[i].slots);
    }
    for (uint32_t i = 0; i < o->apps.n; i++) {
        VEC_FREE(&o->apps.at[i].at);
    }
    observed_finish_shared(o);
    VEC_FREE(&o->hosts);
    VEC_FREE(&o->order);
    VEC_FREE(&o->units);
    VEC_FREE(&o->apps);
    map_finish(&o->by_id);
    intern_finish(&o->names);
}

void observed_touch(struct observed *o, enum obs_what what, uint32_t id, str key) {
    if (o->touched) {
        o->touched(o->arg, what, id, key);
    }
}

static void hosts_changed(struct observed *o) {
    o->hosts_revision++;
    observed_touch(o, OBS_HOSTS, OBS_NONE, STR_NONE);
}

uint32_t observed_find_host(const struct observed *o, str id) {
    uintptr_t v = (uintptr_t)map_get(&o->by_id, id);
    return v ? (uint32_t)v - 1 : OBS_NONE;
}

uint32_t observed_n_hosts(const struct observed *o) {
    return o->order.n;
}

static void number_positions(struct observed *o, uint32_t from) {
    for (uint32_t i = from; i < o->order.n; i++) {
        o->hosts.at[o->order.at[i]].position = i;
    }
}

static uint32_t add_host(struct observed *o, str id) {
    uint32_t slot = 0;
    while (slot < o->hosts.n && o->hosts.at[slot].used) {
        slot++;
    }
    if (slot == o->hosts.n) {
        VEC_ADD(&o->hosts);
    }
    struct seen_host *h = &o->hosts.at[slot];
    h->used = true;
    h->id = str_n(str_dup(id), id.len);
    map_set(&o->by_id, id, (void *)(uintptr_t)(slot + 1));
    uint32_t lo = 0, hi = o->order.n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (str_cmp(o->hosts.at[o->order.at[mid]].id, id) < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    VEC_ADD(&o->order);
    memmove(&o->order.at[lo + 1], &o->order.at[lo], (o->order.n - 1 - lo) * sizeof(uint32_t));
    o->order.at[lo] = slot;
    number_positions(o, lo);
    return slot;
}

static struct seen_entry *find_entry(const struct seen_host *h, uint32_t unit) {
    for (uint32_t i = 0; i < h->entries.n; i++) {
        if (h->entries.at[i].unit == unit) {
            return &h->entries.at[i];
        }
    }
    return NULL;
}

const struct seen_entry *observed_entry(const struct observed *o, uint32_t slot, uint32_t unit) {
    return slot < o->hosts.n && o->hosts.at[slot].used ? find_entry(&o->hosts.at[slot], unit)
                                                       : NULL;
}

static struct unit_hosts *unit_of(struct observed *o, uint32_t unit) {
    while (o->units.n <= unit) {
        VEC_ADD(&o->units);
    }
    return &o->units.at[unit];
}

static void app_has(struct observed *o, uint32_t app, uint32_t unit) {
    if (app == INTERN_NONE) {
        return;
    }
    while (o->apps.n <= app) {
        VEC_ADD(&o->apps);
    }
    struct app_units *u = &o->apps.at[app];
    for (uint32_t i = 0; i < u->at.n; i++) {
        if (u->at.at[i] == unit) {
            return;
        }
    }
    *VEC_ADD(&u->at) = unit;
}

/* Whose entry of the unit changed: who uses the unit otherwise is in desired's indexes. */
static void unit_changed(struct observed *o, const struct seen_entry *e) {
    bool ours = e->managed && e->app != INTERN_NONE;
    observed_touch(o, OBS_UNIT, e->unit, ours ? intern_str(&o->names, e->app) : STR_NONE);
}

static void drop_entry(struct observed *o, struct seen_host *h, uint32_t slot, uint32_t i) {
    struct seen_entry gone = h->entries.at[i];
    uint32_t unit = gone.unit;
    h->total -= gone.count;
    h->entries.at[i] = h->entries.at[--h->entries.n];
    struct unit_hosts *u = unit_of(o, unit);
    for (uint32_t k = 0; k < u->slots.n; k++) {
        if (u->slots.at[k] == slot) {
            u->slots.at[k] = u->slots.at[--u->slots.n];
            break;
        }
    }
    unit_changed(o, &gone);
}

static uint32_t label_id(struct observed *o, const trl_running *r, const char *key) {
    for (uint32_t i = 0; i < r->n_annotations; i++) {
        if (str_is(r->annotations[i].key, key)) {
            return intern_id(&o->names, r->annotations[i].value);
        }
    }
    return INTERN_NONE;
}

static bool managed(const trl_running *r) {
    for (uint32_t i = 0; i < r->n_annotations; i++) {
        if (str_is(r->annotations[i].key, MANAGED_BY)) {
            return str_is(r->annotations[i].value, "wadm");
        }
    }
    return false;
}

static void update_entry(struct observed *o, uint32_t slot, const trl_running *r, bool full) {
    struct seen_host *h = &o->hosts.at[slot];
    uint32_t unit = intern_id(&o->names, r->unit_id);
    struct seen_entry *e = find_entry(h, unit);
    if (r->flags & TRL_RUNNING_HEALTH_ONLY) {
        if (e && e->health != r->health) {
            e->health = r->health;
            unit_changed(o, e);
        }
        return;
    }
    if (r->count == 0 && (!full || r->kind == TRL_RUN_COMPONENT)) {
        if (e) {
            drop_entry(o, h, slot, (uint32_t)(e - h->entries.at));
        }
        return;
    }
    struct seen_entry now = {.unit = unit,
                             .kind = r->kind,
                             .count = r->count ? r->count : 1,
                             .health = r->health ? r->health
                                       : e       ? e->health
                                                 : TRL_HEALTH_UNKNOWN,
                             .image = intern_id(&o->names, r->image),
                             .app = label_id(o, r, APPSPEC),
                             .scaler = label_id(o, r, SCALER),
                             .spread = label_id(o, r, SPREAD),
                             .managed = managed(r),
                             .busy = (r->flags & TRL_RUNNING_BUSY) != 0,
                             .mark = h->reports,
                             .told = o->reports};
    if (!e) {
        e = VEC_ADD(&h->entries);
        *VEC_ADD(&unit_of(o, unit)->slots) = slot;
        e->unit = OBS_NONE;
    }
    bool same = e->unit == now.unit && e->kind == now.kind && e->count == now.count &&
                e->health == now.health && e->image == now.image && e->app == now.app &&
                e->scaler == now.scaler && e->managed == now.managed && e->busy == now.busy;
    h->total += now.count - (e->unit == OBS_NONE ? 0 : e->count);
    struct seen_entry before = *e;
    *e = now;
    if (!same) {
        if (now.managed) {
            app_has(o, now.app, unit);
        }
        if (before.unit != OBS_NONE && before.app != now.app) {
            unit_changed(o, &before);
        }
        unit_changed(o, &now);
    }
}

static bool set_text(str *field, str value) {
    if (str_eq(*field, value)) {
        return false;
    }
    mem_free((char *)(uintptr_t)field->ptr);
    *field = str_n(str_dup(value), value.len);
    return true;
}

static bool set_labels(struct seen_host *h, const trl_label *labels, uint32_t n) {
    bool same = h->n_labels == n;
    for (uint32_t i = 0; same && i < n; i++) {
        same =
            str_eq(h->labels[i].key, labels[i].key) && str_eq(h->labels[i].value, labels[i].value);
    }
    if (same) {
        return false;
    }
    size_t bytes = sizeof(trl_label) * n;
    for (uint32_t i = 0; i < n; i++) {
        bytes += labels[i].key.len + labels[i].value.len;
    }
    trl_label *block = mem_alloc(bytes); /* one block: the array, then the texts */
    char *text = (char *)(block + n);
    for (uint32_t i = 0; i < n; i++) {
        const str from[2] = {labels[i].key, labels[i].value};
        str *to[2] = {&block[i].key, &block[i].value};
        for (int k = 0; k < 2; k++) {
            if (from[k].len) {
                memcpy(text, from[k].ptr, from[k].len);
            }
            *to[k] = str_n(text, from[k].len);
            text += from[k].len;
        }
    }
    mem_free(h->labels);
    h->labels = block;
    h->n_labels = n;
    return true;
}

/* Heartbeats tell their interval; one that was missed must not stretch it. */
static void measure_beat(struct seen_host *h, int64_t seen_ns) {
    if (h->beat_ns) {
        int64_t gap = seen_ns - h->beat_ns;
        if (gap > 0 && (h->interval_ns == 0 || gap < h->interval_ns * 3 / 2)) {
            h->interval_ns = h->interval_ns ? (3 * h->interval_ns + gap) / 4 : gap;
        }
    }
    h->beat_ns = seen_ns;
}

uint32_t observed_report(struct observed *o, const trl_report *r) {
    uint32_t slot = observed_find_host(o, r->host_id);
    o->reports++;
    bool changed = slot == OBS_NONE;
    if (changed) {
        slot = add_host(o, r->host_id);
    }
    struct seen_host *h = &o->hosts.at[slot];
    if (r->flags & TRL_REPORT_STARTED) {
        while (h->entries.n) {
            drop_entry(o, h, slot, h->entries.n - 1);
        }
        h->beat_ns = 0;
    }
    h->seen_ns = r->seen_ns > h->seen_ns ? r->seen_ns : h->seen_ns;
    h->probes = 0;
    if (h->suspect || h->stale) {
        h->suspect = h->stale = false;
        changed = true;
    }
    if (r->flags & TRL_REPORT_BEAT) {
        measure_beat(h, r->seen_ns);
    }
    if (r->flags & (TRL_REPORT_FULL | TRL_REPORT_LABELS | TRL_REPORT_STARTED)) {
        changed |= set_labels(h, r->labels, r->n_labels);
        changed |= r->host_name.len && set_text(&h->name, r->host_name);
        changed |= r->version.len && set_text(&h->version, r->version);
        h->uptime_s = r->uptime_s;
    }
    if (r->flags & TRL_REPORT_FULL) {
        h->reports++;
    }
    for (uint32_t i = 0; i < r->n_entries; i++) {
        update_entry(o, slot, trl_at(r->entries, r->entry_stride, i), r->flags & TRL_REPORT_FULL);
    }
    if (r->flags & TRL_REPORT_FULL) {
        for (uint32_t i = h->entries.n; i-- > 0;) {
            if (h->entries.at[i].mark != h->reports) {
                drop_entry(o, h, slot, i);
            }
        }
    }
    if (changed) {
        hosts_changed(o);
    }
    return slot;
}

void observed_host_gone(struct observed *o, uint32_t slot) {
    struct seen_host *h = &o->hosts.at[slot];
    while (h->entries.n) {
        drop_entry(o, h, slot, h->entries.n - 1);
    }
    map_del(&o->by_id, h->id);
    uint32_t at = h->position;
    memmove(&o->order.at[at], &o->order.at[at + 1], (o->order.n - 1 - at) * sizeof(uint32_t));
    o->order.n--;
    number_positions(o, at);
    host_clear(h);
    hosts_changed(o);
}

void observed_set_state(struct observed *o, uint32_t slot, bool suspect, bool stale) {
    struct seen_host *h = &o->hosts.at[slot];
    if (h->suspect != suspect || h->stale != stale) {
        h->suspect = suspect;
        h->stale = stale;
        hosts_changed(o);
    }
}
