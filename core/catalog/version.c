/* SPDX-License-Identifier: Apache-2.0 */
#include "catalog/version.h"

#include <string.h>

#include "codec/json.h"

uint32_t version_parts(size_t size) {
    return size <= VERSION_PART_BYTES
               ? 0
               : (uint32_t)((size + VERSION_PART_BYTES - 1) / VERSION_PART_BYTES);
}

str version_part(str manifest, uint32_t k) {
    str rest = str_skip(manifest, (size_t)(k - 1) * VERSION_PART_BYTES);
    return str_n(rest.ptr, rest.len < VERSION_PART_BYTES ? rest.len : VERSION_PART_BYTES);
}

/* The manifest comes last and is taken as text, never read here: what went in comes out, and
 * loading many versions costs no parsing. A quote inside a string is escaped, so the first
 * unescaped occurrence of this is the member. */
#define MARK ",\"manifest\":"

void version_format(const struct version_record *r, struct buf *out) {
    struct jw w;
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv_u64(&w, "format", 1);
    jw_kv_u64(&w, "n", r->n);
    jw_kv(&w, "version", r->version);
    jw_kv_u64(&w, "created", r->created_ms < 0 ? 0 : (uint64_t)r->created_ms);
    jw_kv_u64(&w, "size", r->size);
    if (r->parts) {
        jw_kv_u64(&w, "parts", r->parts);
    } else {
        jw_key(&w, "manifest");
        jw_raw(&w, r->manifest);
    }
    jw_end_object(&w);
}

int version_parse(str text, struct arena *a, struct version_record *ret, struct err *err) {
    struct version_record r = {0};
    struct node *root = NULL;
    const char *mark = text.len ? memmem(text.ptr, text.len, MARK, sizeof(MARK) - 1) : NULL;
    str members = text;
    uint64_t n, created;
    int rc;
    if (mark) {
        size_t at = (size_t)(mark - text.ptr), from = at + sizeof(MARK) - 1;
        if (text.ptr[text.len - 1] != '}' || from + 1 >= text.len) {
            return err_set(err, TRL_E_INVALID, "version record: cut off");
        }
        members = arena_printf(a, "%.*s}", (int)at, text.ptr);
        r.manifest = str_n(text.ptr + from, text.len - from - 1);
    }
    rc = json_parse_blind(members, a, &root, err);
    if (rc < 0) {
        return err_wrap(err, "version record");
    }
    n = node_u64_or(root, "n", 0);
    created = node_u64_or(root, "created", 0);
    if (node_u64_or(root, "format", 0) != 1 || n == 0 || n > UINT32_MAX) {
        return err_set(err, TRL_E_INVALID, "version record: format or n is damaged");
    }
    r.n = (uint32_t)n;
    r.version = arena_str(a, node_text(root, "version", STR("")));
    r.created_ms = created > INT64_MAX ? 0 : (int64_t)created;
    r.size = node_u64_or(root, "size", 0);
    r.parts = (uint32_t)node_u64_or(root, "parts", 0);
    if (r.manifest.ptr ? r.manifest.len != r.size : r.parts == 0 || r.parts > VERSION_MAX_PARTS) {
        return err_set(err, TRL_E_INVALID, "version record: manifest is missing or cut off");
    }
    *ret = r;
    return TRL_OK;
}
