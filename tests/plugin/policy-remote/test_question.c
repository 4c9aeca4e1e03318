/* SPDX-License-Identifier: Apache-2.0
 *
 * Subjects into requests, request for request; what is remembered; configurations.
 */
#include "../../unit/cmocka_all.h"
#include "memory.h"
#include "opts.h"
#include "question.h"

#define HOST "\"host\":{\"id\":\"NHOST\",\"labels\":{\"zone\":\"a\"}},\"lattice\":\"default\""
#define AT_HOST                                                                                    \
    "\"host\":{\"publicKey\":\"NHOST\",\"lattice\":\"default\",\"labels\":{\"zone\":\"a\"}}"
#define NO_HOST "\"host\":{\"publicKey\":\"\",\"lattice\":\"default\",\"labels\":{}}"

struct line {
    uint32_t point;
    const char *subject;
    uint32_t n;          /* requests */
    const char *request; /* the last one, behind its id; NULL: not looked at */
    const char *path;
};

static const struct line lines[] = {
    {TRL_POINT_HOST,
     "{\"kind\":\"startComponent\",\"unit\":{\"name\":\"app-web\",\"kind\":\"component\",\"image\":"
     "\"i:1\"},\"count\":4,\"annotations\":{\"k\":\"v\"}," HOST "}",
     1,
     "\"kind\":\"startComponent\",\"version\":\"v1\",\"request\":{\"componentId\":\"app-web\","
     "\"imageRef\":\"i:1\",\"maxInstances\":4,\"annotations\":{\"k\":\"v\"},\"claims\":null}"
     "," AT_HOST "}",
     NULL},
    {TRL_POINT_HOST,
     "{\"kind\":\"startProvider\",\"unit\":{\"name\":\"p\",\"image\":\"i:1\"},\"claims\":{"
     "\"publicKey\":\"V\"}," HOST "}",
     1,
     "\"kind\":\"startProvider\",\"version\":\"v1\",\"request\":{\"providerId\":\"p\",\"imageRef\":"
     "\"i:1\",\"annotations\":{},\"claims\":{\"publicKey\":\"V\"}}," AT_HOST "}",
     NULL},
    {TRL_POINT_HOST,
     "{\"kind\":\"performInvocation\",\"interface\":\"wrpc:http/incoming-handler@0.1.0\","
     "\"function\":\"handle\",\"unit\":{\"name\":\"c\",\"image\":\"i:1\"}," HOST "}",
     1,
     "\"kind\":\"performInvocation\",\"version\":\"v1\",\"request\":{\"interface\":"
     "\"wrpc:http/incoming-handler@0.1.0\",\"function\":\"handle\",\"target\":{\"componentId\":"
     "\"c\",\"imageRef\":\"i:1\",\"maxInstances\":0,\"annotations\":{},\"claims\":null}}"
     "," AT_HOST "}",
     NULL},
    /* names as they are in the lattice */
    {TRL_POINT_PLACE,
     "{\"app\":\"My App\",\"unit\":{\"name\":\"W\xc3\xa4\xe2\x84\xaa\xc4\xb0\",\"kind\":"
     "\"component\",\"image\":\"i:1\"}," HOST "}",
     1,
     "\"kind\":\"startComponent\",\"version\":\"v1\",\"request\":{\"componentId\":\"my_app-w_ki_\","
     "\"imageRef\":\"i:1\",\"maxInstances\":1,\"annotations\":{\"wasmcloud.dev/appspec\":"
     "\"My App\"},\"claims\":null}," AT_HOST "}",
     NULL},
    {TRL_POINT_PLACE,
     "{\"app\":\"a\",\"unit\":{\"name\":\"w\",\"id\":\"own-id\",\"kind\":\"provider\",\"image\":"
     "\"i:1\"}," HOST "}",
     1,
     "\"kind\":\"startProvider\",\"version\":\"v1\",\"request\":{\"providerId\":\"own-id\","
     "\"imageRef\":\"i:1\",\"annotations\":{\"wasmcloud.dev/appspec\":\"a\"},\"claims\":null}"
     "," AT_HOST "}",
     NULL},
    {TRL_POINT_COMMAND,
     "{\"app\":\"a\",\"verb\":\"scale\",\"unit\":\"a-w\",\"image\":\"i:1\",\"count\":0," HOST "}",
     1,
     "\"kind\":\"startComponent\",\"version\":\"v1\",\"request\":{\"componentId\":\"a-w\","
     "\"imageRef\":\"i:1\",\"maxInstances\":0,\"annotations\":{\"wasmcloud.dev/appspec\":\"a\"},"
     "\"claims\":null}," AT_HOST "}",
     NULL},
    {TRL_POINT_COMMAND,
     "{\"app\":\"a\",\"verb\":\"provider_start\",\"unit\":{\"name\":\"p\",\"image\":\"i:1\"}," HOST
     "}",
     1,
     "\"kind\":\"startProvider\",\"version\":\"v1\",\"request\":{\"providerId\":\"a-p\","
     "\"imageRef\":\"i:1\",\"annotations\":{\"wasmcloud.dev/appspec\":\"a\"},\"claims\":null}"
     "," AT_HOST "}",
     NULL},
    {TRL_POINT_COMMAND, "{\"verb\":\"link-put\"}", 0, NULL, NULL},
    {TRL_POINT_COMMAND, "{\"verb\":\"provider-stop\",\"unit\":\"p\"}", 0, NULL, NULL},
    {TRL_POINT_PUT, "{\"app\":\"a\",\"units\":[]}", 0, NULL, NULL},
    {TRL_POINT_PUT, "{\"app\":\"a\"}", 0, NULL, NULL},
    {TRL_POINT_DEPLOY,
     "{\"app\":\"a\",\"lattice\":\"default\",\"units\":[{\"name\":\"x\",\"kind\":\"component\","
     "\"image\":\"i:1\",\"instances\":7,\"path\":\"/spec/components/0\"},{\"name\":\"shared\","
     "\"kind\":\"provider\"},{\"name\":\"y\",\"kind\":\"component\",\"image\":\"j:2\",\"path\":"
     "\"/spec/components/2\"}]}",
     2,
     "\"kind\":\"startComponent\",\"version\":\"v1\",\"request\":{\"componentId\":\"a-y\","
     "\"imageRef\":\"j:2\",\"maxInstances\":1,\"annotations\":{\"wasmcloud.dev/appspec\":\"a\"},"
     "\"claims\":null}," NO_HOST "}",
     "/spec/components/2"},
    {TRL_POINT_SECRET, "{\"secret\":{\"key\":\"k\"}}", 0, NULL, NULL},
    {TRL_POINT_COMMAND, "{\"verb\":\"scale\",\"unit\":\"w\",\"count\":-7}", 1, NULL, NULL},
    {TRL_POINT_COMMAND, "{\"verb\":\"scale\",\"unit\":\"w\",\"count\":99999999999}", 1, NULL, NULL},
};

