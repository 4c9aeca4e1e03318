/* SPDX-License-Identifier: Apache-2.0 */
#include "report.h"

#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../common/xmem.h"

#define DRIVER_VERSION "0.1.0"

static int by_key(const void *a, const void *b) {
    return trl_str_cmp(((const trl_label *)a)->key, ((const trl_label *)b)->key);
}

static trl_label *labels_of(const json_t *map, uint32_t *n) {
    trl_label *l = x_zalloc_n(json_object_size(map), sizeof(*l));
    const char *key;
    json_t *v;
    *n = 0;
    json_object_foreach((json_t *)(uintptr_t)map, key, v) {
        l[(*n)++] = (trl_label){trl_cstr(key), trl_cstr(json_string_value(v))};
    }
    qsort(l, *n, sizeof(*l), by_key);
    return l;
}

/* What the machine says of itself; the operator's own labels win. */
static json_t *host_labels(const struct trl_inst *d) {
    struct utsname u;
    long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    long long memory = (long long)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    json_t *l = json_object();
    uname(&u);
    json_object_set_new(l, "hostcore.os", json_string("linux"));
    json_object_set_new(l, "hostcore.osfamily", json_string("unix"));
    json_object_set_new(l, "hostcore.arch", json_string(u.machine));
    json_object_set_new(l, "os", json_string("linux"));
    json_object_set_new(l, "arch", json_string(u.machine));
    json_object_set_new(l, "hostname", json_string(u.nodename));
    json_object_set_new(l, "cpus", json_sprintf("%ld", cpus));
    json_object_set_new(l, "memory_mb", json_sprintf("%lld", memory >> 20));
    json_object_set_new(l, "driver", json_string("process"));
    json_object_update(l, d->set.labels);
    json_object_update(l, d->own_labels);
    return l;
}

static const struct want *shown(const struct unit *u) {
    return u->back ? u->back : u->want;
}

static uint32_t health_of(const struct unit *u) {
    return u->error[0] ? TRL_HEALTH_FAILING : TRL_HEALTH_OK;
}

static uint32_t flags_of(const struct unit *u) {
    return unit_is_busy(u) ? TRL_RUNNING_BUSY : 0;
}

static void fill(const struct unit *u, trl_running *e, trl_label **marks) {
    const struct want *w = shown(u);
    uint32_t n = 0;
    *marks = labels_of(w ? json_object_get(w->j, "marks") : NULL, &n);
    *e = (trl_running){.struct_size = sizeof(*e),
                       .kind = w ? w->kind : TRL_RUN_COMPONENT,
                       .unit_id = trl_cstr(u->id),
                       .image = trl_cstr(w ? want_image(w) : ""),
                       .count = unit_running(u),
                       .health = health_of(u),
                       .annotations = *marks,
                       .n_annotations = n,
                       .flags = flags_of(u)};
}

static uint64_t shown_hash(const trl_running *e) {
    uint64_t h = trl_hash_more(TRL_HASH_INIT, e->image.ptr, e->image.len);
    for (uint32_t i = 0; i < e->n_annotations; i++) {
        h = trl_hash_more(h, e->annotations[i].key.ptr, e->annotations[i].key.len);
        h = trl_hash_more(h, e->annotations[i].value.ptr, e->annotations[i].value.len);
    }
    return h;
}

static void remember(struct unit *u, const trl_running *e) {
    u->told_hash = shown_hash(e);
    u->told = e->count > 0;
    u->told_count = e->count;
    u->told_health = e->health;
    u->told_flags = e->flags;
}

static trl_report begin(const struct trl_inst *d, uint32_t flags) {
    return (trl_report){.struct_size = sizeof(trl_report),
                        .flags = flags,
                        .lattice = trl_cstr(d->set.lattice),
                        .host_id = trl_cstr(d->host_id),
                        .host_name = trl_cstr(d->host_name),
                        .version = trl_cstr(DRIVER_VERSION),
                        .uptime_s = (uint64_t)((now_ns(d) - d->started_ns) / NS_PER_S),
                        .seen_ns = now_ns(d),
                        .entry_stride = sizeof(trl_running)};
}

void report_full(struct trl_inst *d, uint32_t flags) {
    size_t cap = 0, n = 0;
    for (const struct unit *u = d->units; u; u = u->next) {
        cap++;
    }
    trl_running *entries = x_zalloc_n(cap, sizeof(*entries));
    trl_label **marks = x_zalloc_n(cap, sizeof(*marks));
    json_t *host = host_labels(d);
    trl_report r = begin(d, flags | TRL_REPORT_FULL | TRL_REPORT_LABELS);
    trl_label *labels = labels_of(host, &r.n_labels);
    for (struct unit *u = d->units; u; u = u->next) {
        fill(u, &entries[n], &marks[n]);
        remember(u, &entries[n]);
        if (entries[n].count) {
            n++;
        } else {
            free(marks[n]);
        }
    }
    r.labels = labels;
    r.entries = entries;
    r.n_entries = (uint32_t)n;
    d->observe->report(d->host->ctx, &r);
    while (n) {
        free(marks[--n]);
    }
    free(marks);
    free(entries);
    free(labels);
    json_decref(host);
}

void report_all(struct trl_inst *d) {
    report_full(d, 0);
}

void report_unit(struct unit *u) {
    trl_running e;
    trl_label *marks;
    if (u->d->stopping) {
        return;
    }
    fill(u, &e, &marks);
    if (e.count ? !u->told || e.count != u->told_count || e.health != u->told_health ||
                      e.flags != u->told_flags || shown_hash(&e) != u->told_hash
                : u->told) {
        trl_report r = begin(u->d, 0);
        r.entries = &e;
        r.n_entries = 1;
        remember(u, &e);
        u->d->observe->report(u->d->host->ctx, &r);
    }
    free(marks);
}

void report_note(struct unit *u, int32_t code, const char *text) {
    if (!u->d->stopping) {
        u->d->observe->note(u->d->host->ctx, trl_cstr(u->d->set.lattice), trl_cstr(u->d->host_id),
                            trl_cstr(u->id), code, trl_cstr(text));
    }
}
