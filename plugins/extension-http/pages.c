/* SPDX-License-Identifier: Apache-2.0
 *
 * The dashboard: files that were in ui/ at build time.
 */
#include <stdio.h>

#include "assets.h"
#include "http.h"

static const char *type_of(const char *path) {
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},   {".svg", "image/svg+xml"},
        {".json", "application/json"},
    };
    size_t n = strlen(path);
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        size_t e = strlen(types[i].ending);
        if (n > e && strcmp(path + n - e, types[i].ending) == 0) {
            return types[i].type;
        }
    }
    return "application/octet-stream";
}

struct MHD_Response *page_find(const char *path, const char *if_none_match, unsigned *status) {
    const char *name = strcmp(path, "/") == 0 ? "index.html" : path + 1;
    for (const struct asset *a = assets; a->name; a++) {
        if (strcmp(a->name, name) != 0) {
            continue;
        }
        char etag[24];
        uint64_t hash = trl_hash_more(TRL_HASH_INIT, a->data, a->size);
        snprintf(etag, sizeof(etag), "\"%016llx\"", (unsigned long long)hash);
        int same = if_none_match && strcmp(if_none_match, etag) == 0;
        struct MHD_Response *r = MHD_create_response_from_buffer(
            same ? 0 : a->size, (void *)(uintptr_t)a->data, MHD_RESPMEM_PERSISTENT);
        *status = same ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK;
        MHD_add_response_header(r, "Content-Type", type_of(name));
        MHD_add_response_header(r, "ETag", etag);
        MHD_add_response_header(r, "Cache-Control", "no-cache");
        return r;
    }
    return NULL;
}
