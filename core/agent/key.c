/* SPDX-License-Identifier: Apache-2.0 */
#include "agent/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "nkey.h"

struct kind {
    unsigned prefix;
    const char *what, *otherwise;
};
static const struct kind host = {NKEY_SERVER, "no seed of a host (SN... of 58 characters)",
                                 "remove it to begin as a new host"};
static const struct kind account = {NKEY_ACCOUNT, "no seed of an account (SA... of 58 characters)",
                                    "remove it, and one is made; grants name the new issuer then"};
static const struct kind given = {NKEY_ACCOUNT, "no seed of an account (SA... of 58 characters)",
                                  "copy the account.seed of another agent, or make one with nk"};

static int make_dirs(const char *dir, struct err *err) {
    char *path = mem_strdup(dir);
    int rc = 0;
    for (char *at = path + 1; rc == 0; at++) {
        char c = *at;
        if (c != '/' && c != '\0') {
            continue;
        }
        *at = '\0';
        if (mkdir(path, c ? 0755 : 0700) < 0 && errno != EEXIST) {
            rc = err_set(err, TRL_E_INVALID, "the state directory %s cannot be made: %s", path,
                         strerror(errno));
        }
        *at = c;
        if (!c) {
            break;
        }
    }
    mem_free(path);
    return rc;
}

static int read_seed(const char *path, int fd, const struct kind *k, uint8_t key[32],
                     struct err *err) {
    char text[NKEY_SEED_LEN + 8];
    unsigned prefix = 0;
    ssize_t n = read(fd, text, sizeof(text));
    str seed = n > 0 ? str_trim(str_n(text, (size_t)n)) : STR_NONE;
    bool ok = nkey_decode_seed(seed, &prefix, key) && prefix == k->prefix;
    sodium_memzero(text, sizeof(text));
    return ok ? 0 : err_set(err, TRL_E_INVALID, "%s holds %s: %s", path, k->what, k->otherwise);
}

/* Complete or not at all: it gets its name when it is on the disk. */
static int write_seed(const char *path, const struct kind *k, uint8_t key[32], struct err *err) {
    char text[NKEY_SEED_LEN + 2];
    struct buf temp = BUF_INIT;
    randombytes_buf(key, 32);
    nkey_encode_seed(k->prefix, key, text);
    memcpy(text + NKEY_SEED_LEN, "\n", 2);
    buf_addf(&temp, "%s.new", path);
    int fd = open(temp.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write(fd, text, NKEY_SEED_LEN + 1) == NKEY_SEED_LEN + 1 &&
              fsync(fd) == 0 && rename(temp.ptr, path) == 0;
    int rc =
        ok ? 0 : err_set(err, TRL_E_INVALID, "%s cannot be written: %s", path, strerror(errno));
    if (fd >= 0) {
        close(fd);
    }
    sodium_memzero(text, sizeof(text));
    buf_finish(&temp);
    return rc;
}

static int open_or_make(const char *dir, const char *name, const struct kind *k, uint8_t ret[32],
                        struct err *err) {
    struct buf path = BUF_INIT;
    buf_addf(&path, "%s/%s", dir, name);
    int rc, fd = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        rc = read_seed(path.ptr, fd, k, ret, err);
        close(fd);
    } else if (errno == ENOENT) {
        rc = write_seed(path.ptr, k, ret, err);
    } else {
        rc = err_set(err, TRL_E_INVALID, "%s cannot be read: %s", path.ptr, strerror(errno));
    }
    buf_finish(&path);
    return rc;
}

int key_host(const char *dir, uint8_t ret[32], struct err *err) {
    if (sodium_init() < 0) {
        return err_set(err, TRL_E_INTERNAL, "libsodium cannot be initialised");
    }
    if (dir[0] != '/') {
        return err_set(err, TRL_E_INVALID, "state directory \"%s\": write an absolute path", dir);
    }
    int rc = make_dirs(dir, err);
    return rc < 0 ? rc : open_or_make(dir, "host.seed", &host, ret, err);
}

int key_account(const char *dir, const char *file, uint8_t ret[32], struct err *err) {
    struct stat meta;
    if (!file) {
        return open_or_make(dir, "account.seed", &account, ret, err);
    }
    int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return err_set(err, TRL_E_INVALID, "%s cannot be read: %s", file, strerror(errno));
    }
    bool ours = fstat(fd, &meta) == 0 && S_ISREG(meta.st_mode) && !(meta.st_mode & 077) &&
                (meta.st_uid == geteuid() || meta.st_uid == 0);
    int rc = ours ? read_seed(file, fd, &given, ret, err)
                  : err_set(err, TRL_E_DENIED,
                            "%s: others may read or replace it: it must be a file of our own with "
                            "mode 0600 (chmod 600 %s)",
                            file, file);
    close(fd);
    return rc;
}
