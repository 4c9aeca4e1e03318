/* SPDX-License-Identifier: Apache-2.0
 *
 * The recorded conversation of a wasmCloud host with its policy service
 * ($TRELLIS_FIXTURES/recordings/K-policy.jsonl), played again with "remote" in the host's place:
 * the same questions lead to the same requests, the recorded answers to the same outcomes.
 */
#include <jansson.h>
#include <stdlib.h>

#include "../../unit/cmocka_all.h"
#include "service.h"

#define RECORDED "wasmcloud.policy"

struct replay {
    struct bus *bus;
    const json_t *want; /* the recorded request; id aside */
    const char *answer; /* NULL: silence */
    uint32_t requests, wrong;
    char id[64];
};

static void on_request(void *arg, const struct bus_msg *m) {
    struct replay *p = arg;
    json_t *got = json_loadb(m->body.ptr, m->body.len, 0, NULL);
    json_t *want = json_deep_copy(p->want);
    const char *id = json_string_value(json_object_get(got, "requestId"));
    p->requests++;
    snprintf(p->id, sizeof(p->id), "%s", id ? id : "");
    json_object_set(want, "requestId", json_object_get(got, "requestId"));
    /* member by member in the same order */
    char *a = json_dumps(got, JSON_COMPACT), *b = json_dumps(want, JSON_COMPACT);
    if (strcmp(a, b) != 0) {
        p->wrong++;
        print_error("sent %s\nwant %s\n", a, b);
    }
    free(a);
    free(b);
    if (p->answer) {
        struct bus_msg r = {.subject = m->reply, .body = str_c(p->answer)};
        bus_publish(p->bus, &r);
    }
    json_decref(want);
    json_decref(got);
}

/* The subject that the core makes of a host's request. Owned. */
static char *subject_of(const json_t *request) {
    json_t *body = json_object_get(request, "request"), *host = json_object_get(request, "host");
    json_t *target = json_object_get(body, "target");
    json_t *of = target ? target : body, *id = json_object_get(of, "componentId");
    json_t *j = json_pack(
        "{s:s, s:O, s:O, s:{s:O, s:O}, s:O, s:{s:O, s:O}}", "point", "host", "kind",
        json_object_get(request, "kind"), "lattice", json_object_get(host, "lattice"), "unit",
        "name", id ? id : json_object_get(of, "providerId"), "image",
        json_object_get(of, "imageRef"), "annotations", json_object_get(of, "annotations"), "host",
        "id", json_object_get(host, "publicKey"), "labels", json_object_get(host, "labels"));
    static const char *const more[][2] = {{"count", "maxInstances"},
                                          {"claims", "claims"},
                                          {"interface", "interface"},
                                          {"function", "function"}};
    assert_non_null(j);
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        json_t *v = json_object_get(i < 2 ? of : body, more[i][1]);
        if (v && !json_is_null(v)) {
            json_object_set(j, more[i][0], v);
        }
    }
    char *text = json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return text;
}

static bool is_str(const json_t *j, const char *key, const char *value) {
    const char *s = json_string_value(json_object_get(j, key));
    return s && strcmp(s, value) == 0;
}

/* The recorded answer to the request of line i, as sent; NULL: none came. Owned. */
static char *answer_of(json_t *const *lines, size_t n, size_t i) {
    const char *reply = json_string_value(json_object_get(lines[i], "reply"));
    for (size_t k = i + 1; k < n; k++) {
        if (is_str(lines[k], "subject", reply) && is_str(lines[k], "from", "policy-service")) {
            const json_t *data = json_object_get(lines[k], "data");
            return json_is_string(data) ? strdup(json_string_value(data))
                                        : json_dumps(data, JSON_COMPACT);
        }
    }
    return NULL;
}

static size_t read_lines(json_t **lines, size_t cap) {
    char path[512];
    const char *dir = getenv("TRELLIS_FIXTURES");
    size_t n = 0, room = 0;
    char *line = NULL;
    FILE *f;
    snprintf(path, sizeof(path), "%s/recordings/K-policy.jsonl", dir ? dir : "");
    f = dir ? fopen(path, "r") : NULL;
    while (f && n < cap && getline(&line, &room, f) > 0) {
        json_t *j = json_loads(line, 0, NULL);
        if (j) {
            lines[n++] = j;
        }
    }
    free(line);
    if (f) {
        fclose(f);
    }
    return n;
}

struct counts {
    uint32_t requests, permitted, denied, failed, changes;
};

