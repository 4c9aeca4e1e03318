/* SPDX-License-Identifier: Apache-2.0
 *
 * What is a rule and what is not: faults with their place, in files and in configs.
 */
#include <stdlib.h>
#include <trellis/helper.h>

#include "../../unit/cmocka_all.h"
#include "rule.h"

static struct ruleset *compile(const char *yaml, struct text *err) {
    struct tree_node *tree = tree_read_yaml(trl_cstr(yaml), err);
    return tree ? rules_compile(tree, "r.yaml", err) : NULL;
}

static void refused(const char *yaml, const char *want) {
    struct text err = {0};
    struct ruleset *rs = compile(yaml, &err);
    if (rs) {
        fail_msg("taken: %s", yaml);
    }
    if (!err.at || !strstr(err.at, want)) {
        fail_msg("%s\ngives '%s'\nwithout '%s'", yaml, err.at ? err.at : "", want);
    }
    text_finish(&err);
}

static struct ruleset *taken(const char *yaml) {
    struct text err = {0};
    struct ruleset *rs = compile(yaml, &err);
    if (!rs) {
        fail_msg("%s: %s", yaml, err.at);
    }
    text_finish(&err);
    return rs;
}

#define RULE(more) "rules:\n- name: r\n  verdict: deny\n" more

static void test_yaml_faults(void **state) {
    char deep[400] = "rules: ";
    (void)state;
    refused("", "1:1: nothing stands in it");
    refused("# nothing\n", "nothing stands in it");
    refused("rules: [\n", "2:1: ");
    refused("rules: [}", "1:9: ");
    refused("a: b: c\n", "1:5: ");
    refused("rules: []\nrules: []\n", "2:1: 'rules' stands twice");
    refused("rules: &x []\ndefault: *x\n", "2:10: aliases are not read");
    refused(RULE("  match: {app: *}\n"), "4:17: ");
    refused(RULE("  match: {app: *}\n"), "that begins with * in quotes");
    refused("rules:\n\t- x\n", "2:1: ");
    refused("rules: []\n---\nrules: []\n", "2:1: a second document");
    refused("{[a]: b}", "1:2: a name must be one word");
    refused("rules: [\"a\\0b\"]", "1:9: a NUL character");
    refused("rules: \xff", "1:");
    memset(deep + 7, '[', 60);
    refused(deep, "nested too deeply");
}

static void test_shape_faults(void **state) {
    (void)state;
    refused("[]", "1:1: a file of rules must be a map");
    refused("7", "1:1: a file of rules must be a map");
    refused("default: deny\n", "1:1: rules must be a list");
    refused("rules: {}\n", "1:1: rules must be a list");
    refused("rules: []\nrule: []\n", "2:1: a file of rules has no 'rule': it has rules, default");
    refused("rules: []\ndefault: yes\n",
            "2:1: default 'yes' is none of abstain, allow, warn, deny");
    refused("rules: []\ndefault_points: put\n", "2:1: default_points without default");
    refused("rules: []\ndefault: deny\ndefault_points: [putt]\n", "3:18: point 'putt' is none of");
    refused("rules: [7]\n", "1:9: a rule must be a map");
    refused("rules: [{verdict: deny}]\n", "1:9: a rule without a name");
    refused("rules: [{name: a b, verdict: deny}]\n", "1:10: name 'a b': letters, digits");
    refused("rules: [{name: a}]\n", "1:9: rule 'a' has no verdict");
    refused("rules: [{name: a, verdict: no}]\n", "1:19: verdict 'no' is none of allow, warn, deny");
    refused("rules: [{name: a, verdict: deny}]\n", "1:9: rule 'a' looks at nothing: say at which");
    refused(RULE("  points: []\n"), "4:3: no point");
    refused(RULE("  points: put\n- name: r\n  verdict: deny\n  points: put\n"),
            "5:3: a second rule 'r'");
    refused(RULE("  points: put\n  enforce: now\n"), "5:3: enforce 'now' is none of start, stop");
    refused("rules: [{name: a, verdict: warn, enforce: stop, points: put}]", "1:34: enforce: stop");
    refused(RULE("  points: put\n  ttl: 5\n"), "5:3: ttl '5': write 30s");
    refused(RULE("  points: put\n  ttl: 0s\n"), "5:3: ttl");
    refused(RULE("  points: put\n  ttl: 999999h\n"), "5:3: ttl");
    refused(RULE("  points: put\n  message: [x]\n"), "5:3: message must be a text");
    refused(RULE("  points: put\n  message:\n"), "5:3: message must be a text");
    refused(RULE("  points: put\n  matches: {}\n"), "5:3: a rule has no 'matches'");
}

