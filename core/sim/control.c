/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/control.h"

#include "sim/stats.h"

const char control_help[] =
    "start|stop|crash|restart|freeze|unfreeze HOSTS\n"
    "label HOSTS KEY=VALUE        as label.put does\n"
    "set HOSTS SETTING VALUE      reply-delay, start-delay, fail-rate, lose-events, ... (as the\n"
    "                             options of the command line); \"set HOSTS reset\" takes it back\n"
    "fail-image PATTERN=TEXT      starts of images that fit fail; without \"=TEXT\" no more\n"
    "health HOSTS PROVIDER healthy|unhealthy|silent\n"
    "show HOSTS                   what really runs, one JSON line per host\n"
    "stats                        counters, one JSON line\n"
    "reset                        forgets maxima and gaps\n"
    "help, quit\n"
    "HOSTS: a number from 0, a range 2-5, an id, or all\n";

struct words {
    struct world *w;
    int64_t now_ns;
    struct buf *out;
    str rest; /* of the line */
};

static str word(struct words *c) {
    str rest, first;
    c->rest = str_trim(c->rest);
    first = str_cut(c->rest, ' ', &rest);
    c->rest = rest.ptr ? str_trim(rest) : STR("");
    return first;
}

/* [*ret_from, *ret_to) */
static bool hosts_of(struct words *c, uint32_t *ret_from, uint32_t *ret_to) {
    str text = word(c), last, first = str_cut(text, '-', &last);
    uint64_t from, to, n = world_n_hosts(c->w);
    struct vhost *h = world_find(c->w, text);
    if (str_is(text, "all")) {
        *ret_from = 0;
        *ret_to = (uint32_t)n;
        return true;
    }
    for (uint32_t i = 0; h && i < n; i++) {
        if (world_host(c->w, i) == h) {
            *ret_from = i;
            *ret_to = i + 1;
            return true;
        }
    }
    if (str_u64(first, &from) && (!last.ptr || str_u64(last, &to))) {
        to = last.ptr ? to : from;
        if (from <= to && to < n) {
            *ret_from = (uint32_t)from;
            *ret_to = (uint32_t)to + 1;
            return true;
        }
    }
    buf_addf(c->out, "error: \"%.*s\" names no hosts; there are 0 to %u\n", PSTR(text),
             (unsigned)n - 1);
    return false;
}

static void ok(struct words *c) {
    buf_addf(c->out, "ok\n");
}

static bool life(struct words *c, str verb) {
    static const struct {
        const char *verb;
        void (*fn)(struct vhost *h, int64_t now_ns);
    } all[] = {{"start", world_host_start},   {"stop", world_host_stop},
               {"crash", world_host_crash},   {"restart", world_host_restart},
               {"freeze", world_host_freeze}, {"unfreeze", world_host_unfreeze}};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        uint32_t from, to;
        if (!str_is(verb, all[i].verb)) {
            continue;
        }
        if (hosts_of(c, &from, &to)) {
            for (; from < to; from++) {
                all[i].fn(world_host(c->w, from), c->now_ns);
            }
            ok(c);
        }
        return true;
    }
    return false;
}

static void do_label(struct words *c) {
    uint32_t from, to;
    if (!hosts_of(c, &from, &to)) {
        return;
    }
    str value, key = str_cut(c->rest, '=', &value);
    if (!value.ptr || key.len == 0) {
        buf_addf(c->out, "error: write label HOSTS KEY=VALUE\n");
        return;
    }
    for (; from < to; from++) {
        world_host_label(world_host(c->w, from), key, value, c->now_ns);
    }
    ok(c);
}

static void do_set(struct words *c) {
    uint32_t from, to;
    struct err err = ERR_INIT;
    if (!hosts_of(c, &from, &to)) {
        return;
    }
    bool all = from == 0 && to == world_n_hosts(c->w);
    str name = word(c), value = c->rest;
    for (uint32_t i = from; i < to; i++) {
        struct vhost *h = world_host(c->w, i);
        struct sim_faults f = all ? *world_faults(c->w) : *world_host_faults_now(h);
        if (str_is(name, "reset")) {
            world_host_faults(h, NULL);
        } else if (sim_faults_set(&f, name, value, &err) < 0) {
            buf_addf(c->out, "error: %s\n", err.msg);
            return;
        } else if (all) {
            world_set_faults(c->w, &f);
            break;
        } else {
            world_host_faults(h, &f);
        }
    }
    ok(c);
}

static void do_fail_image(struct words *c) {
    str text, pattern = str_cut(c->rest, '=', &text);
    if (pattern.len == 0) {
        buf_addf(c->out, "error: write fail-image PATTERN=TEXT\n");
        return;
    }
    char *copy = text.ptr ? str_dup(text) : NULL;
    world_image_fault(c->w, pattern, copy);
    mem_free(copy);
    ok(c);
}

static void do_health(struct words *c) {
    uint32_t from, to, found = 0;
    if (!hosts_of(c, &from, &to)) {
        return;
    }
    str id = word(c), what = c->rest;
    if (!str_is(what, "healthy") && !str_is(what, "unhealthy") && !str_is(what, "silent")) {
        buf_addf(c->out, "error: write health HOSTS PROVIDER healthy|unhealthy|silent\n");
        return;
    }
    for (; from < to; from++) {
        found += world_provider_health(world_host(c->w, from), id, what.ptr[0]);
    }
    buf_addf(c->out, "ok, %u\n", found);
}

static void do_show(struct words *c) {
    uint32_t from, to;
    if (!hosts_of(c, &from, &to)) {
        return;
    }
    for (; from < to; from++) {
        struct jw j;
        jw_init(&j, c->out, false);
        stats_write_host(world_host(c->w, from), &j);
        buf_add_c(c->out, '\n');
    }
}

static void do_stats(struct words *c) {
    struct jw j;
    jw_init(&j, c->out, false);
    stats_write(c->w, c->now_ns, &j);
    buf_add_c(c->out, '\n');
}

static void do_reset(struct words *c) {
    for (uint32_t i = 0; i < world_n_lattices(c->w); i++) {
        truth_reset(&world_lattice(c->w, i)->truth, c->now_ns);
    }
    ok(c);
}

static void do_help(struct words *c) {
    buf_addf(c->out, "%s", control_help);
}

bool control_line(struct world *w, str line, int64_t now_ns, struct buf *out) {
    static const struct {
        const char *verb;
        void (*fn)(struct words *c);
    } all[] = {{"label", do_label},   {"set", do_set},   {"fail-image", do_fail_image},
               {"health", do_health}, {"show", do_show}, {"stats", do_stats},
               {"reset", do_reset},   {"help", do_help}};
    struct words c = {w, now_ns, out, line};
    str verb = word(&c);
    if (verb.len == 0 || str_starts(verb, STR("#"))) {
        return true;
    }
    if (str_is(verb, "quit")) {
        return false;
    }
    if (life(&c, verb)) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (str_is(verb, all[i].verb)) {
            all[i].fn(&c);
            return true;
        }
    }
    buf_addf(out, "error: \"%.*s\" is no command; \"help\" lists them\n", PSTR(verb));
    return true;
}
