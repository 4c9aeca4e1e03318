/* SPDX-License-Identifier: Apache-2.0
 *
 * Random actions and random faults; when the faults end, what was reported must be what is, every
 * op must have ended, and no two link requests of one source may have overlapped.
 */
#include <stdlib.h>

#include "fakelog.h"
#include "rig.h"

#define OPS_MAX 400

struct chaos {
    struct rig r;
    uint64_t rng;
    struct core_op *ops[OPS_MAX];
    size_t n_ops;
    int lossy; /* events may vanish: truth comes with the next heartbeat then */
};

static uint32_t pick(struct chaos *k, uint32_t n) {
    k->rng = k->rng * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)(k->rng >> 33) % n;
}

static struct fhost *any_host(struct chaos *k) {
    return &k->r.w->hosts[pick(k, (uint32_t)k->r.w->n_hosts)];
}

static void unit_action(struct chaos *k) {
    static const char *const units[] = {"u0", "u1", "u2"}, *const provs[] = {"p0", "p1"};
    static const char *const images[] = {"i:1", "i:2", "broken:1"};
    static const uint32_t verbs[] = {TRL_DO_SCALE, TRL_DO_SCALE, TRL_DO_UPDATE,
                                     TRL_DO_PROVIDER_START, TRL_DO_PROVIDER_STOP};
    uint32_t verb = verbs[pick(k, 5)];
    int provider = verb == TRL_DO_PROVIDER_START || verb == TRL_DO_PROVIDER_STOP;
    trl_action a = action(verb, any_host(k)->id, provider ? provs[pick(k, 2)] : units[pick(k, 3)],
                          images[pick(k, 3)], 1 + pick(k, 3));
    if (verb == TRL_DO_SCALE && pick(k, 3) == 0) {
        a.count = 0;
    }
    if (verb == TRL_DO_UPDATE) {
        a.image_old = trl_cstr("i:1");
        a.count_old = 1;
        a.flags = pick(k, 2) ? TRL_ACT_PREFLIGHT : 0;
    } else {
        a.flags = pick(k, 2) ? TRL_ACT_RUNNING : 0;
    }
    k->ops[k->n_ops++] = core_apply(k->r.c, &a);
}

static void link_or_config(struct chaos *k) {
    static const trl_str ifs[] = {{"store", 5}, {"atomics", 7}, {"batch", 5}};
    static const char *const sources[] = {"a", "b"}, *const targets[] = {"t0", "t1", "t2"};
    static const char *const names[] = {"c0", "c1"}, *const bodies[] = {"{}", "{\"k\":\"v\"}"};
    static const uint32_t verbs[] = {TRL_DO_LINK_PUT,   TRL_DO_LINK_PUT,   TRL_DO_LINK_DEL,
                                     TRL_DO_LINK_RENEW, TRL_DO_CONFIG_PUT, TRL_DO_CONFIG_DEL};
    uint32_t verb = verbs[pick(k, 6)], from = pick(k, 3);
    trl_link l =
        link_of(sources[pick(k, 2)], targets[pick(k, 3)], ifs + from, 1 + pick(k, 3 - from));
    trl_action a = verb == TRL_DO_CONFIG_PUT || verb == TRL_DO_CONFIG_DEL
                       ? config_action(verb, names[pick(k, 2)], bodies[pick(k, 2)])
                       : link_action(verb, &l);
    k->ops[k->n_ops++] = core_apply(k->r.c, &a);
}

static void fault(struct chaos *k) {
    struct fhost *h = any_host(k);
    struct fworld *w = k->r.w;
    switch (pick(k, k->lossy ? 11 : 6)) {
    case 0:
        h->mute_replies = (int)pick(k, 3);
        break;
    case 1:
        w->mute_links = (int)pick(k, 3);
        break;
    case 2:
        w->drop_links = (int)pick(k, 2);
        break;
    case 3:
        h->start_ms = pick(k, 3000);
        break;
    case 4:
        w->mute_configs = (int)pick(k, 2);
        break;
    case 5:
        h->echo_ms = pick(k, 2) * (1 + pick(k, 1000));
        break;
    case 6:
        h->lose_events = (int)pick(k, 4);
        break;
    case 7:
        w->lose_link_events = (int)pick(k, 3);
        break;
    case 8:
        h->frozen = !h->frozen;
        break;
    case 9:
        host_restart(h);
        host_start_event(h);
        break;
    default:
        host_beat(h);
        break;
    }
}

