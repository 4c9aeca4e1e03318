/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests of recordings of real 1.9.2 hosts against virtual ones, at the recorded times: every
 * reply and every event is compared member by member. Left out is what no simulator can repeat
 * (names, uptimes, claims of signed archives) and the two places where a real host's order is
 * random.
 */
#include "simtest.h"

#include <stdlib.h>

#define HOST1 "NAB2CB576PHBBPQ5ODORRZ2LYCMWPZGWGCN2KDK7DXOIMZASKUY3RSWB"
#define HOST2 "NCATS5YOVB6ROX2WUNKGNQ2MP3GMXDMKSG2O4N5CLX3A6W4PZGZZJWVF"

/* One chain per thing that events and replies are about: within it the order counts. */
struct entry {
    char *chain, *text;
    int64_t t_ms;
    bool met;
};

struct replay {
    struct rig g;
    VEC(struct entry) want, got;
    uint32_t taken; /* of rig.said */
    uint32_t requests;
    uint32_t beats;
    bool loose; /* in a step whose order is random */
};

static bool dropped(str key) {
    static const char *const keys[] = {"friendly_name", "uptime_human", "uptime_seconds",
                                       "rpc_host",      "ctl_host",     "claims",
                                       "instance_id",   "link_name",    "public_key"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (str_is(key, keys[i])) {
            return true;
        }
    }
    return false;
}

static int by_text(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *normal(const struct node *n, bool provider);

static void join(struct buf *b, char **parts, uint32_t n, char open, char close, bool sorted) {
    if (sorted) {
        qsort(parts, n, sizeof(*parts), by_text);
    }
    buf_add_c(b, open);
    for (uint32_t i = 0; i < n; i++) {
        buf_addf(b, "%s%s", i ? "," : "", parts[i]);
        mem_free(parts[i]);
    }
    buf_add_c(b, close);
    mem_free(parts);
}

/* A text that is equal for equal values: keys sorted, lists of objects sorted, the rest in order.
 */
static char *normal(const struct node *n, bool provider) {
    struct buf b = BUF_INIT;
    if (n->type == NODE_OBJECT) {
        char **parts = mem_array(n->n, sizeof(*parts));
        uint32_t used = 0;
        for (uint32_t i = 0; i < n->n; i++) {
            str key = n->members[i].key;
            if (dropped(key) || (provider && str_is(key, "name"))) {
                continue;
            }
            char *value = normal(n->members[i].value, str_is(key, "providers"));
            struct buf p = BUF_INIT;
            buf_addf(&p, "%.*s:%s", PSTR(key), value);
            mem_free(value);
            parts[used++] = buf_take(&p);
        }
        join(&b, parts, used, '{', '}', true);
    } else if (n->type == NODE_ARRAY) {
        char **parts = mem_array(n->n, sizeof(*parts));
        uint32_t used = 0;
        for (uint32_t i = 0; i < n->n; i++) {
            if (!node_get(n->items[i], "issuer")) { /* else claims of something signed */
                parts[used++] = normal(n->items[i], provider);
            }
        }
        join(&b, parts, used, '[', ']', n->n && n->items[0]->type == NODE_OBJECT);
    } else {
        struct jw w;
        jw_init(&w, &b, false);
        jw_node(&w, n);
    }
    return buf_take(&b);
}

static void chain_of(struct buf *b, const char *event, const struct node *envelope) {
    static const char *const keys[] = {"component_id", "provider_id", "source_id", "config_name"};
    const struct node *data = node_get(envelope, "data");
    bool shared = strncmp(event, "linkdef", 7) == 0 || strncmp(event, "config", 6) == 0;
    str source = shared ? STR("*") : node_text(envelope, "source", STR("?"));
    buf_addf(b, "%.*s/%s", PSTR(source), strncmp(event, "health", 6) == 0 ? "health/" : "");
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        str id = node_text(data, keys[i], STR_NONE);
        if (id.ptr) {
            buf_addf(b, "%s=%.*s %.*s", keys[i], PSTR(id), PSTR(node_text(data, "name", STR_NONE)));
            return;
        }
    }
    buf_addf(b, "host");
}

