/* SPDX-License-Identifier: Apache-2.0 */
#include "suite_driver.h"

#include <stdio.h>

#include "base/mem.h"
#include "suite_driver_seen.h"

struct rig {
    struct suite *s;
    struct seen seen;
    const struct suite_hosts *hosts;
    struct call air[3]; /* under way when the driver is stopped */
};

/* Calls */

static const trl_driver_v1 *table_of(const struct suite *s) {
    return s->table;
}

static struct rig *rig_of(const struct suite *s) {
    return s->user;
}

static trl_status ended(struct suite *s, struct call *c) {
    trl_status st;
    call_wait(c);
    st = c->st;
    CHECK(s, st == TRL_OK || c->msg[0], "an error has a text");
    CHECK(s, !strchr(c->msg, '\n'), "an error is one line");
    call_free(c);
    return st;
}

static trl_action action(const struct rig *r, uint32_t verb, const char *unit, const char *image,
                         uint32_t count) {
    trl_action a = {.struct_size = sizeof(a), .verb = verb, .count = count};
    a.lattice = STR("suite");
    a.host_id = str_c(r->hosts->host);
    a.unit_id = str_c(unit);
    a.image = str_c(image);
    return a;
}

static trl_status apply(struct suite *s, const trl_action *a) {
    struct call c;
    table_of(s)->apply(s->raw, call_begin(s, &c, SUITE_PATIENCE), a);
    return ended(s, &c);
}

static bool can(const struct suite *s, uint32_t verb) {
    return (table_of(s)->verbs >> verb) & 1u;
}

static uint32_t count_of(struct rig *r, const char *unit) {
    struct buf key = BUF_INIT;
    buf_addf(&key, "%s %s", r->hosts->host, unit);
    uintptr_t v = (uintptr_t)map_get(&r->seen.running, buf_str(&key));
    buf_finish(&key);
    return v ? (uint32_t)v - 1 : 0;
}

struct waiting {
    struct rig *r;
    const char *unit;
    uint32_t count;
};

static bool counted(void *arg) {
    const struct waiting *w = arg;
    return count_of(w->r, w->unit) == w->count;
}

static void wait_count(struct suite *s, const char *unit, uint32_t count) {
    struct waiting w = {rig_of(s), unit, count};
    loop_run_until(s->loop, counted, &w, SUITE_PATIENCE);
    CHECK(s, counted(&w), "%s: %u reported, not %u", unit, count_of(w.r, unit), count);
}

/* Cases */

static void table_is_whole(struct suite *s) {
    const trl_driver_v1 *t = table_of(s);
    CHECK(s, t->apply && t->resync && t->read_configs && t->probe && t->cancel, "the functions");
    CHECK(s, t->verbs != 0 && !(t->verbs & 1u), "verbs count from 1");
    CHECK(s,
          !(t->flags & TRL_DRIVER_LINKS) || (can(s, TRL_DO_LINK_PUT) && can(s, TRL_DO_CONFIG_PUT)),
          "who has links can put them");
}

static void resync_tells_all(struct suite *s) {
    struct rig *r = rig_of(s);
    struct call c;
    table_of(s)->resync(s->raw, call_begin(s, &c, SUITE_PATIENCE), STR("suite"));
    CHECK_ST(s, ended(s, &c), TRL_OK);
    uint32_t n = r->hosts->n_hosts ? r->hosts->n_hosts : 2;
    CHECK(s, r->seen.fulls >= n, "%u hosts reported in full, not %u", n, r->seen.fulls);
    CHECK(s, !(table_of(s)->flags & TRL_DRIVER_LINKS) || r->seen.full_links >= 1, "all links");
    table_of(s)->resync(s->raw, call_begin(s, &c, SUITE_PATIENCE), STR("nobody-there"));
    CHECK_ST(s, ended(s, &c), TRL_OK);
}

static void nonsense_is_refused(struct suite *s) {
    struct rig *r = rig_of(s);
    trl_action no_verb = action(r, 63, "u", "i", 1), no_host = action(r, TRL_DO_SCALE, "u", "i", 1);
    trl_action no_unit = action(r, TRL_DO_SCALE, "", "i", 1);
    no_host.host_id = STR_NONE;
    CHECK_ST(s, apply(s, &no_verb), TRL_E_UNSUPP);
    CHECK(s, apply(s, &no_host) != TRL_OK, "an action without a host is refused");
    CHECK(s, apply(s, &no_unit) != TRL_OK, "an action without a unit is refused");
    for (uint32_t verb = 0; verb < 63; verb++) {
        trl_action a = action(r, verb, "u", "i", 1);
        if (!can(s, verb)) {
            CHECK_ST(s, apply(s, &a), TRL_E_UNSUPP);
        }
    }
}