static void test_condition_faults(void **state) {
    (void)state;
    refused(RULE("  match:\n"), "4:3: match must say what to look at");
    refused(RULE("  match: []\n"), "4:3: match is empty");
    refused(RULE("  match: {}\n"), "4:3: match must say what to look at");
    refused(RULE("  unless: [{}]\n"), "4:12: unless must say what to look at");
    refused(RULE("  match: {apps: x}\n"), "4:11: apps is nothing that a rule can look at: there is "
                                          "app, lattice");
    refused(
        RULE("  match: {image: {registy: x}}\n"),
        "4:19: image.registy is nothing that a rule can look at: there is registry, repository");
    refused(RULE("  match: {app: {x: y}}\n"), "4:11: app must be a pattern");
    refused(RULE("  match: {app: {}}\n"), "4:11: app must be a pattern");
    refused(RULE("  match: {app: []}\n"), "4:11: an empty list fits nothing");
    refused(RULE("  match: {app: [x, [y]]}\n"), "4:20: a pattern must be a text");
    refused(RULE("  match: {app: }\n"), "4:11: a pattern must be a text");
    refused(RULE("  match: {host: x}\n"),
            "4:11: host must be a map with some of: id, name, issuer");
    refused(RULE("  match: {host: {labels: x}}\n"), "4:18: labels must be a map");
    refused(RULE("  match: {host: {labels: {}}}\n"), "4:18: labels must be a map");
    refused(RULE("  match: {image: {tag: {a: b}}}\n"), "4:19: tag must be a pattern or a list");
    refused(RULE("  match: {verb: provider-stop}\n"),
            "4:11: verb 'provider-stop' is none of scale, ");
    refused(RULE("  match: {request: [start*, startComponents]}\n"),
            "4:29: request 'startComponents'");
    refused(RULE("  match: {caller: {via: tcp}}\n"), "4:20: via 'tcp' is none of nats, socket");
    refused(RULE("  match: {instances: many}\n"), "4:11: 'many' is no whole number");
    refused(RULE("  match: {instances: -1}\n"), "'-1' is no whole number");
    refused(RULE("  match: {instances: 1.5}\n"), "'1.5' is no whole number");
    refused(RULE("  match: {instances: {}}\n"), "no number is within");
    refused(RULE("  match: {instances: {min: 5, max: 4}}\n"), "no number is within");
    refused(RULE("  match: {instances: {over: 5, under: 6}}\n"), "no number is within");
    refused(RULE("  match: {instances: {than: 5}}\n"), "a number has no 'than': it has min, max");
    refused(RULE("  match: {plan: 5}\n"), "plan must be a map with some of: start, stop");
    refused(RULE("  match: {unit: a, link: {name: b}}\n"),
            "4:27: rule 'r' looks at units and images and at links: write two rules");
    refused(RULE("  match: {secret: a}\n  unless: {config: b}\n"),
            "5:12: rule 'r' looks at secrets and at configs: write two rules");
}

static void test_points_faults(void **state) {
    (void)state;
    refused(RULE("  points: [place, put]\n  match: {host: {id: N*}}\n"),
            "5:18: id is never there at point put");
    refused(RULE("  points: [put]\n  match: {app: x}\n  unless: [{lattice: y}, {request: "
                 "startProvider}]\n"),
            "6:27: request is never there at point put");
    refused(RULE("  points: [command]\n  match: {verb: scale, unit: {kind: provider}}\n"),
            "5:31: kind is never there at point command");
    refused(RULE("  points: [secret]\n  match: {instances: {over: 5}}\n"),
            "5:11: instances is never there at point secret");
    refused(RULE("  match: {version: v1, host: {labels: {a: b}}}\n"), "no point has all");
}

static uint32_t points_of(const char *rule) {
    char text[512];
    snprintf(text, sizeof(text), "rules: [{name: r, verdict: deny, %s}]", rule);
    struct ruleset *rs = taken(text);
    uint32_t points = rs->points;
    rules_free(rs);
    return points;
}

static void test_points(void **state) {
    const uint32_t stored = AT(TRL_POINT_PUT) | AT(TRL_POINT_DEPLOY),
                   units =
                       stored | AT(TRL_POINT_PLACE) | AT(TRL_POINT_COMMAND) | AT(TRL_POINT_HOST);
    (void)state;
    assert_int_equal(points_of("match: {app: x}"), AT_ALL);
    assert_int_equal(points_of("match: {caller: {id: x}}"),
                     stored | AT(TRL_POINT_HOST) | AT(TRL_POINT_SECRET));
    assert_int_equal(points_of("match: {lattice: x}"), AT_ALL & ~AT(TRL_POINT_SECRET));
    assert_int_equal(points_of("match: {version: x}"), stored);
    assert_int_equal(points_of("match: {image: x}"), units);
    assert_int_equal(points_of("match: {unit: {name: x, kind: provider}}"),
                     units & ~AT(TRL_POINT_COMMAND));
    assert_int_equal(points_of("match: {instances: 7}"), units & ~AT(TRL_POINT_PLACE));
    assert_int_equal(points_of("match: {verb: scale, host: {id: y}}"),
                     AT(TRL_POINT_DEPLOY) | AT(TRL_POINT_COMMAND));
    assert_int_equal(points_of("match: {link: {interface: x}}"), stored);
    assert_int_equal(points_of("match: {secret: {backend: x}}"), stored | AT(TRL_POINT_SECRET));
    assert_int_equal(points_of("match: {secret: x}"), stored);
    assert_int_equal(points_of("match: {config: x}"), stored);
    assert_int_equal(points_of("match: {request: start*}"), AT(TRL_POINT_HOST));
    assert_int_equal(points_of("match: {plan: {stop: {over: 3}}}"), AT(TRL_POINT_DEPLOY));
    assert_int_equal(points_of("match: {entity: {issuer: A*}}"), AT(TRL_POINT_SECRET));
    assert_int_equal(points_of("match: {image: x}, unless: {host: {labels: {a: b}}}"),
                     AT(TRL_POINT_PLACE) | AT(TRL_POINT_COMMAND) | AT(TRL_POINT_HOST));
    assert_int_equal(points_of("points: [put, secret], match: {app: x}"),
                     AT(TRL_POINT_PUT) | AT(TRL_POINT_SECRET));
    struct ruleset *rs = taken("rules: []\ndefault: deny\ndefault_points: [host]\n");
    assert_int_equal(rs->points, AT(TRL_POINT_HOST));
    rules_free(rs);
    rs = taken("rules: []\n");
    assert_int_equal(rs->points, 0);
    rules_free(rs);
}

