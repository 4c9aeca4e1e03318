/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/manifest.h"

static struct manifest *parse(const char *text) {
    struct findings f;
    struct manifest *m = NULL;
    findings_init(&f);
    if (manifest_parse(str_c(text), MANIFEST_ANY, &m, &f) < 0) {
        fail_msg("%.*s", PSTR(f.at[0].message));
    }
    findings_finish(&f);
    return m;
}

static void check(const char *old, const char *new_, const char *wanted) {
    struct manifest *a = parse(old), *b = parse(new_);
    struct findings f;
    struct buf out = BUF_INIT;
    findings_init(&f);
    model_diff(a, b, &f);
    for (uint32_t i = 0; i < f.n; i++) {
        buf_addf(&out, "%s %.*s\n", f.at[i].code, PSTR(f.at[i].message));
    }
    assert_string_equal(out.ptr ? out.ptr : "", wanted);
    buf_finish(&out);
    findings_finish(&f);
    manifest_destroy(a);
    manifest_destroy(b);
}

#define WRAP(meta, items)                                                                          \
    "{apiVersion: a, kind: b, metadata: {name: n, annotations: {" meta "}}, spec: {components: "   \
    "[" items "]}}"
#define ITEM(name, image, rest)                                                                    \
    "{name: " name ", type: component, properties: {image: " image "}" rest "}"

static void test_diff(void **state) {
    (void)state;
    check(WRAP("", ITEM("x", "i", "")), WRAP("", ITEM("x", "i", "")), "");
    check(WRAP("version: '1'", ITEM("x", "'1'", "") ", " ITEM("y", "i", "")),
          WRAP("version: '2', d: e", ITEM("z", "i", "") ", " ITEM("x", "'2'", "")),
          "changed metadata.annotations.version: \"1\" -> \"2\"\n"
          "added metadata.annotations.d: (absent) -> \"e\"\n"
          "changed spec.components[x].properties.image: \"1\" -> \"2\"\n"
          "removed spec.components[y]: {…} -> (absent)\n"
          "added spec.components[z]: (absent) -> {…}\n");
}

static void test_traits_and_spelling(void **state) {
    (void)state;
    check(WRAP("", ITEM("x", "i",
                        ", traits: [{type: spreadscaler, properties: {replicas: 1}}, {type: link, "
                        "properties: {namespace: a, package: b, interfaces: [c], target: x}}]")),
          WRAP("", ITEM("x", "i",
                        ", traits: [{type: link, properties: {interfaces: [c], namespace: a, "
                        "package: b, target: {name: x}}}, {type: spreadscaler, properties: "
                        "{instances: 3}}, {type: link, properties: {}}]")),
          "changed spec.components[x].traits[spreadscaler].properties.instances: 1 -> 3\n"
          "added spec.components[x].traits[link 2]: (absent) -> {…}\n");
}

static void test_config_values_are_hidden(void **state) {
    (void)state;
    check(WRAP("", "{name: x, type: component, properties: {image: i, config: [{name: c, "
                   "properties: {k: old}}]}}"),
          WRAP("", "{name: x, type: component, properties: {image: i, config: [{name: c, "
                   "properties: {k: new, l: more}}]}}"),
          "changed spec.components[x].properties.config[c].properties.k: (hidden) -> (hidden)\n"
          "added spec.components[x].properties.config[c].properties.l: (absent) -> (hidden)\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diff),
        cmocka_unit_test(test_traits_and_spelling),
        cmocka_unit_test(test_config_values_are_hidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
