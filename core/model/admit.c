/* SPDX-License-Identifier: Apache-2.0 */
#include "model/admit.h"

#include "base/mem.h"
#include "model/decode.h"
#include "model/text.h"

/* A C string of it: a NUL in a name must not cut the message. */
static char *take_message(struct buf *b) {
    struct buf out = BUF_INIT;
    for (size_t i = 0; i < b->len; i++) {
        if (b->ptr[i]) {
            buf_add_c(&out, b->ptr[i]);
        } else {
            buf_add(&out, "\\0", 2);
        }
    }
    buf_finish(b);
    return buf_take(&out);
}

static int refuse(struct buf *b, char **wadm_message) {
    *wadm_message = take_message(b);
    return TRL_E_INVALID;
}

static bool read_type(str header, enum manifest_type *ret) {
    str s = str_trim(header);
    if (!header.ptr) {
        *ret = MANIFEST_ANY;
    } else if (str_is(s, "application/json")) {
        *ret = MANIFEST_JSON;
    } else if (str_is(s, "application/yaml")) {
        *ret = MANIFEST_YAML;
    } else {
        return false;
    }
    return true;
}

static int decode(str body, str content_type, struct manifest **ret, struct findings *f,
                  char **wadm_message) {
    enum manifest_type type = MANIFEST_ANY;
    struct buf b = BUF_INIT;
    buf_addf(&b, "Unable to parse manifest: ");
    if (!read_type(content_type, &type)) {
        size_t from = b.len;
        buf_addf(&b, "Unsupported content type ");
        buf_add_str(&b, str_trim(content_type));
        buf_addf(&b, " given. Wadm supports YAML and JSON");
        findings_add(f, FINDING_ERROR, "content-type", STR(""), 0, 0,
                     str_n(b.ptr + from, b.len - from),
                     STR("send application/yaml, application/json, or no Content-Type"));
        return refuse(&b, wadm_message);
    }
    uint32_t first = f->n;
    if (manifest_parse(body, type, ret, f) == 0) {
        buf_finish(&b);
        return 0;
    }
    while (first < f->n && f->at[first].level != FINDING_ERROR) {
        first++;
    }
    if (first < f->n) {
        const struct finding *x = &f->at[first];
        buf_add_str(&b, x->message);
        if (x->line) {
            buf_addf(&b, " at line %u column %u", x->line, x->column);
        }
    }
    return refuse(&b, wadm_message);
}

/* Rule 1 tells of characters too, but of the untrimmed name, and a put asks this first. */
static int check_name(const struct manifest *m, struct findings *f, char **wadm_message) {
    str name = text_trim(m->name);
    struct text_pos pos = dec_pos(node_get(node_get(m->root, "metadata"), "name"));
    struct buf b = BUF_INIT;
    if (!text_is_name(name)) {
        buf_addf(&b, "Manifest name ");
        buf_add_str(&b, name);
        buf_addf(&b, " contains invalid characters. Manifest names can only contain alphanumeric "
                     "characters, dashes, and underscores.");
    } else if (name.len > ADMIT_MAX_NAME) {
        buf_addf(&b, "Manifest name is too long: it has %zu characters, the limit is %u", name.len,
                 ADMIT_MAX_NAME);
        findings_add(f, FINDING_ERROR, "name", STR("metadata.name"), pos.line, pos.column,
                     buf_str(&b), STR("choose a shorter one"));
    } else {
        return 0;
    }
    return refuse(&b, wadm_message);
}

/* Levels of brackets in finished JSON. */
static uint32_t json_depth(str s) {
    uint32_t depth = 0, most = 0;
    bool quoted = false;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (quoted) {
            i += c == '\\';
            quoted = c != '"';
        } else if (c == '"') {
            quoted = true;
        } else if (c == '{' || c == '[') {
            depth++;
            most = depth > most ? depth : most;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return most;
}

/* What could be stored but neither returned nor announced is refused now, by the limit's name. */
static int check_limits(const struct manifest *m, size_t max_payload, struct findings *f,
                        char **wadm_message) {
    struct buf text = BUF_INIT, b = BUF_INIT;
    str version = manifest_version(m);
    manifest_write(m, version.ptr ? STR_NONE : STR("00000000000000000000000000"), &text);
    uint32_t depth = json_depth(buf_str(&text));
    size_t most = max_payload > ADMIT_REPLY_BYTES ? max_payload - ADMIT_REPLY_BYTES : 0;
    if (depth > ADMIT_MAX_DEPTH) {
        buf_addf(&b, "Manifest is nested too deep: %u levels, the limit is %u", depth,
                 ADMIT_MAX_DEPTH);
    } else if (max_payload && text.len > most) {
        buf_addf(&b,
                 "Manifest is too large: its stored form takes %zu bytes, the limit is %zu (a "
                 "message of %zu bytes less %u for the reply around it)",
                 text.len, most, max_payload, ADMIT_REPLY_BYTES);
    }
    buf_finish(&text);
    if (!b.len) {
        return 0;
    }
    findings_add(f, FINDING_ERROR, "limit", STR(""), 0, 0, buf_str(&b), STR(""));
    return refuse(&b, wadm_message);
}

int model_admit(str body, str content_type, size_t max_payload, struct manifest **ret,
                struct findings *f, char **wadm_message) {
    int rc = decode(body, content_type, ret, f, wadm_message);
    if (rc < 0) {
        return rc;
    }
    const struct manifest *m = *ret;
    struct buf b = BUF_INIT;
    uint32_t first = f->n, errors = manifest_validate(m, f);
    if (str_is(manifest_version(m), "latest")) {
        buf_addf(&b, "invalid manifest version, errors: \"latest is not allowed in wadm\"");
        return refuse(&b, wadm_message);
    }
    rc = check_name(m, f, wadm_message);
    if (rc < 0) {
        return rc;
    }
    if (errors) {
        while (f->at[first].level != FINDING_ERROR) {
            first++;
        }
        buf_add_str(&b, f->at[first].message);
        return refuse(&b, wadm_message);
    }
    return check_limits(m, max_payload, f, wadm_message);
}
