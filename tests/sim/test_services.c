/* SPDX-License-Identifier: Apache-2.0
 *
 * What hosts ask of a control plane: policy and secrets, in wasmCloud's own protocols. Requests
 * that real hosts sent are replayed from recordings; the rest is made here.
 */
#include <sodium.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../unit/cmocka_all.h"

#include "hostask.h"
#include "rig.h"

struct service {
    struct rig *r;
    char dir[40], rules[64], seed[64];
    VEC(char *) changes; /* messages on the changes topic */
};

static const char no_rules[] = "rules:\n  - name: none\n    match: { app: nobody }\n"
                               "    verdict: deny\n    message: never\n";

static void write_file(const char *path, const char *text, mode_t mode) {
    char tmp[80];
    snprintf(tmp, sizeof(tmp), "%s.new", path);
    FILE *f = fopen(tmp, "w");
    assert_non_null(f);
    fputs(text, f);
    fchmod(fileno(f), mode);
    fclose(f);
    assert_int_equal(rename(tmp, path), 0);
}

static void on_change(void *arg, const struct bus_msg *m) {
    struct service *s = arg;
    *VEC_ADD(&s->changes) = str_dup(m->body);
}

static void transit_seed(char out[NKEY_SEED_LEN + 1]) {
    uint8_t seed[32];
    for (int i = 0; i < 32; i++) { /* the recordings' own: bytes 20 to 3f */
        seed[i] = (uint8_t)(0x20 + i);
    }
    nkey_encode_seed(NKEY_CURVE, seed, out);
}

