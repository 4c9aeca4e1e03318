/* SPDX-License-Identifier: Apache-2.0
 *
 * driver/1 "lattice": wasmCloud 1.x hosts over their control protocol, on whatever transport is
 * configured.
 */
#include "driver.h"

#include "../common/xmem.h"
#include "actions.h"
#include "call.h"
#include "configs.h"
#include "events.h"
#include "hosts.h"
#include "proto.h"
#include "resync.h"
#include "text.h"

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"ctl_prefix\":{\"type\":\"string\",\"default\":\"wasmbus.ctl\",\"description\":"
    "\"topic prefix of control requests, as the hosts' WASMCLOUD_CTL_TOPIC_PREFIX\"},"
    "\"event_prefix\":{\"type\":\"string\",\"default\":\"wasmbus.evt\",\"description\":"
    "\"topic prefix of events; hosts always use wasmbus.evt\"},"
    "\"multitenant\":{\"type\":\"boolean\",\"default\":false,\"description\":"
    "\"subjects begin with an account; lattice ids are <account>/<lattice>\"},"
    "\"lattices\":{\"type\":\"array\",\"items\":{\"type\":\"string\"},\"default\":[\"*\"],"
    "\"description\":\"which lattices to watch for; * finds all\"},"
    "\"timeout_ms\":{\"type\":\"integer\",\"minimum\":50,\"maximum\":600000,\"default\":2000,"
    "\"description\":\"how long a control request may take\"},"
    "\"ping_ms\":{\"type\":\"integer\",\"minimum\":50,\"maximum\":60000,\"default\":1000,"
    "\"description\":\"how long answers to a ping are collected\"},"
    "\"audit_ms\":{\"type\":\"integer\",\"minimum\":1000,\"maximum\":86400000,\"default\":300000,"
    "\"description\":\"how often links and configs are read again\"},"
    "\"preflight_ms\":{\"type\":\"integer\",\"minimum\":1000,\"maximum\":3600000,\"default\":60000,"
    "\"description\":\"how long a start within an update may take\"},"
    "\"stop_with_ref\":{\"type\":\"boolean\",\"default\":false,\"description\":"
    "\"stop components with their image reference; needed when hosts ask a policy service\"}}}";

void driver_garbage(struct trl_inst *d, trl_str subject, const char *what) {
    int64_t now = now_ns(d);
    d->garbage++;
    if (d->garbage == 1 || now - d->garbage_said_ns >= 60 * NS_PER_S) {
        char where[128];
        d->garbage_said_ns = now;
        text_line(where, sizeof(where), subject);
        trl_logf(
            d->host, TRL_LOG_WARN,
            "skipped a message that is not understood (%s, %s); %llu so far. Is something else "
            "publishing on these subjects?",
            what, where, (unsigned long long)d->garbage);
    }
}

static int64_t ms_of(const struct jnode *b_config, const char *key, int64_t otherwise) {
    const struct jnode *b = jnode_get(b_config, key);
    return (jnode_is(b, J_INT) ? b->integer : otherwise) * NS_PER_MS;
}

static char *text_of(const struct jnode *b_config, const char *key, const char *otherwise) {
    trl_str s = decode_str(b_config, key);
    return text_dup(s.len ? s : trl_cstr(otherwise));
}

static trl_status read_lattices(struct settings *s, const struct jnode *b_list, trl_err *err) {
    size_t n = jnode_count(b_list), i = 0;
    int all = n == 0;
    s->lattices = x_zalloc_n(n, sizeof(*s->lattices));
    JNODE_EACH(b_list, b) {
        trl_str name = jnode_str(b);
        const char *slash = name.len ? memchr(name.ptr, '/', name.len) : NULL;
        size_t head = slash ? (size_t)(slash - name.ptr) : 0;
        trl_str tail = slash ? trl_strn(slash + 1, name.len - head - 1) : name;
        if (trl_str_is(name, "*")) {
            all = 1;
        } else if (!text_is_plain_name(tail) || (slash != NULL) != (s->multitenant != 0) ||
                   (slash && !text_is_plain_name(trl_strn(name.ptr, head)))) {
            return trl_errf(err, TRL_E_INVALID,
                            "lattices[%zu]: \"%.*s\" is no lattice; write %s or \"*\"", i,
                            STR_ARG(name), s->multitenant ? "<account>/<name>" : "a name");
        } else {
            s->lattices[s->n_lattices++] = text_dup(name);
        }
        i++;
    }
    if (all) {
        while (s->n_lattices) {
            free(s->lattices[--s->n_lattices]);
        }
    }
    return TRL_OK;
}

