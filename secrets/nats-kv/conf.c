/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration of secrets/1 "nats-kv".
 */
#include <string.h>

#include "../../plugins/common/xmem.h"
#include "kv.h"

static const char *str_of(const json_t *config, const char *name) {
    return json_string_value(json_object_get(config, name));
}

static char *copy(const json_t *config, const char *name) {
    const char *s = str_of(config, name);
    return s ? x_checked(strdup(s)) : NULL;
}

/* dots: tokens may be joined by them. */
static int tokens(const char *s, int dots) {
    if (!s) {
        return 1;
    }
    for (const char *p = s; *p; p++) {
        int ok = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9') ||
                 *p == '_' || *p == '-' || (*p == '.' && dots && p > s && p[-1] != '.' && p[1]);
        if (!ok) {
            return 0;
        }
    }
    return 1;
}

static trl_status check_members(const json_t *c, trl_err *err) {
    static const char *const names[] = {"name", "bucket", "js_domain", "topic"};
    for (int i = 0; i < 4; i++) {
        if (!tokens(str_of(c, names[i]), i == 3)) {
            return trl_errf(err, TRL_E_INVALID, "/%s: letters, digits, '-' and '_' only%s",
                            names[i], i == 3 ? ", in parts joined by '.'" : "");
        }
    }
    return TRL_OK;
}

trl_status conf_check(trl_str config, trl_err *err) {
    json_t *c = json_loadb(config.ptr, config.len, 0, NULL);
    trl_status st =
        c ? check_members(c, err) : trl_errf(err, TRL_E_INVALID, "the configuration is not JSON");
    json_decref(c);
    return st;
}

static int64_t int_of(const json_t *c, const char *name) {
    return json_integer_value(json_object_get(c, name));
}

trl_status conf_read(trl_str config, trl_inst *in, trl_err *err) {
    json_t *c = json_loadb(config.ptr, config.len, 0, NULL);
    const char *domain = str_of(c, "js_domain");
    trl_status st = c ? check_members(c, err) : TRL_E_INVALID;
    if (st == TRL_OK) {
        in->name = copy(c, "name");
        in->topic = copy(c, "topic");
        in->bucket = copy(c, "bucket");
        in->state_bucket = text_of("SECRETS_%s_state", in->name);
        in->lock_stream = text_of("SECRETS_%s_state_lock", in->name);
        in->api = domain ? text_of("$JS.%s.API.", domain) : text_of("$JS.API.");
        in->put_prefix = text_of("%s", domain ? in->api : "");
        in->rest_file = copy(c, "encryption_seed_file");
        in->transit_file = copy(c, "transit_seed_file");
        in->history = int_of(c, "history");
        in->replicas = int_of(c, "replicas");
        in->timeout_ns = int_of(c, "timeout_ms") * 1000000;
        in->poll_ns = int_of(c, "poll_ms") * 1000000;
        in->operations = json_is_true(json_object_get(c, "operations"));
        in->create = json_is_true(json_object_get(c, "create"));
    }
    json_decref(c);
    return st;
}