/* chains: of the points `host` and `secret`. */
static void begin_with(struct service *s, const char *rules, const char *chains) {
    struct buf config = BUF_INIT;
    char seed[NKEY_SEED_LEN + 1];
    *s = (struct service){0};
    assert_true(sodium_init() >= 0);
    snprintf(s->dir, sizeof(s->dir), "/tmp/trlserve.XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    snprintf(s->rules, sizeof(s->rules), "%s/rules.yaml", s->dir);
    snprintf(s->seed, sizeof(s->seed), "%s/transit.seed", s->dir);
    write_file(s->rules, rules, 0644);
    transit_seed(seed);
    write_file(s->seed, seed, 0600);
    buf_addf(&config,
             "plugin_dirs: [%s, %s]\n"
             "policy:\n  backends: { house: { plugin: rules, file: %s } }\n"
             "%s"
             "secrets: { fake: secrets-script }\n"
             "host_services:\n"
             "  policy: { topic: wasmcloud.policy, changes_topic: wasmcloud.policy.changes }\n"
             "  secrets: { topic: wasmcloud.secrets, xkey_seed_file: %s }\n",
             TEST_PLUGIN_DIR, TRELLIS_PLUGIN_DIR, s->rules, chains, s->seed);
    s->r = rig_create(&(struct rig_options){.hosts = 1, .config = config.ptr});
    bus_subscribe(s->r->bus, STR("wasmcloud.policy.changes"), STR_NONE, on_change, s);
    buf_finish(&config);
}

static void begin(struct service *s, const char *rules) {
    begin_with(s, rules, "  host: [house]\n  secret: [house]\n");
}

static void end(struct service *s) {
    char line[100];
    rig_destroy(s->r);
    for (uint32_t i = 0; i < s->changes.n; i++) {
        mem_free(s->changes.at[i]);
    }
    VEC_FREE(&s->changes);
    snprintf(line, sizeof(line), "rm -rf %s", s->dir);
    assert_int_equal(system(line), 0);
}

/* A request with bytes and headers; the reply's strings live in the rig's arena. */
struct answer {
    struct rig *r;
    bool done;
    trl_status st;
    str body, header; /* Server-Response-Xkey */
};

static void on_reply(void *arg, trl_status st, const struct bus_msg *m) {
    struct answer *a = arg;
    a->done = true;
    a->st = st;
    a->body = m ? arena_str(&a->r->arena, m->body) : STR_NONE;
    for (uint32_t i = 0; m && i < m->n_headers; i++) {
        if (str_is(m->headers[i].key, "Server-Response-Xkey")) {
            a->header = arena_str(&a->r->arena, m->headers[i].value);
        }
    }
}

static bool is_done(void *arg) {
    return ((struct answer *)arg)->done;
}

static struct answer request(struct rig *r, const char *subject, str body, str xkey) {
    struct answer a = {.r = r};
    trl_label header = {STR("WasmCloud-Host-Xkey"), xkey};
    struct bus_msg m = {.subject = str_c(subject),
                        .body = body,
                        .headers = xkey.ptr ? &header : NULL,
                        .n_headers = xkey.ptr ? 1 : 0};
    bus_request(r->bus, &m, 10 * SECOND, on_reply, &a);
    assert_true(rig_until(r, is_done, &a, 20 * SECOND));
    assert_int_equal(a.st, TRL_OK);
    return a;
}

/* Recordings */

static char *read_recording(const char *name) {
    const char *dir = getenv("TRELLIS_FIXTURES");
    char path[512];
    struct buf b = BUF_INIT;
    char chunk[8192];
    size_t n;
    if (!dir) {
        return NULL;
    }
    snprintf(path, sizeof(path), "%s/recordings/%s", dir, name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0) {
        buf_add(&b, chunk, n);
    }
    fclose(f);
    return buf_take(&b);
}

static void each_request(const char *text, const char *subject,
                         void (*fn)(struct service *s, const struct node *line), struct service *s,
                         uint32_t *ret_n) {
    str rest = str_c(text);
    while (rest.ptr && rest.len) {
        str line = str_cut(rest, '\n', &rest);
        struct arena a = ARENA_INIT;
        struct node *root = NULL;
        if (json_parse(line, &a, &root, NULL) == 0 &&
            str_is(node_text(root, "subject", STR_NONE), subject) && node_get(root, "reply")) {
            fn(s, root);
            ++*ret_n;
        }
        arena_finish(&a);
    }
}

/* Policy */

static const struct node *parse(struct rig *r, str body) {
    struct node *n = NULL;
    assert_int_equal(json_parse(body, &r->arena, &n, NULL), 0);
    return n;
}

static void replay_policy(struct service *s, const struct node *line) {
    struct buf b = BUF_INIT;
    struct jw w;
    const struct node *data = node_get(line, "data");
    jw_init(&w, &b, false);
    jw_node(&w, data);
    struct answer a = request(s->r, "wasmcloud.policy", buf_str(&b), STR_NONE);
    const struct node *reply = parse(s->r, a.body);
    bool v2 = strstr(b.ptr, "hello-v2") != NULL;
    assert_true(
        str_eq(node_text(reply, "requestId", STR_NONE), node_text(data, "requestId", STR_NONE)));
    assert_int_equal(node_get(reply, "permitted")->boolean, !v2);
    assert_int_equal(node_get(reply, "message") != NULL, v2);
    buf_finish(&b);
}

static const char no_v2[] = "rules:\n  - name: no-v2\n    points: [host]\n"
                            "    match: { image: \"**hello-v2*\" }\n"
                            "    verdict: deny\n    message: v2 is withdrawn\n";

static void recorded_policy_requests(void **state) {
    struct service s;
    uint32_t n = 0;
    char *text = read_recording("K-policy.jsonl");
    (void)state;
    if (!text) {
        skip();
    }
    begin(&s, no_v2);
    each_request(text, "wasmcloud.policy", replay_policy, &s, &n);
    assert_true(n >= 10);
    mem_free(text);
    end(&s);
}

static const char start_v2[] =
    "{\"requestId\":\"r-1\",\"kind\":\"startComponent\",\"version\":\"v1\",\"request\":{"
    "\"componentId\":\"c\",\"imageRef\":\"reg.example/hello-v2:1\",\"maxInstances\":1,"
    "\"annotations\":{\"wasmcloud.dev/appspec\":\"shop\"},\"claims\":null},\"host\":{"
    "\"publicKey\":\"NHOST\",\"lattice\":\"default\",\"labels\":{}}}";

static void a_changed_decision_is_taken_back(void **state) {
    struct service s;
    (void)state;
    begin(&s, no_rules);
    struct answer a = request(s.r, "wasmcloud.policy", str_c(start_v2), STR_NONE);
    assert_true(node_get(parse(s.r, a.body), "permitted")->boolean);
    rig_run(s.r, 40 * SECOND);
    assert_int_equal(s.changes.n, 0);
    write_file(s.rules, no_v2, 0644);
    rig_run(s.r, 10 * SECOND);
    assert_int_equal(s.changes.n, 1);
    const struct node *change = parse(s.r, str_c(s.changes.at[0]));
    assert_true(str_is(node_text(change, "requestId", STR_NONE), "r-1"));
    assert_false(node_get(change, "permitted")->boolean);
    assert_non_null(strstr(s.changes.at[0], "v2 is withdrawn"));
    write_file(s.rules, no_rules, 0644);
    rig_run(s.r, 10 * SECOND);
    assert_int_equal(s.changes.n, 2);
    assert_true(node_get(parse(s.r, str_c(s.changes.at[1])), "permitted")->boolean);
    end(&s);
}

/* Many are looked at again in a few calls; each host is told of its own, and the record names it.
 */
static void many_decisions_are_judged_again_together(void **state) {
    struct service s;
    struct buf b = BUF_INIT;
    char word[40];
    (void)state;
    begin(&s, no_rules);
    for (uint32_t i = 0; i < 600; i++) {
        buf_clear(&b);
        buf_addf(&b,
                 "{\"requestId\":\"r-%u\",\"kind\":\"startComponent\",\"version\":\"v1\","
                 "\"request\":{\"componentId\":\"c%u\",\"imageRef\":\"reg.example/hello-v%u:1\"},"
                 "\"host\":{\"publicKey\":\"NHOST%u\",\"lattice\":\"default\",\"labels\":{}}}",
                 i, i, 1 + i % 2, i % 7);
        struct answer a = request(s.r, "wasmcloud.policy", buf_str(&b), STR_NONE);
        assert_true(node_get(parse(s.r, a.body), "permitted")->boolean);
    }
    const struct node *list = rig_request(s.r, "trellis.api.default.policy.list", "");
    uint64_t calls = node_u64_or(node_get(node_get(list, "data"), "decisions"), "calls", 0);
    write_file(s.rules, no_v2, 0644);
    rig_run(s.r, 10 * SECOND);
    assert_int_equal(s.changes.n, 300);
    for (uint32_t i = 0; i < 300; i++) {
        snprintf(word, sizeof(word), "\"requestId\":\"r-%u\",\"permitted\":false", 2 * i + 1);
        bool told = false;
        for (uint32_t k = 0; !told && k < s.changes.n; k++) {
            told = strstr(s.changes.at[k], word) != NULL;
        }
        assert_true(told);
    }
    list = rig_request(s.r, "trellis.api.default.policy.list", "");
    assert_int_equal(node_u64_or(node_get(node_get(list, "data"), "decisions"), "calls", 0) - calls,
                     3);
    const struct node *log =
        rig_request(s.r, "trellis.api.default.policy.log", "{\"verdict\":\"deny\",\"limit\":1000}");
    buf_clear(&b);
    struct jw w;
    jw_init(&w, &b, false);
    jw_node(&w, log);
    assert_non_null(strstr(b.ptr, "\"caller\":\"host NHOST3\",\"trace\":\"r-3\""));
    buf_finish(&b);
    end(&s);
}

/* The first rule about hosts comes after their questions; and a start is judged by what starts. */
static void a_permission_nobody_was_asked_about_is_taken_back(void **state) {
    struct service s;
    (void)state;
    begin(&s, "rules:\n  - name: other\n    points: [put]\n    match: { app: nobody }\n"
              "    verdict: deny\n    message: never\n");
    struct answer a = request(s.r, "wasmcloud.policy", str_c(start_v2), STR_NONE);
    assert_true(node_get(parse(s.r, a.body), "permitted")->boolean);
    write_file(s.rules, no_v2, 0644);
    rig_run(s.r, 10 * SECOND);
    assert_int_equal(s.changes.n, 1);
    assert_non_null(strstr(s.changes.at[0], "v2 is withdrawn"));
    a = request(s.r, "wasmcloud.policy",
                STR("{\"requestId\":\"r-2\",\"kind\":\"startComponent\",\"version\":\"v1\","
                    "\"request\":{\"componentId\":\"c\",\"imageRef\":"
                    "\"reg.example/hello-v2:1\",\"target\":{\"imageRef\":\"reg.example/a:1\"}},"
                    "\"host\":{\"publicKey\":\"NHOST\",\"lattice\":\"default\"}}"),
                STR_NONE);
    assert_false(node_get(parse(s.r, a.body), "permitted")->boolean);
    end(&s);
}

static void odd_policy_requests_are_denied_with_a_reason(void **state) {
    static const char *const odd[] = {"", "[]", "{\"requestId\":\"x\"}",
                                      "{\"requestId\":\"x\",\"kind\":\"dance\",\"request\":{},"
                                      "\"host\":{}}",
                                      "{\"requestId\":\"x\",\"kind\":\"startComponent\","
                                      "\"version\":\"v9\",\"request\":{},\"host\":{}}"};
    struct service s;
    (void)state;
    begin(&s, no_rules);
    for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
        struct answer a = request(s.r, "wasmcloud.policy", str_c(odd[i]), STR_NONE);
        const struct node *reply = parse(s.r, a.body);
        assert_false(node_get(reply, "permitted")->boolean);
        assert_non_null(strstr(a.body.ptr, "policy request not understood"));
    }
    end(&s);
}

