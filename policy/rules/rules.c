/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/1 "rules": rules from a file or from the instance's own config. Everything on the loop;
 * looking at the file (source.c) and deciding about much (decide.c) is done on the worker pool.
 */
#include <jansson.h>
#include <trellis/helper.h>

#include "../../plugins/common/xmem.h"
#include "decide.h"
#include "schema.h"
#include "source.h"

struct watcher {
    struct watcher *next;
    trl_op *op;
    bool owes; /* a change could not be told yet */
};

struct trl_inst {
    const trl_host *host;
    char *path; /* owned; NULL: rules of the config */
    struct source *source;
    struct ruleset *rules; /* NULL before start is over */
    uint64_t revision;
    char *fault; /* owned; of the file as it is now, NULL when it is the one in force */
    trl_op *starting;
    struct decider decider;
    struct watcher *watchers;
};

static void decide(trl_inst *in, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                   uint32_t stride) {
    if (point >= TRL_POINTS) {
        trl_op_fail(in->host, op, TRL_E_UNSUPP, "a point that these rules do not know");
        return;
    }
    decider_decide(&in->decider, in->rules, op, point, subjects, n, stride);
}

static uint32_t points(trl_inst *in) {
    return in->rules ? in->rules->points : 0;
}

/* Which host a command goes to matters only to rules that name it or its labels, what a deploy
 * would do to those about actions; nothing here reads a manifest. */
static uint32_t looks_at(trl_inst *in, uint32_t point) {
    const struct ruleset *rs = in->rules;
    return (!rs || rs->hosts_at & AT(point) ? TRL_LOOKS_HOST : 0) |
           (!rs || rs->labels_at & AT(point) ? TRL_LOOKS_LABELS : 0) |
           (!rs || rs->plans_at & AT(point) ? TRL_LOOKS_PLAN : 0);
}

/* Watching */

static void tell_change(trl_inst *in, struct watcher *w) {
    char text[128];
    int n = snprintf(text, sizeof(text), "%u rules, revision %llu", in->rules->n,
                     (unsigned long long)in->revision);
    trl_bytes item = {text, (size_t)n};
    w->owes = in->host->op_emit(w->op, item) == TRL_E_BUSY;
}

static void watch(trl_inst *in, trl_op *op) {
    struct watcher *w = x_zalloc(sizeof(*w));
    w->op = op;
    w->next = in->watchers;
    in->watchers = w;
}

/* Ends a watch or a call that is still here. */
static void end(trl_inst *in, trl_op *op, trl_status st, const char *text) {
    for (struct watcher **w = &in->watchers; *w; w = &(*w)->next) {
        if ((*w)->op == op) {
            struct watcher *gone = *w;
            *w = gone->next;
            free(gone);
            trl_op_fail(in->host, op, st, text);
            return;
        }
    }
    decider_end(&in->decider, op, st, text);
}

static void cancel(trl_inst *in, trl_op *op) {
    end(in, op, TRL_E_CANCELLED, "cancelled");
}

static void resume(trl_inst *in, trl_op *op) {
    for (struct watcher *w = in->watchers; w; w = w->next) {
        if (w->op == op && w->owes) {
            tell_change(in, w);
        }
    }
    decider_resume(&in->decider, op);
}

/* Information */

static void info_rule(const struct rule *r, struct text *t) {
    static const char *const verdicts[] = {"abstain", "allow", "warn", "deny"};
    static const char *const names[] = {"put", "deploy", "place", "command", "host", "secret"};
    bool first = true;
    text_c(t, "{\"name\":");
    text_json(t, trl_cstr(r->name));
    text_f(t, ",\"line\":%u,\"verdict\":\"%s\",\"points\":[", r->line, verdicts[r->verdict]);
    for (uint32_t p = 0; p < TRL_POINTS; p++) {
        if (r->points & AT(p)) {
            text_f(t, "%s\"%s\"", first ? "" : ",", names[p]);
            first = false;
        }
    }
    text_f(t, "],\"spoke\":%llu}", (unsigned long long)__atomic_load_n(&r->hits, __ATOMIC_RELAXED));
}

static void info(trl_inst *in, trl_op *op) {
    struct text t = {0};
    text_f(&t, "{\"revision\":%llu,\"decided\":%llu,\"file\":", (unsigned long long)in->revision,
           (unsigned long long)in->decider.decided);
    text_json(&t, trl_cstr(in->path ? in->path : ""));
    text_c(&t, ",\"fault\":");
    text_json(&t, trl_cstr(in->fault ? in->fault : ""));
    text_c(&t, ",\"rules\":[");
    for (uint32_t i = 0; i < in->rules->n; i++) {
        text_c(&t, i ? "," : "");
        info_rule(&in->rules->rules[i], &t);
    }
    text_c(&t, "]}");
    in->host->op_done(op, TRL_OK, (trl_bytes){t.at, t.len}, NULL);
    text_finish(&t);
}

/* Life */

static void on_rules(void *arg, struct ruleset *rs) {
    trl_inst *in = arg;
    rules_free(in->rules);
    in->rules = rs;
    in->revision++;
    free(in->fault);
    in->fault = NULL;
    trl_logf(in->host, TRL_LOG_INFO, "policy rules: %u rules of %s, revision %llu", rs->n, in->path,
             (unsigned long long)in->revision);
    if (in->starting) {
        trl_op *op = in->starting;
        in->starting = NULL;
        trl_op_ok(in->host, op);
    }
    for (struct watcher *w = in->watchers; w; w = w->next) {
        tell_change(in, w);
    }
}

