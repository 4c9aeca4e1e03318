/* SPDX-License-Identifier: Apache-2.0 */
#include "bundle.h"

#include <errno.h>
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
    b->directory =
        slash == path ? text_dup(STR_LIT("/")) : text_dup(trl_strn(path, (size_t)(slash - path)));
    return 0;
}

int bundle_resolve(struct trl_inst *d, const char *image, const char *entry, struct bundle *b,
                   char *why, size_t cap) {
    const char *path = image + sizeof(SCHEME) - 1;
    struct stat st;
    (void)d;
    (void)entry;
    if (!bundle_is_file(trl_cstr(image)) || path[0] != '/') {
        snprintf(why, cap, "\"%s\" is no file:///absolute/path", image);
        return -1;
    }
    if (stat(path, &st) < 0) {
        snprintf(why, cap, "cannot run %s: %s", path, strerror(errno));
        return -1;
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
