/* SPDX-License-Identifier: Apache-2.0
 *
 * One API over a fake store and bus, and short ways to talk to it. Included once by a test program.
 */
#ifndef TRELLIS_TESTS_API_FIX_H
#define TRELLIS_TESTS_API_FIX_H

#include "../catalog/fake_kv.h"
#include "api/envelope.h"
#include "fake_bus.h"
#include "harness.h"

struct fix {
    struct harness h;
    struct fake_store store;
    struct reply r;
};

static inline void setup_env(struct fix *f, struct api_env env) {
    *f = (struct fix){0};
    f->store.loop = f->h.loop = loop_create_virtual(0, 1700000000000, 1);
    f->store.flags = TRL_S_SYNCED;
    f->h.kv = fake_kv(&f->store);
    f->h.bus = fake_bus(f->h.loop);
    harness_open(&f->h, env);
}

static inline void setup(struct fix *f) {
    setup_env(f, (struct api_env){0});
}

static inline void teardown(struct fix *f) {
    reply_finish(&f->r);
    harness_close(&f->h);
    kv_destroy(f->h.kv);
    bus_destroy(f->h.bus);
    loop_run(f->h.loop);
    loop_destroy(f->h.loop);
    fake_store_finish(&f->store);
}

static inline const char *manifest(struct fix *f, const char *name, const char *version,
                                   const char *more) {
    static char text[8192];
    (void)f;
    snprintf(text, sizeof(text),
             "{\"apiVersion\":\"core.oam.dev/v1beta1\",\"kind\":\"Application\",\"metadata\":{"
             "\"name\":\"%s\",\"annotations\":{%s%s%s\"description\":\"d\"}},\"spec\":{"
             "\"components\":[{\"name\":\"web\",\"type\":\"component\",\"properties\":{\"image\":"
             "\"reg/web:1%s\"}}]}}",
             name, version ? "\"version\":\"" : "", version ? version : "", version ? "\"," : "",
             more);
    return text;
}

static inline void put(struct fix *f, const char *name, const char *version) {
    ask(&f->h, "wadm.api.default.model.put", manifest(f, name, version, ""), &f->r);
}

#define SAYS(key, value)                                                                           \
    do {                                                                                           \
        if (!reply_has(&f.r, key, value)) {                                                        \
            fail_msg("%s is not %s: %s", key, value, f.r.text);                                    \
        }                                                                                          \
    } while (0)

#endif
