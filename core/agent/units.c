/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs here: the driver's reports, and the events a host would publish about them. Hosts know
 * no "being changed": while the driver works on a unit nothing is said, unless less runs than was
 * said last.
 */
#include <stdlib.h>

#include "agent/agent_priv.h"

struct entry *agent_entry(const struct agent *a, str id) {
    return map_get(&a->entries, id);
}

struct entry *agent_entry_get(struct agent *a, str id, uint32_t kind) {
    struct entry *e = agent_entry(a, id);
    if (!e) {
        e = mem_zalloc(sizeof(*e));
        e->id = str_dup(id);
        e->kind = kind;
        map_set(&a->entries, id, e);
    }
    return e;
}

static void entry_free(struct entry *e) {
    asked_end(&e->asked);
    strs_unref(e->annotations);
    strs_unref(e->config);
    mem_free(e->settings);
    mem_free(e->image);
    mem_free(e->id);
    mem_free(e);
}

void agent_entries_finish(struct agent *a) {
    for (uint32_t i = 0; i < a->entries.n; i++) {
        entry_free(a->entries.at[i].value);
    }
    map_finish(&a->entries);
}

bool agent_here(const struct agent *a, str id) {
    const struct entry *e = agent_entry(a, id);
    return e && (e->count || e->wanted);
}

void asked_end(struct asked *k) {
    mem_free(k->image);
    mem_free(k->host_id);
    strs_unref(k->annotations);
    *k = (struct asked){.open = false};
}

void asked_set(struct asked *k, str image, str host_id, uint32_t count, struct strs *annotations) {
    asked_end(k);
    *k = (struct asked){.open = true,
                        .count = count,
                        .image = str_dup(image),
                        .host_id = str_dup(host_id),
                        .annotations = annotations};
}

/* Events */

static str host_or_ours(const struct agent *a, str host_id) {
    return host_id.len ? host_id : str_c(a->host_id);
}

static str asked_host(const struct agent *a, const struct entry *e) {
    return host_or_ours(a, e->asked.open ? str_c(e->asked.host_id) : STR_NONE);
}

static void write_scaled(struct jw *w, str id, str host_id, str image,
                         const struct strs *annotations, uint32_t count) {
    jw_object(w);
    jw_key(w, "annotations");
    pairs_write(annotations, w);
    jw_kv(w, "component_id", id);
    jw_kv(w, "host_id", host_id);
    jw_kv(w, "image_ref", image);
    jw_kv_u64(w, "max_instances", count);
}

static void say_scaled(struct agent *a, struct entry *e, uint32_t count) {
    struct buf data = BUF_INIT;
    struct jw w;
    bool seen = e->image != NULL;
    jw_init(&w, &data, false);
    write_scaled(&w, str_c(e->id), asked_host(a, e),
                 str_c(seen             ? e->image
                       : e->asked.image ? e->asked.image
                                        : ""),
                 seen ? e->annotations : e->asked.annotations, count);
    jw_end_object(&w);
    agent_event(a, "component_scaled", &data);
    e->told = count;
    e->changed = false;
}

void agent_say_absent(struct agent *a, const struct start *s) {
    struct buf data = BUF_INIT;
    struct jw w;
    struct strs *annotations = pairs_of_object(s->annotations);
    jw_init(&w, &data, false);
    write_scaled(&w, s->id, host_or_ours(a, s->host_id), s->image, annotations, 0);
    jw_end_object(&w);
    agent_event(a, "component_scaled", &data);
    strs_unref(annotations);
}

static void say_scale_failed(struct agent *a, const struct entry *e, str why) {
    const struct asked *k = &e->asked;
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    write_scaled(&w, str_c(e->id), asked_host(a, e),
                 str_c(k->open    ? k->image
                       : e->image ? e->image
                                  : ""),
                 k->open ? k->annotations : e->annotations, k->open ? k->count : e->count);
    jw_kv(&w, "error", why);
    jw_end_object(&w);
    agent_event(a, "component_scale_failed", &data);
}

static void say_start_failed(struct agent *a, const struct entry *e, str why) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "error", why);
    jw_kv(&w, "host_id", asked_host(a, e));
    jw_kv(&w, "link_name", STR("default"));
    jw_kv(&w, "provider_id", str_c(e->id));
    jw_kv(&w, "provider_ref", str_c(e->asked.open ? e->asked.image : e->image ? e->image : ""));
    jw_end_object(&w);
    agent_event(a, "provider_start_failed", &data);
}

void agent_say_failed(struct agent *a, struct entry *e, str why) {
    if (e->kind == TRL_RUN_PROVIDER) {
        say_start_failed(a, e, why);
    } else {
        say_scale_failed(a, e, why);
    }
    asked_end(&e->asked);
}

static void say_started(struct agent *a, const struct entry *e) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_key(&w, "annotations");
    pairs_write(e->annotations, &w);
    jw_kv(&w, "host_id", asked_host(a, e));
    jw_kv(&w, "image_ref", wire_provider_image(str_c(e->image)));
    jw_kv(&w, "provider_id", str_c(e->id));
    jw_end_object(&w);
    agent_event(a, "provider_started", &data);
}

static void say_health(struct agent *a, struct entry *e, bool ok) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "host_id", str_c(a->host_id));
    jw_kv(&w, "provider_id", str_c(e->id));
    jw_end_object(&w);
    agent_event(a, ok ? "health_check_passed" : "health_check_failed", &data);
    e->told_health = ok ? TRL_HEALTH_OK : TRL_HEALTH_FAILING;
}

/* From what is known to what is said. */

