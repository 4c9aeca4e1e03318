/* SPDX-License-Identifier: Apache-2.0 */
#include "site.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/cmocka_all.h"
#include "base/mem.h"

static void site_close(struct site *s) {
    natsSubscription_Unsubscribe(s->tap);
    natsSubscription_Destroy(s->tap);
    natsConnection_Close(s->nc);
    natsConnection_Destroy(s->nc);
    proc_end(&s->sim, SIGKILL);
    for (int i = 0; i < 2; i++) {
        proc_end(&s->serve[i], SIGKILL);
    }
    if (s->nats.dir[0]) {
        server_end(&s->nats);
    }
    arena_finish(&s->arena);
}

int site_setup(void **state) {
    *state = mem_zalloc(sizeof(struct site));
    return 0;
}

int site_teardown(void **state) {
    site_close(*state);
    mem_free(*state);
    return 0;
}

void site_open(struct site *s, const char *conf) {
    struct buf text = BUF_INIT;
    if (!server_present()) {
        skip();
    }
    buf_addf(&text, "%s%s", JETSTREAM, conf);
    server_init(&s->nats);
    server_start(&s->nats, text.ptr);
    buf_finish(&text);
    snprintf(s->url, sizeof(s->url), "nats://127.0.0.1:%d", s->nats.port);
}

void site_connect(struct site *s) {
    natsOptions *o = NULL;
    natsOptions_Create(&o);
    natsOptions_SetURL(o, s->url);
    natsOptions_SetMaxReconnect(o, -1);
    natsOptions_SetReconnectWait(o, 50);
    natsStatus st = natsConnection_Connect(&s->nc, o);
    natsOptions_Destroy(o);
    if (st != NATS_OK) {
        fail_msg("cannot connect: %s", natsStatus_GetText(st));
    }
}

void site_serve_start(struct site *s, int i, const char *config) {
    const char *argv[16] = {
        TRELLIS_BINARY, "serve", "--plugin-dir", TRELLIS_PLUGIN_DIR, "--log-level", "info", NULL};
    int n = 6;
    if (config) {
        argv[n++] = "-c";
        argv[n++] = server_file(&s->nats, "trellis.yaml", config);
    } else {
        argv[n++] = "--nats-url";
        argv[n++] = s->url;
    }
    proc_start(&s->serve[i], argv);
}

void site_serve(struct site *s, int i) {
    site_serve_start(s, i, NULL);
    assert_true(proc_wait(&s->serve[i], "serving the API", 1, SITE_MS));
    /* Its subscriptions are on their way to the server when it says so. */
    WAIT(site_ask(s, "trellis.api._.server.info", ""), SITE_MS);
}

static void start_sim(struct site *s, const char *hosts, const char *secrets) {
    const char *const argv[] = {TRELLIS_BINARY, "sim",       "--transport",  "nats",
                                "--nats-url",   s->url,      "--plugin-dir", TRELLIS_PLUGIN_DIR,
                                "--hosts",      hosts,       "--instant",    "--no-control",
                                "--verbose",    "--secrets", secrets,        NULL};
    proc_start(&s->sim, argv);
    assert_true(proc_wait(&s->sim, " hosts, seed", 1, SITE_MS));
}

void site_sim(struct site *s, const char *hosts) {
    start_sim(s, hosts, "none");
}

void site_sim_secrets(struct site *s, const char *hosts) {
    start_sim(s, hosts, "ok");
}

/* wasmbus.ctl.v1.<lattice>.<what>.<verb>...: who asks changes nothing. */
static void on_ctl(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg) {
    struct site *s = arg;
    str rest = str_c(natsMsg_GetSubject(m)), what, verb;
    (void)nc, (void)sub;
    for (int i = 0; i < 4; i++) {
        str_cut(rest, '.', &rest);
    }
    what = str_cut(rest, '.', &rest);
    verb = str_cut(rest, '.', &rest);
    if (!str_is(verb, "ping") && !str_is(verb, "get") && !str_is(verb, "auction")) {
        atomic_fetch_add(&s->commands, 1);
        if (str_is(verb, "scale")) {
            atomic_fetch_add(&s->scales, 1);
        }
        if (getenv("TEST_LOG")) {
            fprintf(stderr, "ctl %s %.*s\n", natsMsg_GetSubject(m), natsMsg_GetDataLength(m),
                    natsMsg_GetData(m));
        }
    }
    (void)what;
    natsMsg_Destroy(m);
}

