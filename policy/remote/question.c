/* SPDX-License-Identifier: Apache-2.0 */
#include "question.h"

#include "../../plugins/common/xmem.h"

#define MESSAGE_MAX 1000u
#define APP_MARK    "wasmcloud.dev/appspec"

/* Reading subjects */

struct reader {
    uint32_t point;
    const json_t *subject;
    struct questions *out;
    size_t cap;
    trl_err *err;
};

static const char *str_of(const json_t *j, const char *key) {
    const char *s = json_string_value(json_object_get(j, key));
    return s ? s : "";
}

static trl_status bad(const struct reader *r, const char *what) {
    return trl_errf(r->err, TRL_E_INVALID, "the subject cannot be asked about: %s", what);
}

/* As names of components are made: lower case, everything but letters and digits is '_'. Two
 * characters beyond ASCII have a lower case within it: the Kelvin sign and the dotted I. */
static size_t sanitise(char *to, const char *s) {
    size_t k = 0;
    while (*s) {
        unsigned char c = (unsigned char)*s;
        if (strncmp(s, "\xe2\x84\xaa", 3) == 0) {
            to[k++] = 'k';
            s += 3;
            continue;
        }
        if (strncmp(s, "\xc4\xb0", 2) == 0) {
            to[k++] = 'i';
            to[k++] = '_';
            s += 2;
            continue;
        }
        if (c >= 'A' && c <= 'Z') {
            to[k++] = (char)(c + ('a' - 'A'));
        } else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
            to[k++] = (char)c;
        } else if ((c & 0xc0) != 0x80) {
            to[k++] = '_';
        }
        s++;
    }
    return k;
}

/* Owned. The id of the unit in the lattice: as the subject says it, else as it is made. */
static char *unit_id(const struct reader *r, const json_t *unit, const char *name) {
    const char *id = json_string_value(json_object_get(unit, "id"));
    const char *app = str_of(r->subject, "app");
    char *out;
    size_t k;
    if (id || !unit || json_is_string(unit) || r->point == TRL_POINT_HOST) { /* it is one */
        return x_checked(strdup(id ? id : name));
    }
    out = x_alloc(strlen(app) + strlen(name) + 2);
    k = sanitise(out, app);
    out[k++] = '-';
    k += sanitise(out + k, name);
    out[k] = '\0';
    return out;
}

static json_t *or_empty(const json_t *v) {
    return json_is_object(v) ? json_incref((json_t *)(uintptr_t)v) : json_object();
}

static json_t *annotations(const struct reader *r) {
    const json_t *app = json_object_get(r->subject, "app");
    if (r->point == TRL_POINT_HOST) {
        return or_empty(json_object_get(r->subject, "annotations"));
    }
    return json_is_string(app) ? json_pack("{s:s}", APP_MARK, json_string_value(app))
                               : json_object();
}

static json_t *claims(const struct reader *r) {
    json_t *c = json_object_get(r->subject, "claims");
    return json_is_object(c) ? json_incref(c) : json_null();
}

/* A number a u32 can hold; what is not known is one instance: there would be at least that. */
static json_int_t instances(const json_t *n) {
    json_int_t i = json_is_integer(n) ? json_integer_value(n) : 1;
    return i < 0 ? 0 : i > UINT32_MAX ? UINT32_MAX : i;
}

/* Members in the order in which hosts write them. */
static json_t *component_body(const struct reader *r, const char *id, const char *image,
                              json_int_t count) {
    return json_pack("{s:s, s:s, s:I, s:o, s:o}", "componentId", id, "imageRef", image,
                     "maxInstances", count, "annotations", annotations(r), "claims", claims(r));
}

static json_t *host_body(const struct reader *r) {
    const json_t *h = json_object_get(r->subject, "host");
    return json_pack("{s:s, s:s, s:o}", "publicKey", str_of(h, "id"), "lattice",
                     str_of(r->subject, "lattice"), "labels",
                     or_empty(json_object_get(h, "labels")));
}

static char *joined_key(const char *const *parts, size_t n) {
    size_t len = 1, k = 0;
    for (size_t i = 0; i < n; i++) {
        len += strlen(parts[i]) + 1;
    }
    char *out = x_alloc(len);
    for (size_t i = 0; i < n; i++) {
        size_t m = strlen(parts[i]);
        memcpy(out + k, parts[i], m);
        k += m;
        out[k++] = '\n'; /* not in any part that a lattice would accept */
    }
    out[k] = '\0';
    return out;
}

