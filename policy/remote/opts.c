/* SPDX-License-Identifier: Apache-2.0 */
#include "opts.h"

#include <ctype.h>
#include <jansson.h>

#include "../../plugins/common/xmem.h"

static const char *const point_names[] = {"put", "deploy", "place", "command", "host"};
#define N_POINTS (sizeof(point_names) / sizeof(point_names[0]))

/* As hosts check theirs: a topic is tokens of letters, digits, '_' and '-'. */
static trl_status check_topic(const char *key, const char *topic, trl_err *err) {
    int in_token = 0;
    for (const char *p = topic; p && *p; p++) {
        int ok = isalnum((unsigned char)*p) || *p == '_' || *p == '-';
        if (!ok && !(*p == '.' && in_token && p[1])) {
            return trl_errf(err, TRL_E_INVALID,
                            "%s: expected tokens of letters, digits, '_' and '-' joined by '.', "
                            "like wasmcloud.policy",
                            key);
        }
        in_token = ok;
    }
    return TRL_OK;
}

static char *take_str(const json_t *j, const char *key) {
    const char *s = json_string_value(json_object_get(j, key));
    return s ? x_checked(strdup(s)) : NULL;
}

static int64_t take_int(const json_t *j, const char *key, int64_t dflt) {
    const json_t *v = json_object_get(j, key);
    return json_is_integer(v) ? json_integer_value(v) : dflt;
}

static uint32_t take_points(const json_t *list) {
    uint32_t points = 0;
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v) {
        for (uint32_t p = 0; p < N_POINTS; p++) {
            if (json_is_string(v) && strcmp(json_string_value(v), point_names[p]) == 0) {
                points |= 1u << p;
            }
        }
    }
    return points ? points : (1u << N_POINTS) - 1; /* the protocol knows nothing of secrets */
}

trl_status opts_parse(trl_str config, struct opts *o, trl_err *err) {
    json_t *j = json_loadb(config.ptr, config.len, 0, NULL);
    trl_status st;
    memset(o, 0, sizeof(*o));
    if (!json_is_object(j)) {
        json_decref(j);
        return trl_errf(err, TRL_E_INVALID, "the configuration is no JSON object");
    }
    o->topic = take_str(j, "topic");
    o->changes_topic = take_str(j, "changes_topic");
    o->points = take_points(json_object_get(j, "points"));
    o->timeout_ms = take_int(j, "request_timeout_ms", 60000);
    o->max_requests = (uint32_t)take_int(j, "max_requests", 64);
    o->ttl_ms = (uint32_t)take_int(j, "ttl_ms", 60000);
    json_decref(j);
    st = o->topic ? check_topic("topic", o->topic, err)
                  : trl_errf(err, TRL_E_INVALID, "topic: is missing");
    if (st == TRL_OK) {
        st = check_topic("changes_topic", o->changes_topic, err);
    }
    if (st == TRL_OK && o->changes_topic && strcmp(o->topic, o->changes_topic) == 0) {
        st = trl_errf(err, TRL_E_INVALID, "changes_topic: the same as topic; they have to differ");
    }
    if (st != TRL_OK) {
        opts_finish(o);
    }
    return st;
}

void opts_finish(struct opts *o) {
    free(o->topic);
    free(o->changes_topic);
    memset(o, 0, sizeof(*o));
}