static void on_bad(void *arg, const char *what) {
    trl_inst *in = arg;
    if (in->starting) {
        trl_op *op = in->starting;
        in->starting = NULL;
        source_stop(in->source);
        trl_op_fail(in->host, op, TRL_E_INVALID, what);
        return;
    }
    free(in->fault);
    in->fault = x_alloc(strlen(what) + 1);
    memcpy(in->fault, what, strlen(what) + 1);
    trl_logf(in->host, TRL_LOG_WARN, "policy rules: %s: the rules read before stay in force", what);
}

/* The rules that stand in the config itself. */
static struct ruleset *own_rules(json_t *config, struct text *err) {
    json_t *only = json_object();
    static const char *const members[] = {"rules", "default", "default_points"};
    for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++) {
        json_t *m = json_object_get(config, members[i]);
        if (m) {
            json_object_set(only, members[i], m);
        }
    }
    char *text = json_dumps(only, JSON_COMPACT);
    struct tree_node *tree = tree_read_json(trl_cstr(text), err);
    free(text);
    json_decref(only);
    return tree ? rules_compile(tree, "config", err) : NULL;
}

/* Fills either *path (borrowed from config) or *rules (owned). */
static trl_status read_config(json_t *config, const char **path, struct ruleset **rules,
                              trl_err *err) {
    struct text why = {0};
    const json_t *list = json_object_get(config, "rules");
    *path = json_string_value(json_object_get(config, "file"));
    *rules = NULL;
    if (!*path == !list) {
        return trl_errf(err, TRL_E_INVALID, "either file or rules must be there");
    }
    if (*path && json_object_get(config, "default")) {
        return trl_errf(err, TRL_E_INVALID, "/default with file it stands in the file");
    }
    if (*path) {
        return TRL_OK;
    }
    *rules = own_rules(config, &why);
    trl_status st = *rules ? TRL_OK : trl_errf(err, TRL_E_INVALID, "%s", why.at);
    text_finish(&why);
    return st;
}

static trl_status with_config(trl_str config, trl_err *err,
                              trl_status (*fn)(json_t *config, void *arg, trl_err *err),
                              void *arg) {
    json_t *j = json_loadb(config.ptr, config.len, 0, NULL);
    trl_status st = j ? fn(j, arg, err) : trl_errf(err, TRL_E_INVALID, "no JSON");
    json_decref(j);
    return st;
}

static trl_status check_config(json_t *config, void *arg, trl_err *err) {
    const char *path;
    struct ruleset *rules;
    (void)arg;
    trl_status st = read_config(config, &path, &rules, err);
    rules_free(rules);
    return st;
}

static trl_status check(trl_str config, trl_err *err) {
    return with_config(config, err, check_config, NULL);
}

static trl_status take_config(json_t *config, void *arg, trl_err *err) {
    trl_inst *in = arg;
    const char *path;
    trl_status st = read_config(config, &path, &in->rules, err);
    if (st == TRL_OK && path) {
        json_int_t poll_ms = json_integer_value(json_object_get(config, "poll_ms"));
        in->path = x_alloc(strlen(path) + 1);
        memcpy(in->path, path, strlen(path) + 1);
        in->source = source_create(in->host, in->path, poll_ms > 0 ? (uint32_t)poll_ms : 1000,
                                   on_rules, on_bad, in);
    }
    in->revision = in->rules ? 1 : 0;
    return st;
}

static void destroy(trl_inst *in) {
    source_destroy(in->source);
    rules_free(in->rules);
    decider_finish(&in->decider);
    free(in->fault);
    free(in->path);
    free(in);
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *in = x_zalloc(sizeof(*in));
    in->host = h;
    decider_init(&in->decider, h);
    trl_status st = with_config(config, err, take_config, in);
    if (st != TRL_OK) {
        destroy(in);
        return st;
    }
    *out = in;
    return TRL_OK;
}

static void start(trl_inst *in, trl_op *op) {
    if (!in->source) {
        trl_op_ok(in->host, op);
        return;
    }
    in->starting = op;
    source_start(in->source);
}

static void stop(trl_inst *in, trl_op *op) {
    if (in->source) {
        source_stop(in->source);
    }
    if (in->starting) {
        trl_op_fail(in->host, in->starting, TRL_E_CANCELLED, "stopped");
        in->starting = NULL;
    }
    while (in->watchers) {
        end(in, in->watchers->op, TRL_E_CLOSED, "stopped");
    }
    while (decider_end(&in->decider, NULL, TRL_E_CLOSED, "stopped")) {
    }
    trl_op_ok(in->host, op);
}

static const trl_policy_v1 table = {
    .struct_size = sizeof(table),
    .points = points,
    .looks_at = looks_at,
    .decide = decide,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .info = info,
};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_POLICY) == 0 ? &table : NULL;
}

static const char *const needs[] = {TRL_HOST_LOOP_V1, TRL_HOST_WORK_V1, NULL};
static const char *const rights[] = {"fs:read", NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_POLICY,
    .name = "rules",
    .summary = "Rules over images, units, links, secrets, hosts and callers",
    .config_schema = rules_schema,
    .needs = needs,
    .rights = rights,
    .check = check,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.policy-rules", "0.1.0", 2, &component);