void site_tap(struct site *s) {
    atomic_store(&s->commands, 0);
    atomic_store(&s->scales, 0);
    if (!s->tap) {
        assert_int_equal(natsConnection_Subscribe(&s->tap, s->nc, "wasmbus.ctl.v1.>", on_ctl, s),
                         NATS_OK);
        natsConnection_Flush(s->nc);
    }
}

/* Conditions are looked at often: what they read goes at once. */
static void forget(struct site *s) {
    arena_finish(&s->arena);
    memset(&s->arena, 0, sizeof(s->arena));
}

static const struct node *parse(struct site *s, const natsMsg *m) {
    struct node *n = NULL;
    str body = arena_str(&s->arena, str_n(natsMsg_GetData(m), (size_t)natsMsg_GetDataLength(m)));
    if (json_parse(body, &s->arena, &n, NULL) < 0) {
        fail_msg("no JSON: %.*s", PSTR(body));
    }
    return n;
}

const struct node *site_ask(struct site *s, const char *subject, const char *body) {
    natsMsg *m = NULL;
    const struct node *n = NULL;
    natsStatus st = natsConnection_RequestString(&m, s->nc, subject, body, 5000);
    if (st == NATS_OK) {
        n = parse(s, m);
    } else if (s->verbose) {
        fprintf(stderr, "%s: %s\n", subject, natsStatus_GetText(st));
    }
    natsMsg_Destroy(m);
    return n;
}

const struct node *site_model(struct site *s, const char *op, const char *body,
                              const char *result) {
    char subject[200];
    snprintf(subject, sizeof(subject), "wadm.api.default.model.%s", op);
    const struct node *n = site_ask(s, subject, body);
    if (!n || !str_is(node_text(n, "result", STR("")), result)) {
        fail_msg("%s: %.*s, not %s: %.*s", op, PSTR(node_text(n, "result", STR("no reply"))),
                 result, PSTR(node_text(n, "message", STR(""))));
    }
    return n;
}

void site_put_hello(struct site *s) {
    char text[8192];
    FILE *f = fopen(TRELLIS_SOURCE_DIR "/docs/examples/wasm/hello.yaml", "r");
    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    site_model(s, "put", text, "created");
}

bool site_is(struct site *s, const char *app, const char *type) {
    char subject[200];
    snprintf(subject, sizeof(subject), "wadm.api.default.model.status.%s", app);
    const struct node *n = site_ask(s, subject, "");
    const struct node *info = node_get(node_get(n, "status"), "status");
    bool yes = str_is(node_text(info, "type", STR("")), type);
    forget(s);
    return yes;
}

uint32_t site_hosts(struct site *s, uint32_t *ret_instances) {
    const struct node *n = node_get(site_ask(s, "trellis.api.default.host.list", ""), "data");
    uint32_t sum = 0;
    for (uint32_t i = 0; n && n->type == NODE_ARRAY && i < n->n; i++) {
        sum += (uint32_t)node_u64_or(n->items[i], "instances", 0);
    }
    if (ret_instances) {
        *ret_instances = sum;
    }
    uint32_t hosts = n ? n->n : 0;
    forget(s);
    return hosts;
}

const struct node *site_stored(struct site *s, const char *stream, const char *subject,
                               uint64_t seq) {
    jsCtx *js = NULL;
    natsMsg *m = NULL;
    jsErrCode code;
    natsConnection_JetStream(&js, s->nc, NULL);
    natsStatus st = subject ? js_GetLastMsg(&m, js, stream, subject, NULL, &code)
                            : js_GetMsg(&m, js, stream, seq, NULL, &code);
    const struct node *n = st == NATS_OK ? parse(s, m) : NULL;
    natsMsg_Destroy(m);
    jsCtx_Destroy(js);
    return n;
}

bool site_lattice_settled(struct site *s) {
    const struct node *n = site_ask(s, "trellis.api._.lattice.list", "");
    const struct node *list = node_get(node_get(n, "data"), "lattices");
    bool yes = false;
    for (uint32_t i = 0; list && i < list->n; i++) {
        if (str_is(node_text(list->items[i], "lattice", STR("")), "default")) {
            yes = node_bool_or(list->items[i], "synced", false) &&
                  node_bool_or(list->items[i], "settled", false);
        }
    }
    forget(s);
    return yes;
}