static void one_request(struct rig *r, struct replay *p, const json_t *request,
                        struct counts *seen) {
    char *subject = subject_of(request);
    json_t *answer = p->answer ? json_loads(p->answer, 0, NULL) : NULL;
    const json_t *permitted = json_object_get(answer, "permitted");
    bool good = json_object_get(answer, "requestId") && json_is_boolean(permitted);
    struct asked a;
    p->want = request;
    ask_wait(r, &a, TRL_POINT_HOST, subject);
    if (!good) {
        seen->failed++;
        assert_int_equal(a.st, p->answer ? TRL_E_INTERNAL : TRL_E_TIMEOUT);
    } else {
        const char *message = json_string_value(json_object_get(answer, "message"));
        json_is_true(permitted) ? seen->permitted++ : seen->denied++;
        assert_int_equal(a.st, TRL_OK);
        assert_int_equal(a.verdict, json_is_true(permitted) ? TRL_V_ALLOW : TRL_V_DENY);
        assert_true(!message || strstr(a.reasons, message));
    }
    json_decref(answer);
    free(subject);
}

/* An override of the recorded request `id`: told with the id that ours had, it holds as it held for
 * the host: without a request. */
static void one_change(struct rig *r, struct replay *p, const json_t *request, const json_t *data,
                       struct told *t) {
    json_t *ours = json_deep_copy(data);
    char *subject = subject_of(request);
    uint32_t told = t->n;
    struct asked a;
    p->want = request;
    ask_wait(r, &a, TRL_POINT_HOST, subject); /* again, so that the last id is this one's */
    uint32_t before = p->requests;
    json_object_set_new(ours, "requestId", json_string(p->id));
    char *text = json_dumps(ours, JSON_COMPACT);
    struct bus_msg m = {.subject = STR(RECORDED ".changes"), .body = str_c(text)};
    bus_publish(r->bus, &m);
    assert_true(tk_until_count(r->tk, &t->n, told + 1));
    ask_wait(r, &a, TRL_POINT_HOST, subject);
    assert_int_equal(p->requests, before);
    assert_int_equal(a.verdict,
                     json_is_true(json_object_get(data, "permitted")) ? TRL_V_ALLOW : TRL_V_DENY);
    free(text);
    free(subject);
    json_decref(ours);
}

static void play(struct rig *r, struct replay *p, json_t *const *lines, size_t n,
                 struct counts *seen) {
    struct told t;
    told_begin(r, &t);
    for (size_t i = 0; i < n; i++) {
        const json_t *data = json_object_get(lines[i], "data");
        char *answer;
        if (is_str(lines[i], "subject", RECORDED) && json_object_get(lines[i], "reply")) {
            answer = answer_of(lines, n, i);
            p->answer = answer;
            one_request(r, p, data, seen);
            free(answer);
            seen->requests++;
        } else if (is_str(lines[i], "subject", RECORDED ".changes")) {
            for (size_t k = 0; k < i; k++) {
                const json_t *request = json_object_get(lines[k], "data");
                if (is_str(lines[k], "subject", RECORDED) &&
                    json_equal(json_object_get(request, "requestId"),
                               json_object_get(data, "requestId"))) {
                    answer = answer_of(lines, n, k);
                    p->answer = answer;
                    one_change(r, p, request, data, &t);
                    free(answer);
                    seen->changes++;
                }
            }
        }
    }
    policy_watch_end(t.watch);
}

static void test_recorded(void **state) {
    json_t *lines[512];
    size_t n = read_lines(lines, ARRAY_LEN(lines));
    struct counts seen = {0};
    struct replay p = {.requests = 0};
    struct rig r;
    (void)state;
    if (n == 0) {
        print_message("TRELLIS_FIXTURES is not set, or has no recordings/K-policy.jsonl\n");
        skip();
    }
    rig_open(&r, "inproc", "{}",
             "{\"topic\":\"" RECORDED "\",\"changes_topic\":\"" RECORDED
             ".changes\",\"request_timeout_ms\":200}");
    p.bus = r.bus;
    struct bus_sub *sub = bus_subscribe(r.bus, STR(RECORDED), STR_NONE, on_request, &p);
    play(&r, &p, lines, n, &seen);
    printf("session K-policy: %u requests, %u permitted, %u denied, %u failed, %u changes\n",
           seen.requests, seen.permitted, seen.denied, seen.failed, seen.changes);
    assert_int_equal(p.wrong, 0);
    assert_true(seen.requests > 0 && seen.permitted > 0 && seen.denied > 0 && seen.failed > 0 &&
                seen.changes > 0);
    bus_unsubscribe(sub);
    rig_close(&r);
    for (size_t i = 0; i < n; i++) {
        json_decref(lines[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_recorded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