/* Secrets */

static void replay_secret(struct service *s, const struct node *line) {
    static const char want[] = "{\"secret\":{\"version\":\"7\",\"string_secret\":\"value-of-";
    str b64 = node_text(node_get(line, "data"), "b64", STR_NONE);
    str xkey = node_text(node_get(line, "headers"), "WasmCloud-Host-Xkey", STR_NONE);
    unsigned char body[8192];
    size_t n = 0;
    assert_int_equal(sodium_base642bin(body, sizeof(body), b64.ptr, b64.len, NULL, &n, NULL,
                                       sodium_base64_VARIANT_ORIGINAL),
                     0);
    struct answer a =
        request(s->r, "wasmcloud.secrets.v1alpha1.fake.get", str_n((const char *)body, n), xkey);
    if (!a.header.len) {
        fail_msg("%.*s", PSTR(a.body));
    }
    assert_true(a.body.len > XKEY_OVERHEAD + sizeof(want));
    assert_memory_equal(a.body.ptr, "xkv1", 4);
    a = request(s->r, "wasmcloud.secrets.v1alpha1.fake.get", str_n((const char *)body, n), xkey);
    assert_non_null(strstr(a.body.ptr, "{\"error\":{\"Other\":")); /* overheard and sent again */
    assert_int_equal(a.header.len, 0);
}

