/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of recordings of real 1.9.2 hosts — by wadm, wash and by hand — against an agent: its
 * replies have the same success, text and members, its events the same members as those of the
 * real host. Values that tell of another machine are not compared.
 */
#include "agenttest.h"

#include "hostwire/wire.h"

struct replay {
    struct rig g;
    uint32_t replies, equal, events, wrong;
    struct map shapes;  /* event name and the members its data had in the recording */
    struct map good;    /* images that started there at some time */
    struct map answers; /* inbox -> const struct node *: the reply of the recording */
};

static int by_key(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool optional(str key) { /* of signed images, of hosts with settings this one lacks */
    return str_is(key, "claims") || str_is(key, "public_key") || str_is(key, "instance_id") ||
           str_is(key, "link_name") || str_is(key, "js_domain") || str_is(key, "name");
}

/* Members of an object with their types, in order of keys. */
static char *members(const struct node *n) {
    struct buf b = BUF_INIT;
    char **keys = mem_array((n ? n->n : 0) + 1, sizeof(*keys));
    uint32_t used = 0;
    for (uint32_t i = 0; n && n->type == NODE_OBJECT && i < n->n; i++) {
        if (!optional(n->members[i].key)) {
            struct buf k = BUF_INIT;
            buf_addf(&k, "%.*s:%d", PSTR(n->members[i].key), (int)n->members[i].value->type);
            keys[used++] = buf_take(&k);
        }
    }
    qsort(keys, used, sizeof(*keys), by_key);
    for (uint32_t i = 0; i < used; i++) {
        buf_addf(&b, " %s", keys[i]);
        mem_free(keys[i]);
    }
    mem_free(keys);
    buf_addf(&b, ".");
    return buf_take(&b);
}

static bool same_members(const struct node *a, const struct node *b) {
    char *x = members(a), *y = members(b);
    bool same = strcmp(x, y) == 0;
    if (!same && getenv("TEST_LOG")) {
        fprintf(stderr, "   %s\n   %s\n", x, y);
    }
    mem_free(x);
    mem_free(y);
    return same;
}

static char *shape(const char *event, const struct node *data) {
    struct buf b = BUF_INIT;
    char *text = members(data);
    buf_addf(&b, "%s %s", event, text);
    mem_free(text);
    return buf_take(&b);
}

/* What the host of the recording could not start, and never did, this driver cannot either. */
static void learn(struct replay *p, const char *event, const struct node *data) {
    if (strcmp(event, "component_scale_failed") == 0) {
        map_set(&p->g.broken, node_text(data, "image_ref", STR("")), p);
    } else if (strcmp(event, "provider_start_failed") == 0) {
        map_set(&p->g.broken, node_text(data, "provider_ref", STR("")), p);
    } else if (strcmp(event, "component_scaled") == 0 || strcmp(event, "provider_started") == 0) {
        map_set(&p->good, node_text(data, "image_ref", STR("")), p);
    }
    char *key = shape(event, data);
    map_set(&p->shapes, str_c(key), p);
    map_set(&p->shapes, str_c(event), p);
    mem_free(key);
}

static void check_events(struct replay *p) {
    for (uint32_t i = p->g.from; i < p->g.said.n; i++) {
        const struct said *s = &p->g.said.at[i];
        char *key = shape(s->event, s->data);
        if (map_has(&p->shapes, str_c(s->event)) && !map_has(&p->shapes, str_c(key))) {
            fprintf(stderr, "an event unlike those of the host: %s\n", key);
            p->wrong++;
        }
        p->events += map_has(&p->shapes, str_c(key));
        mem_free(key);
    }
    p->g.from = p->g.said.n;
}

/* Texts that are our own on purpose: an image is replaced for good; providers start at once. */
static bool own_text(const char *subject, str there, str here) {
    static const str twice = STR("provider with that ID");
    return str_starts(str_c(subject), STR("component.scale.")) ||
           str_starts(str_c(subject), STR("component.update.")) || str_starts(there, twice) ||
           str_starts(here, twice);
}

static void check_reply(struct replay *p, const char *subject, const struct node *want,
                        const struct node *got) {
    str message = node_text(want, "message", STR("?"));
    str here = got ? node_text(got, "message", STR("!")) : STR("no answer");
    bool text = str_eq(message, here), own = own_text(subject, message, here);
    bool same = got && node_bool_or(want, "success", false) == node_bool_or(got, "success", true) &&
                (text || own) &&
                (node_get(want, "response") != NULL) == (node_get(got, "response") != NULL) &&
                (str_starts(str_c(subject), STR("config.get.")) ||
                 same_members(node_get(want, "response"), node_get(got, "response")));
    p->replies++;
    p->equal += same && text;
    if (!same && !own) {
        fprintf(stderr, "%s: \"%.*s\" is \"%.*s\" here\n", subject, PSTR(message), PSTR(here));
        p->wrong++;
    }
}

static const char *control(const char *subject) {
    static const char prefix[] = "wasmbus.ctl.v1.default.";
    return strncmp(subject, prefix, strlen(prefix)) == 0 ? subject + strlen(prefix) : NULL;
}

static void request(struct replay *p, const char *what, const struct node *line,
                    const struct node *want) {
    const struct node *data = node_get(line, "data");
    struct buf body = BUF_INIT;
    if (data && data->type == NODE_STRING) {
        buf_add_str(&body, data->text);
    } else if (data && data->type != NODE_NULL) {
        struct jw w;
        jw_init(&w, &body, false);
        jw_node(&w, data);
    }
    const struct node *got = rig_ask_bytes(&p->g, what, buf_str(&body));
    check_events(p);
    if (want && want->type == NODE_OBJECT) {
        check_reply(p, what, want, got);
    }
    buf_finish(&body);
}

/* First all replies and events are read, then the requests are made. */
static void line(struct replay *p, const struct node *n, bool first) {
    const char *subject = arena_str(&p->g.a, node_text(n, "subject", STR(""))).ptr;
    const struct node *data = node_get(n, "data");
    str from = node_text(n, "from", STR(""));
    const char *what = control(subject);
    if (first && str_is(from, "host1/ctl") && strncmp(subject, "wasmbus.evt.default.", 20) == 0) {
        learn(p, subject + 20, node_get(data, "data"));
    } else if (first && str_is(from, "host1/ctl") && node_get(n, "in_reply_to")) {
        map_set(&p->answers, str_c(subject), (void *)(uintptr_t)data);
    } else if (!first && what && !str_is(from, "nats-server") && !node_get(n, "in_reply_to") &&
               !node_get(n, "sub") && !strstr(what, "NUNKNOWN")) {
        request(p, what, n, map_get(&p->answers, node_text(n, "reply", STR("-"))));
    }
}

static bool replay(struct replay *p, const char *file) {
    struct buf path = BUF_INIT;
    char *text = NULL;
    size_t cap = 0;
    VEC(const struct node *) lines = {NULL, 0, 0};
    buf_addf(&path, "%s/recordings/%s.jsonl", getenv("TRELLIS_FIXTURES"), file);
    FILE *f = fopen(path.ptr, "re");
    buf_finish(&path);
    if (!f) {
        return false;
    }
    for (ssize_t n; (n = getline(&text, &cap, f)) > 0;) {
        struct node *o = NULL;
        str kept = arena_str(&p->g.a, str_trim(str_n(text, (size_t)n)));
        assert_int_equal(json_parse(kept, &p->g.a, &o, NULL), 0);
        *VEC_ADD(&lines) = o;
    }
    fclose(f);
    free(text);
    for (uint32_t i = 0; i < lines.n; i++) {
        line(p, lines.at[i], true);
    }
    for (uint32_t i = p->g.broken.n; i-- > 0;) {
        str image = p->g.broken.at[i].key;
        if (map_has(&p->good, image) || map_has(&p->good, wire_provider_image(image))) {
            map_del(&p->g.broken, image);
        }
    }
    for (uint32_t i = 0; i < lines.n; i++) {
        line(p, lines.at[i], false);
    }
    VEC_FREE(&lines);
    return true;
}

static void test_recordings(void **state) {
    static const char *const files[] = {"A2-ctl",
                                        "B-wash-app",
                                        "C1-deploy",
                                        "E-config",
                                        "F-links",
                                        "G1-provider",
                                        "H-labels",
                                        "L-two-apps",
                                        "D6-wadm-config-and-count-update",
                                        "D8-wadm-provider-update"};
    uint32_t replies = 0, equal = 0, events = 0;
    (void)state;
    if (!getenv("TRELLIS_FIXTURES")) {
        skip();
    }
    for (size_t i = 0; i < ARRAY_LEN(files); i++) {
        struct replay p = {.replies = 0};
        rig_up(&p.g);
        p.g.runs_all = true;
        if (replay(&p, files[i]) && p.wrong) {
            fail_msg("%s: %u of %u replies and events are not a host's", files[i], p.wrong,
                     p.replies + p.events);
        }
        replies += p.replies;
        equal += p.equal;
        events += p.events;
        map_finish(&p.shapes);
        map_finish(&p.answers);
        map_finish(&p.good);
        rig_close(&p.g);
    }
    print_message("%u replies, %u with the very text, %u events\n", replies, equal, events);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recordings)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
