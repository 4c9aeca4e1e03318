/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle.h"

#include <errno.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEME "file://"

int bundle_is_file(trl_str image) {
    return trl_str_starts(image, STR_LIT(SCHEME));
}

static int program(struct bundle *b, const char *path, char *why, size_t cap) {
    const char *slash = strrchr(path, '/');
    if (access(path, X_OK) < 0) {
        snprintf(why, cap, "cannot run %s: %s", path,
                 errno == EACCES ? "it is not executable" : strerror(errno));
        return -1;
    }
    b->program = text_dup(trl_cstr(path));
    if (!b->directory) {
        b->directory = slash == path ? text_dup(STR_LIT("/"))
                                     : text_dup(trl_strn(path, (size_t)(slash - path)));
    }
    return 0;
}

static int exists(const char *dir, const char *name) {
    char *path = text_format("%s/%s", dir, name);
    int rc = access(path, F_OK) == 0;
    free(path);
    return rc;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st;
    (void)type;
    (void)ftw;
    remove(path);
    return 0;
}

static void remove_tree(const char *path) {
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The entry point and what goes with it, of an image's configuration. */
static int configured(struct bundle *b, const char *root, const char *entry, char *why,
                      size_t cap) {
    char *path = text_format("%s/trellis-image.json", root);
    json_t *image = json_load_file(path, 0, NULL);
    const json_t *config = json_object_get(image, "config"), *v;
    const json_t *lists[2] = {json_object_get(config, "Entrypoint"),
                              json_object_get(config, "Cmd")};
    size_t i;
    int own = entry == NULL;
    free(path);
    b->args = json_array();
    b->env = json_array();
    for (int k = 0; k < 2; k++) {
        json_array_foreach(lists[k], i, v) {
            if (json_is_string(v) && !entry) {
                entry = json_string_value(v);
            } else if (json_is_string(v) && own) {
                json_array_append(b->args, (json_t *)(uintptr_t)v);
            }
        }
    }
    json_array_foreach(json_object_get(config, "Env"), i, v) {
        if (json_is_string(v) && strchr(json_string_value(v), '=')) {
            json_array_append(b->env, (json_t *)(uintptr_t)v);
        }
    }
    const char *dir = j_str(config, "WorkingDir", "/");
    b->directory = text_format("%s/%s", root, dir[0] == '/' ? dir + 1 : dir);
    char *full = entry ? text_format("%s/%s", root, entry[0] == '/' ? entry + 1 : entry) : NULL;
    int rc = -1;
    if (!full) {
        snprintf(why, cap, "the bundle names no entry point: name one (trait process, entry)");
    } else if (strstr(entry, "..")) {
        snprintf(why, cap, "the entry point \"%s\" leads out of the bundle", entry);
    } else {
        rc = program(b, full, why, cap);
    }
    free(full);
    json_decref(image);
    return rc;
}

static int unpack_layout(const char *layout, const char *fresh, char *why, size_t cap) {
    json_t *config = NULL;
    int rc = oci_unpack(layout, fresh, &config, why, cap);
    char *path = text_format("%s/trellis-image.json", fresh);
    if (rc == 0 && json_dump_file(config, path, JSON_COMPACT) < 0) {
        snprintf(why, cap, "cannot write %s: %s", path, strerror(errno));
        rc = -1;
    }
    free(path);
    json_decref(config);
    return rc;
}

/* An archive of a layout, or a plain one. */
static int unpack_archive(const char *archive, const char *fresh, char *why, size_t cap) {
    char *inner = text_format("%s.layout", fresh);
    int rc = -1;
    if (mkdir(inner, 0755) < 0) {
        snprintf(why, cap, "cannot make %s: %s", inner, strerror(errno));
    } else if (oci_tar(archive, inner, why, cap) == 0 && exists(inner, "oci-layout")) {
        rc = unpack_layout(inner, fresh, why, cap);
    } else if (!why[0]) {
        rc = rmdir(fresh) == 0 && rename(inner, fresh) == 0 ? 0 : -1;
    }
    remove_tree(inner);
    free(inner);
    return rc;
}

/* Unpacks into bundles/<key> unless it is there; two at once each do it, and one is taken. */
static int unpack(struct trl_inst *d, const char *path, int layout, const char *root, char *why,
                  size_t cap) {
    char *all = text_format("%s/bundles", d->set.state_dir);
    char *fresh = text_format("%s/new-XXXXXX", all);
    int rc = -1;
    why[0] = '\0';
    if ((mkdir(all, 0711) < 0 && errno != EEXIST) || !mkdtemp(fresh) || chmod(fresh, 0755) < 0) {
        snprintf(why, cap, "cannot make %s: %s", fresh, strerror(errno));
    } else if ((layout ? unpack_layout(path, fresh, why, cap)
                       : unpack_archive(path, fresh, why, cap)) == 0) {
        rc = rename(fresh, root) == 0 || exists(root, ".") ? 0 : -1;
    }
    if (rc < 0 && !why[0]) {
        snprintf(why, cap, "cannot unpack %s: %s", path, strerror(errno));
    }
    remove_tree(fresh);
    free(fresh);
    free(all);
    return rc;
}

static int from_bundle(struct trl_inst *d, const char *path, const struct stat *st,
                       const char *entry, struct bundle *b, char *why, size_t cap) {
    uint64_t h = text_hash(TRL_HASH_INIT, path);
    int layout = S_ISDIR(st->st_mode);
    char *digest = layout ? oci_digest(path, why, cap) : NULL;
    if (layout && !digest) {
        return -1;
    }
    h = digest ? text_hash(h, digest) : trl_hash_more(h, &st->st_mtim, sizeof(st->st_mtim));
    h = digest ? h : trl_hash_more(h, &st->st_size, sizeof(st->st_size));
    char *root = text_format("%s/bundles/%016llx", d->set.state_dir, (unsigned long long)h);
    int rc = exists(root, ".") ? 0 : unpack(d, path, layout, root, why, cap);
    rc = rc == 0 ? configured(b, root, entry, why, cap) : rc;
    free(root);
    free(digest);
    return rc;
}

static int is_archive(const char *path) {
    static const char *const ends[] = {".tar.gz", ".tgz", ".tar"};
    size_t n = strlen(path);
    for (size_t i = 0; i < 3; i++) {
        size_t k = strlen(ends[i]);
        if (n > k && strcmp(path + n - k, ends[i]) == 0) {
            return 1;
        }
    }
    return 0;
}

int bundle_resolve(struct trl_inst *d, const char *image, const char *entry, struct bundle *b,
                   char *why, size_t cap) {
    const char *path = image + sizeof(SCHEME) - 1;
    struct stat st;
    if (!bundle_is_file(trl_cstr(image)) || path[0] != '/') {
        snprintf(why, cap, "\"%s\" is no file:///absolute/path", image);
        return -1;
    }
    if (stat(path, &st) < 0) {
        snprintf(why, cap, "cannot run %s: %s", path, strerror(errno));
        return -1;
    }
    if (S_ISDIR(st.st_mode) && !exists(path, "oci-layout")) {
        return configured(b, path, entry, why, cap);
    }
    if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && is_archive(path))) {
        return from_bundle(d, path, &st, entry, b, why, cap);
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, cap, "cannot run %s: it is no file", path);
        return -1;
    }
    return program(b, path, why, cap);
}

void bundle_finish(struct bundle *b) {
    free(b->program);
    free(b->directory);
    json_decref(b->args);
    json_decref(b->env);
}