static void test_lines(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct line *l = &lines[i];
        struct questions q;
        trl_err err = {.struct_size = sizeof(err)};
        if (questions_read(l->point, trl_cstr(l->subject), &q, &err) != TRL_OK) {
            fail_msg("%s: %s", l->subject, err.msg);
        }
        assert_int_equal(q.n, l->n);
        if (l->request) {
            static const char before[] = "{\"requestId\":\"ID\",";
            char *text = question_text(&q.at[q.n - 1], "ID");
            assert_memory_equal(text, before, strlen(before));
            assert_string_equal(text + strlen(before), l->request);
            free(text);
        }
        if (l->path) {
            assert_string_equal(q.at[q.n - 1].path, l->path);
        }
        questions_finish(&q);
    }
}

static void test_odd_subjects(void **state) {
    static const struct {
        uint32_t point;
        const char *subject, *text;
    } odd[] = {
        {TRL_POINT_PUT, "[]", "no JSON object"},
        {TRL_POINT_SECRET, "{", "no JSON object"},
        {TRL_POINT_PUT, "{\"units\":{}}", "units is no list"},
        {TRL_POINT_PUT, "{\"units\":[{\"name\":\"x\",\"image\":\"i\"}]}", "neither a component"},
        {TRL_POINT_PUT, "{\"units\":[7]}", "neither a component"},
        {TRL_POINT_PLACE, "{\"unit\":{\"kind\":\"component\"}}", "host is missing"},
        {TRL_POINT_PLACE, "{\"host\":{}}", "neither a component"},
        {TRL_POINT_COMMAND, "{}", "verb is missing"},
        {TRL_POINT_HOST, "{\"kind\":\"startComponent\"}", "unit is missing"},
        {TRL_POINT_HOST, "{\"kind\":\"stop\",\"unit\":{}}", "kind is none of"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct questions q;
        trl_err err = {.struct_size = sizeof(err)};
        assert_int_equal(questions_read(odd[i].point, trl_cstr(odd[i].subject), &q, &err),
                         TRL_E_INVALID);
        if (!strstr(err.msg, odd[i].text) || q.n || q.at) {
            fail_msg("%s: %s", odd[i].subject, err.msg);
        }
    }
}

static char *key_of(const char *subject) {
    struct questions q;
    assert_int_equal(questions_read(TRL_POINT_HOST, trl_cstr(subject), &q, NULL), TRL_OK);
    char *key = strdup(q.at[0].key);
    questions_finish(&q);
    return key;
}

/* As hosts keep decisions: the count and annotations do not matter, id, image and host do. */
static void test_keys(void **state) {
    char *a = key_of("{\"kind\":\"startComponent\",\"unit\":{\"name\":\"x\",\"image\":\"i:1\"},"
                     "\"count\":1," HOST "}");
    char *b = key_of("{\"kind\":\"startComponent\",\"unit\":{\"name\":\"x\",\"image\":\"i:1\"},"
                     "\"count\":9,\"annotations\":{\"k\":\"v\"}," HOST "}");
    char *c = key_of(
        "{\"kind\":\"startComponent\",\"unit\":{\"name\":\"x\",\"image\":\"i:2\"}," HOST "}");
    char *d =
        key_of("{\"kind\":\"startProvider\",\"unit\":{\"name\":\"x\",\"image\":\"i:1\"}," HOST "}");
    char *e = key_of("{\"kind\":\"startComponent\",\"unit\":{\"name\":\"x\",\"image\":\"i:1\"},"
                     "\"host\":{\"id\":\"NOTHER\"}}");
    (void)state;
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    assert_string_not_equal(a, d);
    assert_string_not_equal(a, e);
    free(a);
    free(b);
    free(c);
    free(d);
    free(e);
}

static void test_ids(void **state) {
    char id[QUESTION_ID_LEN + 1];
    (void)state;
    question_id(0x01a1fbf43318ull, 0x615aa59eull, 0xffff240eba124779ull, id);
    assert_string_equal(id, "01a1fbf4-3318-a59e-615a-240eba124779");
    question_id(UINT64_MAX, UINT64_MAX, UINT64_MAX, id);
    assert_int_equal(strlen(id), QUESTION_ID_LEN);
}

static void test_reason(void **state) {
    char *text = malloc(4000);
    json_t *list = json_array();
    struct question q = {.label = NULL};
    (void)state;
    for (int i = 0; i < 1999; i++) {
        text[i] = (i & 1) ? '\xa4' : '\xc3'; /* the last one is cut off */
    }
    memcpy(text, "x!", 2);
    text[1998] = '\0';
    answer_reason(list, &q, text, "t");
    const char *cut = json_string_value(json_object_get(json_array_get(list, 0), "text"));
    assert_non_null(cut);
    assert_int_equal(strlen(cut), 1000);
    free(text);
    json_decref(list);
}

static void test_memory(void **state) {
    struct memory *m = memory_create(7);
    char id[32];
    (void)state;
    assert_int_equal(memory_note(m, "one", "key-1"), 0);
    assert_string_equal(memory_key(m, "one"), "key-1");
    assert_null(memory_key(m, "two"));
    assert_null(memory_find(m, "key-1"));
    memory_override(m, "key-1", 0, "no");
    memory_override(m, "key-1", 0, "still no");
    assert_int_equal(memory_overrides(m), 1);
    assert_string_equal(memory_find(m, "key-1")->message, "still no");
    for (uint32_t i = 1; i < MEMORY_MAX; i++) {
        snprintf(id, sizeof(id), "id-%u", i);
        assert_int_equal(memory_note(m, id, "k"), 0);
        memory_override(m, id, 1, NULL);
    }
    assert_int_equal(memory_note(m, "more", "k"), 1); /* and what was before is gone */
    assert_null(memory_key(m, "one"));
    assert_string_equal(memory_key(m, "more"), "k");
    assert_int_equal(memory_overrides(m), MEMORY_MAX);
    memory_override(m, "id-5", 0, NULL);
    assert_int_equal(memory_overrides(m), MEMORY_MAX);
    memory_override(m, "another", 0, NULL);
    assert_int_equal(memory_overrides(m), 1);
    memory_destroy(m);
    memory_destroy(NULL);
}

static void test_config(void **state) {
    static const struct {
        const char *config, *text;
    } bad[] = {
        {"{}", "topic: is missing"},
        {"{\"topic\":\"a..b\"}", "topic: expected tokens"},
        {"{\"topic\":\".a\"}", "topic: expected tokens"},
        {"{\"topic\":\"a.\"}", "topic: expected tokens"},
        {"{\"topic\":\"a.*\"}", "topic: expected tokens"},
        {"{\"topic\":\"a b\"}", "topic: expected tokens"},
        {"{\"topic\":\"a\",\"changes_topic\":\"b.>\"}", "changes_topic: expected"},
        {"{\"topic\":\"a\",\"changes_topic\":\"a\"}", "the same as topic"},
    };
    struct opts o;
    trl_err err = {.struct_size = sizeof(err)};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (opts_parse(trl_cstr(bad[i].config), &o, &err) != TRL_E_INVALID ||
            !strstr(err.msg, bad[i].text)) {
            fail_msg("%s: %s", bad[i].config, err.msg);
        }
    }
    assert_int_equal(opts_parse(trl_cstr("{\"topic\":\"a.b-c_D9\"}"), &o, &err), TRL_OK);
    assert_int_equal(o.points, (1u << TRL_POINT_SECRET) - 1);
    opts_finish(&o);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),  cmocka_unit_test(test_odd_subjects),
        cmocka_unit_test(test_keys),   cmocka_unit_test(test_ids),
        cmocka_unit_test(test_reason), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
