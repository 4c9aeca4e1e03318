/* SPDX-License-Identifier: Apache-2.0 */
#include "api/shared.h"

#include "codec/json.h"

static bool provides(const struct manifest *m, const struct item *want) {
    if (!str_is(manifest_annotation(m, "experimental.wasmcloud.dev/shared"), "true")) {
        return false;
    }
    for (uint32_t i = 0; i < m->n_items; i++) {
        if (m->items[i].kind == want->kind && str_eq(m->items[i].name, want->shared_component)) {
            return true;
        }
    }
    return false;
}

static bool satisfied(struct catalog *c, str tenant, str lattice, const struct item *want) {
    const struct app *a = catalog_find(c, tenant, lattice, want->shared_app);
    const struct manifest *m = a && a->deployed ? catalog_manifest(c, a, a->deployed) : NULL;
    return m && provides(m, want);
}

str shared_missing(struct catalog *c, str tenant, str lattice, const struct manifest *m,
                   struct arena *a) {
    struct buf text = BUF_INIT;
    str ret = STR("");
    for (uint32_t i = 0; i < m->n_items; i++) {
        const struct item *it = &m->items[i];
        if (it->shared && !satisfied(c, tenant, lattice, it)) {
            struct jw w;
            buf_add_str(&text, text.len ? STR(", ") : STR("["));
            jw_init(&w, &text, false);
            jw_str(&w, it->name);
        }
    }
    if (text.len) {
        buf_add_c(&text, ']');
        ret = arena_str(a, buf_str(&text));
    }
    buf_finish(&text);
    return ret;
}