static int prefix_ok(const char *prefix) {
    size_t n = strlen(prefix);
    return n && prefix[0] != '.' && prefix[n - 1] != '.' && !strpbrk(prefix, " \t\r\n*>") &&
           !strstr(prefix, "..");
}

static void settings_finish(struct settings *s) {
    for (size_t i = 0; i < s->n_lattices; i++) {
        free(s->lattices[i]);
    }
    free(s->lattices);
    free(s->ctl_prefix);
    free(s->event_prefix);
}

/* s: zeroed; to be finished also after a failure. */
static trl_status read_settings(struct settings *s, trl_str config, trl_err *err) {
    struct jtree tree = {.n = 0};
    const struct jnode *b =
        jtree_parse(&tree, config.len ? config.ptr : "{}", config.len ? config.len : 2);
    trl_status st = TRL_OK;
    if (!jnode_is(b, J_OBJECT)) {
        jtree_finish(&tree);
        return trl_errf(err, TRL_E_INVALID, "the configuration is no JSON object");
    }
    s->ctl_prefix = text_of(b, "ctl_prefix", "wasmbus.ctl");
    s->event_prefix = text_of(b, "event_prefix", "wasmbus.evt");
    s->multitenant = jnode_is(jnode_get(b, "multitenant"), J_TRUE);
    s->stop_with_ref = jnode_is(jnode_get(b, "stop_with_ref"), J_TRUE);
    s->timeout_ns = ms_of(b, "timeout_ms", 2000);
    s->ping_ns = ms_of(b, "ping_ms", 1000);
    s->audit_ns = ms_of(b, "audit_ms", 300000);
    s->preflight_ns = ms_of(b, "preflight_ms", 60000);
    if (!prefix_ok(s->ctl_prefix) || !prefix_ok(s->event_prefix)) {
        st = trl_errf(err, TRL_E_INVALID,
                      "ctl_prefix and event_prefix are tokens joined by '.', without wildcards");
    } else {
        st = read_lattices(s, jnode_get(b, "lattices"), err);
    }
    jtree_finish(&tree);
    return st;
}

static trl_status check(trl_str config, trl_err *err) {
    struct settings s = {.ctl_prefix = NULL};
    trl_status st = read_settings(&s, config, err);
    settings_finish(&s);
    return st;
}

static void destroy(trl_inst *d);

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *d = x_zalloc(sizeof(*d));
    d->host = h;
    d->bus = h->get_interface(h->ctx, TRL_HOST_TRANSPORT_V1);
    d->observe = h->get_interface(h->ctx, TRL_HOST_OBSERVE_V1);
    d->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    d->desk = (struct desk){.host = h, .loop = d->loop};
    trl_status st = read_settings(&d->set, config, err);
    if (st == TRL_OK && (!d->bus || !d->observe || !d->loop)) {
        st = trl_errf(err, TRL_E_UNSUPP,
                      "needs host.transport/1, host.observe/1 and host.loop/1; %s is missing",
                      !d->bus       ? TRL_HOST_TRANSPORT_V1
                      : !d->observe ? TRL_HOST_OBSERVE_V1
                                    : TRL_HOST_LOOP_V1);
    }
    if (st != TRL_OK) {
        destroy(d);
        return st;
    }
    *out = d;
    return TRL_OK;
}

static void on_link(void *arg, int32_t up) {
    struct trl_inst *d = arg;
    d->observe->link_state(d->host->ctx, up);
}

static void subscribe(trl_inst *d, const char *account, const char *lattice) {
    char *subject =
        text_format("%s%s%s.%s.>", account, account[0] ? "." : "", d->set.event_prefix, lattice);
    d->subs[d->n_subs++] =
        d->bus->subscribe(d->host->ctx, trl_cstr(subject), STR_LIT(""), events_on_message, d);
    free(subject);
}

static void start(trl_inst *d, trl_op *op) {
    d->subs = x_zalloc_n(d->set.n_lattices + 1, sizeof(*d->subs));
    d->follows_all = d->set.n_lattices == 0;
    if (d->follows_all) {
        subscribe(d, d->set.multitenant ? "*" : "", "*");
    }
    for (size_t i = 0; i < d->set.n_lattices; i++) {
        char *slash = strchr(d->set.lattices[i], '/');
        char *account = text_dup(
            trl_strn(d->set.lattices[i], slash ? (size_t)(slash - d->set.lattices[i]) : 0));
        subscribe(d, account, slash ? slash + 1 : d->set.lattices[i]);
        free(account);
    }
    d->link_watch = d->bus->watch_link(d->host->ctx, on_link, d);
    trl_op_ok(d->host, op);
}