static struct question *add(struct reader *r, const char *kind, json_t *request,
                            const char *const *parts, size_t n_parts) {
    struct question *q;
    r->out->at = x_grow(r->out->at, r->out->n, &r->cap, sizeof(*q));
    q = &r->out->at[r->out->n++];
    memset(q, 0, sizeof(*q));
    q->key = joined_key(parts, n_parts);
    q->body = json_pack("{s:s, s:s, s:o, s:o}", "kind", kind, "version", "v1", "request", request,
                        "host", host_body(r));
    x_checked(q->body);
    return q;
}

/* A unit that would be started. */
static struct question *add_start(struct reader *r, const json_t *unit, const char *name,
                                  const char *image, const json_t *count, int provider) {
    const char *kind = provider ? "startProvider" : "startComponent";
    char *id = unit_id(r, unit, name);
    const char *parts[] = {kind, id, image, str_of(json_object_get(r->subject, "host"), "id")};
    json_t *request = provider
                          ? json_pack("{s:s, s:s, s:o, s:o}", "providerId", id, "imageRef", image,
                                      "annotations", annotations(r), "claims", claims(r))
                          : component_body(r, id, image, instances(count));
    struct question *q = add(r, kind, x_checked(request), parts, 4);
    free(id);
    return q;
}

static trl_status add_invocation(struct reader *r, const json_t *unit) {
    const char *interface = str_of(r->subject, "interface");
    const char *function = str_of(r->subject, "function");
    const char *image = str_of(unit, "image");
    char *id = unit_id(r, unit, str_of(unit, "name"));
    const char *parts[] = {
        "performInvocation", id,       image,
        interface,           function, str_of(json_object_get(r->subject, "host"), "id")};
    json_t *target = component_body(r, id, image, 0);
    add(r, parts[0],
        x_checked(json_pack("{s:s, s:s, s:o}", "interface", interface, "function", function,
                            "target", x_checked(target))),
        parts, 6);
    free(id);
    return TRL_OK;
}

static int is_kind(const json_t *unit, const char *kind) {
    return strcmp(str_of(unit, "kind"), kind) == 0;
}

/* One unit of a manifest; one without an image starts nothing of its own. */
static trl_status read_unit(struct reader *r, const json_t *unit) {
    const char *name = str_of(unit, "name"), *image = str_of(unit, "image");
    const char *path = json_string_value(json_object_get(unit, "path"));
    struct question *q;
    if (!is_kind(unit, "component") && !is_kind(unit, "provider")) {
        return bad(r, "a unit is neither a component nor a provider");
    }
    if (!*image) {
        return TRL_OK;
    }
    q = add_start(r, unit, name, image, json_object_get(unit, "instances"),
                  is_kind(unit, "provider"));
    q->label = x_checked(strdup(name));
    q->path = path && *path == '/' ? x_checked(strdup(path)) : NULL;
    return TRL_OK;
}

static trl_status read_manifest(struct reader *r) {
    const json_t *units = json_object_get(r->subject, "units"), *unit;
    trl_status st = TRL_OK;
    size_t i;
    if (units && !json_is_array(units)) {
        return bad(r, "units is no list");
    }
    json_array_foreach(units, i, unit) {
        st = st == TRL_OK ? read_unit(r, unit) : st;
    }
    return st;
}

static trl_status read_place(struct reader *r) {
    const json_t *unit = json_object_get(r->subject, "unit");
    if (!is_kind(unit, "component") && !is_kind(unit, "provider")) {
        return bad(r, "unit is neither a component nor a provider");
    }
    if (!json_is_object(json_object_get(r->subject, "host"))) {
        return bad(r, "host is missing");
    }
    add_start(r, unit, str_of(unit, "name"), str_of(unit, "image"),
              json_object_get(r->subject, "count"), is_kind(unit, "provider"));
    return TRL_OK;
}

/* Of the verbs only those that start something have words in the protocol. The unit is told by its
 * id here. */
static trl_status read_command(struct reader *r) {
    const json_t *unit = json_object_get(r->subject, "unit");
    const char *verb = json_string_value(json_object_get(r->subject, "verb"));
    int component, provider;
    if (!verb) {
        return bad(r, "verb is missing");
    }
    component = strcmp(verb, "scale") == 0 || strcmp(verb, "update") == 0;
    provider = strcmp(verb, "provider_start") == 0 || strcmp(verb, "provider-start") == 0;
    if (component || provider) {
        const char *name = json_is_string(unit) ? json_string_value(unit) : str_of(unit, "name");
        const json_t *image = json_object_get(r->subject, "image");
        add_start(r, unit, name, image ? str_of(r->subject, "image") : str_of(unit, "image"),
                  json_object_get(r->subject, "count"), provider);
    }
    return TRL_OK;
}