static json_t *truth_of_units(const struct fworld *w) {
    json_t *units = json_object();
    for (size_t i = 0; i < w->n_hosts; i++) {
        const struct fhost *h = &w->hosts[i];
        size_t k;
        json_t *e;
        char key[256], text[512];
        json_array_foreach(h->components, k, e) {
            snprintf(key, sizeof(key), "%s %s", h->id, json_string_value(json_object_get(e, "id")));
            snprintf(text, sizeof(text), "%s x%d",
                     json_string_value(json_object_get(e, "image_ref")),
                     (int)json_integer_value(json_object_get(e, "max_instances")));
            json_object_set_new(units, key, json_string(text));
        }
        json_array_foreach(h->providers, k, e) {
            snprintf(key, sizeof(key), "%s %s", h->id, json_string_value(json_object_get(e, "id")));
            snprintf(text, sizeof(text), "%s x1",
                     json_string_value(json_object_get(e, "image_ref")));
            json_object_set_new(units, key, json_string(text));
        }
    }
    return units;
}

static json_t *truth_of_links(const struct fworld *w) {
    json_t *links = json_object(), *e;
    size_t i;
    json_array_foreach(w->links, i, e) {
        char key[512];
        snprintf(key, sizeof(key), "%s wasi:keyvalue default %s",
                 json_string_value(json_object_get(e, "source_id")),
                 json_string_value(json_object_get(e, "target")));
        json_object_set(links, key, json_object_get(e, "interfaces"));
    }
    return links;
}

static void same(const struct chaos *k, uint64_t seed, const char *what, const json_t *seen,
                 json_t *truth) {
    if (!json_equal(seen, truth)) {
        char *s = json_dumps(seen, JSON_SORT_KEYS), *t = json_dumps(truth, JSON_SORT_KEYS);
        core_print(k->r.c);
        for (size_t i = 0; i < k->r.w->n_requests; i++) {
            fprintf(stderr, "  > %.120s\n", k->r.w->requests[i]);
        }
        fprintf(stderr, "seed %llu, %s\n seen  %s\n truth %s\n", (unsigned long long)seed, what, s,
                t);
        free(s);
        free(t);
        fail();
    }
    json_decref(truth);
}

static void heal(struct chaos *k) {
    struct fworld *w = k->r.w;
    for (size_t i = 0; i < w->n_hosts; i++) {
        struct fhost *h = &w->hosts[i];
        h->mute_replies = h->lose_events = h->frozen = 0;
        h->start_ms = 5;
        h->echo_ms = 0;
    }
    w->mute_links = w->drop_links = w->mute_configs = w->lose_link_events = 0;
    core_run(k->r.c, 300000);
    for (size_t i = 0; i < w->n_hosts && k->lossy; i++) {
        host_beat(&w->hosts[i]);
    }
    core_run(k->r.c, 400000); /* an audit is in it */
}

static void play(uint64_t seed, int lossy) {
    struct chaos k = {.rng = seed, .lossy = lossy};
    rig_synced(&k.r, "{\"preflight_ms\":5000}");
    world_host(k.r.w, "H3");
    host_beat(&k.r.w->hosts[2]);
    k.r.w->fail_image = "broken";
    for (int i = 0; i < 150; i++) {
        uint32_t what = pick(&k, 10);
        if (what < 4) {
            unit_action(&k);
        } else if (what < 7) {
            link_or_config(&k);
        } else if (what < 9) {
            fault(&k);
        } else if (k.n_ops && pick(&k, 4) == 0) {
            core_cancel(k.r.c, k.ops[pick(&k, (uint32_t)k.n_ops)]);
        }
        core_run(k.r.c, pick(&k, 3) ? pick(&k, 20) : pick(&k, 3000));
    }
    heal(&k);
    for (size_t i = 0; i < k.n_ops; i++) {
        assert_true(k.ops[i]->done);
    }
    const struct seen *seen = &core_log(k.r.c)->seen;
    same(&k, seed, "units", seen->units, truth_of_units(k.r.w));
    same(&k, seed, "links", seen->links, truth_of_links(k.r.w));
    for (size_t i = 0; i < 2; i++) {
        char name[3] = {'c', (char)('0' + i), '\0'};
        const char *s = json_string_value(json_object_get(seen->configs, name));
        int there = json_object_get(k.r.w->configs, name) != NULL;
        assert_true(!s || (strcmp(s, "absent") != 0) == there);
    }
    assert_true(k.r.w->links_most <= 1);
    assert_int_equal(core_count(k.r.c, "skipped a message"), 0);
    if (core_count(k.r.c, "-preflight")) {
        core_print(k.r.c);
        fail_msg("seed %llu: a trial was reported", (unsigned long long)seed);
    }
    rig_close(&k.r);
}

static void seeds(uint64_t from, int lossy) {
    const char *n = getenv("CHAOS_SEEDS");
    uint64_t many = n ? strtoull(n, NULL, 10) : 40;
    for (uint64_t i = 0; i < many; i++) {
        play(from + i, lossy);
    }
}

static void deltas_alone_keep_the_truth(void **state) {
    (void)state;
    seeds(1, 0);
}

static void after_lost_events_a_heartbeat_tells(void **state) {
    (void)state;
    seeds(1000001, 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(deltas_alone_keep_the_truth),
        cmocka_unit_test(after_lost_events_a_heartbeat_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
