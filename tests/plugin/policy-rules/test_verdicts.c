/* SPDX-License-Identifier: Apache-2.0
 *
 * What rules decide: each thing they can look at, what is not known, which verdict is the heaviest,
 * and what is said then.
 */
#include <jansson.h>
#include <stdlib.h>
#include <trellis/helper.h>

#include "../../unit/cmocka_all.h"
#include "eval.h"

#define PUT     TRL_POINT_PUT
#define DEPLOY  TRL_POINT_DEPLOY
#define PLACE   TRL_POINT_PLACE
#define COMMAND TRL_POINT_COMMAND
#define HOST    TRL_POINT_HOST
#define SECRET  TRL_POINT_SECRET

struct lab {
    struct ruleset *rules;
    struct facts facts;
    struct outcome o;
    struct text reasons, error;
};

static void open_lab(struct lab *l, const char *yaml) {
    memset(l, 0, sizeof(*l));
    struct tree_node *tree = tree_read_yaml(trl_cstr(yaml), &l->error);
    l->rules = tree ? rules_compile(tree, "r.yaml", &l->error) : NULL;
    if (!l->rules) {
        fail_msg("%s: %s", yaml, l->error.at);
    }
}

static void ask(struct lab *l, uint32_t point, const char *subject) {
    if (!facts_read(&l->facts, point, trl_cstr(subject), l->rules->abouts[point])) {
        fail_msg("%s", subject);
    }
    eval(l->rules, &l->facts, &l->o);
    text_clear(&l->reasons);
    text_c(&l->reasons, ""); /* a NUL behind nothing */
    say_reasons(l->rules, &l->facts, &l->o, &l->reasons);
}

static void close_lab(struct lab *l) {
    facts_finish(&l->facts);
    rules_free(l->rules);
    text_finish(&l->reasons);
    text_finish(&l->error);
}

/* The verdict of one rule's body, given in flow style. */
static int32_t verdict_of(const char *body, uint32_t point, const char *subject) {
    struct lab l;
    char yaml[1024];
    snprintf(yaml, sizeof(yaml), "rules: [{name: r, verdict: deny, %s}]", body);
    open_lab(&l, yaml);
    ask(&l, point, subject);
    int32_t v = l.o.verdict;
    close_lab(&l);
    return v;
}