static trl_status read_host(struct reader *r) {
    const json_t *unit = json_object_get(r->subject, "unit");
    const char *kind = str_of(r->subject, "kind");
    int component = strcmp(kind, "startComponent") == 0;
    if (!json_is_object(unit)) {
        return bad(r, "unit is missing");
    }
    if (strcmp(kind, "performInvocation") == 0) {
        return add_invocation(r, unit);
    }
    if (!component && strcmp(kind, "startProvider") != 0) {
        return bad(r, "kind is none of startComponent, startProvider, performInvocation");
    }
    add_start(r, unit, str_of(unit, "name"), str_of(unit, "image"),
              json_object_get(r->subject, "count"), !component);
    return TRL_OK;
}

trl_status questions_read(uint32_t point, trl_str subject, struct questions *q, trl_err *err) {
    json_t *j = json_loadb(subject.len ? subject.ptr : "", subject.len, 0, NULL);
    struct reader r = {point, j, q, 0, err};
    trl_status st;
    memset(q, 0, sizeof(*q));
    if (!json_is_object(j)) {
        json_decref(j);
        return bad(&r, "it is no JSON object");
    }
    switch (point) {
    case TRL_POINT_PUT:
    case TRL_POINT_DEPLOY:
        st = read_manifest(&r);
        break;
    case TRL_POINT_PLACE:
        st = read_place(&r);
        break;
    case TRL_POINT_COMMAND:
        st = read_command(&r);
        break;
    case TRL_POINT_HOST:
        st = read_host(&r);
        break;
    default: /* secrets, and points of later versions */
        st = TRL_OK;
    }
    json_decref(j);
    if (st != TRL_OK) {
        questions_finish(q);
    }
    return st;
}

void questions_finish(struct questions *q) {
    for (uint32_t i = 0; i < q->n; i++) {
        free(q->at[i].key);
        free(q->at[i].label);
        free(q->at[i].path);
        json_decref(q->at[i].body);
    }
    free(q->at);
    memset(q, 0, sizeof(*q));
}

/* Requests and answers */

char *question_text(const struct question *q, const char *id) {
    json_t *j = json_pack("{s:s}", "requestId", id);
    char *text;
    json_object_update(j, q->body);
    text = x_checked(json_dumps(j, JSON_COMPACT));
    json_decref(j);
    return text;
}

void question_id(uint64_t wall_ms, uint64_t random1, uint64_t random2,
                 char out[QUESTION_ID_LEN + 1]) {
    snprintf(out, QUESTION_ID_LEN + 1, "%08x-%04x-%04x-%04x-%012llx", (uint32_t)(wall_ms >> 16),
             (uint32_t)(wall_ms & 0xffff), (uint32_t)(random1 & 0xffff),
             (uint32_t)(random1 >> 16 & 0xffff), (unsigned long long)(random2 & 0xffffffffffffull));
}

trl_status answer_read(trl_bytes text, struct answer *a, trl_err *err) {
    json_t *j = json_loadb(text.len ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *id = json_object_get(j, "requestId"),
                 *permitted = json_object_get(j, "permitted");
    const json_t *message = json_object_get(j, "message");
    const char *why = !json_is_object(j)            ? "it is no JSON object"
                      : !json_is_string(id)         ? "requestId is missing"
                      : !json_is_boolean(permitted) ? "permitted is no boolean"
                      : message && !json_is_string(message) && !json_is_null(message)
                          ? "message is no text"
                          : NULL;
    memset(a, 0, sizeof(*a));
    if (!why) {
        a->permitted = json_is_true(permitted);
        a->id = x_checked(strdup(json_string_value(id)));
        a->message = json_is_string(message) ? x_checked(strdup(json_string_value(message))) : NULL;
    }
    json_decref(j);
    return why ? trl_errf(err, TRL_E_INTERNAL, "the answer cannot be read: %s", why) : TRL_OK;
}

void answer_finish(struct answer *a) {
    free(a->message);
    free(a->id);
    memset(a, 0, sizeof(*a));
}

/* Cut between characters. */
static size_t cut(const char *s) {
    size_t n = strlen(s);
    if (n > MESSAGE_MAX) {
        n = MESSAGE_MAX;
        while (n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80) {
            n--;
        }
    }
    return n;
}

void answer_reason(json_t *reasons, const struct question *q, const char *message,
                   const char *topic) {
    const char *text = message && *message ? message : "the policy service says no, and not why";
    json_t *r = json_pack("{s:s, s:s}", "code", "policy-service", "rule", topic);
    if (q->label) {
        json_object_set_new(r, "text", json_sprintf("%s: %.*s", q->label, (int)cut(text), text));
    } else {
        json_object_set_new(r, "text", json_stringn(text, cut(text)));
    }
    if (q->path) {
        json_object_set_new(r, "path", json_string(q->path));
    }
    json_array_append_new(reasons, r);
}
