/* SPDX-License-Identifier: Apache-2.0
 *
 * A policy whose verdicts the subject itself asks for, by a word in it: "deny", "stop", "warn",
 * "abstain", else allow; "odd" and "twice" and "silent" break the rules; "error" fails the call;
 * "moody" fails when Trellis itself asks; "hang" leaves it open until it is cancelled; "brief" and
 * "once" shorten the time to live. A subject with "rotate" in it makes watch() say that rules
 * changed; a place of "held" is open until then, denied under the rules of before, allowed under
 * the new ones. Config: {"points": bits}.
 */
#include <stdlib.h>
#include <trellis/trellis.h>

struct trl_inst {
    const trl_host *h;
    uint32_t points;
    trl_op *watch, *hanging, *held;
    uint32_t n_held;
    int rotated;
};

static int says(trl_str s, const char *word) {
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= s.len; i++) {
        if (memcmp(s.ptr + i, word, n) == 0) {
            return 1;
        }
    }
    return 0;
}

static uint32_t points(trl_inst *in) {
    return in->points;
}

static void rotate(trl_inst *in) {
    char scratch[sizeof(trl_verdict)];
    trl_bytes text = {"new rules", 9};
    trl_op *held = in->held;
    in->rotated = 1;
    in->held = NULL;
    in->h->op_emit(in->watch, text);
    for (uint32_t i = 0; held && i < in->n_held; i++) {
        trl_verdict_emit(in->h, held, scratch, i, TRL_V_DENY, 0, TRL_TTL_RULES, trl_cstr(""));
    }
    if (held) {
        trl_op_ok(in->h, held);
    }
}

static void one(trl_inst *in, trl_op *op, uint32_t i, trl_str s) {
    char scratch[sizeof(trl_verdict) + 200];
    static const char why[] = "[{\"code\":\"c\",\"text\":\"because\\nof it\",\"rule\":\"r1\","
                              "\"path\":\"/spec\",\"remedy\":\"do else\"}]";
    int deny = says(s, "deny") || says(s, "stop"), warn = says(s, "warn");
    int32_t v = deny                 ? TRL_V_DENY
                : warn               ? TRL_V_WARN
                : says(s, "abstain") ? TRL_V_ABSTAIN
                : says(s, "odd")     ? 17
                                     : TRL_V_ALLOW;
    uint32_t ttl = says(s, "once") ? TRL_TTL_NONE : says(s, "brief") ? 5000 : TRL_TTL_RULES;
    trl_str reasons = says(s, "bare")      ? trl_cstr("")
                      : says(s, "garbled") ? trl_cstr("[{")
                      : deny || warn       ? trl_cstr(why)
                                           : trl_cstr("");
    if (!says(s, "silent")) {
        trl_verdict_emit(in->h, op, scratch, i, v, says(s, "stop") ? TRL_VERDICT_STOP : 0, ttl,
                         reasons);
    }
    if (says(s, "twice")) {
        trl_verdict_emit(in->h, op, scratch, i, v, 0, ttl, reasons);
    }
    if (says(s, "rotate") && in->watch) {
        rotate(in);
    }
}

static void tell_trace(trl_inst *in, trl_op *op, uint32_t i, trl_str trace) {
    char why[128], scratch[sizeof(trl_verdict) + sizeof(why)];
    trace = trace.len ? trace : trl_cstr("none");
    snprintf(why, sizeof(why), "[{\"text\":\"in trace %.*s\"}]", (int)trace.len, trace.ptr);
    trl_verdict_emit(in->h, op, scratch, i, TRL_V_DENY, 0, TRL_TTL_RULES, trl_cstr(why));
}

static void decide(trl_inst *in, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                   uint32_t stride) {
    for (uint32_t i = 0; i < n; i++) {
        const trl_subject *s = trl_at(subjects, stride, i);
        if (says(s->json, "error")) {
            trl_op_fail(in->h, op, TRL_E_UNAVAIL, "the judge is asleep");
            return;
        }
        if (says(s->json, "moody") && says(s->json, "\"via\":\"self\"")) {
            trl_op_fail(in->h, op, TRL_E_UNAVAIL, "the judge is in no mood");
            return;
        }
        if (point == TRL_POINT_PLACE && says(s->json, "held") && !in->rotated) {
            in->held = op;
            in->n_held = n;
            return;
        }
        if (says(s->json, "hang")) {
            in->hanging = op;
            return;
        }
        if (says(s->json, "traced")) {
            tell_trace(in, op, i, trl_subject_traceparent(s));
        } else {
            one(in, op, i, s->json);
        }
    }
    trl_op_ok(in->h, op);
}

static void watch(trl_inst *in, trl_op *op) {
    in->watch = op;
}

static void cancel(trl_inst *in, trl_op *op) {
    in->watch = in->watch == op ? NULL : in->watch;
    in->held = in->held == op ? NULL : in->held;
    in->hanging = in->hanging == op ? NULL : in->hanging;
    trl_op_fail(in->h, op, TRL_E_CANCELLED, "cancelled");
}

static void resume(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)err;
    trl_inst *in = calloc(1, sizeof(*in));
    in->h = h;
    in->points = says(config, "\"points\":0") ? 0 : 63;
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
                                    .resume = resume};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_POLICY) == 0 ? &table : NULL;
}

static const trl_component script = {.struct_size = sizeof(script),
                                     .thread_model = TRL_LOOP,
                                     .iface = TRL_KIND_POLICY,
                                     .name = "policy-script",
                                     .summary = "says what it is told",
                                     .create = create,
                                     .destroy = destroy,
                                     .get_interface = get_interface};
TRL_PLUGIN("test.policy-script", "1.0", 2, &script);
