/* SPDX-License-Identifier: Apache-2.0
 *
 * The OpenAPI document: openapi.json (what it says of types), and paths from the table of routes,
 * so that they cannot differ from what is served.
 */
#include <jansson.h>

#include "../common/xmem.h"
#include "assets.h"
#include "http.h"

static json_t *ref(const char *to) {
    struct text t = {NULL, 0, 0};
    text_addf(&t, "#/components/%s", to);
    json_t *o = json_pack("{s:s}", "$ref", t.ptr);
    text_finish(&t);
    return o;
}

static json_t *schema_of(const json_t *base, const char *operation) {
    const json_t *known =
        json_object_get(json_object_get(json_object_get(base, "components"), "schemas"), operation);
    struct text t = {NULL, 0, 0};
    if (!operation || !known) {
        return json_object();
    }
    text_addf(&t, "schemas/%s", operation);
    json_t *o = ref(t.ptr);
    text_finish(&t);
    return o;
}

static json_t *content(const char *type, json_t *schema) {
    return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *ok_answer(const json_t *base, const struct route *r) {
    json_t *c;
    if (r->does == DOES_METRICS) {
        c = content("text/plain", json_pack("{s:s}", "type", "string"));
    } else if (r->does == DOES_STREAM) {
        c = content("text/event-stream", json_pack("{s:s}", "type", "string"));
    } else if (r->does == DOES_LIVE || r->does == DOES_READY) {
        c = content("application/json", ref("schemas/Health"));
    } else if (r->does == DOES_OPENAPI || r->does == DOES_ANY) {
        c = content("application/json", json_object());
    } else {
        const char *name = r->does == DOES_LOGIN  ? "Login"
                           : r->does == DOES_CALL ? r->operation
                                                  : "Session";
        c = content("application/json",
                    json_pack("{s:s,s:[s,s],s:{s:{s:s},s:o,s:o}}", "type", "object", "required",
                              "result", "data", "properties", "result", "const", "ok", "data",
                              schema_of(base, name), "findings", ref("schemas/Findings")));
    }
    return json_pack("{s:s,s:o}", "description", "Done", "content", c);
}

static json_t *answers(const json_t *base, const struct route *r) {
    json_t *o = json_pack("{s:o}", "200", ok_answer(base, r));
    if (r->does == DOES_READY || r->does == DOES_LIVE) {
        json_object_set_new(o, "503",
                            json_pack("{s:s,s:o}", "description", "No", "content",
                                      content("application/json", ref("schemas/Health"))));
    } else {
        json_object_set_new(o, "default", ref("responses/Error"));
    }
    return o;
}

static void add_path_params(json_t *list, const char *path) {
    for (const char *p = strchr(path, '{'); p; p = strchr(p, '{')) {
        size_t n = strcspn(++p, "}");
        json_array_append_new(list, json_pack("{s:s%,s:s,s:b,s:{s:s,s:i}}", "name", p, n, "in",
                                              "path", "required", 1, "schema", "type", "string",
                                              "maxLength", ROUTE_PART_MAX - 1));
    }
}

static json_t *parameters(const struct route *r) {
    json_t *list = json_array();
    add_path_params(list, r->path);
    for (const struct route_param *p = r->params; p && p->name; p++) {
        json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:{s:s}}", "name", p->name, "in",
                                              "query", "description", p->about, "schema", "type",
                                              p->type == 'u'   ? "integer"
                                              : p->type == 'b' ? "boolean"
                                                               : "string"));
    }
    if (r->does == DOES_STREAM) {
        json_array_append_new(
            list, json_pack("{s:s,s:s,s:s,s:{s:s}}", "name", "Last-Event-ID", "in", "header",
                            "description", "go on behind this event", "schema", "type", "string"));
    }
    if (r->does == DOES_CALL || r->does == DOES_ANY || r->does == DOES_STREAM) {
        json_array_append_new(list, ref("parameters/Tenant"));
    }
    return list;
}

static json_t *body(const struct route *r) {
    if (r->body == BODY_MANIFEST) {
        return ref("requestBodies/Manifest");
    }
    return r->does == DOES_LOGIN  ? ref("requestBodies/Login")
           : r->does == DOES_CALL ? ref("requestBodies/Version")
                                  : ref("requestBodies/Any");
}

static uint32_t flags_of(const struct operation *ops, size_t n, const char *name) {
    for (size_t i = 0; name && i < n; i++) {
        if (strcmp(ops[i].name, name) == 0) {
            return ops[i].flags;
        }
    }
    return 0;
}

/* "get_lattices_lattice_apps": unique, since method and path are. */
static char *id_of(const struct route *r) {
    struct text t = {NULL, 0, 0};
    int gap = 1;
    for (const char *p = r->method; *p; p++) {
        char c = (char)(*p | 0x20);
        text_add(&t, &c, 1);
    }
    for (const char *p = r->path; *p; p++) {
        int word = (*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9');
        if (word && gap) {
            text_add(&t, "_", 1);
        }
        if (word) {
            text_add(&t, p, 1);
        }
        gap = !word;
    }
    return text_take(&t);
}

static json_t *operation(const json_t *base, const struct route *r, const struct operation *ops,
                         size_t n) {
    char *id = id_of(r);
    json_t *o = json_pack("{s:s,s:s,s:o,s:o}", "operationId", id, "summary", r->summary,
                          "parameters", parameters(r), "responses", answers(base, r));
    free(id);
    if (r->body != BODY_NONE) {
        json_object_set_new(o, "requestBody", body(r));
    }
    if (r->operation) {
        int changes = flags_of(ops, n, r->operation) & TRL_API_CHANGES;
        json_object_set_new(o, "x-trellis-operation", json_string(r->operation));
        json_object_set_new(o, "x-trellis-role",
                            json_string(role_name(route_role(r->operation, changes))));
    }
    if (r->does == DOES_LIVE || r->does == DOES_READY || r->does == DOES_LOGIN) {
        json_object_set_new(o, "security", json_array());
    }
    return o;
}

/* What can be called by name: every operation of the core, routed or not. */
static void name_operations(json_t *op, const struct operation *ops, size_t n) {
    json_t *names = json_array();
    for (size_t i = 0; i < n; i++) {
        size_t k = 0;
        while (k < i && strcmp(ops[k].name, ops[i].name) != 0) {
            k++;
        }
        if (k == i) {
            json_array_append_new(names, json_string(ops[i].name));
        }
    }
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(op, "parameters"), i, p) {
        const char *name = json_string_value(json_object_get(p, "name"));
        if (name && strcmp(name, "operation") == 0) {
            json_object_set(json_object_get(p, "schema"), "enum", names);
        }
    }
    json_decref(names);
}

char *openapi_write(const struct operation *ops, size_t n) {
    json_t *doc = json_loads(openapi_base, 0, NULL), *paths = json_object();
    for (const struct route *r = routes; r->method; r++) {
        json_t *path = json_object_get(paths, r->path);
        char method[8] = "";
        if (!path) {
            path = json_object();
            json_object_set_new(paths, r->path, path);
        }
        for (size_t i = 0; r->method[i] && i < sizeof(method) - 1; i++) {
            method[i] = (char)(r->method[i] | 0x20);
        }
        json_t *op = operation(doc, r, ops, n);
        if (r->does == DOES_ANY) {
            name_operations(op, ops, n);
        }
        json_object_set_new(path, method, op);
    }
    json_object_set_new(doc, "paths", paths);
    char *text = json_dumps(doc, JSON_COMPACT | JSON_PRESERVE_ORDER);
    json_decref(doc);
    return text ? text : text_dup(trl_cstr("{}"));
}
