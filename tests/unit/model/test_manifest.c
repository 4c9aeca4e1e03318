/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/mem.h"
#include "model/manifest.h"

#define HEAD                                                                                       \
    "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: shop\n"               \
    "  annotations: {version: 1.10}\nspec:\n  components:\n"

static void check_findings(const struct findings *f, const char *wanted) {
    struct buf b = BUF_INIT;
    for (uint32_t i = 0; i < f->n; i++) {
        finding_format(&f->at[i], STR(""), &b);
        buf_add_c(&b, '\n');
    }
    assert_string_equal(b.ptr ? b.ptr : "", wanted);
    buf_finish(&b);
}

static void test_faults_are_all_told(void **state) {
    (void)state;
    struct findings f;
    struct manifest *m = NULL;
    findings_init(&f);
    str text = STR(HEAD "    - name: [x]\n"
                        "      type: thing\n"
                        "      colour: red\n"
                        "      properties:\n"
                        "        image: 5\n"
                        "        imag: x\n"
                        "        config:\n"
                        "          - name: c\n"
                        "            properties: {port: 8080, ok: yes, on: true}\n"
                        "          - properties: {}\n"
                        "      traits:\n"
                        "        - type: t\n"
                        "          extra: 1\n"
                        "        - type: u\n"
                        "          properties: {1: x, k: !z y}\n"
                        "  policies: ~\n");
    assert_int_equal(manifest_parse(text, MANIFEST_ANY, &m, &f), TRL_E_INVALID);
    assert_null(m);
    check_findings(
        &f,
        "10:7: warning: spec.components[0].colour: unknown member of a component: it is kept but "
        "has no effect (remove it, or check its spelling)\n"
        "8:13: error: spec.components[0].name: expected a string, found a list\n"
        "9:13: error: spec.components[0].type: unknown type, expected component or capability\n"
        "13:9: error: spec.components[0].properties.imag: unknown member, component properties "
        "has: image, application, id, config, secrets (remove it, or check its spelling)\n"
        "12:16: error: spec.components[0].properties.image: expected a string, found an integer "
        "(put the value in quotes)\n"
        "16:32: error: spec.components[0].properties.config[0].properties.port: expected a string, "
        "found an integer (put the value in quotes)\n"
        "16:51: error: spec.components[0].properties.config[0].properties.on: expected a string, "
        "found a boolean (put the value in quotes)\n"
        "17:13: error: spec.components[0].properties.config[1].name: missing member, a config "
        "entry "
        "needs it\n"
        "20:11: error: spec.components[0].traits[0].extra: unknown member, a trait has: type, "
        "properties (remove it, or check its spelling)\n"
        "19:11: error: spec.components[0].traits[0].properties: missing member, a trait needs it\n"
        "22:24: error: spec.components[0].traits[1].properties.1: a key must be a string, found an "
        "integer (put the key in quotes)\n"
        "22:33: error: spec.components[0].traits[1].properties.k: a tag (!…) is not allowed here "
        "(remove the tag)\n"
        "23:13: error: spec.policies: expected a list, found null\n");
    findings_finish(&f);
}

