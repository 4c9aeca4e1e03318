/* SPDX-License-Identifier: Apache-2.0
 *
 * Life of an agent: what it listens to, what it says, what is under way.
 */
#include "agent/agent_priv.h"

void job_join(struct agent *a, struct job *j, void (*drop)(struct job *j)) {
    *j = (struct job){.a = a, .next = a->jobs, .drop = drop};
    if (a->jobs) {
        a->jobs->prev = j;
    }
    a->jobs = j;
}

void job_end(struct job *j) {
    if (j->next) {
        j->next->prev = j->prev;
    }
    if (j->prev) {
        j->prev->next = j->next;
    } else {
        j->a->jobs = j->next;
    }
    j->drop(j);
}

void agent_reply(struct agent *a, str reply, bool ok, const char *message) {
    struct buf body = BUF_INIT;
    if (reply.len) {
        wire_reply(&body, ok, str_c(message), STR_NONE);
        bus_publish(a->env.bus, &(struct bus_msg){.subject = reply, .body = buf_str(&body)});
    }
    buf_finish(&body);
}

void agent_reply_json(struct agent *a, str reply, struct buf *response) {
    struct buf body = BUF_INIT;
    if (reply.len) {
        wire_reply(&body, true, STR(""), buf_str(response));
        bus_publish(a->env.bus, &(struct bus_msg){.subject = reply, .body = buf_str(&body)});
    }
    buf_finish(&body);
    buf_finish(response);
}

void agent_event(struct agent *a, const char *event, struct buf *data) {
    int64_t wall_ms = loop_wall_ms(a->env.loop);
    struct buf subject = BUF_INIT, body = BUF_INIT;
    char id[37];
    if (a->up) {
        ulid_uuid_text(wall_ms, loop_rng(a->env.loop), id);
        buf_addf(&subject, "wasmbus.evt.%s.%s", a->lattice, event);
        wire_event(&body, event, str_c(a->host_id), id, wall_ms * 1000000, buf_str(data));
        bus_publish(a->env.bus,
                    &(struct bus_msg){.subject = buf_str(&subject), .body = buf_str(&body)});
    }
    buf_finish(&subject);
    buf_finish(&body);
    buf_finish(data);
}

str agent_err_text(trl_status st, const trl_err *err) {
    return err && err->msg_len ? str_n(err->msg, err->msg_len) : str_c(err_name(st));
}

void agent_apply(struct agent *a, trl_action *x, agent_done_fn done, void *arg) {
    x->struct_size = sizeof(*x);
    x->lattice = str_c(a->lattice);
    x->host_id = str_c(a->driver_host ? a->driver_host : "");
    a->env.driver.apply(a->env.driver.arg, x, done, arg);
}

void agent_done_quietly(void *arg, trl_status st, const trl_err *err) {
    struct agent *a = arg;
    if (st != TRL_OK) {
        log_warn(a->env.log, "the driver: %.*s", PSTR(agent_err_text(st, err)));
    }
}

trl_label *agent_marks(const struct strs *pairs, uint32_t *ret_n) {
    trl_label *l = mem_array(pairs_n(pairs) + 1, sizeof(*l));
    *ret_n = pairs_n(pairs);
    for (uint32_t i = 0; i < *ret_n; i++) {
        l[i] = (trl_label){strs_at(pairs, 2 * i), strs_at(pairs, 2 * i + 1)};
    }
    return l;
}

/* From a subject to what it asks for. */