static void probes(struct suite *s) {
    struct rig *r = rig_of(s);
    struct call c;
    uint32_t before = r->seen.fulls;
    table_of(s)->probe(s->raw, call_begin(s, &c, SUITE_PATIENCE), STR("suite"),
                       str_c(r->hosts->host));
    CHECK_ST(s, ended(s, &c), TRL_OK);
    CHECK(s, r->seen.fulls > before, "a probe that succeeds made a full report before it ended");
    table_of(s)->probe(s->raw, call_begin(s, &c, SUITE_PATIENCE), STR("suite"),
                       STR("no-such-host"));
    CHECK_ST(s, ended(s, &c), TRL_E_NORESPONDER);
}

static void components_come_and_go(struct suite *s) {
    struct rig *r = rig_of(s);
    trl_action a = action(r, TRL_DO_SCALE, "comp", r->hosts->image, 3);
    CHECK_ST(s, apply(s, &a), TRL_OK);
    wait_count(s, "comp", 3);
    CHECK_ST(s, apply(s, &a), TRL_OK); /* the same again changes nothing */
    a.count = 5;
    a.flags = TRL_ACT_RUNNING;
    CHECK_ST(s, apply(s, &a), TRL_OK);
    wait_count(s, "comp", 5);
    a.count = 0;
    CHECK_ST(s, apply(s, &a), TRL_OK);
    wait_count(s, "comp", 0);
}

static bool noted(void *arg) {
    return ((struct rig *)arg)->seen.notes > 0;
}

static void a_bad_image_is_told(struct suite *s) {
    struct rig *r = rig_of(s);
    trl_action a = action(r, TRL_DO_SCALE, "bad", r->hosts->bad_image, 1);
    r->seen.notes = 0;
    if (apply(s, &a) == TRL_OK) { /* accepted: then the failure comes as a note */
        loop_run_until(s->loop, noted, r, SUITE_PATIENCE);
        CHECK(s, noted(r), "a start that fails is noted");
    }
    CHECK_N(s, count_of(r, "bad"), 0);
}

static void an_update_succeeds_or_goes_back(struct suite *s) {
    struct rig *r = rig_of(s);
    char other[512];
    if (!can(s, TRL_DO_UPDATE)) {
        return;
    }
    snprintf(other, sizeof(other), "%s-2", r->hosts->image);
    trl_action a = action(r, TRL_DO_SCALE, "upd", r->hosts->image, 2);
    CHECK_ST(s, apply(s, &a), TRL_OK);
    wait_count(s, "upd", 2);
    trl_action u = action(r, TRL_DO_UPDATE, "upd", other, 3);
    u.image_old = a.image;
    u.count_old = 2;
    CHECK_ST(s, apply(s, &u), TRL_OK);
    CHECK_N(s, count_of(r, "upd"), 3); /* reported before the end */
    u.image_old = u.image;
    u.image = str_c(r->hosts->bad_image);
    u.count_old = 3;
    u.count = 4;
    CHECK(s, apply(s, &u) != TRL_OK, "an update to a bad image fails");
    CHECK_N(s, count_of(r, "upd"), 3);
    u.flags = TRL_ACT_PREFLIGHT;
    CHECK(s, apply(s, &u) != TRL_OK, "so it does in the trial");
    CHECK_N(s, count_of(r, "upd"), 3);
    for (uint32_t i = 0; i < r->seen.running.n; i++) {
        CHECK(s, !str_ends(r->seen.running.at[i].key, STR("-preflight")),
              "trials are not reported");
    }
}

