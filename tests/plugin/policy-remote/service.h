/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy service of wasmCloud on a bus: it refuses images that end with ":latest", and answers
 * badly on request. And the rig around it: a transport, the bus, and an instance of "remote".
 */
#ifndef TEST_REMOTE_SERVICE_H
#define TEST_REMOTE_SERVICE_H

#include "base/mem.h"
#include "plug/bus.h"
#include "plug/policy.h"
#include "testkit.h"

#define TOPIC   "test.policy"
#define CHANGES "test.policy.changes"

enum service_mode {
    SERVICE_RULE,
    SERVICE_SILENT, /* keeps where to answer */
    SERVICE_RUBBISH,
    SERVICE_EMPTY,
    SERVICE_NO_ID,
    SERVICE_NO_PERMITTED,
    SERVICE_ODD_PERMITTED,
    SERVICE_ODD_MESSAGE,
    SERVICE_OTHER_ID, /* which hosts do not mind */
    SERVICE_HUGE,     /* a no in very many words */
};

struct service {
    struct bus *bus;
    struct bus_sub *sub;
    enum service_mode mode;
    uint32_t requests;
    char id[64];      /* of the last request */
    char trace[64];   /* its traceparent */
    char reply[256];  /* where its answer goes */
    char body[16384]; /* its text */
};

struct service *service_up(struct bus *bus);
void service_down(struct service *s);
/* Answers the last request, or says the same on the changes topic. */
void service_answer(struct service *s, const char *id, bool permitted, const char *message);
void service_change(struct service *s, const char *id, bool permitted, const char *message);
void service_raw(struct service *s, const char *subject, const char *text);

struct rig {
    struct tk *tk;
    struct plug_inst *transport, *in;
    struct bus *bus;
    struct service *service;
    struct plug_iface iface;
    const char *trace; /* traceparent of what is asked; NULL: none */
};

/* NULL config: without an instance. */
void rig_open(struct rig *r, const char *transport, const char *transport_config,
              const char *config);
void rig_close(struct rig *r);

struct asked {
    struct policy_call *call;
    uint32_t n;
    bool done;
    trl_status st;
    char msg[256];
    int32_t verdict; /* of the first */
    uint32_t ttl_ms;
    char reasons[4096];
};

void ask(struct rig *r, struct asked *a, uint32_t point, const char *subject, int64_t timeout_ms);
void ask_wait(struct rig *r, struct asked *a, uint32_t point, const char *subject);

struct told {
    struct policy_watch *watch;
    uint32_t n;
    char last[300];
};
void told_begin(struct rig *r, struct told *t);

#endif