static const struct op {
    const char *what, *verb;
    agent_handler *run;
    enum { ALL, ANY, ONE } who; /* addressed to: every host, one of them, this one */
} ops[] = {{"host", "ping", agent_ping, ALL},
           {"host", "get", agent_get, ONE},
           {"host", "stop", agent_stop_host, ONE},
           {"label", "put", agent_label_put, ONE},
           {"label", "del", agent_label_del, ONE},
           {"component", "auction", agent_component_auction, ALL},
           {"component", "scale", agent_scale, ONE},
           {"component", "update", agent_update, ONE},
           {"provider", "auction", agent_provider_auction, ALL},
           {"provider", "start", agent_provider_start, ONE},
           {"provider", "stop", agent_provider_stop, ONE},
           {"link", "put", agent_link_put, ANY},
           {"link", "del", agent_link_del, ANY},
           {"link", "get", agent_link_get, ANY},
           {"claims", "get", agent_claims_get, ANY},
           {"registry", "put", agent_registry_put, ALL}};
static const struct op configs[] = {{"config", "put", agent_config_put, ANY},
                                    {"config", "get", agent_config_get, ANY},
                                    {"config", "del", agent_config_del, ANY}};

static agent_handler *handler_of(str what, str verb, str name) {
    for (size_t i = 0; name.ptr && i < ARRAY_LEN(configs); i++) {
        if (str_is(what, "config") && str_is(verb, configs[i].verb) &&
            !memchr(name.ptr, '.', name.len)) {
            return configs[i].run;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
        if (str_is(what, ops[i].what) && str_is(verb, ops[i].verb) &&
            (ops[i].who == ONE) == (name.ptr != NULL)) {
            return ops[i].run;
        }
    }
    return agent_unsupported;
}

static void on_request(void *arg, const struct bus_msg *m) {
    struct agent *a = arg;
    str rest, name, what = str_cut(str_skip(m->subject, strlen(a->subject)), '.', &rest);
    str verb = str_cut(rest, '.', &name);
    struct ask q = {.reply = m->reply, .name = name, .body = m->body};
    handler_of(what, verb, name)(a, &q);
}

/* A config may be called as this host is: such a request comes by its own subscription. */
static void on_own(void *arg, const struct bus_msg *m) {
    struct agent *a = arg;
    if (!str_starts(str_skip(m->subject, strlen(a->subject)), STR("config."))) {
        on_request(a, m);
    }
}

static void join(struct agent *a, const char *what, const char *last, const char *queue) {
    struct buf subject = BUF_INIT, group = BUF_INIT;
    buf_addf(&subject, "%s%s%s", a->subject, what, last);
    if (queue) {
        buf_addf(&group, "%s%s", a->subject, queue);
    }
    a->subs[a->n_subs++] = bus_subscribe(a->env.bus, buf_str(&subject), buf_str(&group),
                                         *last ? on_own : on_request, a);
    buf_finish(&subject);
    buf_finish(&group);
}

void agent_listen(struct agent *a) {
    join(a, "registry.put", "", NULL);
    join(a, "host.ping", "", NULL);
    join(a, "component.auction", "", NULL);
    join(a, "provider.auction", "", NULL);
    join(a, "link.*", "", "link");
    join(a, "claims.get", "", "claims");
    join(a, "config.>", "", "config");
    join(a, "component.*.", a->host_id, NULL);
    join(a, "provider.*.", a->host_id, NULL);
    join(a, "label.*.", a->host_id, NULL);
    join(a, "host.*.", a->host_id, NULL);
}

void agent_deaf(struct agent *a) {
    while (a->n_subs) {
        bus_unsubscribe(a->subs[--a->n_subs]);
    }
}

/* Life */

static void on_beat(void *arg) {
    struct agent *a = arg;
    a->beat_ns = loop_now_ns(a->env.loop);
    agent_beat(a);
    loop_timer_start(&a->beat, a->env.heartbeat_ns);
}

static void on_link(void *arg, bool up) {
    struct agent *a = arg;
    if (up && a->up && loop_now_ns(a->env.loop) - a->beat_ns >= a->env.heartbeat_ns / 2) {
        on_beat(a); /* what was said meanwhile is lost; but who listens measures the interval */
    }
}

static void begin(struct agent *a) {
    if (a->up || a->leaving) {
        return;
    }
    a->up = true;
    a->started_ns = loop_now_ns(a->env.loop);
    agent_listen(a);
    if (agent_is_clear(a)) {
        agent_say_hello(a); /* who hears it forgets all that the host ran */
    }
    on_beat(a); /* what was adopted is known at once */
    bus_watch_link(a->env.bus, on_link, a);
    a->env.on_ready(a->env.arg);
}

static void on_compared(void *arg, trl_status st, const trl_err *err) {
    struct agent *a = arg;
    if (st != TRL_OK) {
        log_warn(a->env.log, "the driver does not tell its configurations: %.*s",
                 PSTR(agent_err_text(st, err)));
    }
    if (!a->leaving) {
        agent_compare(a);
        begin(a);
    }
}

/* What the driver kept from an earlier life may differ from the buckets. */
void agent_driver_known(struct agent *a) {
    a->driver_known = a->driver_known || a->driver_host;
    if (!a->driver_known || !a->links_synced || !a->configs_synced || a->compared || a->leaving) {
        return;
    }
    a->compared = true;
    str *names = mem_array(a->configs.n + 1, sizeof(*names));
    for (uint32_t i = 0; i < a->configs.n; i++) {
        names[i] = a->configs.at[i].key;
    }
    a->env.driver.read_configs(a->env.driver.arg, names, a->configs.n, on_compared, a);
    mem_free(names);
}

struct agent *agent_create(const struct agent_env *env) {
    struct agent *a = mem_zalloc(sizeof(*a));
    struct buf subject = BUF_INIT;
    a->env = *env;
    a->lattice = str_dup(env->lattice);
    a->prefix = str_dup(env->prefix);
    a->host_id = str_dup(env->host_id);
    a->name = str_dup(env->name);
    a->version = str_dup(env->version);
    a->url = str_dup(env->url);
    a->kind = str_dup(env->kind);
    a->labels = env->labels;
    buf_addf(&subject, "%s.v1.%s.", a->prefix, a->lattice);
    a->subject = buf_take(&subject);
    loop_timer_init(&a->beat, env->loop, on_beat, a);
    agent_data_start(a);
    return a;
}

void agent_leave(struct agent *a, bool say) {
    loop_timer_stop(&a->beat);
    if (a->up && say && !a->leaving) {
        agent_deaf(a);
        agent_say_bye(a);
    }
    agent_deaf(a);
    agent_data_stop(a);
    a->leaving = true;
    a->up = false;
}

static void on_cleared(void *arg, trl_status st, const trl_err *err) {
    struct agent *a = arg;
    a->clearing--;
    agent_done_quietly(a, st, err);
}

void agent_clear(struct agent *a) {
    for (uint32_t i = 0; i < a->entries.n; i++) {
        const struct entry *e = a->entries.at[i].value;
        trl_action x = {.verb = e->kind == TRL_RUN_PROVIDER ? TRL_DO_PROVIDER_STOP : TRL_DO_SCALE,
                        .unit_id = str_c(e->id)};
        if (e->count || e->wanted) {
            a->clearing++;
            agent_apply(a, &x, on_cleared, a);
        }
    }
}

bool agent_is_clear(const struct agent *a) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->entries.n; i++) {
        n += ((const struct entry *)a->entries.at[i].value)->count;
    }
    return n == 0 && a->clearing == 0;
}

void agent_destroy(struct agent *a) {
    if (!a) {
        return;
    }
    agent_leave(a, false);
    while (a->jobs) {
        job_end(a->jobs);
    }
    agent_data_finish(a);
    agent_entries_finish(a);
    strs_unref(a->labels);
    strs_unref(a->driver_labels);
    mem_free(a->driver_host);
    mem_free(a->subject);
    mem_free(a->lattice);
    mem_free(a->prefix);
    mem_free(a->host_id);
    mem_free(a->name);
    mem_free(a->version);
    mem_free(a->url);
    mem_free(a->kind);
    mem_free(a);
}
