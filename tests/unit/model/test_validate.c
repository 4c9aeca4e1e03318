/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "model/manifest.h"

/* The findings of a manifest as "level code path line: message" lines. */
static void check(const char *text, const char *wanted) {
    struct findings f;
    struct manifest *m = NULL;
    struct buf b = BUF_INIT;
    findings_init(&f);
    if (manifest_parse(str_c(text), MANIFEST_ANY, &m, &f) < 0) {
        fail_msg("%.*s", PSTR(f.at[0].message));
    }
    uint32_t before = f.n;
    uint32_t errors = manifest_validate(m, &f);
    assert_int_equal(errors, f.errors);
    for (uint32_t i = before; i < f.n; i++) {
        buf_addf(&b, "%c %s %.*s %u: %.*s\n", f.at[i].level == FINDING_ERROR ? 'E' : 'W',
                 f.at[i].code, PSTR(f.at[i].path), f.at[i].line, PSTR(f.at[i].message));
    }
    assert_string_equal(b.ptr ? b.ptr : "", wanted);
    buf_finish(&b);
    manifest_destroy(m);
    findings_finish(&f);
}

#define META "apiVersion: core.oam.dev/v1beta1\nkind: Application\n"
#define HEAD META "metadata: {name: shop, annotations: {}}\nspec:\n  components:\n"
#define KV   "  - {name: kv, type: capability, properties: {image: i}}\n"

static void test_clean(void **state) {
    (void)state;
    check(HEAD "  - name: web\n    type: component\n    properties: {image: i}\n    traits:\n"
               "    - {type: spreadscaler, properties: {instances: 1}}\n"
               "    - {type: link, properties: {namespace: wasi, package: keyvalue,\n"
               "       interfaces: [store], target: {name: kv}}}\n" KV,
          "");
}

static void test_metadata(void **state) {
    (void)state;
    check(
        "apiVersion: v2\nkind: X\nmetadata:\n  name: 'a b'\n  annotations: {version: latest, 'x "
        "y': "
        "z}\n  labels:\n    z-: 1\n    -a: \"q\\n\"\nspec: {components: []}\n",
        "E name metadata.name 4: manifest name [a b] is not allowed (should match regex "
        "[^[-\\w]+$])\n"
        "E version metadata.annotations.version 5: latest is not allowed in wadm\n"
        "E label-key metadata.labels.-a 8: Invalid OAM label: (\"-a\", \"q\\n\")\n"
        "E label-key metadata.labels.z- 7: Invalid OAM label: (\"z-\", \"1\")\n"
        "E label-key metadata.annotations.x y 5: Invalid OAM annotation: (\"x y\", \"z\")\n"
        "W api-version apiVersion 1: apiVersion is not core.oam.dev/v1beta1; it is not looked at\n"
        "W kind kind 2: kind is not Application; it is not looked at\n"
        "W no-components spec.components 9: no components: nothing will run\n");
}

static void test_components(void **state) {
    (void)state;
    check(
        HEAD "  - {name: a, type: capability, properties: {id: x}}\n"
             "  - {name: a, type: capability, properties: {id: x, image: i, application: {name: p, "
             "component: c}}}\n"
             "  - {name: b.c, type: capability, properties: {application: {name: p, component: c}, "
             "config: [{name: k}]}}\n"
             "  - {name: d, type: capability, properties: {application: {name: p, component: c}}, "
             "traits: [{type: daemonscaler, properties: {instances: 1}}]}\n"
             "  - {name: e.f, type: capability, properties: {image: i}}\n"
             "  - {name: e_f, type: component, properties: {image: i}}\n",
        "E duplicate-component spec.components[1].name 7: Duplicate component name in manifest: "
        "a\n"
        "E duplicate-id spec.components[1].properties.id 7: Duplicate component identifier in "
        "manifest: x\n"
        "E component-properties spec.components[0].properties 6: Component must have either "
        "'image' or 'application' property\n"
        "E component-properties spec.components[1].properties 7: Component cannot have both "
        "'image' and 'application' properties\n"
        "E component-properties spec.components[2].properties 8: Shared component 'p' cannot "
        "specify additional 'config'\n"
        "E component-properties spec.components[3].properties 9: Shared component 'p' cannot "
        "include a scaler trait\n"
        "W id-collision spec.components[5].name 11: components 'e.f' and 'e_f' have one id in the "
        "lattice: shop-e_f\n"
        "W no-scaler spec.components[5].traits 11: a component without a scaler is never "
        "started\n");
}

