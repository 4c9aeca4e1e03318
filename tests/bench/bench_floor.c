/* SPDX-License-Identifier: Apache-2.0
 *
 * What the machine itself takes for the steps that a deploy cannot do without: one write to the
 * disk, one question and answer through the server. The figures of W1 stand beside these.
 */
#include <fcntl.h>
#include <nats/nats.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "bench.h"

#define WRITES      1000u
#define WRITE_BYTES 400u
#define QUESTIONS   2000u

static double now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* As the file store does it: behind the last one, in a part of the file that is there already. */
static void disk(void) {
    char dir[64], path[96], record[WRITE_BYTES];
    struct series s = {0};
    size_t all = WRITES * WRITE_BYTES;
    char *zeros = mem_zalloc(all);
    make_dir(dir, sizeof(dir));
    snprintf(path, sizeof(path), "%s/log", dir);
    memset(record, 'x', sizeof(record));
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || pwrite(fd, zeros, all, 0) != (ssize_t)all || fsync(fd) < 0) {
        die("%s cannot be written", path);
    }
    for (uint32_t i = 0; i < WRITES; i++) {
        double t0 = now_ms();
        if (pwrite(fd, record, sizeof(record), (off_t)i * (off_t)sizeof(record)) < 0 ||
            fdatasync(fd) < 0) {
            die("%s cannot be written", path);
        }
        series_add(&s, now_ms() - t0);
        nanosleep(&(struct timespec){.tv_nsec = MS / 2}, NULL);
    }
    close(fd);
    remove_tree(dir);
    mem_free(zeros);
    report_series("floor", "in-process", "one write of 400 bytes, synced", &s, "-",
                  "pwrite and fdatasync, 1,000 times, by themselves");
}

static void on_question(natsConnection *nc, natsSubscription *sub, natsMsg *m, void *arg) {
    (void)sub, (void)arg;
    natsConnection_PublishString(nc, natsMsg_GetReply(m), "answer");
    natsMsg_Destroy(m);
}

static natsConnection *connection(int port) {
    char url[64];
    natsOptions *o = NULL;
    natsConnection *nc = NULL;
    snprintf(url, sizeof(url), "nats://127.0.0.1:%d", port);
    if (natsOptions_Create(&o) != NATS_OK || natsOptions_SetURL(o, url) != NATS_OK ||
        natsOptions_SetSendAsap(o, true) != NATS_OK || natsConnection_Connect(&nc, o) != NATS_OK) {
        die("no connection to %s", url);
    }
    natsOptions_Destroy(o);
    return nc;
}

static void server(void) {
    struct child c = {0};
    struct series s = {0};
    char dir[64], question[128];
    natsSubscription *sub = NULL;
    make_dir(dir, sizeof(dir));
    child_nats(&c, dir);
    natsConnection *asks = connection(c.port), *answers = connection(c.port);
    memset(question, 'x', sizeof(question));
    if (natsConnection_Subscribe(&sub, answers, "floor", on_question, NULL) != NATS_OK ||
        natsConnection_Flush(answers) != NATS_OK) {
        die("no subscription");
    }
    for (uint32_t i = 0; i < QUESTIONS; i++) {
        natsMsg *m = NULL;
        double t0 = now_ms();
        if (natsConnection_Request(&m, asks, "floor", question, sizeof(question), 5000) !=
            NATS_OK) {
            die("no answer over NATS");
        }
        series_add(&s, now_ms() - t0);
        natsMsg_Destroy(m);
    }
    natsSubscription_Destroy(sub);
    natsConnection_Destroy(asks);
    natsConnection_Destroy(answers);
    child_stop(&c);
    remove_tree(dir);
    report_series(
        "floor", "NATS", "one request of 128 bytes and its reply", &s, "-",
        "nats.c on both ends, sent at once, 2,000 times, nothing else; W1 has six such in "
        "a row");
}

void bench_floor(bool nats) {
    if (nats) {
        server();
    } else {
        disk();
    }
}
