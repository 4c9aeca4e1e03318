/* SPDX-License-Identifier: Apache-2.0 */
#include "hostwire/decode.h"

#include "base/mem.h"

static bool is_map(const struct node *v) {
    if (v->type != NODE_OBJECT) {
        return false;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->members[i].value->type != NODE_STRING) {
            return false;
        }
    }
    return true;
}

static bool is_list(const struct node *v) {
    if (v->type != NODE_ARRAY) {
        return false;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        if (v->items[i]->type != NODE_STRING) {
            return false;
        }
    }
    return true;
}

static bool store(const struct wire_field *f, const struct node *v, void *out) {
    void *p = (char *)out + f->offset;
    uint64_t u;
    switch (f->type) {
    case WIRE_F_STR:
        *(str *)p = v->text;
        return v->type == NODE_STRING;
    case WIRE_F_U32:
        if (!node_u64(v, &u) || u > UINT32_MAX) {
            return false;
        }
        *(uint32_t *)p = (uint32_t)u;
        return true;
    case WIRE_F_U64:
        return node_u64(v, (uint64_t *)p);
    case WIRE_F_BOOL:
        *(bool *)p = v->boolean;
        return v->type == NODE_BOOL;
    case WIRE_F_MAP:
        *(const struct node **)p = v;
        return is_map(v);
    case WIRE_F_LIST:
        *(const struct node **)p = v;
        return is_list(v);
    case WIRE_F_ANY:
        *(const struct node **)p = v;
        return true;
    }
    return false;
}

static bool field_of(const struct node *o, const struct wire_field *f, void *out) {
    const struct node *found = NULL;
    for (uint32_t i = 0; i < o->n; i++) {
        if (str_is(o->members[i].key, f->name) ||
            (f->alias && str_is(o->members[i].key, f->alias))) {
            if (found) {
                return false;
            }
            found = o->members[i].value;
        }
    }
    if (!found) {
        return !f->required;
    }
    if (found->type == NODE_NULL) {
        return f->nullable;
    }
    return store(f, found, out);
}

bool wire_decode(str body, const struct wire_field *fields, uint32_t n, void *out,
                 struct arena *a) {
    struct node *o;
    if (json_parse_blind(body, a, &o, NULL) < 0 || o->type != NODE_OBJECT) {
        return false;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (!field_of(o, &fields[i], out)) {
            return false;
        }
    }
    return true;
}

bool wire_decode_map(str body, const struct node **ret, struct arena *a) {
    struct node *o;
    if (json_parse_blind(body, a, &o, NULL) < 0 || !is_map(o)) {
        return false;
    }
    *ret = o;
    return true;
}

bool wire_decode_registries(str body, struct arena *a) {
    static const struct wire_field fields[] = {
        {.name = "username", .type = WIRE_F_STR, .nullable = true},
        {.name = "password", .type = WIRE_F_STR, .nullable = true},
        {.name = "token", .type = WIRE_F_STR, .nullable = true},
        {.name = "registryType", .type = WIRE_F_STR},
    };
    struct node *o;
    if (json_parse_blind(body, a, &o, NULL) < 0 || o->type != NODE_OBJECT) {
        return false;
    }
    for (uint32_t i = 0; i < o->n; i++) {
        const struct node *v = o->members[i].value;
        str unused;
        if (v->type != NODE_OBJECT) {
            return false;
        }
        for (uint32_t k = 0; k < ARRAY_LEN(fields); k++) {
            if (!field_of(v, &fields[k], &unused)) {
                return false;
            }
        }
    }
    return true;
}