static void recorded_secret_requests(void **state) {
    struct service s;
    uint32_t n = 0;
    char *text = read_recording("J-secrets.jsonl");
    (void)state;
    if (!text) {
        skip();
    }
    begin(&s, no_rules);
    struct answer a =
        request(s.r, "wasmcloud.secrets.v1alpha1.fake.server_xkey", STR(""), STR_NONE);
    assert_true(str_is(a.body, "XA2YA4WWGZMIBUNO5IZJVX4REE4DQUPNEGRI4O3V5FS5BUWNCZRFI2LE"));
    each_request(text, "wasmcloud.secrets.v1alpha1.fake.get", replay_secret, &s, &n);
    assert_true(n >= 20);
    mem_free(text);
    end(&s);
}

struct asking {
    struct hostask q;
    bool wrong_box, no_header, bad_header, no_body;
};

/* The reply as a host reads it: opened, or the plain error. */
static char *ask(struct service *s, const struct asking *a) {
    static struct hostask_box box; /* large */
    hostask_seal(&a->q, STR("XA2YA4WWGZMIBUNO5IZJVX4REE4DQUPNEGRI4O3V5FS5BUWNCZRFI2LE"), &box);
    if (a->wrong_box) {
        box.bytes[60] ^= 1;
    }
    struct answer got = request(s->r, "wasmcloud.secrets.v1alpha1.fake.get",
                                a->no_body ? STR("") : str_n((const char *)box.bytes, box.n),
                                a->no_header    ? STR_NONE
                                : a->bad_header ? STR("XNOKEY")
                                                : str_c(box.own_text));
    if (!got.header.len) {
        return str_dup(got.body);
    }
    char *opened = hostask_open(&box, got.header, got.body);
    assert_non_null(opened);
    return opened;
}

