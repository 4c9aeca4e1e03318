/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/config_trust.h"

#include <string.h>

#include "base/mem.h"

const char config_trust_schema[] =
    "\"plugins\":{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
    "\"check\":{\"type\":\"string\",\"enum\":[\"off\",\"warn\",\"require\"],\"description\":"
    "\"what becomes of libraries that allow does not list; require when it lists any\"},"
    "\"allow\":{\"type\":\"object\",\"description\":\"SHA-256 by library, as "
    "trellis plugin inspect shows it\"}}},";

static const char *const modes[] = {
    [PLUG_TRUST_OFF] = "off", [PLUG_TRUST_WARN] = "warn", [PLUG_TRUST_REQUIRE] = "require"};

static bool is_sum(const struct node *n) {
    return n->type == NODE_STRING && n->text.len == 64 &&
           strspn(n->text.ptr, "0123456789abcdefABCDEF") >= 64;
}

void config_trust_take(struct config_trust *t, struct arena *a, const struct node *plugins,
                       struct findings *f) {
    const struct node *allow = node_get(plugins, "allow");
    uint32_t n = allow ? allow->n : 0;
    str mode = node_text(plugins, "check", n ? STR("require") : STR("off"));
    t->trust = str_is(mode, "require") ? PLUG_TRUST_REQUIRE
               : str_is(mode, "warn")  ? PLUG_TRUST_WARN
                                       : PLUG_TRUST_OFF;
    t->allow = ARENA_ARRAY(a, struct plug_allowed, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        const struct node *v = allow->members[i].value;
        if (!is_sum(v)) {
            findings_add(f, FINDING_ERROR, "config", allow->members[i].key, v->line, v->column,
                         STR("a SHA-256 has 64 hexadecimal digits"),
                         STR("trellis plugin inspect FILE shows it"));
            continue;
        }
        t->allow[t->n_allow++] = (struct plug_allowed){arena_str(a, allow->members[i].key).ptr,
                                                       arena_str(a, v->text).ptr};
    }
}

void config_trust_write(const struct config_trust *t, struct jw *w) {
    if (t->trust == PLUG_TRUST_OFF) {
        return;
    }
    jw_key(w, "plugins");
    jw_object(w);
    jw_kv(w, "check", str_c(modes[t->trust]));
    jw_key(w, "allow");
    jw_object(w);
    for (uint32_t i = 0; i < t->n_allow; i++) {
        jw_kv(w, t->allow[i].library, str_c(t->allow[i].sha256));
    }
    jw_end_object(w);
    jw_end_object(w);
}