static void providers_come_and_go(struct suite *s) {
    struct rig *r = rig_of(s);
    if (!can(s, TRL_DO_PROVIDER_START) || !r->hosts->provider) {
        return;
    }
    trl_action a = action(r, TRL_DO_PROVIDER_START, "prov", r->hosts->provider, 1);
    CHECK_ST(s, apply(s, &a), TRL_OK);
    wait_count(s, "prov", 1);
    if (table_of(s)->normal_image) {
        char image[512], again[512], key[600];
        size_t n =
            table_of(s)->normal_image(s->raw, TRL_RUN_PROVIDER, a.image, image, sizeof(image));
        size_t m = table_of(s)->normal_image(s->raw, TRL_RUN_PROVIDER, str_n(image, n), again,
                                             sizeof(again));
        CHECK(s, n == m && memcmp(image, again, n) == 0, "normal_image is idempotent");
        snprintf(key, sizeof(key), "%s prov", r->hosts->host);
        const char *seen = map_get(&r->seen.images, str_c(key));
        CHECK(s, seen && str_is(str_n(image, n), seen), "normal_image is what the host reports");
    }
    a.verb = TRL_DO_PROVIDER_STOP;
    CHECK_ST(s, apply(s, &a), TRL_OK);
    CHECK_N(s, count_of(r, "prov"), 0); /* done means stopped, and reported before */
    CHECK_ST(s, apply(s, &a), TRL_OK);  /* stopping what does not run is no failure */
}

static trl_status read_one(struct suite *s, const char *name) {
    struct call c;
    str names[1] = {str_c(name)};
    table_of(s)->read_configs(s->raw, call_begin(s, &c, SUITE_PATIENCE), STR("suite"), names, 1);
    return ended(s, &c);
}

static uintptr_t config_of(struct rig *r, const char *name) {
    return (uintptr_t)map_get(&r->seen.configs, str_c(name));
}

static void configs_are_hashes(struct suite *s) {
    static const trl_label sorted[] = {{{"a", 1}, {"1", 1}}, {{"b", 1}, {"2", 1}}};
    struct rig *r = rig_of(s);
    struct call c;
    if (!(table_of(s)->flags & TRL_DRIVER_LINKS)) {
        return;
    }
    trl_action a = {.struct_size = sizeof(a), .verb = TRL_DO_CONFIG_PUT, .lattice = STR("suite")};
    a.name = STR("cfg");
    a.body = STR("{\"b\":\"2\",\"a\":\"1\"}");
    CHECK_ST(s, read_one(s, "cfg"), TRL_OK);
    CHECK_N(s, config_of(r, "cfg"), 1);
    CHECK_ST(s, apply(s, &a), TRL_OK);
    CHECK_N(s, config_of(r, "cfg"), 2);
    CHECK(s, r->seen.config_hash == trl_config_hash(sorted, 2), "the hash of what was put");
    r->seen.config_hash = 0;
    CHECK_ST(s, read_one(s, "cfg"), TRL_OK);
    CHECK(s, r->seen.config_hash == trl_config_hash(sorted, 2), "the hash of what was read");
    a.verb = TRL_DO_CONFIG_DEL;
    CHECK_ST(s, apply(s, &a), TRL_OK);
    CHECK_N(s, config_of(r, "cfg"), 1);
    table_of(s)->read_configs(s->raw, call_begin(s, &c, SUITE_PATIENCE), STR("suite"), NULL, 0);
    CHECK_ST(s, ended(s, &c), TRL_OK);
}

static void links_are_told_before_the_end(struct suite *s) {
    struct rig *r = rig_of(s);
    enum { MANY = 20 };
    struct call calls[MANY];
    char targets[MANY][16];
    static const str interfaces[] = {{"store", 5}};
    if (!(table_of(s)->flags & TRL_DRIVER_LINKS)) {
        return;
    }
    for (int i = 0; i < MANY; i++) { /* all at once: none may be lost */
        trl_link l = {.struct_size = sizeof(l), .interfaces = interfaces, .n_interfaces = 1};
        snprintf(targets[i], sizeof(targets[i]), "t%d", i);
        l.source = STR("src");
        l.target = l.name = str_c(targets[i]);
        l.ns = STR("wasi");
        l.package = STR("keyvalue");
        trl_action a = {.struct_size = sizeof(a), .verb = TRL_DO_LINK_PUT, .link = &l};
        a.lattice = STR("suite");
        table_of(s)->apply(s->raw, call_begin(s, &calls[i], SUITE_PATIENCE), &a);
    }
    for (int i = 0; i < MANY; i++) {
        CHECK_ST(s, ended(s, &calls[i]), TRL_OK);
    }
    CHECK_N(s, r->seen.links.n, MANY);
    struct call c;
    table_of(s)->resync(s->raw, call_begin(s, &c, SUITE_PATIENCE), STR("suite"));
    CHECK_ST(s, ended(s, &c), TRL_OK);
    CHECK_N(s, r->seen.links.n, MANY); /* and the hosts say the same */
    trl_link l = {.struct_size = sizeof(l), .source = STR("src"), .target = STR("t3")};
    l.name = STR("t3");
    l.ns = STR("wasi");
    l.package = STR("keyvalue");
    trl_action a = {.struct_size = sizeof(a), .verb = TRL_DO_LINK_DEL, .link = &l};
    a.lattice = STR("suite");
    CHECK_ST(s, apply(s, &a), TRL_OK);
    CHECK_N(s, r->seen.links.n, MANY - 1);
}