static void expect(struct service *s, const struct asking *q, const char *want) {
    char *got = ask(s, q);
    if (!strstr(got, want)) {
        fail_msg("%s: wanted %s, got %s", q->q.key, want, got);
    }
    mem_free(got);
}

static void every_answer_of_the_protocol(void **state) {
    struct service s;
    (void)state;
    begin(&s, no_rules);
    expect(&s, &(struct asking){.q = {.key = "prod/db"}},
           "{\"secret\":{\"version\":\"7\",\"string_secret\":\"value-of-prod/db\","
           "\"binary_secret\":null}}");
    expect(&s, &(struct asking){.q = {.key = "bytes"}},
           "\"string_secret\":null,\"binary_secret\":[0,255,10,200]}}");
    expect(&s, &(struct asking){.q = {.key = "missing"}}, "{\"error\":\"SecretNotFound\"}");
    expect(&s, &(struct asking){.q = {.key = "denied"}}, "{\"error\":\"Unauthorized\"}");
    expect(&s, &(struct asking){.q = {.key = "invalid"}}, "{\"error\":\"InvalidRequest\"}");
    expect(&s, &(struct asking){.q = {.key = "down"}}, "{\"error\":{\"UpstreamError\":");
    expect(&s, &(struct asking){.q = {.key = "a", .bad_entity = true}},
           "{\"error\":{\"InvalidEntityJWT\":");
    expect(&s, &(struct asking){.q = {.key = "a", .exp = 5}}, "{\"error\":{\"InvalidEntityJWT\":");
    expect(&s, &(struct asking){.q = {.key = "a", .bad_host = true}},
           "{\"error\":{\"InvalidHostJWT\":");
    expect(&s, &(struct asking){.q = {.key = "a"}, .wrong_box = true},
           "{\"error\":\"DecryptionError\"}");
    expect(&s, &(struct asking){.q = {.key = "a"}, .no_header = true},
           "{\"error\":\"InvalidHeaders\"}");
    expect(&s, &(struct asking){.q = {.key = "a"}, .bad_header = true},
           "{\"error\":\"InvalidXKey\"}");
    expect(&s, &(struct asking){.q = {.key = "a"}, .no_body = true},
           "{\"error\":\"InvalidPayload\"}");
    expect(&s, &(struct asking){.q = {.key = "a", .not_json = true}},
           "{\"error\":\"InvalidRequest\"}");
    expect(&s, &(struct asking){.q = {.key = "", .version = "7"}},
           "{\"error\":\"InvalidRequest\"}");
    expect(&s, &(struct asking){.q = {.key = "a", .version = "\"3\"", .policy = "[1"}},
           "{\"error\":{\"PolicyError\":");
    /* Sealed, it is larger than a message may be: the host hears so instead of nothing. */
    expect(&s, &(struct asking){.q = {.key = "big"}}, "{\"error\":{\"Other\":\"the answer has ");
    expect(&s, &(struct asking){.q = {.key = "large"}}, "xxxxxxxx\",\"binary_secret\":null}}");
    struct answer a = request(s.r, "wasmcloud.secrets.v1alpha1.fake.dance", STR("x"), STR_NONE);
    assert_non_null(strstr(a.body.ptr, "unknown operation"));
    end(&s);
}

