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

static int read_seed(const char *path, int fd, unsigned char key[32], struct err *err) {
    char text[HOSTID_SEED_LEN + 8];
    ssize_t n = read(fd, text, sizeof(text));
    str seed = n > 0 ? str_trim(str_n(text, (size_t)n)) : STR_NONE;
    int rc = hostid_key_of_seed(seed, key)
                 ? 0
                 : err_set(err, TRL_E_INVALID,
                           "%s holds no seed of a host (SN... of 58 characters): remove it to "
                           "begin as a new host",
                           path);
    sodium_memzero(text, sizeof(text));
    return rc;
}

/* Complete or not at all: it gets its name when it is on the disk. */
static int write_seed(const char *path, unsigned char key[32], struct err *err) {
    char text[HOSTID_SEED_LEN + 2];
    struct buf temp = BUF_INIT;
    randombytes_buf(key, 32);
    hostid_seed_of_key(key, text);
    memcpy(text + HOSTID_SEED_LEN, "\n", 2);
    buf_addf(&temp, "%s.new", path);
    int fd = open(temp.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    bool ok = fd >= 0 && write(fd, text, HOSTID_SEED_LEN + 1) == HOSTID_SEED_LEN + 1 &&
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

int key_open(const char *dir, char ret_id[HOSTID_LEN + 1], struct err *err) {
    unsigned char key[32] = {0};
    struct buf path = BUF_INIT;
    if (sodium_init() < 0) {
        return err_set(err, TRL_E_INTERNAL, "libsodium cannot be initialised");
    }
    if (dir[0] != '/') {
        return err_set(err, TRL_E_INVALID, "state directory \"%s\": write an absolute path", dir);
    }
    int rc = make_dirs(dir, err);
    if (rc < 0) {
        return rc;
    }
    buf_addf(&path, "%s/host.seed", dir);
    int fd = open(path.ptr, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd >= 0) {
        rc = read_seed(path.ptr, fd, key, err);
        close(fd);
    } else if (errno == ENOENT) {
        rc = write_seed(path.ptr, key, err);
    } else {
        rc = err_set(err, TRL_E_INVALID, "%s cannot be read: %s", path.ptr, strerror(errno));
    }
    if (rc == 0) {
        hostid_of_key(key, ret_id);
    }
    sodium_memzero(key, sizeof(key));
    buf_finish(&path);
    return rc;
}