static bool as_asked(const struct entry *e) {
    const struct asked *k = &e->asked;
    return e->count && !e->busy && e->image && str_is(str_c(e->image), k->image) &&
           strs_eq(e->annotations, k->annotations);
}

static void tell_component(struct agent *a, struct entry *e) {
    if (e->asked.open) {
        if (e->asked.count ? as_asked(e) && e->count == e->asked.count : e->count == 0) {
            say_scaled(a, e, e->count);
            asked_end(&e->asked);
        }
    } else if (e->count < e->told || (!e->busy && (e->count != e->told || e->changed))) {
        say_scaled(a, e, e->count);
    }
}

static void tell_provider(struct agent *a, struct entry *e) {
    bool failing = e->health == TRL_HEALTH_FAILING;
    if (e->stopping) {
        return;
    }
    if (e->asked.open ? as_asked(e) : e->count && !e->busy && !e->told) {
        say_started(a, e);
        asked_end(&e->asked);
        e->told = 1;
        say_health(a, e, !failing);
    } else if (!e->count && e->told) { /* hosts have no word for it */
        e->told = 0;
        say_health(a, e, false);
    } else if (e->told && failing != (e->told_health == TRL_HEALTH_FAILING)) {
        say_health(a, e, !failing);
    }
}

void agent_tell(struct agent *a, struct entry *e) {
    if (e->updating) {
        return;
    }
    if (e->kind == TRL_RUN_PROVIDER) {
        tell_provider(a, e);
    } else {
        tell_component(a, e);
    }
    if (!e->count && !e->wanted && !e->asked.open) {
        map_del(&a->entries, str_c(e->id));
        entry_free(e);
    }
}

/* Reports */

static int by_key(const void *x, const void *y) {
    return str_cmp(((const trl_label *)x)->key, ((const trl_label *)y)->key);
}

static struct strs *pairs_of(const trl_label *l, uint32_t n) {
    trl_label *sorted = mem_array(n + 1, sizeof(*sorted));
    str *at = mem_array(2u * n + 1, sizeof(*at));
    for (uint32_t i = 0; i < n; i++) {
        sorted[i] = l[i];
    }
    qsort(sorted, n, sizeof(*sorted), by_key);
    for (uint32_t i = 0; i < n; i++) {
        at[2 * i] = sorted[i].key;
        at[2 * i + 1] = sorted[i].value;
    }
    struct strs *s = strs_of(at, 2 * n);
    mem_free(sorted);
    mem_free(at);
    return s;
}

static void take(struct agent *a, const trl_running *r) {
    struct entry *e = agent_entry_get(a, r->unit_id, r->kind);
    e->listed = true;
    if (r->flags & TRL_RUNNING_HEALTH_ONLY) {
        e->health = r->health;
        agent_tell(a, e);
        return;
    }
    e->count = r->count;
    e->busy = (r->flags & TRL_RUNNING_BUSY) != 0;
    e->health = r->health;
    if (r->count) {
        struct strs *marks = pairs_of(r->annotations, r->n_annotations);
        bool same = e->image && str_eq(str_c(e->image), r->image) && strs_eq(marks, e->annotations);
        e->kind = r->kind;
        e->wanted = !e->stopping && (!e->asked.open || e->asked.count > 0);
        e->changed |= !same;
        strs_unref(e->annotations);
        e->annotations = marks;
        mem_free(e->image);
        e->image = str_dup(r->image);
    }
    agent_tell(a, e);
}

static void gone(struct agent *a) { /* what a full report does not list */
    for (uint32_t i = a->entries.n; i-- > 0;) {
        struct entry *e = i < a->entries.n ? a->entries.at[i].value : NULL;
        if (e && !e->listed && e->count) {
            e->count = 0;
            agent_tell(a, e);
        }
    }
}

void agent_on_report(struct agent *a, const trl_report *r) {
    if (!a->driver_host && r->host_id.len) {
        a->driver_host = str_dup(r->host_id);
    }
    if (r->flags & TRL_REPORT_LABELS) {
        strs_unref(a->driver_labels);
        a->driver_labels = pairs_of(r->labels, r->n_labels);
    }
    for (uint32_t i = 0; i < a->entries.n; i++) {
        ((struct entry *)a->entries.at[i].value)->listed = false;
    }
    for (uint32_t i = 0; i < r->n_entries; i++) {
        take(a, (const trl_running *)(const void *)((const char *)r->entries +
                                                    (size_t)i * r->entry_stride));
    }
    if (r->flags & TRL_REPORT_FULL) {
        gone(a);
    }
}

/* As on a host of wasmCloud a start that failed leaves nothing, and who schedules tries again. Else
 * the driver would, long after nobody wants the unit any more. */
static void give_up(struct agent *a, struct entry *e) {
    trl_action x = {.verb = e->kind == TRL_RUN_PROVIDER ? TRL_DO_PROVIDER_STOP : TRL_DO_SCALE,
                    .unit_id = str_c(e->id)};
    e->wanted = false;
    e->serial = ++a->serial;
    agent_apply(a, &x, agent_done_quietly, a);
    agent_tell(a, e);
}

void agent_on_note(struct agent *a, str unit, int32_t code, str text) {
    struct entry *e = agent_entry(a, unit);
    if (code == TRL_NOTE_START_FAILED && e && !e->updating) {
        bool nothing = e->asked.open && e->count == 0;
        agent_say_failed(a, e, text);
        if (nothing) {
            give_up(a, e);
        }
    } else if (code == TRL_NOTE_LINK_FAILED) {
        log_warn(a->env.log, "a link of %.*s: %.*s", PSTR(unit), PSTR(text));
    }
}