static void test_ttl(void **state) {
    static const struct {
        const char *text;
        uint32_t ms;
    } t[] = {{"30s", 30000},           {"5m", 300000},         {"2h", 7200000},    {"500ms", 500},
             {"rules", TRL_TTL_RULES}, {"none", TRL_TTL_NONE}, {"168h", 604800000}};
    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        char text[128];
        snprintf(text, sizeof(text), RULE("  points: put\n  ttl: %s\n"), t[i].text);
        struct ruleset *rs = taken(text);
        assert_int_equal(rs->rules[0].ttl_ms, t[i].ms);
        rules_free(rs);
    }
}

/* In a config places are JSON pointers. */
static void test_json_faults(void **state) {
    static const struct {
        const char *json, *want;
    } t[] = {
        {"{\"rules\":[{\"name\":\"r\",\"verdict\":\"deny\",\"match\":{\"apps\":\"x\"}}]}",
         "/rules/0/match/apps apps is nothing"},
        {"{\"rules\":[{\"name\":\"r\",\"verdict\":\"no\"}]}", "/rules/0/verdict verdict 'no'"},
        {"{\"rules\":[{\"name\":\"r\",\"verdict\":\"deny\",\"points\":[\"put\",\"x\"]}]}",
         "/rules/0/points/1 point 'x'"},
        {"{\"rules\":7}", "/rules rules must be a list"},
        {"[]", "a file of rules must be a map"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(t) / sizeof(*t); i++) {
        struct text err = {0};
        struct tree_node *tree = tree_read_json(trl_cstr(t[i].json), &err);
        assert_non_null(tree);
        assert_null(rules_compile(tree, "config", &err));
        if (!strstr(err.at, t[i].want)) {
            fail_msg("%s gives '%s' without '%s'", t[i].json, err.at, t[i].want);
        }
        text_finish(&err);
    }
}

/* Whatever stands there: rules, or a fault of one line with its place. */
static void test_damaged(void **state) {
    static const char sample[] =
        "default: deny\ndefault_points: [put]\nrules:\n- name: a\n  points: [put, deploy]\n"
        "  match: {image: {registry: [a.b, 'c*']}, instances: {min: 1, max: 5}}\n"
        "  unless:\n  - app: 'x-*'\n  - {lattice: [y, z]}\n  verdict: deny\n  ttl: 5m\n"
        "- {name: b, verdict: warn, match: {host: {labels: {zone: '**'}}}, message: no}\n";
    static const char bytes[] = "{}[]:,-*&!|>'\"#%@\\ \n\tax09\x01\xc3";
    unsigned seed = 11;
    uint32_t good = 0;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof(sample)];
        struct text err = {0};
        memcpy(text, sample, sizeof(sample));
        for (int k = 0; k <= i % 3; k++) {
            seed = seed * 1103515245u + 12345u;
            unsigned at = (seed >> 16) % (sizeof(sample) - 1);
            seed = seed * 1103515245u + 12345u;
            text[at] = bytes[(seed >> 16) % (sizeof(bytes) - 1)];
        }
        struct ruleset *rs = compile(text, &err);
        good += rs != NULL;
        if (!rs) {
            assert_true(err.len > 4 && err.at[0] >= '1' && err.at[0] <= '9');
            assert_null(strchr(err.at, '\n'));
        }
        rules_free(rs);
        text_finish(&err);
    }
    assert_true(good > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_yaml_faults),      cmocka_unit_test(test_shape_faults),
        cmocka_unit_test(test_condition_faults), cmocka_unit_test(test_points_faults),
        cmocka_unit_test(test_points),           cmocka_unit_test(test_ttl),
        cmocka_unit_test(test_json_faults),      cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