static struct entry *entry_event(struct replay *p, bool want, const char *subject,
                                 const struct node *envelope, int64_t t_ms) {
    const char *event = strrchr(subject, '.') + 1;
    char *data = normal(node_get(envelope, "data"), false);
    struct buf chain = BUF_INIT, text = BUF_INIT;
    struct entry *e = want ? VEC_ADD(&p->want) : VEC_ADD(&p->got);
    chain_of(&chain, event, envelope);
    buf_addf(&text, "%s %s", event, data);
    mem_free(data);
    e->chain = buf_take(&chain);
    e->text = buf_take(&text);
    e->t_ms = t_ms;
    return e;
}

static void entry_reply(struct replay *p, bool want, const char *subject, const struct node *body,
                        int64_t t_ms) {
    struct entry *e = want ? VEC_ADD(&p->want) : VEC_ADD(&p->got);
    struct buf chain = BUF_INIT;
    const struct node *response = node_get(body, "response");
    str host = node_text(response, "host_id", node_text(response, "id", STR_NONE));
    buf_addf(&chain, "reply %s %.*s", subject, PSTR(host));
    e->chain = buf_take(&chain);
    e->text = normal(body, false);
    e->t_ms = t_ms;
}

static void take_said(struct replay *p, int64_t t_ms) {
    for (; p->taken < p->g.said.n; p->taken++) {
        const struct said *s = &p->g.said.at[p->taken];
        if (strncmp(s->subject, "wasmbus.evt.", 12) == 0) {
            entry_event(p, false, s->subject, s->json, t_ms);
        } else {
            entry_reply(p, false, s->subject, s->json, t_ms);
        }
    }
}

static void host_up(struct replay *p, const struct node *envelope) {
    struct vhost *h = world_find(p->g.w, node_text(envelope, "source", STR_NONE));
    assert_non_null(h);
    world_host_crash(h, p->g.now_ns);
    world_host_given_labels(h, pairs_of_object(node_get(node_get(envelope, "data"), "labels")));
    world_host_start(h, p->g.now_ns);
}

static void on_note(struct replay *p, str note) {
    if (str_starts(note, STR("3. kill -9 of the host"))) {
        world_host_crash(world_host(p->g.w, 0), p->g.now_ns);
    }
    if (strstr(note.ptr, "SIGSTOP")) {
        world_provider_health(world_host(p->g.w, 0), STR("http"), 's');
    }
    if (p->loose) { /* the real host ended with nothing of it */
        struct vhost *h = world_host(p->g.w, 0);
        rig_send(&p->g, "component.scale", h, "{\"component_id\":\"web\"}");
        rig_pass(&p->g, 0);
        p->taken = p->g.said.n;
    }
    p->loose = str_starts(note, STR("many scale requests of one id at once"));
}

/* Real heartbeats have a phase of their own: the virtual host is asked at the same moment. */
static void on_heartbeat(struct replay *p, const struct node *envelope, int64_t t_ms) {
    struct vhost *h = world_find(p->g.w, node_text(envelope, "source", STR_NONE));
    const char *inbox = rig_send(&p->g, "host.get", h, "");
    char *data = normal(node_get(envelope, "data"), false);
    struct entry *e = VEC_ADD(&p->want);
    struct buf chain = BUF_INIT, text = BUF_INIT;
    buf_addf(&chain, "reply %s %s", inbox, vhost_id(h));
    buf_addf(&text, "{message:\"\",response:%s,success:true}", data);
    mem_free(data);
    e->chain = buf_take(&chain);
    e->text = buf_take(&text);
    e->t_ms = t_ms;
    p->beats++;
}

static void request(struct replay *p, const char *subject, const struct node *line) {
    const struct node *data = node_get(line, "data");
    struct buf body = BUF_INIT;
    struct jw w;
    if (data && data->type == NODE_STRING) {
        buf_add_str(&body, data->text);
    } else if (data) {
        jw_init(&w, &body, false);
        jw_node(&w, data);
    }
    p->requests++;
    world_request(p->g.w, str_c(subject), node_text(line, "reply", STR_NONE), buf_str(&body),
                  p->g.now_ns);
    buf_finish(&body);
}

static void from_host(struct replay *p, const char *subject, const struct node *line,
                      int64_t t_ms) {
    const struct node *data = node_get(line, "data");
    if (strncmp(subject, "wasmbus.evt.", 12) == 0) {
        str event = str_c(strrchr(subject, '.') + 1);
        if (str_is(event, "host_started")) {
            host_up(p, data);
        } else if (str_is(event, "host_stopped")) {
            struct vhost *h = world_find(p->g.w, node_text(data, "source", STR_NONE));
            world_host_stop(h, p->g.now_ns);
        }
        if (str_is(event, "host_heartbeat")) {
            on_heartbeat(p, data, t_ms);
        } else {
            entry_event(p, true, subject, data, t_ms);
        }
    } else if (str_starts(node_text(line, "in_reply_to", STR_NONE), STR("wasmbus.ctl."))) {
        entry_reply(p, true, subject, data, t_ms);
    }
}

