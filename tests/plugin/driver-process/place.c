/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"
#include "../../tools/outside.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool place_write(const struct place *p, const char *name, const char *text, unsigned mode) {
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", p->dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    bool ok = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

void place_make(struct place *p) {
    snprintf(p->dir, sizeof(p->dir), "/tmp/trellis-process-XXXXXX");
    if (!mkdtemp(p->dir)) {
        abort();
    }
    snprintf(p->state, sizeof(p->state), "%s/state", p->dir);
    mkdir(p->state, 0700);
    place_write(p, "state/host_id", PLACE_HOST "\n", 0600);
}

/* Zombies have no command line: they do not count. */
static int each_process(const struct place *p, const char *needle, int signum) {
    DIR *d = opendir("/proc");
    int n = 0;
    for (struct dirent *e; d && (e = readdir(d));) {
        char path[300], text[4096];
        if (!isdigit((unsigned char)e->d_name[0])) {
            continue;
        }
        snprintf(path, sizeof(path), "/proc/%s/cmdline", e->d_name);
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = fd >= 0 ? read(fd, text, sizeof(text)) : -1;
        if (fd >= 0) {
            close(fd);
        }
        if (got > 0 && memmem(text, (size_t)got, p->dir, strlen(p->dir)) &&
            memmem(text, (size_t)got, needle, strlen(needle))) {
            n++;
            if (signum) {
                kill((pid_t)strtol(e->d_name, NULL, 10), signum);
            }
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}

int place_processes(const struct place *p, const char *needle) {
    return each_process(p, needle, 0);
}

void place_end_keepers(const struct place *p) {
    each_process(p, "trellis-keeper", SIGKILL);
}

int place_runs(const struct place *p) {
    char path[160];
    int n = 0;
    snprintf(path, sizeof(path), "%s/runs", p->state);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        n += e->d_name[0] != '.';
    }
    if (d) {
        closedir(d);
    }
    return n;
}

int place_remove(struct place *p) {
    int left = 0;
    for (int i = 0; i < 1000 && (left = place_processes(p, "")) > 0; i++) {
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    outside_remove(p->dir);
    return left;
}

const char *place_script(const struct place *p, const char *name, const char *text) {
    static char images[16][160];
    static unsigned next;
    char *image = images[next++ % 16];
    if (!place_write(p, name, text, 0755)) {
        abort();
    }
    snprintf(image, sizeof(images[0]), "file://%s/%s", p->dir, name);
    return image;
}

void place_config(const struct place *p, const char *more, char *to, size_t cap) {
    snprintf(to, cap, "{\"lattice\":\"suite\",\"state_dir\":\"%s\"%s%s}", p->state,
             strstr(more, "on_stop") ? "" : ",\"on_stop\":\"stop\"", more);
}