static void cancel_ends_soon(struct suite *s) {
    struct rig *r = rig_of(s);
    struct call calls[4];
    trl_action a = action(r, TRL_DO_SCALE, "cc", r->hosts->image, 1);
    trl_action u = action(r, TRL_DO_UPDATE, "cu", r->hosts->image, 1);
    table_of(s)->apply(s->raw, call_begin(s, &calls[0], 0), &a);
    table_of(s)->apply(s->raw, call_begin(s, &calls[1], 0), &u);
    table_of(s)->resync(s->raw, call_begin(s, &calls[2], 0), STR("suite"));
    table_of(s)->probe(s->raw, call_begin(s, &calls[3], 0), STR("suite"), str_c(r->hosts->host));
    for (int i = 0; i < 4; i++) {
        op_cancel(calls[i].op);
    }
    for (int i = 0; i < 4; i++) {
        call_wait(&calls[i]);
        CHECK(s, calls[i].done == 1 && calls[i].st != TRL_OK, "op %d ended by cancel", i);
        call_free(&calls[i]);
    }
}

/* The suite stops the driver with this in the air; it checks that nothing is left. */
static void left_in_the_air(struct suite *s) {
    struct rig *r = rig_of(s);
    struct call *calls = r->air;
    trl_action a = action(r, TRL_DO_SCALE, "air", r->hosts->image, 1);
    table_of(s)->resync(s->raw, call_begin(s, &calls[0], 0), STR("suite"));
    table_of(s)->apply(s->raw, call_begin(s, &calls[1], 0), &a);
    table_of(s)->probe(s->raw, call_begin(s, &calls[2], 0), STR("suite"), STR("no-such-host"));
}

typedef void case_fn(struct suite *s);
static case_fn *const cases[] = {table_is_whole,
                                 resync_tells_all,
                                 nonsense_is_refused,
                                 probes,
                                 components_come_and_go,
                                 a_bad_image_is_told,
                                 an_update_succeeds_or_goes_back,
                                 providers_come_and_go,
                                 configs_are_hashes,
                                 links_are_told_before_the_end,
                                 cancel_ends_soon,
                                 left_in_the_air};

int suite_driver(const char *component, const char *config_json, const struct suite_hosts *hosts,
                 uint32_t flags) {
    struct suite t = {.kind = TRL_KIND_TRANSPORT, .component = "inproc", .config = "{}"};
    struct suite s = {.kind = TRL_KIND_DRIVER, .component = component, .config = config_json};
    struct rig rig = {.s = &s, .seen = {.s = &s}, .hosts = hosts};
    struct plug_iface ifaces[2] = {{TRL_HOST_OBSERVE_V1, &seen_observe, &rig.seen}};
    t.flags = s.flags = flags;
    if (suite_open(&t) == 0) {
        struct bus *bus = bus_create(t.inst);
        void *player = hosts->up(bus, t.loop);
        ifaces[1] = (struct plug_iface){TRL_HOST_TRANSPORT_V1, &bus_host_iface, bus};
        s.ifaces = ifaces;
        s.n_ifaces = 2;
        s.user = &rig;
        s.loop = t.loop;
        s.plug = t.plug;
        if (suite_open(&s) == 0) {
            for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
                cases[i](&s);
            }
        }
        suite_close(&s);
        hosts->down(player);
        bus_destroy(bus);
    }
    suite_close(&t);
    for (size_t i = 0; i < ARRAY_LEN(rig.air); i++) {
        CHECK(&s, rig.air[i].done <= 1, "an op ends once");
        call_free(&rig.air[i]);
    }
    plug_destroy(t.plug);
    loop_destroy(t.loop);
    seen_finish(&rig.seen);
    printf("%s %s: %d checks, %d failed\n", s.kind, s.component, s.checks, s.failures);
    return s.failures + t.failures;
}