static void on_line(struct replay *p, const struct node *line) {
    int64_t t_ms = (int64_t)node_u64_or(line, "t_ms", 0);
    str from = node_text(line, "from", STR_NONE);
    str subject = node_text(line, "subject", STR_NONE);
    str note = node_text(line, "note", STR_NONE);
    int64_t ahead = 1000 * S + t_ms * MS - p->g.now_ns;
    if (ahead > 0) {
        rig_pass(&p->g, ahead);
    }
    take_said(p, t_ms);
    if (note.ptr) {
        on_note(p, note);
    } else if (!p->loose && str_starts(from, STR("host")) && str_ends(from, STR("/ctl")) &&
               subject.ptr) {
        from_host(p, subject.ptr, line, t_ms);
    } else if (!p->loose && str_starts(subject, STR("wasmbus.ctl.")) &&
               !str_is(from, "nats-server")) {
        request(p, subject.ptr, line);
    }
    take_said(p, t_ms);
}

static struct entry *next_of(struct replay *p, const char *chain) {
    for (uint32_t i = 0; i < p->got.n; i++) {
        if (!p->got.at[i].met && strcmp(p->got.at[i].chain, chain) == 0) {
            return &p->got.at[i];
        }
    }
    return NULL;
}

static uint32_t compare(struct replay *p, const char *file) {
    uint32_t bad = 0;
    for (uint32_t i = 0; i < p->want.n; i++) {
        const struct entry *e = &p->want.at[i];
        struct entry *o = next_of(p, e->chain);
        if (!o || strcmp(o->text, e->text) != 0) {
            print_error("%s %d [%s]\n  real: %s\n  sim:  %s\n", file, (int)e->t_ms, e->chain,
                        e->text, o ? o->text : "(nothing)");
            bad++;
        }
        if (o) {
            o->met = true;
        }
    }
    for (uint32_t i = 0; i < p->got.n; i++) {
        const struct entry *o = &p->got.at[i];
        if (!o->met) {
            print_error("%s %d [%s]\n  real: (nothing)\n  sim:  %s\n", file, (int)o->t_ms, o->chain,
                        o->text);
            bad++;
        }
    }
    return bad;
}

#define FETCH_C "failed to fetch component: "
#define FETCH_P "failed to fetch provider: "
#define READ_P  FETCH_P "failed to read provider: failed to load provider archive: "

static const struct sim_image_fault no_files[] = {
    {"file:///srv/wasm/none.wasm",
     FETCH_C "failed to read component: No such file or directory (os error 2)"},
    {"file:///srv/wasm/none.par.gz",
     READ_P "failed to load target [x86_64-linux] from PAR from file [/srv/wasm/none.par.gz]: No "
            "such file or directory (os error 2)"},
    {"127.0.0.1:4499/acme/web:1.0.0", FETCH_C
     "failed to fetch component under OCI reference `127.0.0.1:4499/acme/web:1.0.0`: failed "
     "to fetch OCI path: failed to fetch OCI bytes: error sending request for url "
     "(https://127.0.0.1:4499/v2/acme/web/manifests/1.0.0): client error (Connect): tcp "
     "connect error: Connection refused (os error 111)"},
    {"127.0.0.1:4499/acme/http:1", FETCH_P
     "failed to fetch provider under OCI reference `127.0.0.1:4499/acme/http:1`: failed to "
     "fetch OCI path: failed to fetch OCI bytes: error sending request for url "
     "(https://127.0.0.1:4499/v2/acme/http/manifests/1): client error (Connect): tcp connect "
     "error: Connection refused (os error 111)"},
};

static struct sim_config config(int link_ms) {
    static const char *const ids[] = {HOST1, HOST2};
    struct sim_config c = sim_config_instant();
    c.hosts = 2;
    c.host_ids = ids;
    c.n_host_ids = 2;
    c.heartbeat_ns = 0;
    c.faults.start_provider = (struct sim_delay){150 * MS, 150 * MS};
    c.faults.fetch = (struct sim_delay){MS / 2, MS / 2};
    c.faults.link = (struct sim_delay){link_ms * MS, link_ms * MS};
    c.image_faults = no_files;
    c.n_image_faults = ARRAY_LEN(no_files);
    return c;
}

