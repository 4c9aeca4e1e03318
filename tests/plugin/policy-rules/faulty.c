/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/1 "faulty": a backend with one fault, named by its config {"fault": "..."}. The suite of
 * the kind has to find each of them.
 */
#include <jansson.h>
#include <stdlib.h>
#include <trellis/trellis.h>

struct trl_inst {
    const trl_host *host;
    char fault[32];
    uint32_t asked;
    trl_op *watches[8];
};

static int has(const trl_inst *in, const char *fault) {
    return strcmp(in->fault, fault) == 0;
}

static uint32_t points(trl_inst *in) {
    return has(in, "points-change") ? 1u << (in->asked++ % 6) | 1u
           : has(in, "points-high") ? ~0u
                                    : 63u;
}

static int is_object(trl_str s) {
    json_t *j = json_loadb(s.len ? s.ptr : "", s.len, 0, NULL);
    int yes = json_is_object(j);
    json_decref(j);
    return yes;
}

static void emit(trl_inst *in, trl_op *op, uint32_t i, uint32_t n) {
    char scratch[sizeof(trl_verdict) + 128];
    int32_t verdict = TRL_V_DENY;
    uint32_t flags = 0;
    const char *reasons = "[{\"text\":\"no\"}]";
    verdict = has(in, "fickle") && in->asked++ % 3 ? TRL_V_WARN : verdict;
    verdict = has(in, "batch") && n > 64 ? TRL_V_ALLOW : verdict;
    verdict = has(in, "verdict") ? 9 : verdict;
    if (has(in, "stop")) {
        verdict = TRL_V_WARN;
        flags = TRL_VERDICT_STOP;
    }
    reasons = has(in, "no-json")   ? "[{"
              : has(in, "no-text") ? "[{\"code\":\"c\"}]"
              : has(in, "path")    ? "[{\"text\":\"no\",\"path\":\"spec/0\"}]"
                                   : reasons;
    trl_verdict_emit(in->host, op, scratch, has(in, "index") ? i + 1 : i, verdict, flags,
                     TRL_TTL_RULES, trl_cstr(reasons));
}

static void decide(trl_inst *in, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                   uint32_t stride) {
    (void)point;
    for (uint32_t i = 0; i < n; i++) {
        const trl_subject *s = trl_at(subjects, stride, i);
        if (!has(in, "damage") && !is_object(s->json)) {
            trl_op_fail(in->host, op, TRL_E_INVALID,
                        has(in, "two-lines") ? "no\nobject" : "no object");
            return;
        }
        if (!(has(in, "forgets") && n > 2 && i == n - 1)) {
            emit(in, op, i, n);
        }
        if (has(in, "twice") && n > 100 && i == 7) {
            emit(in, op, i, n);
        }
    }
    trl_op_ok(in->host, op);
}

static void watch(trl_inst *in, trl_op *op) {
    if (has(in, "watch-ends")) {
        trl_op_ok(in->host, op);
        return;
    }
    for (size_t i = 0; i < sizeof(in->watches) / sizeof(*in->watches); i++) {
        if (!in->watches[i]) {
            in->watches[i] = op;
            return;
        }
    }
}

static void cancel(trl_inst *in, trl_op *op) {
    for (size_t i = 0; i < sizeof(in->watches) / sizeof(*in->watches); i++) {
        if (in->watches[i] == op || (in->watches[i] && has(in, "cancels-all"))) {
            trl_op *ended = in->watches[i];
            in->watches[i] = NULL;
            trl_op_fail(in->host, ended, TRL_E_CANCELLED, "cancelled");
        }
    }
}

static void resume(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}

static void info(trl_inst *in, trl_op *op) {
    trl_bytes out = {has(in, "info") ? "[1]" : "{}", has(in, "info") ? 3 : 2};
    in->host->op_done(op, TRL_OK, out, NULL);
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    static const char key[] = "\"fault\":\"";
    trl_inst *in = calloc(1, sizeof(*in));
    size_t n = 0;
    (void)err;
    in->host = h;
    for (size_t i = 0; i + sizeof(key) < config.len; i++) {
        if (memcmp(config.ptr + i, key, sizeof(key) - 1) == 0) {
            const char *p = config.ptr + i + sizeof(key) - 1;
            while (p[n] != '"' && n + 1 < sizeof(in->fault)) {
                in->fault[n] = p[n];
                n++;
            }
        }
    }
    *out = in;
    return TRL_OK;
}

static void destroy(trl_inst *in) {
    free(in);
}

static const trl_policy_v1 table = {.struct_size = sizeof(table),
                                    .points = points,
                                    .decide = decide,
                                    .watch = watch,
                                    .cancel = cancel,
                                    .resume = resume,
                                    .info = info};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_POLICY) == 0 ? &table : NULL;
}

static const trl_component faulty = {.struct_size = sizeof(faulty),
                                     .thread_model = TRL_LOOP,
                                     .iface = TRL_KIND_POLICY,
                                     .name = "policy-faulty",
                                     .summary = "has a fault",
                                     .create = create,
                                     .destroy = destroy,
                                     .get_interface = get_interface};
TRL_PLUGIN("test.policy-faulty", "1.0", 2, &faulty);
