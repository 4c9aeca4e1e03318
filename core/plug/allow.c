/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/allow.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/digest.h"

void allow_set(struct allow *a, enum plug_trust trust, const struct plug_allowed *at, uint32_t n) {
    allow_finish(a);
    a->trust = trust;
    for (uint32_t i = 0; i < n; i++) {
        *VEC_ADD(&a->at) =
            (struct plug_allowed){mem_strdup(at[i].library), mem_strdup(at[i].sha256)};
    }
}

void allow_finish(struct allow *a) {
    for (uint32_t i = 0; i < a->at.n; i++) {
        mem_free((char *)(uintptr_t)a->at.at[i].library);
        mem_free((char *)(uintptr_t)a->at.at[i].sha256);
    }
    VEC_FREE(&a->at);
    a->trust = PLUG_TRUST_OFF;
}

/* "store-file" of ".../store-file.so". */
static str library_name(const char *path) {
    const char *slash = strrchr(path, '/');
    str name = str_c(slash ? slash + 1 : path);
    return str_ends(name, STR(".so")) ? str_n(name.ptr, name.len - 3) : name;
}

static int judge(const struct allow *a, const char *path, const char *sum, struct err *err) {
    str name = library_name(path);
    for (uint32_t i = 0; i < a->at.n; i++) {
        if (!str_is(name, a->at.at[i].library)) {
            continue;
        }
        if (strcasecmp(a->at.at[i].sha256, sum) == 0) {
            return 0;
        }
        return err_set(err, TRL_E_DENIED,
                       "%s: its SHA-256 is %s, plugins.allow has %s for '%.*s': install the file "
                       "that was meant, or write the new sum there",
                       path, sum, a->at.at[i].sha256, PSTR(name));
    }
    return err_set(err, TRL_E_DENIED,
                   "%s: '%.*s' is not in plugins.allow: add `%.*s: %s` there if this is what you "
                   "want to run",
                   path, PSTR(name), PSTR(name), sum);
}

int allow_check(const struct allow *a, const struct log *log, const char *path, str bytes,
                struct err *err) {
    char sum[65];
    struct err why = ERR_INIT;
    if (a->trust == PLUG_TRUST_OFF) {
        return 0;
    }
    digest_sha256_hex(&bytes, 1, sum);
    if (a->trust == PLUG_TRUST_REQUIRE) {
        return judge(a, path, sum, err);
    }
    if (judge(a, path, sum, &why) < 0) {
        log_warn(log, "%s (loaded all the same: plugins.check is warn)", why.msg);
    }
    return 0;
}

static int write_all(int fd, str bytes) {
    while (bytes.len) {
        ssize_t n = write(fd, bytes.ptr, bytes.len);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        bytes = str_skip(bytes, n > 0 ? (size_t)n : 0);
    }
    return 0;
}

int allow_seal(const char *path, str bytes, char ret_path[32], struct err *err) {
    char name[64];
    str library = library_name(path);
    snprintf(name, sizeof(name), "%.*s.so", (int)(library.len < 56 ? library.len : 56),
             library.ptr);
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || write_all(fd, bytes) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        int e = errno;
        if (fd >= 0) {
            close(fd);
        }
        return err_set(err, TRL_E_UNAVAIL,
                       "%s: no sealed copy of it can be made in memory: %s (plugins.check: warn "
                       "loads the file itself)",
                       path, strerror(e));
    }
    snprintf(ret_path, 32, "/proc/self/fd/%d", fd);
    return 0;
}