/* Everything under way ends here; nothing calls back afterwards. */
static void quiet(trl_inst *d) {
    tickets_cancel(&d->desk, NULL);
    for (size_t i = 0; i < d->n_subs; i++) {
        d->bus->cancel(d->host->ctx, d->subs[i]);
    }
    d->n_subs = 0;
    if (d->link_watch) {
        d->bus->cancel(d->host->ctx, d->link_watch);
        d->link_watch = 0;
    }
    flows_destroy(d);
    lattices_destroy(d);
    calls_cancel(d); /* last: those above give back their own */
}

static void stop(trl_inst *d, trl_op *op) {
    quiet(d);
    trl_op_ok(d->host, op);
}

static void destroy(trl_inst *d) {
    quiet(d);
    free(d->subs);
    names_finish(&d->strangers);
    desk_finish(&d->desk);
    jtree_finish(&d->tree);
    inventory_finish(&d->inv);
    free(d->link_in.lists);
    settings_finish(&d->set);
    free(d);
}

static struct lattice *lattice_or_refuse(trl_inst *d, trl_op *op, trl_str id) {
    const char *why = "";
    struct lattice *l = lattice_follow(d, id, &why);
    if (!l) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "%s", why);
    }
    return l;
}

static void resync(trl_inst *d, trl_op *op, trl_str lattice) {
    struct lattice *l = lattice_or_refuse(d, op, lattice);
    if (l) {
        resync_start(l, op);
    }
}

static void read_configs(trl_inst *d, trl_op *op, trl_str lattice, const trl_str *names,
                         uint32_t n) {
    struct lattice *l = lattice_or_refuse(d, op, lattice);
    if (l) {
        configs_read(l, op, names, n);
    }
}

static void probe(trl_inst *d, trl_op *op, trl_str lattice, trl_str id) {
    struct lattice *l = text_is_token(id) ? lattice_or_refuse(d, op, lattice) : NULL;
    if (l) {
        host_probe(l, op, id);
    } else if (!text_is_token(id)) {
        op_refuse(&d->desk, op, TRL_E_INVALID, "that is no host id");
    }
}

/* Any reference may be one that a host can fetch; whether it can is known by trying. But for agents
 * that run processes. */
static int32_t can_run(trl_inst *d, const trl_unit_view *unit, const trl_host_view *host) {
    (void)d;
    for (uint32_t i = 0; i < host->n_labels; i++) {
        if (trl_str_is(host->labels[i].key, AGENT_LABEL) &&
            trl_str_is(host->labels[i].value, "process")) {
            return trl_str_starts(unit->image, STR_LIT("file://"));
        }
    }
    return 1;
}

static size_t normal_image(trl_inst *d, uint32_t run_kind, trl_str image, char *buf, size_t cap) {
    trl_str s = run_kind == TRL_RUN_PROVIDER ? proto_provider_image(image) : image;
    (void)d;
    if (s.len && cap) {
        memcpy(buf, s.ptr, s.len < cap ? s.len : cap);
    }
    return s.len;
}

static void cancel(trl_inst *d, trl_op *op) {
    tickets_cancel(&d->desk, op);
}

static const trl_driver_v1 table = {.struct_size = sizeof(trl_driver_v1),
                                    .flags = TRL_DRIVER_LINKS,
                                    .verbs = ACTIONS_VERBS,
                                    .apply = actions_apply,
                                    .resync = resync,
                                    .read_configs = read_configs,
                                    .probe = probe,
                                    .can_run = can_run,
                                    .normal_image = normal_image,
                                    .cancel = cancel};

static const void *get_interface(trl_inst *d, const char *id) {
    (void)d;
    return strcmp(id, TRL_KIND_DRIVER) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_TRANSPORT_V1, TRL_HOST_OBSERVE_V1, TRL_HOST_LOOP_V1,
                                    NULL};

static const trl_component component = {.struct_size = sizeof(trl_component),
                                        .thread_model = TRL_LOOP,
                                        .iface = TRL_KIND_DRIVER,
                                        .name = "lattice",
                                        .summary = "wasmCloud 1.x hosts, over any transport",
                                        .config_schema = schema,
                                        .needs = needs,
                                        .check = check,
                                        .create = create,
                                        .start = start,
                                        .stop = stop,
                                        .destroy = destroy,
                                        .get_interface = get_interface};

TRL_PLUGIN("trellis.driver-lattice", "0.1.0", 1, &component);
