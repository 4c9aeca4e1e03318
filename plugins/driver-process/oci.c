/* SPDX-License-Identifier: Apache-2.0
 *
 * OCI image layout: oci-layout, index.json, blobs/<algorithm>/<hex>. The archives are unpacked by
 * the system's tar, which leaves out absolute names and names with "..".
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <spawn.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "bundle.h"

#define JSON_MAX (4u << 20)

static int run_tar(const char *archive, const char *root) {
    char tar[] = "tar", extract[] = "-xf", to[] = "-C", owner[] = "--no-same-owner",
         mode[] = "--no-same-permissions", path[] = "PATH=/usr/local/bin:/usr/bin:/bin";
    char *from = text_dup(trl_cstr(archive)), *into = text_dup(trl_cstr(root));
    char *const argv[] = {tar, extract, from, to, into, owner, mode, NULL}, *const env[] = {path,
                                                                                            NULL};
    posix_spawn_file_actions_t actions;
    int status = -1;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    for (int fd = 0; fd < 3; fd++) {
        posix_spawn_file_actions_addopen(&actions, fd, "/dev/null", O_RDWR, 0);
    }
    int rc = posix_spawnp(&pid, tar, &actions, NULL, argv, env);
    if (rc == 0) {
        waitpid(pid, &status, 0);
    }
    posix_spawn_file_actions_destroy(&actions);
    free(from);
    free(into);
    return rc == 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int oci_tar(const char *archive, const char *root, char *why, size_t cap) {
    int rc = run_tar(archive, root);
    if (rc != 0) {
        snprintf(why, cap, "cannot unpack %s: tar %s", archive,
                 rc < 0 ? "is not there or was killed" : "finds it damaged");
    }
    return rc == 0 ? 0 : -1;
}

/* "sha256:<hex>" -> path below the layout, owned; NULL when the digest is no such thing. */
static char *blob_path(const char *layout, const char *digest) {
    const char *hex = strncmp(digest, "sha256:", 7) == 0 ? digest + 7 : "";
    if (strlen(hex) != 64 || strspn(hex, "0123456789abcdef") != 64) {
        return NULL;
    }
    return text_format("%s/blobs/sha256/%s", layout, hex);
}

static int verify(const char *path, const char *digest, char *why, size_t cap) {
    crypto_hash_sha256_state h;
    unsigned char sum[crypto_hash_sha256_BYTES], buf[65536];
    char hex[sizeof(sum) * 2 + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;
    crypto_hash_sha256_init(&h);
    while (fd >= 0 && (n = read(fd, buf, sizeof(buf))) > 0) {
        crypto_hash_sha256_update(&h, buf, (unsigned long long)n);
    }
    crypto_hash_sha256_final(&h, sum);
    sodium_bin2hex(hex, sizeof(hex), sum, sizeof(sum));
    if (fd >= 0) {
        close(fd);
    }
    if (fd < 0 || n < 0) {
        snprintf(why, cap, "cannot read %s: %s", path, strerror(errno));
    } else if (strcmp(hex, digest + 7) != 0) {
        snprintf(why, cap, "%s is damaged: its content is not that of its digest", path);
    } else {
        return 0;
    }
    return -1;
}

static json_t *read_json(const char *path, char *why, size_t cap) {
    json_error_t e;
    struct stat st;
    json_t *j =
        stat(path, &st) == 0 && st.st_size < (off_t)JSON_MAX ? json_load_file(path, 0, &e) : NULL;
    if (!json_is_object(j)) {
        snprintf(why, cap, "%s: no JSON object is there", path);
        json_decref(j);
        return NULL;
    }
    return j;
}

static json_t *read_blob(const char *layout, const char *digest, char *why, size_t cap) {
    char *path = blob_path(layout, digest);
    json_t *j = NULL;
    if (!path) {
        snprintf(why, cap, "%s: \"%s\" is no digest that is understood", layout, digest);
    } else if (verify(path, digest, why, cap) == 0) {
        j = read_json(path, why, cap);
    }
    free(path);
    return j;
}

static int fits(const json_t *m) {
    const json_t *p = json_object_get(m, "platform");
    const char *arch = j_str(p, "architecture", NULL);
    struct utsname u;
    uname(&u);
    const char *mine = strcmp(u.machine, "x86_64") == 0    ? "amd64"
                       : strcmp(u.machine, "aarch64") == 0 ? "arm64"
                                                           : u.machine;
    return !arch || (strcmp(arch, mine) == 0 && strcmp(j_str(p, "os", "linux"), "linux") == 0);
}

char *oci_digest(const char *layout, char *why, size_t cap) {
    char *path = text_format("%s/index.json", layout), *found = NULL;
    json_t *index = read_json(path, why, cap);
    size_t i;
    const json_t *m;
    free(path);
    json_array_foreach(json_object_get(index, "manifests"), i, m) {
        if (!found && fits(m)) {
            found = text_dup(trl_cstr(j_str(m, "digest", "")));
        }
    }
    if (index && !found) {
        snprintf(why, cap, "%s/index.json names no image for this machine", layout);
    }
    json_decref(index);
    return found;
}

int oci_unpack(const char *layout, const char *root, json_t **config, char *why, size_t cap) {
    char *digest = oci_digest(layout, why, cap);
    json_t *manifest = digest ? read_blob(layout, digest, why, cap) : NULL;
    size_t i;
    const json_t *layer;
    int rc = manifest ? 0 : -1;
    free(digest);
    *config = NULL;
    if (rc == 0) {
        *config =
            read_blob(layout, j_str(json_object_get(manifest, "config"), "digest", ""), why, cap);
        rc = *config ? 0 : -1;
    }
    json_array_foreach(json_object_get(manifest, "layers"), i, layer) {
        const char *name = j_str(layer, "digest", "");
        char *path = rc == 0 ? blob_path(layout, name) : NULL;
        if (rc == 0 && !path) {
            snprintf(why, cap, "%s: layer \"%s\" has no digest that is understood", layout, name);
            rc = -1;
        }
        rc = rc == 0 ? verify(path, name, why, cap) : rc;
        rc = rc == 0 ? oci_tar(path, root, why, cap) : rc;
        free(path);
    }
    json_decref(manifest);
    return rc;
}
