/* SPDX-License-Identifier: Apache-2.0
 *
 * The application of the tests: a component with a config, a provider that it is linked to, and one
 * that is linked to it.
 */
#ifndef TRELLIS_TESTS_SHOP_H
#define TRELLIS_TESTS_SHOP_H

#include "../unit/cmocka_all.h"

#include "rig.h"

#define D "default"

/* One application in the shapes the tests need. */
struct shape {
    const char *app, *image, *text, *kv_config, *version, *extra;
    uint32_t instances;
    bool no_kv;
};

static inline char *yaml(const struct shape *s) {
    struct buf b = BUF_INIT;
    buf_addf(&b,
             "apiVersion: core.oam.dev/v1beta1\nkind: Application\nmetadata:\n  name: %s\n  "
             "annotations:\n    description: test\n",
             s->app);
    if (s->version) {
        buf_addf(&b, "    version: \"%s\"\n", s->version);
    }
    buf_addf(
        &b,
        "spec:\n  components:\n    - name: web\n      type: component\n      properties:\n"
        "        image: %s\n        config:\n          - name: greeting\n            properties:\n"
        "              text: \"%s\"\n      traits:\n        - type: spreadscaler\n          "
        "properties:\n"
        "            instances: %u\n",
        s->image ? s->image : "reg.example/web:1", s->text ? s->text : "hello",
        s->instances ? s->instances : 1);
    if (!s->no_kv) {
        buf_addf(
            &b,
            "        - type: link\n          properties:\n            namespace: wasi\n"
            "            package: keyvalue\n            interfaces: [store]\n            target:\n"
            "              name: kv\n              config:\n                - name: kvcfg\n"
            "                  properties:\n                    bucket: \"%s\"\n",
            s->kv_config ? s->kv_config : "one");
    }
    if (s->extra) {
        buf_addf(&b, "%s", s->extra);
    }
    if (!s->no_kv) {
        buf_addf(&b, "    - name: kv\n      type: capability\n      properties:\n        image: "
                     "reg.example/kv:1\n");
    }
    buf_addf(
        &b,
        "    - name: http\n      type: capability\n      properties:\n        image: "
        "reg.example/http:1\n"
        "      traits:\n        - type: link\n          properties:\n            namespace: wasi\n"
        "            package: http\n            interfaces: [incoming-handler]\n            "
        "target:\n"
        "              name: web\n");
    return buf_take(&b);
}

static inline void bring_up(struct rig *r, const struct shape *s) {
    char *text = yaml(s);
    rig_bring_up(r, D, s->app, text);
    mem_free(text);
}

static inline void put_and_deploy(struct rig *r, const struct shape *s) {
    char *text = yaml(s);
    rig_put(r, D, text);
    rig_deploy(r, D, s->app);
    mem_free(text);
}

static inline struct rig *rig_of(uint32_t hosts) {
    return rig_create(&(struct rig_options){.seed = 42, .hosts = hosts});
}

static inline bool deployed(struct rig *r, const char *app, int64_t ns) {
    return rig_until_type(r, D, app, "deployed", ns);
}

#endif