static void test_links(void **state) {
    (void)state;
    check(
        HEAD "  - name: web\n    type: capability\n    properties: {image: i}\n    traits:\n"
             "    - {type: link, properties: {namespace: wasi, package: keyvalue,\n"
             "       interfaces: [stor, store, store], target: {name: gone, config: [{name: c, "
             "properties: {}}]}, source: {config: [{name: c, properties: {}}]}}}\n"
             "    - {type: linkdef, properties: {namespace: a, package: b, interfaces: [], target: "
             "''}}\n"
             "    - {type: link, properties: {namespace: a, package: b, interfaces: [], target: kv,"
             " name: n}}\n"
             "    - {type: link, properties: {namespace: a, package: b, interfaces: [i], target: kv"
             "}}\n"
             "    - {type: link, properties: {namespace: ~, package: b, interfaces: [i], target: "
             "kv}}\n"
             "    - {type: link, properties: {instances: 1}}\n"
             "    - {type: link, properties: {target: {name: nix}, package: b, namespace: c}}\n" KV,
        "E missing-target spec.components[0].traits[0].properties.target 11: The following "
        "capability component(s) are missing from the manifest: [\"\", \"gone\"] (a link of "
        "component \"web\" has no target, or an empty one)\n"
        "W unknown-interface spec.components[0].traits[0].properties.interfaces[0] 11: "
        "unrecognized interface [wasi:keyvalue/stor]\n"
        "W unlisted-target spec.components[0].traits[0].properties.target 11: link (target "
        "[gone]) target [gone] is not a listed component\n"
        "E link-target spec.components[0].traits[4].properties.target 15: custom link is missing "
        "'target' name property (it is no link because of "
        "spec.components[0].traits[4].properties.namespace: expected a string, found null)\n"
        "E link-target spec.components[0].traits[5].properties 16: custom link is missing "
        "'target' property (it is no link because of "
        "spec.components[0].traits[5].properties.namespace: missing member, a link needs it)\n"
        "W unlisted-target spec.components[0].traits[6].properties.target 17: custom link target "
        "[nix] is not a listed component\n"
        "E bad-link spec.components[0].traits[4].properties.namespace 15: Link trait deserialized "
        "as custom trait, ensure fields are correct: "
        "spec.components[0].traits[4].properties.namespace: expected a string, found null\n"
        "E bad-link spec.components[0].traits[5].properties.namespace 16: Link trait deserialized "
        "as custom trait, ensure fields are correct: "
        "spec.components[0].traits[5].properties.namespace: missing member, a link needs it\n"
        "E bad-link spec.components[0].traits[5].properties.package 16: "
        "spec.components[0].traits[5].properties.package: missing member, a link needs it\n"
        "E bad-link spec.components[0].traits[5].properties.interfaces 16: "
        "spec.components[0].traits[5].properties.interfaces: missing member, a link needs it\n"
        "E bad-link spec.components[0].traits[6].properties.interfaces 17: Link trait deserialized "
        "as custom trait, ensure fields are correct: "
        "spec.components[0].traits[6].properties.interfaces: missing member, a link needs it\n"
        "E duplicate-link spec.components[0].traits[0].properties.interfaces[2] 11: Duplicate link "
        "found inside component 'web': default (wasi:keyvalue/store)\n"
        "E duplicate-link-config spec.components[0].traits[0].properties.source.config[0] 11: "
        "Duplicate link config name found: 'c'\n"
        "W linkdef spec.components[0].traits[1] 12: traits of type linkdef are of an old release: "
        "no link is made\n"
        "W no-interfaces spec.components[0].traits[2] 13: the link names no interfaces: it "
        "connects nothing\n"
        "W provider-to-provider spec.components[0].traits[3] 14: a link from one capability to "
        "another is not made\n");
}

