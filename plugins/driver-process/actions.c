/* SPDX-License-Identifier: Apache-2.0 */
#include "actions.h"

#include "../common/xmem.h"
#include "links.h"
#include "report.h"
#include "unit.h"

/* A reference in the environment would be worse than a refusal. */
static int lacks_secrets(const struct trl_inst *d, const trl_action *a) {
    for (uint32_t i = 0; i < a->n_config_names && !d->secret_read; i++) {
        if (trl_str_starts(a->config_names[i], STR_LIT("SECRET_"))) {
            return 1;
        }
    }
    return 0;
}

static struct want *wanted(struct trl_inst *d, trl_op *op, uint32_t kind, const trl_action *a) {
    char why[320];
    struct want *w = NULL;
    if (lacks_secrets(d, a)) {
        snprintf(why, sizeof(why), "it names a secret, and nobody gives this driver any");
    } else {
        w = want_of(kind, a->image, a->config_names, a->n_config_names, a->annotations,
                    a->n_annotations, a->body, why, sizeof(why));
    }
    if (!w) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "%s", why);
    }
    return w;
}

static void superseded(struct unit *u) {
    if (u->back) {
        want_unref(u->back);
        u->back = NULL;
        ticket_fail(&u->update, TRL_E_CONFLICT, "another request for it came meanwhile");
    }
}

static void run_it(struct trl_inst *d, trl_op *op, uint32_t kind, const trl_action *a) {
    struct want *w = wanted(d, op, kind, a);
    if (!w) {
        return;
    }
    char *id = text_dup(a->unit_id);
    struct unit *u = unit_get(d, id);
    uint32_t count = kind == TRL_RUN_PROVIDER ? 1 : a->count;
    int same = u->want && json_equal(u->want->j, w->j) && u->count == count;
    free(id);
    superseded(u);
    ticket_ok(&u->stop);
    int64_t wait_ns = u->next_start_ns - now_ns(d);
    if (same && u->error[0] && wait_ns > NS_PER_S && unit_is_busy(u)) {
        want_unref(w);
        op_refuse(&d->desk, op, TRL_E_BUSY, "%s", u->error); /* it is tried again by itself */
        return;
    }
    unit_want(u, w, count);
    op_ok_later(d, op, NULL);
}

/* done = it is gone, and reported */
static void stop_it(struct trl_inst *d, trl_op *op, const trl_action *a) {
    char *id = text_dup(a->unit_id);
    struct unit *u = unit_find(d, id);
    free(id);
    if (!u) {
        op_ok_later(d, op, report_all);
        return;
    }
    superseded(u);
    if (a->verb == TRL_DO_PROVIDER_STOP && !u->stop.op) {
        ticket_open(&u->stop, &d->desk, op);
    } else {
        op_ok_later(d, op, NULL);
    }
    unit_want(u, NULL, 0);
}

static void update_it(struct trl_inst *d, trl_op *op, const trl_action *a) {
    uint32_t kind = a->flags & TRL_ACT_PROVIDER ? TRL_RUN_PROVIDER : TRL_RUN_COMPONENT;
    struct want *w = wanted(d, op, kind, a);
    if (!w) {
        return;
    }
    char *id = text_dup(a->unit_id);
    struct unit *u = unit_get(d, id);
    free(id);
    superseded(u);
    ticket_fail(&u->update, TRL_E_CONFLICT, "another request for it came meanwhile");
    ticket_open(&u->update, &d->desk, op);
    if (u->want && u->count) {
        u->back = want_ref(u->want);
        u->count_back = u->count;
    }
    u->fails = 0;
    u->next_start_ns = 0;
    u->error[0] = '\0';
    unit_want(u, w, kind == TRL_RUN_PROVIDER ? 1 : a->count ? a->count : 1);
}

static void on_labels(void *arg, int error) {
    struct ticket *t = arg;
    if (error) {
        ticket_fail(t, TRL_E_UNAVAIL, "the label could not be kept on disk");
    } else {
        ticket_ok(t);
    }
    free(t);
}

static void label(struct trl_inst *d, trl_op *op, const trl_action *a) {
    if (!a->name.len) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "the label has no key");
        return;
    }
    char *key = text_dup(a->name);
    if (a->verb == TRL_DO_LABEL_PUT) {
        json_object_set_new(d->own_labels, key, j_of(a->body));
    } else {
        json_object_del(d->own_labels, key);
    }
    free(key);
    report_full(d, 0);
    struct ticket *t = x_zalloc(sizeof(*t));
    ticket_open(t, &d->desk, op);
    save_file(d, "labels.json", json_dumps(d->own_labels, JSON_COMPACT), on_labels, t);
}

static void on_host(struct trl_inst *d, trl_op *op, const trl_action *a) {
    int names_unit = a->verb == TRL_DO_SCALE || a->verb == TRL_DO_UPDATE ||
                     a->verb == TRL_DO_PROVIDER_START || a->verb == TRL_DO_PROVIDER_STOP;
    if (!trl_str_eq(a->host_id, trl_cstr(d->host_id))) {
        op_refuse(&d->desk, op, TRL_E_NORESPONDER, "there is no host %.*s here",
                  STR_ARG(a->host_id));
    } else if (names_unit && (!a->unit_id.len || memchr(a->unit_id.ptr, 0, a->unit_id.len))) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "the action names no component or provider");
    } else if (a->verb == TRL_DO_UPDATE) {
        update_it(d, op, a);
    } else if (a->verb == TRL_DO_PROVIDER_STOP || (a->verb == TRL_DO_SCALE && a->count == 0)) {
        stop_it(d, op, a);
    } else if (names_unit) {
        run_it(d, op, a->verb == TRL_DO_SCALE ? TRL_RUN_COMPONENT : TRL_RUN_PROVIDER, a);
    } else {
        label(d, op, a);
    }
}

void actions_apply(struct trl_inst *d, trl_op *op, const trl_action *a) {
    if (a->verb == 0 || a->verb > 63 || !((uint64_t)ACTIONS_VERBS >> a->verb & 1u)) {
        op_refuse(&d->desk, op, TRL_E_UNSUPP, "the process driver has no such verb");
    } else if (!trl_str_eq(a->lattice, trl_cstr(d->set.lattice))) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "this machine is in lattice %s, not in %.*s",
                  d->set.lattice, STR_ARG(a->lattice));
    } else if (a->verb == TRL_DO_LINK_PUT || a->verb == TRL_DO_LINK_DEL ||
               a->verb == TRL_DO_LINK_RENEW) {
        links_apply(d, op, a);
    } else if (a->verb == TRL_DO_CONFIG_PUT || a->verb == TRL_DO_CONFIG_DEL) {
        configs_apply(d, op, a);
    } else {
        on_host(d, op, a);
    }
}