static void test_the_decoder_that_fits_answers(void **state) {
    (void)state;
    static const struct {
        const char *text;
        enum manifest_type type;
        const char *says;
    } cases[] = {
        {"{\"apiVersion\": \"a\" \"kind\": 1}", MANIFEST_ANY,
         "1:20: error: expected ',' or '}' in an object, found '\"'\n"},
        {"a: [\n", MANIFEST_ANY,
         "2:1: error: did not find expected node content, while parsing a "
         "flow node that starts in line 2\n"},
        {"a: b", MANIFEST_JSON, "1:1: error: expected a value, found 'a'\n"},
        {"", MANIFEST_JSON, "1:1: error: expected a value, found the end of the text\n"},
        {"5", MANIFEST_ANY, "1:1: error: expected a mapping, found an integer\n"},
        {"~", MANIFEST_YAML, "1:1: error: expected a mapping, found null\n"},
        {"{\"apiVersion\":\"a\",\"kind\":\"\\ud83d\\ude00\",\"metadata\":{},\"spec\":{"
         "\"components\":"
         "[]}}",
         MANIFEST_ANY,
         "1:52: error: metadata.name: missing member, metadata needs it\n"
         "1:52: error: metadata.annotations: missing member, metadata needs it\n"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct findings f;
        struct manifest *m = NULL;
        findings_init(&f);
        assert_int_equal(manifest_parse(str_c(cases[i].text), cases[i].type, &m, &f),
                         TRL_E_INVALID);
        check_findings(&f, cases[i].says);
        findings_finish(&f);
    }
}

static struct manifest *parse(str text, struct findings *f) {
    struct manifest *m = NULL;
    if (manifest_parse(text, MANIFEST_ANY, &m, f) < 0) {
        fail_msg("%.*s", PSTR(f->at[0].message));
    }
    return m;
}

static void test_write(void **state) {
    (void)state;
    struct findings f;
    struct buf b = BUF_INIT;
    findings_init(&f);
    struct manifest *m = parse(
        STR(HEAD "    - name: 5\n"
                 "      type: actor\n"
                 "      x: {b: 1, a: 0x10, a: 2}\n"
                 "      none: ~\n"
                 "      properties: {image: i, config: [{name: c, properties: {b: '1', a: x}}]}\n"
                 "      traits:\n"
                 "        - type: spreadscaler\n"
                 "          properties: {replicas: 0b11, spread: [{name: s, requirements: {}}]}\n"
                 "        - type: link\n"
                 "          properties: {target: x, target_config: [{name: k}], namespace: n,\n"
                 "            package: p, interfaces: [i], source_config: [], more: y}\n"
                 "        - type: mine\n"
                 "          properties: {replicas: 1, spread: [], f: 1.50}\n"),
        &f);
    manifest_write(m, STR_NONE, &b);
    assert_string_equal(
        b.ptr,
        "{\"apiVersion\":\"core.oam.dev/v1beta1\",\"kind\":\"Application\",\"metadata\":{\"name\":"
        "\"shop\",\"annotations\":{\"version\":\"1.10\"}},\"spec\":{\"components\":[{\"name\":"
        "\"5\","
        "\"type\":\"component\",\"properties\":{\"image\":\"i\",\"config\":[{\"name\":\"c\","
        "\"properties\":{\"a\":\"x\",\"b\":\"1\"}}]},\"traits\":[{\"type\":\"spreadscaler\","
        "\"properties\":{\"instances\":3,\"spread\":[{\"name\":\"s\",\"requirements\":{}}]}},{"
        "\"type\":\"link\",\"properties\":{\"namespace\":\"n\",\"package\":\"p\",\"interfaces\":["
        "\"i\"],\"source\":{},\"target\":{\"name\":\"x\",\"config\":[{\"name\":\"k\"}]},\"more\":"
        "\"y\"}},{\"type\":\"mine\",\"properties\":{\"f\":1.5,\"replicas\":1,\"spread\":[]}}],"
        "\"x\":"
        "{\"a\":2,\"b\":1}}]}}");
    assert_int_equal(m->items[0].traits[2].shape, TRAIT_CUSTOM);
    assert_int_equal(m->items[0].traits[0].scaler->instances, 3);
    buf_clear(&b);
    manifest_write(m, STR("2"), &b);
    assert_non_null(strstr(b.ptr, "\"annotations\":{\"version\":\"2\"}"));
    buf_finish(&b);
    manifest_destroy(m);
    manifest_destroy(NULL);
    findings_finish(&f);
}

/* Order of keys, spelling and version make no difference; content does. */
static void test_hash(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{apiVersion: a, kind: b, metadata: {name: n, annotations: {version: '1', z: y}}, spec: "
        "{components: [{name: c, type: component, properties: {image: i}, traits: [{type: t, "
        "properties: {b: 1, a: 2}}]}]}}",
        "{spec: {components: [{type: actor, name: c, traits: [{properties: {a: 2, b: 0x1}, type: t}"
        "], properties: {image: i}}]}, kind: b, metadata: {annotations: {z: y}, name: n}, "
        "apiVersion: a}",
        "{spec: {components: [{type: actor, name: c, traits: [{properties: {a: 2, b: 0x2}, type: t}"
        "], properties: {image: i}}]}, kind: b, metadata: {annotations: {z: y}, name: n}, "
        "apiVersion: a}",
    };
    char hash[3][65];
    for (size_t i = 0; i < 3; i++) {
        struct findings f;
        findings_init(&f);
        struct manifest *m = parse(str_c(texts[i]), &f);
        manifest_hash(m, hash[i]);
        manifest_destroy(m);
        findings_finish(&f);
    }
    assert_string_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
}

static void test_warnings(void **state) {
    (void)state;
    struct findings f;
    findings_init(&f);
    struct manifest *m = parse(
        STR(HEAD "    - name: c\n"
                 "      type: component\n"
                 "      properties: {image: i, config: [{name: k, properties: {a: x, a: y}}]}\n"
                 "      traits:\n"
                 "        - type: link\n"
                 "          properties: {namespace: n, package: p, package: q, interfaces: [],\n"
                 "            target: {name: c}, target_config: 5, source_config: []}\n"
                 "        - type: mine\n"
                 "          properties: {k: 1e999, k: 2, big: 1e999}\n"),
        &f);
    check_findings(
        &f,
        "10:62: warning: spec.components[0].properties.config[0].properties.a: this key is there "
        "twice: this one is dropped, the one in line 10 counts (remove one of them)\n"
        "13:50: warning: spec.components[0].traits[0].properties.package: this member is there "
        "twice: the one in line 13 is dropped, this one counts (remove one of them)\n"
        "14:47: warning: spec.components[0].traits[0].properties.target_config: target_config is "
        "ignored and dropped, because target is there (remove it)\n"
        "14:65: warning: spec.components[0].traits[0].properties.source_config: one of the "
        "components' link trait contains a source_config key, please use source:config: rather\n"
        "16:45: warning: spec.components[0].traits[1].properties.big: a number too large for a "
        "double is kept as text (put it in quotes to say so)\n"
        "16:24: warning: spec.components[0].traits[1].properties.k: this key is there twice: this "
        "one is dropped, the one in line 16 counts (remove one of them)\n");
    manifest_destroy(m);
    findings_finish(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_are_all_told),
        cmocka_unit_test(test_the_decoder_that_fits_answers),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
