/* SPDX-License-Identifier: Apache-2.0
 *
 * Schemas themselves: are they in the subset?
 */
#include "base/mem.h"
#include "codec/json.h"
#include "codec/schema_priv.h"

enum value { ANY, TEXT, BOOLEAN, NUMBER, COUNT, TYPE, SCHEMA, SCHEMAS, STRINGS, SCALARS, ARRAY };

static const struct {
    const char *name;
    enum value value;
} keywords[] = {
    {"type", TYPE},        {"properties", SCHEMAS},
    {"required", STRINGS}, {"additionalProperties", BOOLEAN},
    {"enum", SCALARS},     {"default", ANY},
    {"minimum", NUMBER},   {"maximum", NUMBER},
    {"minLength", COUNT},  {"maxLength", COUNT},
    {"items", SCHEMA},     {"minItems", COUNT},
    {"maxItems", COUNT},   {"description", TEXT},
    {"title", TEXT},       {"examples", ARRAY},
    {"$schema", TEXT},
};

static int at_fault(const struct node *n, struct err *err, str where, const char *what) {
    return err_set(err, TRL_E_INVALID, "schema, line %u, column %u: '%.*s' %s", n->line, n->column,
                   PSTR(where), what);
}

static int check_list(const struct node *v, str name, bool strings, struct err *err) {
    if (v->type != NODE_ARRAY || (!strings && v->n == 0)) {
        return at_fault(v, err, name,
                        strings ? "must be an array" : "must be an array with values");
    }
    for (uint32_t i = 0; i < v->n; i++) {
        enum node_type t = v->items[i]->type;
        if (strings ? t != NODE_STRING : t == NODE_ARRAY || t == NODE_OBJECT) {
            return at_fault(v->items[i], err, name,
                            strings ? "must have strings only" : "must have scalars only");
        }
    }
    return 0;
}

static int check_schemas(const struct node *v, str name, struct err *err) {
    int rc = v->type == NODE_OBJECT ? 0 : at_fault(v, err, name, "must be an object");
    for (uint32_t i = 0; rc == 0 && i < v->n; i++) {
        rc = schema_check(v->members[i].value, err);
    }
    return rc;
}

static int check_keyword(const struct node *v, str name, enum value value, struct err *err) {
    uint64_t count;
    switch (value) {
    case TEXT:
        return v->type == NODE_STRING ? 0 : at_fault(v, err, name, "must be a string");
    case BOOLEAN:
        return v->type == NODE_BOOL ? 0 : at_fault(v, err, name, "must be true or false");
    case NUMBER:
        return v->type == NODE_INT || v->type == NODE_FLOAT
                   ? 0
                   : at_fault(v, err, name, "must be a number");
    case COUNT:
        return node_u64(v, &count) ? 0 : at_fault(v, err, name, "must be an integer from 0");
    case TYPE:
        return v->type == NODE_STRING && schema_fits_type(v->text, NULL)
                   ? 0
                   : at_fault(v, err, name, "must be the name of one type");
    case SCHEMA:
        return schema_check(v, err);
    case SCHEMAS:
        return check_schemas(v, name, err);
    case STRINGS:
        return check_list(v, name, true, err);
    case SCALARS:
        return check_list(v, name, false, err);
    case ARRAY:
        return v->type == NODE_ARRAY ? 0 : at_fault(v, err, name, "must be an array");
    case ANY:
        break;
    }
    return 0;
}

static int check_default(const struct node *schema, const struct node *preset, struct err *err) {
    struct arena a = ARENA_INIT;
    struct schema_findings f = {NULL, 0, 0};
    int rc = 0;
    if (schema_validate(schema, preset, &a, &f)) {
        rc = err_set(err, TRL_E_INVALID,
                     "schema, line %u, column %u: the default does not fit: %.*s %.*s",
                     preset->line, preset->column, PSTR(f.at[0].pointer), PSTR(f.at[0].text));
    }
    mem_free(f.at);
    arena_finish(&a);
    return rc;
}

int schema_check(const struct node *schema, struct err *err) {
    if (!schema || schema->type != NODE_OBJECT) {
        return err_set(err, TRL_E_INVALID, "schema, line %u, column %u: a schema is an object",
                       schema ? schema->line : 0, schema ? schema->column : 0);
    }
    for (uint32_t i = 0; i < schema->n; i++) {
        const struct node_member *m = &schema->members[i];
        size_t k = 0;
        while (k < ARRAY_LEN(keywords) && !str_is(m->key, keywords[k].name)) {
            k++;
        }
        if (k == ARRAY_LEN(keywords)) {
            return at_fault(m->value, err, m->key,
                            "is not in the subset (docs/config-schema.md lists what is)");
        }
        int rc = check_keyword(m->value, m->key, keywords[k].value, err);
        if (rc < 0) {
            return rc;
        }
    }
    const struct node *preset = node_get(schema, "default");
    return preset ? check_default(schema, preset, err) : 0;
}
