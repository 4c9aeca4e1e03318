/* SPDX-License-Identifier: Apache-2.0 */
#include "answer.h"

#include <jansson.h>

static const char *const rejected_names[N_SIGNALS] = {
    [TRACES] = "rejectedSpans",
    [METRICS] = "rejectedDataPoints",
    [LOGS] = "rejectedLogRecords",
    [EVENTS] = "rejectedLogRecords",
};

/* A 64-bit integer: a string by protobuf's rules, a number where a collector is lax. */
static uint64_t count_of(const json_t *v) {
    const char *s = json_string_value(v);
    char *end = NULL;
    unsigned long long n;
    if (json_is_integer(v)) {
        return json_integer_value(v) > 0 ? (uint64_t)json_integer_value(v) : 0;
    }
    n = s && *s != '-' ? strtoull(s, &end, 10) : 0;
    return end && end != s && *end == '\0' ? n : 0;
}

/* The collector's words, fit for one line. */
static void tame(char *s) {
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f) {
            *s = ' ';
        }
    }
}

static void read_partial(enum signal s, const struct http_answer *a, struct verdict *v) {
    json_t *j = json_loadb(a->body, a->len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *part = json_object_get(j, "partialSuccess");
    const char *message = json_string_value(json_object_get(part, "errorMessage"));
    v->rejected = count_of(json_object_get(part, rejected_names[s]));
    if (v->rejected || (message && *message)) {
        snprintf(v->text, sizeof(v->text), "the collector did not take %llu of them: %.160s",
                 (unsigned long long)v->rejected,
                 message && *message ? message : "it says no more");
        tame(v->text);
    }
    json_decref(j);
}

static const char *remedy(long status) {
    switch (status) {
    case 400:
        return ": it does not understand OTLP in JSON";
    case 401:
    case 403:
        return ": look at headers and token_file";
    case 404:
    case 405:
        return ": is endpoint the address of OTLP/HTTP, and is this signal taken there?";
    case 413:
        return ": it is too much at once, lower batch_max";
    default:
        return status >= 300 && status < 400 ? ": it is elsewhere; write that into endpoint" : "";
    }
}

void answer_judge(const struct conf *c, enum signal s, const struct http_answer *a,
                  struct verdict *v) {
    int ok = a->status >= 200 && a->status < 300;
    memset(v, 0, sizeof(*v));
    v->retry_after_ms = a->retry_after_ms;
    if (ok && a->st == TRL_OK) {
        v->meaning = TAKEN;
        read_partial(s, a, v);
        return;
    }
    if (ok) { /* the head of the answer came, so they are taken */
        v->meaning = TAKEN;
        snprintf(v->text, sizeof(v->text), "%s", a->why);
        return;
    }
    if (a->st != TRL_OK) {
        v->meaning = RETRY;
        v->code = a->st;
        snprintf(v->text, sizeof(v->text), "%s", a->why);
        return;
    }
    v->meaning = a->status == 429 || (a->status >= 502 && a->status <= 504) ? RETRY : REFUSED;
    v->code = (int32_t)a->status;
    snprintf(v->text, sizeof(v->text), "%s%s answers %ld%s", c->endpoint, signal_path(s), a->status,
             remedy(a->status));
}