static void grants_are_the_policys(void **state) {
    struct service s;
    (void)state;
    begin(&s, "rules:\n  - name: vaults\n    points: [secret]\n"
              "    match: { secret: { key: \"prod/**\" } }\n    unless: { app: billing }\n"
              "    verdict: deny\n    message: only billing reads prod\n");
    expect(&s, &(struct asking){.q = {.key = "dev/db"}}, "value-of-dev/db");
    expect(&s, &(struct asking){.q = {.key = "prod/db"}}, "{\"error\":\"Unauthorized\"}");
    const struct node *log = rig_request(s.r, "trellis.api._.policy.log", "{\"verdict\":\"deny\"}");
    struct buf b = BUF_INIT;
    struct jw w;
    jw_init(&w, &b, false);
    jw_node(&w, log);
    assert_non_null(strstr(b.ptr, "read prod/db of fake"));
    assert_null(strstr(b.ptr, "value-of"));
    buf_finish(&b);
    end(&s);
}

static const char start_error[] =
    "{\"requestId\":\"r-9\",\"kind\":\"startComponent\",\"version\":\"v1\",\"request\":{"
    "\"componentId\":\"c\",\"imageRef\":\"reg.example/error:1\"},\"host\":{\"publicKey\":\"NHOST\","
    "\"lattice\":\"default\"}}";

/* A backend that fails, or says nothing: a denial that says so, and nothing is read; or, where the
 * chain says so, done without it. */
static void a_chain_that_cannot_decide(void **state) {
    struct service s;
    (void)state;
    begin_with(&s, no_rules,
               "  host: [policy-script]\n"
               "  secret: [ { plugin: policy-script, timeout_ms: 300 } ]\n");
    expect(&s, &(struct asking){.q = {.key = "fine"}}, "value-of-fine");
    expect(&s, &(struct asking){.q = {.key = "error"}},
           "{\"error\":{\"PolicyError\":\"denied by policy: the backend cannot decide: ");
    expect(&s, &(struct asking){.q = {.key = "hanging"}}, "{\"error\":{\"PolicyError\":");
    struct answer a = request(s.r, "wasmcloud.policy", str_c(start_error), STR_NONE);
    assert_false(node_get(parse(s.r, a.body), "permitted")->boolean);
    assert_non_null(strstr(a.body.ptr, "the judge is asleep"));
    end(&s);
    begin_with(&s, no_rules,
               "  host: [ { plugin: policy-script, on_error: allow } ]\n"
               "  secret: [ { plugin: policy-script, on_error: allow, timeout_ms: 300 } ]\n");
    expect(&s, &(struct asking){.q = {.key = "error"}}, "value-of-error");
    expect(&s, &(struct asking){.q = {.key = "hanging"}}, "value-of-hanging");
    a = request(s.r, "wasmcloud.policy", str_c(start_error), STR_NONE);
    assert_true(node_get(parse(s.r, a.body), "permitted")->boolean);
    assert_non_null(strstr(a.body.ptr, "policy warning"));
    end(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_policy_requests),
        cmocka_unit_test(a_changed_decision_is_taken_back),
        cmocka_unit_test(many_decisions_are_judged_again_together),
        cmocka_unit_test(a_permission_nobody_was_asked_about_is_taken_back),
        cmocka_unit_test(odd_policy_requests_are_denied_with_a_reason),
        cmocka_unit_test(recorded_secret_requests),
        cmocka_unit_test(every_answer_of_the_protocol),
        cmocka_unit_test(grants_are_the_policys),
        cmocka_unit_test(a_chain_that_cannot_decide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
