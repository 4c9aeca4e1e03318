/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/change.h"

#include <string.h>

#include "base/mem.h"

static void remove_version(struct app *a, uint32_t i) {
    memmove(&a->versions[i], &a->versions[i + 1], (a->n_versions - i - 1) * sizeof(*a->versions));
    a->n_versions--;
}

/* Keeps history bounded: the oldest go that are neither deployed, nor applied, nor current. */
static void trim_versions(struct app *a) {
    uint32_t i = 0;
    while (a->n_versions > CATALOG_KEEP_VERSIONS && i + 1 < a->n_versions) {
        uint32_t n = a->versions[i].n;
        if (n == a->deployed || head_applied(a, n)) {
            i++;
        } else {
            remove_version(a, i);
        }
    }
}

static void add_version(struct head *h, const struct change *ch) {
    struct app *a = &h->app;
    struct version *more = ARENA_ARRAY(&h->arena, struct version, a->n_versions + 1);
    struct version *v = &more[a->n_versions];
    memcpy(more, a->versions, a->n_versions * sizeof(*more));
    v->n = a->next > ch->min_n ? a->next : ch->min_n;
    v->version = arena_str(&h->arena, ch->version);
    v->hash = arena_str(&h->arena, ch->hash);
    v->created_ms = ch->now_ms;
    a->versions = more;
    a->n_versions++;
    a->next = v->n + 1;
}

static struct head *new_head(const struct change *ch) {
    struct app fresh = {.tenant = ch->tenant,
                        .lattice = ch->lattice,
                        .name = ch->name,
                        .uid = ch->fresh_uid,
                        .next = 1};
    return head_dup(&fresh);
}

static enum change_act put(const struct app *old, const struct change *ch, struct head **ret,
                           struct catalog_result *r) {
    const struct version *cur = old ? app_current(old) : NULL;
    struct head *h;
    r->previous = cur ? cur->version : STR("");
    r->total = old ? old->n_versions : 0;
    if (cur && ch->if_changed && str_eq(cur->hash, ch->hash)) {
        r->code = CATALOG_UNCHANGED;
        r->version = cur->version;
        r->n = cur->n;
        return CHANGE_NOTHING;
    }
    if (old && app_version(old, ch->version)) {
        r->code = CATALOG_EXISTS;
        r->version = ch->version;
        return CHANGE_NOTHING;
    }
    h = old ? head_dup(old) : new_head(ch);
    h->app.deleting = false;
    add_version(h, ch);
    trim_versions(&h->app);
    r->first = !cur;
    r->version = app_current(&h->app)->version;
    r->n = app_current(&h->app)->n;
    r->total = h->app.n_versions;
    *ret = h;
    return CHANGE_WRITE;
}

static void add_refresh(struct head *h, const str *keys, uint32_t n) {
    struct app *a = &h->app;
    str *more = ARENA_ARRAY(&h->arena, str, a->n_refresh + n + 1);
    memcpy(more, a->refresh, a->n_refresh * sizeof(*more));
    a->refresh = more;
    for (uint32_t i = 0; i < n; i++) {
        bool known = false;
        for (uint32_t k = 0; k < a->n_refresh && !known; k++) {
            known = str_eq(a->refresh[k], keys[i]);
        }
        if (!known) {
            a->refresh[a->n_refresh++] = arena_str(&h->arena, keys[i]);
        }
    }
}

/* Pins of versions that are gone mean nothing any more. */
static void trim_pins(struct app *a) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->n_pins; i++) {
        if (head_names(a, a->pins[i].n)) {
            a->pins[n++] = a->pins[i];
        }
    }
    a->n_pins = n;
}

static void set_pins(struct head *h, uint32_t n, const struct change *ch) {
    struct app *a = &h->app;
    struct secret_pin *more = ARENA_ARRAY(&h->arena, struct secret_pin, a->n_pins + ch->n_pins + 1);
    uint32_t k = 0;
    for (uint32_t i = 0; i < a->n_pins; i++) {
        if (a->pins[i].n != n) {
            more[k++] = a->pins[i];
        } else if (ch->keep_pins) {
            more[k] = a->pins[i];
            more[k++].fixed = true;
        }
    }
    for (uint32_t i = 0; !ch->keep_pins && i < ch->n_pins; i++) {
        more[k++] = (struct secret_pin){n, arena_str(&h->arena, ch->pins[i].name),
                                        arena_str(&h->arena, ch->pins[i].version), false};
    }
    a->pins = more;
    a->n_pins = k;
    trim_pins(a);
}

static enum change_act deploy(const struct app *old, const struct change *ch, struct head **ret,
                              struct catalog_result *r) {
    bool newest = !ch->version.ptr || str_is(ch->version, "latest");
    const struct version *v = newest ? app_current(old) : app_version(old, ch->version);
    struct head *h;
    if (!v) {
        r->code = CATALOG_NO_VERSION;
        r->version = ch->version;
        return CHANGE_NOTHING;
    }
    if (ch->newest && v != app_current(old)) {
        r->code = CATALOG_MOVED;
        return CHANGE_NOTHING;
    }
    h = head_dup(old);
    r->was_deployed = old->deployed != 0;
    h->app.deployed = v->n;
    h->app.generation++;
    h->app.trace = ch->trace;
    if (!head_applied(old, v->n)) {
        uint32_t *more = ARENA_ARRAY(&h->arena, uint32_t, old->n_applied + 1);
        memcpy(more, h->app.applied, old->n_applied * sizeof(*more));
        more[h->app.n_applied++] = v->n;
        h->app.applied = more;
    }
    add_refresh(h, ch->refresh, ch->n_refresh);
    set_pins(h, v->n, ch);
    r->version = app_version_n(&h->app, v->n)->version;
    r->n = v->n;
    *ret = h;
    return CHANGE_WRITE;
}

