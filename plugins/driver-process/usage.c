/* SPDX-License-Identifier: Apache-2.0
 *
 * Resources: each process is the leader of a session of its own, so what belongs to it is found by
 * that.
 */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include "../common/xmem.h"
#include "inspect.h"
#include "unit.h"

struct used {
    int pid, processes;
    long long cpu_ticks, rss_pages, fds;
};

struct usage {
    struct job job;
    struct ticket ticket;
    json_t *list; /* of objects, beside */
    struct used *used;
    size_t n;
};

static long count_fds(const char *pid) {
    char *path = text_format("/proc/%s/fd", pid);
    DIR *d = opendir(path);
    long n = 0;
    while (d && readdir(d)) {
        n++;
    }
    if (d) {
        closedir(d);
    }
    free(path);
    return n > 2 ? n - 2 : 0;
}

static void add(struct usage *u, const char *pid) {
    char *path = text_format("/proc/%s/stat", pid), text[1024], state = 0;
    int session = 0, fd = open(path, O_RDONLY | O_CLOEXEC);
    unsigned long long utime = 0, stime = 0;
    long long rss = 0;
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    free(path);
    if (fd >= 0) {
        close(fd);
    }
    text[n > 0 ? n : 0] = '\0';
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at,
                      ") %c %*d %*d %d %*d %*d %*u %*u %*u %*u %*u %llu %llu %*d %*d %*d %*d %*d "
                      "%*d %*u %*u %lld",
                      &state, &session, &utime, &stime, &rss) != 5) {
        return;
    }
    for (size_t i = 0; i < u->n && state != 'Z'; i++) {
        if (u->used[i].pid == session) {
            u->used[i].processes++;
            u->used[i].cpu_ticks += (long long)(utime + stime);
            u->used[i].rss_pages += rss;
            u->used[i].fds += count_fds(pid);
            return;
        }
    }
}

static void read_all(struct job *j) {
    struct usage *u = (struct usage *)(void *)j;
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        if (isdigit((unsigned char)e->d_name[0])) {
            add(u, e->d_name);
        }
    }
    if (d) {
        closedir(d);
    }
}

static void on_read(struct job *j) {
    struct usage *u = (struct usage *)(void *)j;
    long ticks = sysconf(_SC_CLK_TCK), page = sysconf(_SC_PAGESIZE);
    for (size_t i = 0; i < u->n; i++) {
        json_t *o = json_array_get(u->list, i);
        const struct used *x = &u->used[i];
        json_object_set_new(o, "processes", json_integer(x->processes));
        json_object_set_new(o, "cpu_ms", json_integer(x->cpu_ticks * 1000 / ticks));
        json_object_set_new(o, "rss_bytes", json_integer(x->rss_pages * page));
        json_object_set_new(o, "fds", json_integer(x->fds));
    }
    json_t *out = json_pack("{s:o}", "instances", u->list);
    char *text = json_dumps(out, JSON_COMPACT);
    ticket_result(&u->ticket, text);
    free(text);
    json_decref(out);
    free(u->used);
    free(u);
}

void usage_read(struct trl_inst *d, trl_op *op, trl_str lattice, trl_str app) {
    static const char *const states[] = {"starting", "starting", "ready", "stopping", "ready"};
    struct usage *x = x_zalloc(sizeof(*x));
    size_t cap = 0;
    x->list = json_array();
    for (const struct unit *u = d->units; u; u = u->next) {
        for (const struct run *r = unit_is_of(u, lattice, app) ? u->runs : NULL; r; r = r->next) {
            json_t *o =
                json_pack("{s:s,s:s,s:s,s:s,s:i,s:I,s:I}", "app", unit_app(u), "unit", u->id,
                          "instance", r->id, "state", states[r->state], "pid", r->pid, "restarts",
                          (json_int_t)u->restarts, "started_ms", (json_int_t)r->started_ms);
            json_array_append_new(x->list, o);
            x->used = x_grow(x->used, x->n, &cap, sizeof(*x->used));
            x->used[x->n++] = (struct used){.pid = r->pid > 0 ? r->pid : -1};
        }
    }
    ticket_open(&x->ticket, &d->desk, op);
    job_start(&x->job, d, read_all, on_read);
}
