/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api_priv.h"

static bool read_type(struct req *r, enum manifest_type *ret, str *ret_refusal) {
    if (!r->content_type.ptr) {
        *ret = MANIFEST_ANY;
    } else if (str_is(r->content_type, "application/json")) {
        *ret = MANIFEST_JSON;
    } else if (str_is(r->content_type, "application/yaml")) {
        *ret = MANIFEST_YAML;
    } else {
        *ret_refusal = arena_printf(&r->arena,
                                    "Unable to parse manifest: Unsupported content type %.*s "
                                    "given. Wadm supports YAML and JSON",
                                    PSTR(r->content_type));
        return false;
    }
    return true;
}

bool op_admit(struct req *r, str *ret_refusal) {
    enum manifest_type type;
    const struct finding *x;
    if (!read_type(r, &type, ret_refusal)) {
        return false;
    }
    if (manifest_parse(r->body, type, &r->m, &r->findings) < 0) {
        x = findings_first_error(&r->findings);
        *ret_refusal = arena_printf(&r->arena, "Unable to parse manifest: %.*s",
                                    PSTR(x ? x->message : STR("no reason given")));
        return false;
    }
    manifest_validate(r->m, &r->findings);
    x = findings_first_error(&r->findings);
    if (x) {
        *ret_refusal = arena_str(&r->arena, x->message);
    }
    return !x;
}
