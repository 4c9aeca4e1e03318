/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/logline.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "codec/json.h"

static const char *const names[] = {"error", "warn", "info", "debug"};

void logline_init(struct logline *l, bool json) {
    *l = (struct logline){json, isatty(STDERR_FILENO)};
}

static void write_json(const char *when, int level, str msg, str fields) {
    struct buf line = BUF_INIT;
    struct jw w;
    jw_init(&w, &line, false);
    jw_object(&w);
    jw_kv(&w, "time", str_c(when));
    jw_kv(&w, "level", str_c(names[level]));
    jw_kv(&w, "message", msg);
    if (fields.len > 2) {
        jw_key(&w, "fields");
        jw_raw(&w, fields);
    }
    jw_end_object(&w);
    fprintf(stderr, "%s\n", line.ptr);
    buf_finish(&line);
}

void logline_sink(void *arg, int level, str msg, str fields) {
    static const char *const colours[] = {"\033[31m", "\033[33m", "", "\033[2m"};
    const struct logline *l = arg;
    struct timespec t;
    struct tm tm;
    char when[40];
    clock_gettime(CLOCK_REALTIME, &t);
    gmtime_r(&t.tv_sec, &tm);
    size_t n = strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(when + n, sizeof(when) - n, ".%03ldZ", t.tv_nsec / 1000000);
    if (l->json) {
        write_json(when, level, msg, fields);
    } else {
        fprintf(stderr, "%s %s%-5s%s %.*s\n", when, l->colour ? colours[level] : "", names[level],
                l->colour && *colours[level] ? "\033[0m" : "", PSTR(msg));
    }
}
