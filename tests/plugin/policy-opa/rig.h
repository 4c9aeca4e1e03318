/* SPDX-License-Identifier: Apache-2.0
 *
 * An instance of "opa" as the core uses it, questions to it, and a server that answers like an Open
 * Policy Agent with one rule: no image ends with ":latest".
 */
#ifndef TEST_OPA_RIG_H
#define TEST_OPA_RIG_H

#include "base/mem.h"
#include "fake_http.h"
#include "plug/policy.h"
#include "testkit.h"

struct rig {
    struct tk *tk;
    struct plug_inst *in;
    const char *trace; /* traceparent of what is asked; NULL: none */
};

/* NULL config: tk only. */
void rig_open(struct rig *r, const char *config);
void rig_close(struct rig *r); /* asserts that no check failed */

struct asked {
    struct policy_call *call;
    uint32_t n;
    bool done;
    trl_status st;
    uint32_t retry_after_ms;
    char msg[256];
    struct policy_verdict v[POLICY_BATCH]; /* reasons: owned copies */
};

/* The same subject n times. timeout_ms 0: none. */
void ask(struct rig *r, struct asked *a, uint32_t point, const char *subject, uint32_t n,
         int64_t timeout_ms);
void asked_wait(struct rig *r, struct asked *a);
void asked_free(struct asked *a);
/* Asks about one subject and waits. */
void ask_one(struct rig *r, struct asked *a, const char *subject);

/* Answers as the rule says: {"input":{...}} with a decision, {"input":[...]} with an array. */
void rig_answer(struct fake_conn *c, const struct fake_req *q);

#define GOOD_SUBJECT "{\"point\":\"host\",\"unit\":{\"image\":\"example.com/web:1.0.0\"}}"
#define BAD_SUBJECT  "{\"point\":\"host\",\"unit\":{\"image\":\"example.com/web:latest\"}}"

#endif
