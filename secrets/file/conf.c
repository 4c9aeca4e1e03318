/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of secrets/1 "file".
 */
#include <jansson.h>
#include <string.h>

#include "../../plugins/common/xmem.h"
#include "file.h"

static const char *text_of(const json_t *config, const char *name) {
    return json_string_value(json_object_get(config, name));
}

static trl_status check_members(const json_t *c, trl_err *err) {
    const char *file = text_of(c, "file"), *name;
    if (!text_of(c, "dir") == !file) {
        return trl_errf(err, TRL_E_INVALID,
                        "/dir: give either dir (a file per key) or file (one sealed file)");
    }
    if (!file) {
        return text_of(c, "key_file") || text_of(c, "credential")
                   ? trl_errf(err, TRL_E_INVALID,
                              "/key_file: only a sealed file has a key, not a directory")
                   : TRL_OK;
    }
    name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    if (!*name || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return trl_errf(err, TRL_E_INVALID, "/file: it ends without the name of a file");
    }
    if (!text_of(c, "key_file") == !text_of(c, "credential")) {
        return trl_errf(err, TRL_E_INVALID,
                        "/key_file: a sealed file needs its key: give key_file or credential");
    }
    if (text_of(c, "credential") && strchr(text_of(c, "credential"), '/')) {
        return trl_errf(err, TRL_E_INVALID, "/credential: a name without '/'");
    }
    if (text_of(c, "version_key")) {
        return trl_errf(err, TRL_E_INVALID,
                        "/version_key: versions in a sealed file follow from its own key");
    }
    return TRL_OK;
}

trl_status conf_check(trl_str config, trl_err *err) {
    json_t *c = json_loadb(config.ptr, config.len, 0, NULL);
    trl_status st =
        c ? check_members(c, err) : trl_errf(err, TRL_E_INVALID, "the configuration is not JSON");
    json_decref(c);
    return st;
}

static char *join(const char *dir, const char *name) {
    size_t n = strlen(dir) + strlen(name) + 2;
    char *out = x_alloc(n);
    snprintf(out, n, "%s/%s", dir, name);
    return out;
}

static trl_status sealed_place(struct place *p, const json_t *c, trl_err *err) {
    const char *file = text_of(c, "file"), *slash = strrchr(file, '/');
    const char *dir = getenv("CREDENTIALS_DIRECTORY"), *credential = text_of(c, "credential");
    p->sealed = x_checked(strdup(slash ? slash + 1 : file));
    p->dir = x_checked(slash == file ? strdup("/")
                       : slash       ? strndup(file, (size_t)(slash - file))
                                     : strdup("."));
    p->credential = credential != NULL;
    if (credential && !dir) {
        return trl_errf(err, TRL_E_INVALID,
                        "/credential: there is no CREDENTIALS_DIRECTORY in the environment; is "
                        "LoadCredential= in the unit?");
    }
    p->seal_key = credential ? join(dir, credential) : x_checked(strdup(text_of(c, "key_file")));
    return TRL_OK;
}

trl_status conf_read(trl_str config, struct place *p, int64_t *ret_poll_ns, trl_err *err) {
    json_t *c = json_loadb(config.ptr, config.len, 0, NULL);
    trl_status st = c ? check_members(c, err) : TRL_E_INVALID;
    if (st == TRL_OK) {
        p->readonly = json_is_true(json_object_get(c, "readonly"));
        p->trim = json_is_true(json_object_get(c, "trim_newline"));
        p->safe.group_read = json_is_true(json_object_get(c, "group_read"));
        *ret_poll_ns = json_integer_value(json_object_get(c, "poll_ms")) * 1000000;
        if (text_of(c, "file")) {
            st = sealed_place(p, c, err);
        } else {
            p->dir = x_checked(strdup(text_of(c, "dir")));
            p->version_key = text_of(c, "version_key")
                                 ? x_checked(strdup(text_of(c, "version_key")))
                                 : join(p->dir, ".trellis-version-key");
        }
    }
    json_decref(c);
    return st;
}