static void test_fields(void **state) {
    static const struct {
        const char *body;
        uint32_t point;
        const char *yes, *no; /* subjects: the rule holds, and not */
    } t[] = {
        {"match: {app: [a, 'b-*']}", PUT, "{\"app\":\"b-1\"}", "{\"app\":\"c\"}"},
        {"match: {app: a}", SECRET, "{\"app\":\"a\"}", "{}"},
        {"match: {lattice: prod}", PLACE, "{\"lattice\":\"prod\"}", "{\"lattice\":\"dev\"}"},
        {"match: {tenant: t}", PUT, "{\"tenant\":\"t\"}", "{}"},
        {"match: {version: 'v1.*'}", PUT, "{\"version\":\"v1.2\"}", "{\"version\":\"v2\"}"},
        {"match: {caller: {id: 'ops-*', via: nats}}", DEPLOY,
         "{\"caller\":{\"id\":\"ops-1\",\"via\":\"nats\"}}",
         "{\"caller\":{\"id\":\"ops-1\",\"via\":\"http\"}}"},
        {"match: {host: {id: N1}}", SECRET, "{\"host\":{\"id\":\"N1\"}}", "{\"host\":{}}"},
        {"match: {host: {name: 'green-*'}}", COMMAND, "{\"host\":{\"name\":\"green-1\"}}",
         "{\"host\":{\"name\":\"red\"}}"},
        {"match: {host: {labels: {zone: a, arch: [x, y]}}}", PLACE,
         "{\"host\":{\"labels\":{\"zone\":\"a\",\"arch\":\"y\"}}}",
         "{\"host\":{\"labels\":{\"zone\":\"a\"}}}"},
        {"match: {host: {issuer: C*}}", SECRET, "{\"host\":{\"issuer\":\"CX\"}}",
         "{\"host\":{\"issuer\":\"X\"}}"},
        {"match: {annotations: {team: red}}", HOST, "{\"annotations\":{\"team\":\"red\"}}",
         "{\"annotations\":{\"team\":7}}"},
        {"match: {claims: {issuer: A*}}", HOST, "{\"claims\":{\"issuer\":\"AB\"}}", "{}"},
        {"match: {request: startProvider}", HOST, "{\"kind\":\"startProvider\"}",
         "{\"kind\":\"startComponent\"}"},
        {"match: {interface: 'wasi:http/*', function: handle}", HOST,
         "{\"interface\":\"wasi:http/incoming-handler\",\"function\":\"handle\"}",
         "{\"interface\":\"wasi:http/incoming-handler\"}"},
        {"match: {entity: {name: shop-*, issuer: A1}}", SECRET,
         "{\"entity\":{\"name\":\"shop-web\",\"issuer\":\"A1\"}}",
         "{\"entity\":{\"name\":\"blog-web\",\"issuer\":\"A1\"}}"},
        {"match: {entity: {kind: provider, subject: V*, issuer: A*}}", SECRET,
         "{\"entity\":{\"kind\":\"provider\",\"subject\":\"V1\",\"issuer\":\"A1\"}}",
         "{\"entity\":{\"kind\":\"component\",\"subject\":\"V1\",\"issuer\":\"A1\"}}"},
        {"match: {plan: {stop: {over: 3}, start: {max: 5}}}", DEPLOY,
         "{\"plan\":{\"counts\":{\"stop\":4}}}", "{\"plan\":{\"counts\":{\"stop\":3}}}"},
        {"match: {unit: w*}", PUT, "{\"units\":[{\"name\":\"a\"},{\"name\":\"web\"}]}",
         "{\"units\":[{\"name\":\"a\"}]}"},
        {"match: {unit: w*}", COMMAND, "{\"unit\":\"web\"}", "{\"unit\":\"a\"}"},
        {"match: {unit: {name: web, kind: provider}}", PUT,
         "{\"units\":[{\"name\":\"web\",\"kind\":\"provider\"}]}",
         "{\"units\":[{\"name\":\"web\",\"kind\":\"component\"},{\"name\":\"x\",\"kind\":"
         "\"provider\"}]}"},
        {"match: {image: 'ghcr.io/**'}", PLACE, "{\"unit\":{\"image\":\"ghcr.io/a/b:1\"}}",
         "{\"unit\":{\"image\":\"x.io/a/b:1\"}}"},
        {"match: {image: {registry: GHCR.io}}", HOST, "{\"unit\":{\"image\":\"ghcr.IO/a\"}}",
         "{\"unit\":{\"image\":\"a\"}}"},
        {"match: {image: {repository: 'team/*'}}", COMMAND,
         "{\"unit\":\"w\",\"image\":\"x.io/team/a:1\"}",
         "{\"unit\":\"w\",\"image\":\"x.io/team/a/b:1\"}"},
        {"match: {image: {tag: latest}}", PUT, "{\"units\":[{\"image\":\"x.io/a\"}]}",
         "{\"units\":[{\"image\":\"x.io/a:1\"}]}"},
        {"match: {image: {digest: none}}", PUT, "{\"units\":[{\"image\":\"x.io/a@sha256:12\"}]}",
         "{\"units\":[{\"image\":\"x.io/a@sha256:0123456789abcdef0123456789abcdef0123456789abcdef"
         "0123456789abcdef\"}]}"},
        {"match: {instances: {over: 20}}", PUT, "{\"units\":[{\"instances\":21}]}",
         "{\"units\":[{\"instances\":20}]}"},
        {"match: {instances: {under: 2}}", COMMAND, "{\"unit\":\"a\",\"count\":1}",
         "{\"unit\":\"a\",\"count\":2}"},
        {"match: {instances: 3}", HOST, "{\"unit\":{\"name\":\"a\"},\"count\":3}",
         "{\"unit\":{\"name\":\"a\"}}"},
        {"match: {instances: {min: 2, max: 4}}", PUT, "{\"units\":[{\"instances\":4}]}",
         "{\"units\":[{\"instances\":9223372036854775807},{\"instances\":-3},{\"instances\":3.0}]"
         "}"},
        {"match: {verb: [scale, link_*], image: 'bad/*'}", DEPLOY,
         "{\"plan\":{\"actions\":[{\"verb\":\"scale\",\"image\":\"bad/x\"}]}}",
         "{\"plan\":{\"actions\":[{\"verb\":\"update\",\"image\":\"bad/x\"},{\"verb\":\"scale\","
         "\"image\":\"good/x\"}]}}"},
        {"match: {verb: scale, host: {id: N1}}", DEPLOY,
         "{\"plan\":{\"actions\":[{\"verb\":\"scale\",\"host\":\"N1\"}]}}",
         "{\"plan\":{\"actions\":[{\"verb\":\"scale\",\"host\":\"N2\"}]}}"},
        {"points: [deploy], match: {verb: scale, unit: {kind: provider}}", DEPLOY,
         "{\"units\":[{\"name\":\"h\",\"kind\":\"provider\"}],\"plan\":{\"actions\":[{\"verb\":"
         "\"scale\",\"unit\":\"h\"}]}}",
         "{\"units\":[{\"name\":\"h\",\"kind\":\"component\"}],\"plan\":{\"actions\":[{\"verb\":"
         "\"scale\",\"unit\":\"h\"}]}}"},
        {"match: {link: {source: a, target: b, namespace: wasi, package: kv, name: default}}", PUT,
         "{\"links\":[{\"source\":\"a\",\"target\":\"b\",\"namespace\":\"wasi\",\"package\":\"kv\","
         "\"name\":\"default\"}]}",
         "{\"links\":[{\"source\":\"b\",\"target\":\"a\",\"namespace\":\"wasi\",\"package\":\"kv\","
         "\"name\":\"default\"}]}"},
        {"match: {link: {interface: [store, 'at*']}}", PUT,
         "{\"links\":[{\"interfaces\":[\"x\",\"atomics\"]}]}", "{\"links\":[{\"interfaces\":[]}]}"},
        {"match: {secret: {backend: env, key: 'a/**', field: f, version: '1', unit: w}}", PUT,
         "{\"secrets\":[{\"backend\":\"env\",\"key\":\"a/b/c\",\"field\":\"f\",\"version\":\"1\","
         "\"unit\":\"w\"}]}",
         "{\"secrets\":[{\"backend\":\"env\",\"key\":\"a/b/c\",\"field\":\"f\",\"version\":\"1\","
         "\"unit\":\"v\"}]}"},
        {"match: {secret: {properties: {mount: kv}}}", PUT,
         "{\"secrets\":[{\"properties\":{\"mount\":\"kv\"}}]}",
         "{\"secrets\":[{}],\"properties\":{\"mount\":\"kv\"}}"},
        {"match: {secret: {properties: {mount: kv}}}", SECRET,
         "{\"secret\":{\"key\":\"k\"},\"properties\":{\"mount\":\"kv\"}}",
         "{\"secret\":{\"key\":\"k\"}}"},
        {"match: {config: 'prod-*'}", PUT, "{\"configs\":[{\"name\":\"prod-1\"}]}",
         "{\"configs\":[{\"name\":\"dev\"}]}"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        if (verdict_of(t[i].body, t[i].point, t[i].yes) != TRL_V_DENY) {
            fail_msg("%s is silent about %s", t[i].body, t[i].yes);
        }
        if (verdict_of(t[i].body, t[i].point, t[i].no) != TRL_V_ABSTAIN) {
            fail_msg("%s speaks about %s", t[i].body, t[i].no);
        }
    }
}

/* What the subject does not say fulfils no condition: it neither matches nor excuses. */
static void test_unknown(void **state) {
    (void)state;
    assert_int_equal(verdict_of("match: {caller: {id: '**'}}", PUT, "{\"app\":\"a\"}"),
                     TRL_V_ABSTAIN);
    assert_int_equal(verdict_of("unless: {caller: {id: '**'}}", PUT, "{\"app\":\"a\"}"),
                     TRL_V_DENY);
    assert_int_equal(verdict_of("unless: {instances: {max: 5}}", PUT, "{\"units\":[{}]}"),
                     TRL_V_DENY);
    assert_int_equal(verdict_of("match: {instances: {over: 5}}", PUT, "{\"units\":[{}]}"),
                     TRL_V_ABSTAIN);
    /* A rule about images has no business with what has none. */
    assert_int_equal(verdict_of("unless: {image: {registry: r.io}}", COMMAND,
                                "{\"verb\":\"link_put\",\"unit\":\"web\"}"),
                     TRL_V_ABSTAIN);
    assert_int_equal(
        verdict_of("unless: {image: {registry: r.io}}", PUT, "{\"units\":[{\"name\":\"shared\"}]}"),
        TRL_V_ABSTAIN);
    /* An image of no registry is of none of the allowed ones. */
    assert_int_equal(
        verdict_of("unless: {image: {registry: r.io}}", PUT, "{\"units\":[{\"image\":\"web:1\"}]}"),
        TRL_V_DENY);
    assert_int_equal(
        verdict_of("unless: {image: {registry: r.io}}", PUT, "{\"units\":[{\"image\":\"\"}]}"),
        TRL_V_DENY);
    /* Members of another type than the subject's are not there. */
    assert_int_equal(verdict_of("match: {app: '**'}", PUT, "{\"app\":7}"), TRL_V_ABSTAIN);
    assert_int_equal(
        verdict_of("match: {host: {labels: {a: '**'}}}", PLACE, "{\"host\":{\"labels\":[\"a\"]}}"),
        TRL_V_ABSTAIN);
}

static void test_blocks(void **state) {
    static const char two[] =
        "match: [{app: a}, {lattice: x}], unless: [{tenant: t}, {version: v}]";
    (void)state;
    assert_int_equal(verdict_of(two, PUT, "{\"app\":\"a\"}"), TRL_V_DENY);
    assert_int_equal(verdict_of(two, PUT, "{\"lattice\":\"x\"}"), TRL_V_DENY);
    assert_int_equal(verdict_of(two, PUT, "{\"app\":\"b\"}"), TRL_V_ABSTAIN);
    assert_int_equal(verdict_of(two, PUT, "{\"app\":\"a\",\"tenant\":\"t\"}"), TRL_V_ABSTAIN);
    assert_int_equal(verdict_of(two, PUT, "{\"app\":\"a\",\"version\":\"v\"}"), TRL_V_ABSTAIN);
    /* One thing must fulfil all: not one the first half, another the second. */
    assert_int_equal(verdict_of("match: {unit: a, image: 'x/*'}", PUT,
                                "{\"units\":[{\"name\":\"a\",\"image\":\"y/1\"},{\"name\":\"b\","
                                "\"image\":\"x/1\"}]}"),
                     TRL_V_ABSTAIN);
}

/* Rules that do not look at verbs are about what is to be: no denial keeps anything from going. */
static void test_what_goes(void **state) {
    static const char ours[] = "unless: {image: {registry: r.io}}";
    static const char *const going[] = {
        "{\"verb\":\"scale\",\"unit\":\"w\",\"image\":\"x.io/w\",\"count\":0}",
        "{\"verb\":\"scale\",\"unit\":\"w\",\"image\":\"x.io/w\",\"count\":2,\"count_old\":3}",
        "{\"verb\":\"provider_stop\",\"unit\":\"w\",\"image\":\"\",\"count\":0}",
        "{\"verb\":\"link_del\",\"link\":\"x\"}", "{\"verb\":\"config_del\",\"config\":\"x\"}"};
    static const char *const coming[] = {
        "{\"verb\":\"scale\",\"unit\":\"w\",\"image\":\"x.io/w\",\"count\":3,\"count_old\":2}",
        "{\"verb\":\"scale\",\"unit\":\"w\",\"image\":\"x.io/w\",\"count\":3}",
        "{\"verb\":\"update\",\"unit\":\"w\",\"image\":\"x.io/w\",\"count\":2,\"count_old\":3}",
        "{\"verb\":\"provider_start\",\"unit\":\"w\",\"image\":\"x.io/w\",\"count\":1}"};
    struct lab l;
    (void)state;
    for (size_t i = 0; i < sizeof(going) / sizeof(*going); i++) {
        assert_int_equal(verdict_of(ours, COMMAND, going[i]), TRL_V_ABSTAIN);
        assert_int_equal(verdict_of("match: {app: '**'}", COMMAND, going[i]), TRL_V_ABSTAIN);
        assert_int_equal(verdict_of("match: {verb: '*'}", COMMAND, going[i]), TRL_V_DENY);
        open_lab(&l, "default: deny\nrules: []");
        ask(&l, COMMAND, going[i]);
        assert_int_equal(l.o.verdict, TRL_V_ABSTAIN);
        close_lab(&l);
    }
    for (size_t i = 0; i < sizeof(coming) / sizeof(*coming); i++) {
        assert_int_equal(verdict_of(ours, COMMAND, coming[i]), TRL_V_DENY);
    }
}

/* What runs is judged again by Trellis itself: rules about callers say nothing then. */
static void test_by_self(void **state) {
    static const char ops[] = "unless: {caller: {id: 'ops-*'}}";
    (void)state;
    assert_int_equal(verdict_of(ops, DEPLOY, "{\"caller\":{\"via\":\"self\"}}"), TRL_V_ABSTAIN);
    assert_int_equal(verdict_of(ops, DEPLOY, "{\"caller\":{\"via\":\"nats\"}}"), TRL_V_DENY);
    assert_int_equal(
        verdict_of("match: {caller: {via: self}}", DEPLOY, "{\"caller\":{\"via\":\"self\"}}"),
        TRL_V_DENY);
}

/* Allow is for all things or not at all; deny and warn for one. */
static void test_allow(void **state) {
    struct lab l;
    (void)state;
    open_lab(
        &l, "default: deny\nrules: [{name: ok, verdict: allow, match: {image: {registry: r.io}}}]");
    ask(&l, PUT, "{\"units\":[{\"image\":\"r.io/a\"},{\"image\":\"r.io/b\"}]}");
    assert_int_equal(l.o.verdict, TRL_V_ALLOW);
    assert_non_null(strstr(l.reasons.at, "\"rule\":\"ok\""));
    ask(&l, PUT, "{\"units\":[{\"image\":\"r.io/a\"},{\"image\":\"x.io/b\"}]}");
    assert_int_equal(l.o.verdict, TRL_V_DENY);
    assert_non_null(strstr(l.reasons.at, "\"code\":\"default\""));
    ask(&l, PUT, "{\"units\":[]}");
    assert_int_equal(l.o.verdict, TRL_V_DENY);
    ask(&l, SECRET, "{}");
    assert_int_equal(l.o.verdict, TRL_V_DENY);
    close_lab(&l);
}

static void test_heaviest(void **state) {
    static const char subject[] = "{\"app\":\"a\",\"lattice\":\"l\",\"version\":\"v\"}";
    struct lab l;
    (void)state;
    open_lab(&l, "rules:\n"
                 "- {name: yes, verdict: allow, match: {app: a}, ttl: 5m}\n"
                 "- {name: hm, verdict: warn, match: {app: a}, ttl: 1m}\n"
                 "- {name: no, verdict: deny, match: {lattice: l}, enforce: stop}\n"
                 "- {name: nor, verdict: deny, match: {version: v}, ttl: 10s}\n"
                 "- {name: silent, verdict: deny, match: {app: b}, ttl: none}\n");
    ask(&l, PUT, subject);
    assert_int_equal(l.o.verdict, TRL_V_DENY);
    assert_true(l.o.stop);
    assert_int_equal(l.o.ttl_ms, 10000); /* the shortest of those that spoke */
    assert_int_equal(l.o.n_hits, 2);
    assert_null(strstr(l.reasons.at, "\"hm\""));
    ask(&l, PUT, "{\"app\":\"a\"}");
    assert_int_equal(l.o.verdict, TRL_V_WARN);
    assert_false(l.o.stop);
    assert_int_equal(l.o.ttl_ms, 60000);
    ask(&l, PUT, "{\"app\":\"x\"}");
    assert_int_equal(l.o.verdict, TRL_V_ABSTAIN);
    assert_int_equal(l.o.ttl_ms, TRL_TTL_RULES);
    assert_int_equal(l.reasons.len, 0);
    close_lab(&l);
}

static const char *member(const json_t *reasons, size_t i, const char *key) {
    const char *text = json_string_value(json_object_get(json_array_get(reasons, i), key));
    return text ? text : "(none)";
}

static void test_reasons(void **state) {
    struct lab l;
    (void)state;
    open_lab(&l, "rules:\n"
                 "- name: ours\n  verdict: deny\n  unless: {image: {registry: r.io}}\n"
                 "  message: \"only \\\"ours\\\"\"\n  remedy: push it\n  code: img\n"
                 "- {name: plain, verdict: deny, match: {link: {target: db}}}\n"
                 "- {name: sec, verdict: deny, match: {secret: {backend: env}}}\n"
                 "- {name: whole, verdict: deny, match: {app: a}}\n");
    ask(&l, PUT,
        "{\"app\":\"a\",\"caller\":{\"id\":\"kim\"},"
        "\"units\":[{\"name\":\"a\",\"image\":\"r.io/a\",\"path\":\"/spec/components/0\"},"
        "{\"name\":\"b\\n\\\"\",\"image\":\"x.io/b:1\",\"instances\":3,\"path\":"
        "\"/spec/components/1\"}],"
        "\"links\":[{\"source\":\"b\",\"target\":\"db\",\"namespace\":\"wasi\",\"package\":\"kv\","
        "\"path\":\"/spec/components/1/traits/0\"}],"
        "\"secrets\":[{\"name\":\"s\",\"backend\":\"env\",\"key\":\"K\",\"unit\":\"b\",\"path\":"
        "\"/spec/components/1/properties/secrets/0\"}]}");
    json_t *r = json_loads(l.reasons.at, 0, NULL);
    assert_int_equal(json_array_size(r), 4);
    assert_string_equal(member(r, 0, "code"), "img");
    assert_string_equal(member(r, 0, "rule"), "ours");
    assert_string_equal(member(r, 0, "path"), "/spec/components/1");
    assert_string_equal(member(r, 0, "remedy"), "push it");
    assert_string_equal(member(r, 0, "text"), "only \"ours\": unit 'b?\"', image x.io/b:1, "
                                              "3 instances (r.yaml:2)");
    assert_string_equal(member(r, 1, "code"), "plain");
    assert_string_equal(member(r, 1, "text"), "not allowed: link b -> db (wasi:kv) (r.yaml:8)");
    assert_string_equal(member(r, 1, "remedy"), "change it so that the rule holds no more, or ask "
                                                "who keeps r.yaml:8");
    assert_string_equal(member(r, 2, "text"), "not allowed: secret 's', key K of backend env, in "
                                              "unit 'b' (r.yaml:9)");
    assert_string_equal(member(r, 2, "path"), "/spec/components/1/properties/secrets/0");
    assert_string_equal(member(r, 3, "text"), "not allowed: app 'a', caller kim (r.yaml:10)");
    assert_string_equal(member(r, 3, "path"), "(none)");
    json_decref(r);
    close_lab(&l);
}

/* However much there is to say, a few reasons of bounded length are said. */
static void test_bounded(void **state) {
    struct lab l;
    struct text subject = {0};
    (void)state;
    open_lab(&l, "rules: [{name: r, verdict: deny, unless: {image: {registry: r.io}}}]");
    text_c(&subject, "{\"units\":[");
    for (int i = 0; i < 500; i++) {
        text_f(&subject, "%s{\"name\":\"%0300d\",\"image\":\"%s\xc3\xa4/%0500d\"}", i ? "," : "", i,
               i % 2 ? "x" : "", i);
    }
    text_c(&subject, "]}");
    ask(&l, PUT, subject.at);
    assert_int_equal(l.o.n_hits, HITS_MAX);
    assert_int_equal(l.o.n_more, 500 - HITS_MAX);
    assert_non_null(strstr(l.reasons.at, "\"text\":\"and 484 more\""));
    assert_true(l.reasons.len < 16384);
    json_t *r = json_loads(l.reasons.at, 0, NULL); /* UTF-8 was not cut in two */
    assert_int_equal(json_array_size(r), HITS_MAX + 1);
    json_decref(r);
    text_finish(&subject);
    close_lab(&l);
}

static void test_bad_subjects(void **state) {
    static const char *const bad[] = {"", "{", "[]", "7", "{}{}", "{\"app\":\"\xff\"}"};
    struct lab l;
    (void)state;
    open_lab(&l, "rules: [{name: r, verdict: deny, match: {app: a}}]");
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_false(facts_read(&l.facts, PUT, trl_cstr(bad[i]), UINT32_MAX));
    }
    close_lab(&l);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),    cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_what_goes), cmocka_unit_test(test_by_self),
        cmocka_unit_test(test_blocks),    cmocka_unit_test(test_allow),
        cmocka_unit_test(test_heaviest),  cmocka_unit_test(test_reasons),
        cmocka_unit_test(test_bounded),   cmocka_unit_test(test_bad_subjects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
