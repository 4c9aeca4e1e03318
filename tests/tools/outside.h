/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests have to do with the world outside: files in a directory of their own, servers that are
 * processes.
 */
#ifndef TESTS_TOOLS_OUTSIDE_H
#define TESTS_TOOLS_OUTSIDE_H

#include <dirent.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static inline int outside_remove_one(const char *path, const struct stat *st, int kind,
                                     struct FTW *ftw) {
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

/* A directory and everything in it. */
static inline void outside_remove(const char *dir) {
    nftw(dir, outside_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Its path, good for seven more calls; text NULL: it is not written. */
static inline const char *outside_file(const char *dir, const char *name, const char *text) {
    static char paths[8][256];
    static int turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof(paths[0]), "%s/%s", dir, name);
    if (text) {
        FILE *f = fopen(path, "w");
        if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
            abort();
        }
        chmod(path, 0600);
    }
    return path;
}

/* A thread that reads a server's output to its end, so that it never blocks. SERVER_LOG=1 shows it.
 */
static inline void *outside_drain(void *file) {
    char line[1024];
    while (fgets(line, sizeof(line), file)) {
        if (getenv("SERVER_LOG")) {
            fputs(line, stderr);
        }
    }
    fclose(file);
    return NULL;
}

/* Does one of its descriptors refer to the socket with that inode? */
static inline int outside_owns(pid_t pid, const char *inode) {
    char dir[64], path[400], target[64], want[64];
    int found = 0;
    snprintf(dir, sizeof(dir), "/proc/%d/fd", (int)pid);
    snprintf(want, sizeof(want), "socket:[%s]", inode);
    DIR *d = opendir(dir);
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        ssize_t n = readlink(path, target, sizeof(target) - 1);
        target[n > 0 ? n : 0] = '\0';
        found = strcmp(target, want) == 0;
    }
    if (d) {
        closedir(d);
    }
    return found;
}

/* The port it listens on that is not `but`; 0: not yet. */
static inline int outside_port(pid_t pid, int but) {
    char path[64], line[512];
    int port = 0;
    snprintf(path, sizeof(path), "/proc/%d/net/tcp", (int)pid);
    FILE *f = fopen(path, "r");
    while (f && !port && fgets(line, sizeof(line), f)) {
        unsigned at, state;
        char inode[32];
        if (sscanf(line, " %*d: %*8x:%4x %*x:%*x %2x %*s %*s %*s %*d %*d %31s", &at, &state,
                   inode) == 3 &&
            state == 10 && (int)at != but && outside_owns(pid, inode)) {
            port = (int)at;
        }
    }
    if (f) {
        fclose(f);
    }
    return port;
}

#endif