static void take_down(struct app *a, const struct change *ch) {
    a->deployed = 0;
    a->n_refresh = 0;
    a->generation++;
    a->trace = ch->trace;
}

static enum change_act undeploy(const struct app *old, const struct change *ch, struct head **ret,
                                struct catalog_result *r) {
    struct head *h;
    r->was_deployed = old->deployed != 0;
    if (!r->was_deployed && old->generation > 0) {
        return CHANGE_NOTHING;
    }
    /* Never deployed: the generation remembers that somebody asked, as wadm's status does. */
    r->first = !r->was_deployed;
    h = head_dup(old);
    take_down(&h->app, ch);
    *ret = h;
    return CHANGE_WRITE;
}

static enum change_act remove_app(struct head *h, const struct change *ch) {
    h->app.n_versions = 0;
    take_down(&h->app, ch);
    h->app.deleting = h->app.n_applied > 0;
    return h->app.deleting ? CHANGE_WRITE : CHANGE_REMOVE;
}

static enum change_act delete_(const struct app *old, const struct change *ch, struct head **ret,
                               struct catalog_result *r) {
    const struct version *v = ch->version.ptr ? app_version(old, ch->version) : NULL;
    if (ch->version.ptr && !v) {
        r->code = CATALOG_NO_VERSION;
        return CHANGE_NOTHING;
    }
    r->version = ch->version;
    r->was_deployed = v ? v->n == old->deployed : old->deployed != 0;
    r->last = v && old->n_versions == 1;
    *ret = head_dup(old);
    if (!v || r->last) {
        return remove_app(*ret, ch);
    }
    remove_version(&(*ret)->app, (uint32_t)(v - old->versions));
    if (r->was_deployed) {
        take_down(&(*ret)->app, ch);
    }
    r->total = (*ret)->app.n_versions;
    return CHANGE_WRITE;
}

static enum change_act settle(const struct app *old, const struct change *ch, struct head **ret,
                              struct catalog_result *r) {
    struct head *h;
    struct app *a;
    uint32_t n = 0;
    if (old->generation != ch->generation) {
        r->code = CATALOG_UNCHANGED;
        return CHANGE_NOTHING;
    }
    h = head_dup(old);
    a = &h->app;
    for (uint32_t i = 0; i < a->n_applied; i++) {
        bool gone = false;
        for (uint32_t k = 0; k < ch->n_gone; k++) {
            gone = gone || (ch->gone[k] == a->applied[i] && a->applied[i] != a->deployed);
        }
        if (!gone) {
            a->applied[n++] = a->applied[i];
        }
    }
    a->n_applied = n;
    n = 0;
    for (uint32_t i = 0; i < a->n_refresh; i++) {
        bool done = false;
        for (uint32_t k = 0; k < ch->n_renewed; k++) {
            done = done || str_eq(ch->renewed[k], a->refresh[i]);
        }
        if (!done) {
            a->refresh[n++] = a->refresh[i];
        }
    }
    a->n_refresh = n;
    if (a->n_applied == old->n_applied && a->n_refresh == old->n_refresh &&
        !(a->deleting && a->n_applied == 0)) {
        head_destroy(h);
        return CHANGE_NOTHING;
    }
    *ret = h;
    return a->deleting && a->n_applied == 0 ? CHANGE_REMOVE : CHANGE_WRITE;
}

static enum change_act pin(const struct app *old, const struct change *ch, struct head **ret,
                           struct catalog_result *r) {
    const struct secret_pin *p = ch->pins;
    bool fixed = false;
    str now = app_pin(old, p->n, p->name, &fixed);
    if (old->deployed != p->n || fixed || str_eq(now, p->version)) {
        r->code = CATALOG_UNCHANGED;
        return CHANGE_NOTHING;
    }
    struct head *h = head_dup(old);
    struct app *a = &h->app;
    uint32_t at = 0;
    while (at < a->n_pins && !(a->pins[at].n == p->n && str_eq(a->pins[at].name, p->name))) {
        at++;
    }
    if (at == a->n_pins) {
        struct secret_pin *more = ARENA_ARRAY(&h->arena, struct secret_pin, a->n_pins + 1);
        memcpy(more, a->pins, a->n_pins * sizeof(*more));
        a->pins = more;
        a->n_pins++;
    }
    a->pins[at] = (struct secret_pin){p->n, arena_str(&h->arena, p->name),
                                      arena_str(&h->arena, p->version), false};
    add_refresh(h, ch->refresh, ch->n_refresh);
    *ret = h;
    return CHANGE_WRITE;
}

enum change_act change_apply(const struct app *old, const struct change *ch, struct head **ret,
                             struct catalog_result *r) {
    bool hidden = !old || (old->deleting && ch->kind != CHANGE_SETTLE);
    *ret = NULL;
    *r = (struct catalog_result){.code = CATALOG_OK};
    if (ch->kind == CHANGE_PUT) {
        return put(old, ch, ret, r);
    }
    if (hidden) {
        r->code = CATALOG_NOT_FOUND;
        return CHANGE_NOTHING;
    }
    switch (ch->kind) {
    case CHANGE_DEPLOY:
        return deploy(old, ch, ret, r);
    case CHANGE_UNDEPLOY:
        return undeploy(old, ch, ret, r);
    case CHANGE_DELETE:
        return delete_(old, ch, ret, r);
    case CHANGE_PIN:
        return pin(old, ch, ret, r);
    default:
        return settle(old, ch, ret, r);
    }
}
