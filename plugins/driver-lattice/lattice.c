/* SPDX-License-Identifier: Apache-2.0 */
#include "lattice.h"

#include "../common/xmem.h"
#include "configs.h"
#include "events.h"
#include "hosts.h"
#include "links.h"
#include "linkset.h"
#include "text.h"

struct lattice *lattice_find(const struct trl_inst *d, trl_str id) {
    return names_find(&d->lattices, id);
}

static void on_audit(void *arg) {
    struct lattice *l = arg;
    linksync_ask(l, NULL, NULL);
    configs_audit(l);
    hosts_prune(l);
    int64_t tenth = l->d->set.audit_ns / 10;
    int64_t jitter = (int64_t)(l->d->loop->random(l->d->host->ctx) % (uint64_t)(2 * tenth + 1));
    wake_start(&l->audit, &l->d->desk, l->d->set.audit_ns - tenth + jitter, on_audit, l);
}

static int split(const struct trl_inst *d, trl_str id, trl_str *account, trl_str *name,
                 const char **why) {
    const char *slash = id.len ? memchr(id.ptr, '/', id.len) : NULL;
    *account = slash ? trl_strn(id.ptr, (size_t)(slash - id.ptr)) : trl_strn(NULL, 0);
    *name = slash ? trl_strn(slash + 1, id.len - account->len - 1) : id;
    if (!text_is_plain_name(*name) || (slash && !text_is_plain_name(*account))) {
        *why = "a lattice name is made of letters, digits, '_' and '-'";
    } else if (d->set.multitenant && !slash) {
        *why = "a multitenant driver needs <account>/<lattice>";
    } else if (!d->set.multitenant && slash) {
        *why = "<account>/<lattice> needs \"multitenant\": true in the driver's configuration";
    } else {
        return 0;
    }
    return -1;
}

/* Is it covered by a subscription made from the configuration? */
static int covered(const struct trl_inst *d, trl_str id) {
    int hit = d->follows_all;
    for (size_t i = 0; i < d->set.n_lattices; i++) {
        hit |= trl_str_is(id, d->set.lattices[i]);
    }
    return hit;
}

struct lattice *lattice_follow(struct trl_inst *d, trl_str id, const char **why) {
    struct lattice *l = lattice_find(d, id);
    trl_str account, name;
    if (l) {
        return l;
    }
    if (split(d, id, &account, &name, why) < 0) {
        return NULL;
    }
    l = x_zalloc(sizeof(*l));
    l->d = d;
    l->id = text_dup(id);
    l->ctl = text_format("%.*s%s%s.v1.%.*s", STR_ARG(account), account.len ? "." : "",
                         d->set.ctl_prefix, STR_ARG(name));
    l->host_lane.limit = l->config_lane.limit = IN_FLIGHT_MAX;
    l->link_lane.limit = 1;
    linksync_init(l);
    names_put(&d->lattices, id, l);
    names_take(&d->strangers, id);
    if (!covered(d, id)) {
        char *subject = text_format("%.*s%s%s.%.*s.>", STR_ARG(account), account.len ? "." : "",
                                    d->set.event_prefix, STR_ARG(name));
        l->sub =
            d->bus->subscribe(d->host->ctx, trl_cstr(subject), STR_LIT(""), events_on_message, d);
        free(subject);
    }
    wake_start(&l->audit, &d->desk, d->set.audit_ns, on_audit, l);
    return l;
}

void lattices_destroy(struct trl_inst *d) {
    for (size_t i = 0; i < d->lattices.cap; i++) {
        struct lattice *l = d->lattices.slots[i].key ? d->lattices.slots[i].value : NULL;
        if (l) {
            wake_stop(&l->audit);
            if (l->sub) {
                d->bus->cancel(d->host->ctx, l->sub);
            }
            hosts_destroy(l);
            configs_destroy(l);
            linksync_finish(l);
            linkset_destroy(l);
            free(l->id);
            free(l->ctl);
            free(l);
        }
    }
    names_finish(&d->lattices);
}
