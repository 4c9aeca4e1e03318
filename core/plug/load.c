/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/load.h"

#include <dlfcn.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/mem.h"
#include "plug/negotiate.h"
#include "plug/note.h"
#include "plug/trust.h"

#define COMPONENTS_MAX 64u /* more is a table without an end */

/* Reads the file through a checked descriptor. */
static int inspect(const char *path, struct buf *bytes, str *note, struct err *err) {
    int fd = -1;
    int rc = trust_open(path, &fd, err);
    if (rc < 0) {
        return rc;
    }
    rc = note_read_file(path, fd, bytes, err);
    close(fd);
    if (rc < 0) {
        return rc;
    }
    rc = note_find(path, buf_str(bytes), note, err);
    if (rc < 0) {
        return rc;
    }
    str extra;
    if (note_extra_export(buf_str(bytes), &extra)) {
        return err_set(err, TRL_E_INVALID,
                       "%s: exports '%.*s' beside trl_plugin_entry: build it with trl_add_plugin() "
                       "or hide its symbols",
                       path, PSTR(extra));
    }
    return 0;
}

int load_inspect(const char *path, char **ret_note, char ret_sha256[65], struct err *err) {
    struct buf bytes = BUF_INIT;
    struct arena scratch = ARENA_INIT;
    struct note_info info;
    str note = STR_NONE;
    int rc = inspect(path, &bytes, &note, err);
    if (rc == 0) {
        rc = note_parse(path, note, &scratch, &info, err);
    }
    if (rc == 0) {
        rc = negotiate_note(path, &info, err);
    }
    if (rc == 0) {
        str all = buf_str(&bytes);
        digest_sha256_hex(&all, 1, ret_sha256);
        *ret_note = str_dup(note);
    }
    arena_finish(&scratch);
    buf_finish(&bytes);
    return rc;
}

typedef const trl_plugin *(*entry_fn)(uint32_t);

/* file: by what it is mapped, path: how messages call it. */
static int map_code(const char *path, const char *file, const trl_plugin **ret, struct err *err) {
    void *dl = dlopen(file, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!dl) {
        const char *why = dlerror();
        return err_set(
            err, TRL_E_UNAVAIL,
            "%s: cannot be loaded: %s (often a library it needs is missing: see 'ldd %s')", path,
            why ? why : "no reason given", path);
    }
    void *sym = dlsym(dl, "trl_plugin_entry");
    entry_fn entry;
    memcpy(&entry, &sym, sizeof(entry)); /* ISO C has no cast for this */
    if (!sym) {
        return err_set(err, TRL_E_INVALID, "%s: has a plugin note but no trl_plugin_entry", path);
    }
    *ret = entry(TRL_ABI_MAJOR);
    return 0;
}

static int take_components(struct library *l, struct err *err) {
    uint32_t n = 0;
    while (n < COMPONENTS_MAX && l->plugin.components[n]) {
        n++;
    }
    if (n == 0 || n == COMPONENTS_MAX) {
        return err_set(err, TRL_E_INVALID, "%s: lists %s components", l->path,
                       n ? "too many" : "no");
    }
    l->components = mem_array(n, sizeof(*l->components));
    for (l->n = 0; l->n < n; l->n++) {
        int rc =
            negotiate_component(l->path, l->plugin.components[l->n], &l->components[l->n], err);
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

int load_library(const char *path, const struct allow *allow, const struct log *log,
                 struct library **ret, struct err *err) {
    struct buf bytes = BUF_INIT;
    struct arena scratch = ARENA_INIT;
    struct library *l = mem_zalloc(sizeof(*l));
    struct note_info info;
    const trl_plugin *p = NULL;
    str note = STR_NONE;
    l->path = mem_strdup(path);
    int rc = inspect(path, &bytes, &note, err);
    if (rc < 0) {
        goto out;
    }
    rc = note_parse(path, note, &scratch, &info, err);
    if (rc < 0) {
        goto out;
    }
    rc = negotiate_note(path, &info, err);
    if (rc < 0) {
        goto out;
    }
    rc = allow_check(allow, log, path, buf_str(&bytes), err);
    if (rc == 0 && allow->trust == PLUG_TRUST_REQUIRE) {
        rc = allow_seal(path, buf_str(&bytes), l->sealed, err);
    }
    if (rc < 0) {
        goto out;
    }
    rc = map_code(path, l->sealed[0] ? l->sealed : path, &p, err);
    if (rc < 0) {
        goto out;
    }
    rc = negotiate_plugin(path, &info, p, &l->plugin, err);
    if (rc < 0) {
        goto out;
    }
    rc = take_components(l, err);
    if (rc < 0) {
        goto out;
    }
    *ret = l;
    l = NULL;
out:
    load_finish(l);
    arena_finish(&scratch);
    buf_finish(&bytes);
    return rc;
}

void load_finish(struct library *l) {
    if (l) {
        mem_free(l->path);
        mem_free(l->components);
        mem_free(l);
    }
}

const trl_component *load_component(const struct library *l, const char *kind, const char *name) {
    for (uint32_t i = 0; i < l->n; i++) {
        if (strcmp(l->components[i].iface, kind) == 0 && strcmp(l->components[i].name, name) == 0) {
            return &l->components[i];
        }
    }
    return NULL;
}