/* One archive and one component that fail in a way of their own per kind. */
static void broken_file(struct replay *p, const struct node *line) {
    str subject = node_text(line, "subject", STR_NONE);
    bool provider = str_starts(subject, STR("wasmbus.ctl.v1.default.provider."));
    if (node_text(node_get(line, "data"), provider ? "provider_ref" : "component_ref", STR_NONE)
            .ptr) {
        world_image_fault(p->g.w, STR("file:///srv/wasm/notwasm.wasm"),
                          provider
                              ? READ_P "failed to read entire block"
                              : "failed to extract module claims: I/O error: magic header not "
                                "detected: bad magic number - expected=[\n    0x0,\n    0x61,\n "
                                "   0x73,\n    0x6d,\n] actual=[\n    0x74,\n    0x68,\n    "
                                "0x69,\n    0x73,\n] (at offset 0x0)");
    }
}

static void replay(const char *name, uint32_t least, int link_ms) {
    const char *dir = getenv("TRELLIS_FIXTURES");
    struct sim_config c = config(link_ms);
    struct replay p = {.requests = 0};
    char path[600];
    char *text = NULL;
    size_t cap = 0;
    ssize_t n;
    if (!dir) {
        skip();
    }
    snprintf(path, sizeof(path), "%s/recordings/%s.jsonl", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    rig_open(&p.g, &c);
    while ((n = getline(&text, &cap, f)) > 0) {
        struct node *line;
        struct err err = ERR_INIT;
        str copy = arena_str(&p.g.a, str_n(text, (size_t)n));
        if (json_parse(copy, &p.g.a, &line, &err) < 0) {
            fail_msg("%s: %s", path, err.msg);
        }
        broken_file(&p, line);
        on_line(&p, line);
    }
    free(text);
    fclose(f);
    uint32_t bad = compare(&p, name), seen = p.want.n, requests = p.requests;
    for (uint32_t i = 0; i < p.want.n; i++) {
        mem_free(p.want.at[i].chain);
        mem_free(p.want.at[i].text);
    }
    for (uint32_t i = 0; i < p.got.n; i++) {
        mem_free(p.got.at[i].chain);
        mem_free(p.got.at[i].text);
    }
    VEC_FREE(&p.want);
    VEC_FREE(&p.got);
    rig_close(&p.g);
    print_message("%s: %u requests, %u replies and events compared\n", name, requests, seen);
    assert_true(requests >= least);
    assert_int_equal(bad, 0);
}

#define REPLAY(fn, name, least, link_ms)                                                           \
    static void fn(void **state) {                                                                 \
        (void)state;                                                                               \
        replay(name, least, link_ms);                                                              \
    }
REPLAY(test_a1, "A1-boot", 5, 1)
REPLAY(test_a2, "A2-ctl", 100, 1)
REPLAY(test_a4, "A4-two-hosts", 30, 1)
REPLAY(test_c1, "C1-deploy", 30, 5)
REPLAY(test_d2, "D2-update-by-hand", 40, 1)
REPLAY(test_d3, "D3-update-external-provider", 10, 1)
REPLAY(test_d4, "D4-stop-start-external-provider", 20, 1)
REPLAY(test_d5, "D5-update-with-preflight", 20, 1)
REPLAY(test_d7, "D7-provider-update-by-hand", 10, 1)
REPLAY(test_e, "E-config", 20, 1)
REPLAY(test_f, "F-links", 20, 1)
REPLAY(test_g1, "G1-provider", 20, 1)
REPLAY(test_h, "H-labels", 10, 1)
REPLAY(test_i1, "I1-host-lost", 20, 1)
REPLAY(test_i2, "I2-host-and-wadm-restart", 20, 1)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a1), cmocka_unit_test(test_a2), cmocka_unit_test(test_a4),
        cmocka_unit_test(test_c1), cmocka_unit_test(test_d2), cmocka_unit_test(test_d3),
        cmocka_unit_test(test_d4), cmocka_unit_test(test_d5), cmocka_unit_test(test_d7),
        cmocka_unit_test(test_e),  cmocka_unit_test(test_f),  cmocka_unit_test(test_g1),
        cmocka_unit_test(test_h),  cmocka_unit_test(test_i1), cmocka_unit_test(test_i2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
