/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/sim.h"

#include <string.h>

#include "sim/stats.h"
#include "sim/world_priv.h"

/* Of one lattice, in force while a host of it is up. Requests to "everybody" and to "anybody" come
 * in once per lattice and are dealt out here. The queue groups are those of real hosts. */
struct common {
    struct bus_sub *subs[12];
    uint32_t n;
};

struct sim {
    struct loop *loop;
    struct bus *bus;
    struct world *world;
    struct loop_timer timer;
    struct common *commons; /* [lattices] */
    struct bus_sub **own;   /* [hosts]; NULL: does not listen */
    bool wildcard, auctions;
};

static void publish(void *arg, str subject, str body) {
    struct sim *s = arg;
    bus_publish(s->bus, &(struct bus_msg){.subject = subject, .body = body});
}

static void wake(void *arg, int64_t due_ns) {
    struct sim *s = arg;
    int64_t in = due_ns - loop_now_ns(s->loop);
    loop_timer_start(&s->timer, in > 0 ? in : 0);
}

static void on_timer(void *arg) {
    struct sim *s = arg;
    world_advance(s->world, loop_now_ns(s->loop));
}

/* As a NATS server answers for nobody. Clients that look at the status line only, and not at a
 * header of that name, see an empty reply. */
static void no_responders(struct sim *s, str reply) {
    trl_label status = {STR("Status"), STR("503")};
    bus_publish(s->bus, &(struct bus_msg){.subject = reply, .headers = &status, .n_headers = 1});
}

static void on_request(void *arg, const struct bus_msg *m) {
    struct sim *s = arg;
    str reply = m->reply;
    if (!world_request(s->world, m->subject, reply, m->body, loop_now_ns(s->loop)) && s->wildcard &&
        reply.len) {
        no_responders(s, reply);
    }
}

/* "*.*.<host>" fits requests for a config of that name too: those come by their own subscription.
 */
static void on_own(void *arg, const struct bus_msg *m) {
    struct sim *s = arg;
    str rest = str_skip(m->subject, strlen(s->world->prefix)), verb;
    str_cut(rest, '.', &verb);
    if (!str_starts(verb, STR("config."))) {
        on_request(s, m);
    }
}

static void join(struct sim *s, struct vlattice *l, struct common *c, const char *what,
                 const char *queue) {
    struct buf subject = BUF_INIT, group = BUF_INIT;
    buf_addf(&subject, "%s%s", l->subject, what);
    if (queue) {
        buf_addf(&group, "%s%s", l->subject, queue);
    }
    c->subs[c->n++] = bus_subscribe(s->bus, buf_str(&subject), buf_str(&group), on_request, s);
    buf_finish(&subject);
    buf_finish(&group);
}

static void commons_on(struct sim *s, struct vlattice *l, struct common *c) {
    static const char *const wild[] = {"component.*.*", "provider.*.*", "label.*.*", "host.*.*"};
    join(s, l, c, "registry.put", NULL);
    join(s, l, c, "host.ping", NULL);
    if (s->auctions) {
        join(s, l, c, "component.auction", NULL);
        join(s, l, c, "provider.auction", NULL);
    }
    join(s, l, c, "link.*", "link");
    join(s, l, c, "claims.get", "claims");
    join(s, l, c, "config.>", "config");
    for (size_t i = 0; s->wildcard && i < ARRAY_LEN(wild); i++) {
        join(s, l, c, wild[i], NULL);
    }
}

static void commons_off(struct common *c) {
    while (c->n) {
        bus_unsubscribe(c->subs[--c->n]);
    }
}

static struct common *common_of(struct sim *s, const struct vlattice *l) {
    for (uint32_t i = 0; i < world_n_lattices(s->world); i++) {
        if (world_lattice(s->world, i) == l) {
            return &s->commons[i];
        }
    }
    return NULL;
}

static void listen_on(struct sim *s, struct vhost *h) {
    struct vlattice *l = vhost_lattice(h);
    struct common *c = common_of(s, l);
    if (c && c->n == 0) {
        commons_on(s, l, c);
    }
    if (!s->wildcard) {
        struct buf subject = BUF_INIT;
        buf_addf(&subject, "%s*.*.%s", l->subject, vhost_id(h));
        s->own[h->index] = bus_subscribe(s->bus, buf_str(&subject), STR_NONE, on_own, s);
        buf_finish(&subject);
    }
}

static void listen(void *arg, struct vhost *h, bool on) {
    struct sim *s = arg;
    if (on) {
        listen_on(s, h);
        return;
    }
    bus_unsubscribe(s->own[h->index]);
    s->own[h->index] = NULL;
    struct common *c = common_of(s, vhost_lattice(h));
    if (c && vhost_lattice(h)->up.n == 0) {
        commons_off(c);
    }
}

int sim_create(struct loop *loop, struct bus *bus, const struct sim_config *c, struct sim **ret,
               struct err *err) {
    struct sim *s = mem_zalloc(sizeof(*s));
    struct world_out out = {.publish = publish, .listen = listen, .wake = wake, .arg = s};
    s->loop = loop;
    s->bus = bus;
    s->auctions = c->auctions;
    s->wildcard = c->wildcard;
    int rc = world_create(c, &out, loop_now_ns(loop), loop_wall_ms(loop), &s->world, err);
    if (rc < 0) {
        mem_free(s);
        return rc;
    }
    s->commons = mem_array(world_n_lattices(s->world), sizeof(*s->commons));
    s->own = mem_array(world_n_hosts(s->world), sizeof(*s->own));
    loop_timer_init(&s->timer, loop, on_timer, s);
    *ret = s;
    return 0;
}

void sim_destroy(struct sim *s) {
    if (!s) {
        return;
    }
    loop_timer_stop(&s->timer);
    for (uint32_t i = 0; i < world_n_hosts(s->world); i++) {
        bus_unsubscribe(s->own[i]);
    }
    for (uint32_t i = 0; i < world_n_lattices(s->world); i++) {
        commons_off(&s->commons[i]);
    }
    world_destroy(s->world);
    mem_free(s->commons);
    mem_free(s->own);
    mem_free(s);
}

void sim_start(struct sim *s) {
    world_start(s->world, loop_now_ns(s->loop));
}

void sim_shutdown(struct sim *s) {
    world_shutdown(s->world, loop_now_ns(s->loop));
}

struct world *sim_world(struct sim *s) {
    return s->world;
}

void sim_stats_json(struct sim *s, struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    stats_write(s->world, loop_now_ns(s->loop), &w);
}