static void test_secrets_and_scalers(void **state) {
    (void)state;
    check(
        HEAD "  - name: web\n    type: component\n    properties: {image: i, secrets: [{name: s, "
             "properties: {policy: p, key: k}}, {name: t, properties: {policy: q, key: k}},\n"
             "      {name: u, properties: {policy: r, key: k}}],\n"
             "      config: [{name: c, properties: {a: x}}, {name: C, properties: {a: y}}]}\n"
             "    traits:\n"
             "    - {type: spreadscaler, properties: {instance: 1, spread: 5}}\n"
             "    - {type: daemonscaler, properties: {instances: -1}}\n"
             "    - {type: spreadscaler, properties: {instances: 1, spread: [{name: a}]}}\n"
             "    - {type: spreadscaler, properties: {instances: 1}}\n"
             "    - {type: spreadscaler, properties: {instances: 1}}\n"
             "    - {type: spreadscaler, properties: {namespace: a, package: b, interfaces: [], "
             "target: web}}\n"
             "    - {type: other, properties: ~}\n"
             "  policies:\n"
             "  - {name: p, type: x, properties: {}}\n"
             "  - {name: q, type: x, properties: {}}\n"
             "  - {name: q, type: policy.secret.wasmcloud.dev/v1alpha1, properties: {}}\n",
        "E secret-policy spec.components[0].properties.secrets[0].properties.policy 8: secret 's' "
        "is mapped to policy 'p' which is not a secret policy. Expected type "
        "'policy.secret.wasmcloud.dev/v1alpha1'\n"
        "E secret-policy spec.components[0].properties.secrets[1].properties.policy 8: secret 't' "
        "is mapped to policy 'q' which does not include a 'backend' property\n"
        "E secret-policy spec.components[0].properties.secrets[2].properties.policy 9: secret 'u' "
        "is mapped to unknown policy 'r'\n"
        "E bad-scaler spec.components[0].traits[0].properties.instance 12: Scaler trait "
        "deserialized as custom trait, ensure fields are correct: "
        "spec.components[0].traits[0].properties.instance: unknown member, a scaler has: "
        "instances, spread\n"
        "E bad-scaler spec.components[0].traits[0].properties.instances 12: "
        "spec.components[0].traits[0].properties.instances: missing member, a scaler needs it\n"
        "E bad-scaler spec.components[0].traits[0].properties.spread 12: "
        "spec.components[0].traits[0].properties.spread: expected a list, found an integer\n"
        "E bad-scaler spec.components[0].traits[1].properties.instances 13: Scaler trait "
        "deserialized as custom trait, ensure fields are correct: "
        "spec.components[0].traits[1].properties.instances: expected an integer from 0 to "
        "18446744073709551615\n"
        "E bad-scaler spec.components[0].traits[2].properties.spread[0].requirements 14: Scaler "
        "trait deserialized as custom trait, ensure fields are correct: "
        "spec.components[0].traits[2].properties.spread[0].requirements: missing member, a spread "
        "needs it\n"
        "W config-collision spec.components[0].properties.config 10: config 'C' has other values "
        "than the config of the same stored name in line 10\n"
        "W scaler-is-link spec.components[0].traits[5] 17: this scaler has the properties of a "
        "link: it does nothing\n"
        "W unknown-trait spec.components[0].traits[6] 18: trait type 'other' is not built in: it "
        "has an effect only where a plugin serves it\n"
        "W two-scalers spec.components[0].traits 6: two scalers on one component work against "
        "each other\n"
        "W duplicate-policy spec.policies[2].name 22: policy 'q' is there twice: the last one "
        "counts\n");
}

static void test_on_change(void **state) {
    (void)state;
    check(META "metadata:\n  name: shop\n  annotations:\n"
               "    trellis.dev/on-change.db: roll\n"
               "    trellis.dev/on-change.settings: hot\n"
               "    trellis.dev/on-change.listen: ignore\n"
               "    trellis.dev/on-change.token: restart\n"
               "    trellis.dev/on-change.given: hot\n"
               "    trellis.dev/on-change.dbb: roll\n"

               "    trellis.dev/other: whatever\n"
               "spec:\n  policies:\n"
               "  - {name: p, type: policy.secret.wasmcloud.dev/v1alpha1, "
               "properties: {backend: b}}\n"
               "  components:\n"
               "  - name: web\n    type: component\n    properties: {image: i,\n"
               "      secrets: [{name: db, properties: {policy: p, key: k}}],\n"
               "      config: [{name: settings, properties: {a: x}}, {name: given}]}\n"
               "    traits:\n"
               "    - {type: spreadscaler, properties: {instances: 1}}\n"
               "    - {type: link, properties: {namespace: wasi, package: keyvalue,\n"
               "       interfaces: [store], target: {name: kv, config: [{name: listen,\n"
               "       properties: {a: x}}], secrets: [{name: token, properties:\n"
               "       {policy: p, key: k}}]}}}\n" KV,
          "W on-change metadata.annotations.trellis.dev/on-change.dbb 11: 'dbb' is neither a "
          "secret nor a config with properties of this manifest\n"
          "W on-change metadata.annotations.trellis.dev/on-change.given 10: 'given' is neither a "
          "secret nor a config with properties of this manifest\n"
          "W on-change metadata.annotations.trellis.dev/on-change.token 9: 'restart' is none of "
          "hot, roll and ignore: it is not looked at\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_components),
        cmocka_unit_test(test_links),
        cmocka_unit_test(test_secrets_and_scalers),
        cmocka_unit_test(test_on_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
