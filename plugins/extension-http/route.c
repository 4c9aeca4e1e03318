/* SPDX-License-Identifier: Apache-2.0 */
#include "route.h"

#include <stdio.h>

#define L "/api/v1/lattices/{lattice}"

static const struct route_param version_param[] = {{"version", 's', "version; absent: the newest"},
                                                   {NULL, 0, NULL}};
static const struct route_param delete_params[] = {
    {"version", 's', "only this version; absent: all of the application"}, {NULL, 0, NULL}};
static const struct route_param plan_params[] = {
    {"version", 's', "version; absent: the newest"},
    {"undeploy", 'b', "what would be done if it were undeployed"},
    {NULL, 0, NULL}};
static const struct route_param event_params[] = {
    {"after", 'u', "only those with a higher seq"},
    {"limit", 'u', "the newest so many, up to 1000; default 100"},
    {NULL, 0, NULL}};
static const struct route_param host_params[] = {{"running", 'b', "with what each host runs"},
                                                 {NULL, 0, NULL}};
static const struct route_param log_params[] = {
    {"lines", 'u', "the newest so many, up to 10,000; default 100"},
    {"since_ms", 'u', "all since this moment, UNIX time in milliseconds"},
    {"cursor", 's', "what came after an earlier answer"},
    {"unit", 's', "only of this unit"},
    {NULL, 0, NULL}};
static const struct route_param trace_params[] = {{"trace", 's', "this one: 32 hex digits"},
                                                  {NULL, 0, NULL}};
static const struct route_param audit_params[] = {
    {"limit", 'u', "the newest so many"},
    {"verdict", 's', "only of this verdict"},
    {"since_ms", 'u', "since this moment, UNIX time in milliseconds"},
    {NULL, 0, NULL}};
static const struct route_param secret_params[] = {{"backend", 's', "as configured"},
                                                   {"key", 's', "what it is called there"},
                                                   {"field", 's', "a member of it"},
                                                   {"version", 's', "absent: the newest"},
                                                   {NULL, 0, NULL}};
static const struct route_param stream_params[] = {
    {"lattice", 's', "only of this lattice"},
    {"app", 's', "only of this application"},
    {"kind", 's', "only of these kinds, joined by commas"},
    {NULL, 0, NULL}};

const struct route routes[] = {
    {"GET", "/api/v1/server", DOES_CALL, "server.info", BODY_NONE, NULL, "The server itself"},
    {"GET", "/api/v1/lattices", DOES_CALL, "lattice.list", BODY_NONE, NULL,
     "Lattices, store and transport"},
    {"GET", L "/apps", DOES_CALL, "app.list", BODY_NONE, NULL, "Applications with their status"},
    {"POST", L "/apps", DOES_CALL, "app.put", BODY_MANIFEST, NULL, "Store a version"},
    {"GET", L "/apps/{name}", DOES_CALL, "app.get", BODY_NONE, version_param,
     "The manifest of a version"},
    {"PUT", L "/apps/{name}", DOES_CALL, "app.apply", BODY_MANIFEST, NULL,
     "Store what differs, and deploy it"},
    {"DELETE", L "/apps/{name}", DOES_CALL, "app.delete", BODY_NONE, delete_params,
     "Delete the application or one version"},
    {"GET", L "/apps/{name}/versions", DOES_CALL, "app.versions", BODY_NONE, NULL,
     "Versions, oldest first"},
    {"GET", L "/apps/{name}/history", DOES_CALL, "app.history", BODY_NONE, NULL,
     "Versions, oldest first"},
    {"GET", L "/apps/{name}/status", DOES_CALL, "app.status", BODY_NONE, NULL,
     "Status with every scaler"},
    {"GET", L "/apps/{name}/plan", DOES_CALL, "app.plan", BODY_NONE, plan_params,
     "What deploying a stored version would do"},
    {"GET", L "/apps/{name}/events", DOES_CALL, "events.list", BODY_NONE, event_params,
     "Events and commands of the application, oldest first"},
    {"GET", L "/apps/{name}/trace", DOES_CALL, "trace.get", BODY_NONE, trace_params,
     "What the last deployment did, as spans; or another trace"},
    {"GET", L "/apps/{name}/logs", DOES_CALL, "app.logs", BODY_NONE, log_params,
     "What its instances print, oldest first; where the driver keeps logs"},
    {"GET", L "/apps/{name}/top", DOES_CALL, "app.top", BODY_NONE, NULL,
     "What its instances use; where the driver knows"},
    {"GET", L "/top", DOES_CALL, "app.top", BODY_NONE, NULL, "What all instances use"},
    {"POST", L "/apps/{name}/deploy", DOES_CALL, "app.deploy", BODY_JSON, NULL,
     "Deploy a stored version"},
    {"POST", L "/apps/{name}/undeploy", DOES_CALL, "app.undeploy", BODY_JSON, NULL,
     "Take the application down"},
    {"POST", L "/apps/{name}/rollback", DOES_CALL, "app.rollback", BODY_JSON, NULL,
     "Deploy what was deployed before"},
    {"POST", L "/validate", DOES_CALL, "app.validate", BODY_MANIFEST, NULL,
     "Every fault of a manifest"},
    {"POST", L "/plan", DOES_CALL, "app.plan", BODY_MANIFEST, NULL,
     "What applying a manifest would do"},
    {"POST", L "/apply", DOES_CALL, "app.apply", BODY_MANIFEST, NULL,
     "Store what differs, and deploy it"},
    {"GET", L "/hosts", DOES_CALL, "host.list", BODY_NONE, host_params, "Hosts"},
    {"GET", L "/hosts/{name}", DOES_CALL, "host.inspect", BODY_NONE, NULL,
     "One host with what it runs"},
    {"GET", L "/events", DOES_CALL, "events.list", BODY_NONE, event_params,
     "Events and commands, oldest first; lattice _: of all lattices"},
    {"GET", L "/policy", DOES_CALL, "policy.list", BODY_NONE, NULL, "Policy chains and backends"},
    {"GET", L "/policy/log", DOES_CALL, "policy.log", BODY_NONE, audit_params,
     "Verdicts, newest last"},
    {"GET", L "/policy/log/{name}", DOES_CALL, "policy.log", BODY_NONE, audit_params,
     "Verdicts about one application"},
    {"GET", L "/secrets", DOES_CALL, "secret.backends", BODY_NONE, NULL, "Secrets backends"},
    {"GET", L "/secrets/check", DOES_CALL, "secret.check", BODY_NONE, secret_params,
     "Is a secret there and readable? Never its value"},
    {"POST", L "/call/{operation}", DOES_ANY, NULL, BODY_JSON, NULL,
     "Any operation by name, also those of wadm's API"},
    {"POST", L "/call/{operation}/{name}", DOES_ANY, NULL, BODY_JSON, NULL,
     "Any operation that takes a name"},
    {"GET", "/api/v1/stream", DOES_STREAM, NULL, BODY_NONE, stream_params,
     "Events, status changes and commands as they happen; Last-Event-ID resumes"},
    {"POST", "/api/v1/login", DOES_LOGIN, NULL, BODY_JSON, NULL,
     "Trade the token of the one-time URL for a session's"},
    {"POST", "/api/v1/logout", DOES_LOGOUT, NULL, BODY_JSON, NULL, "End the session"},
    {"GET", "/api/v1/session", DOES_SESSION, NULL, BODY_NONE, NULL, "Who the token belongs to"},
    {"GET", "/api/openapi.json", DOES_OPENAPI, NULL, BODY_NONE, NULL, "This document"},
    {"GET", "/metrics", DOES_METRICS, NULL, BODY_NONE, NULL, "Metrics as Prometheus text"},
    {"GET", "/livez", DOES_LIVE, NULL, BODY_NONE, NULL, "Is the process alive?"},
    {"GET", "/readyz", DOES_READY, NULL, BODY_NONE, NULL, "Can it serve?"},
    {NULL, NULL, DOES_CALL, NULL, BODY_NONE, NULL, NULL},
};

static char *place(struct route_parts *parts, const char *name, size_t n) {
    return n == 9 && memcmp(name, "{lattice}", n) == 0 ? parts->lattice
           : n == 6 && memcmp(name, "{name}", n) == 0  ? parts->name
                                                       : parts->operation;
}

static int matches(const char *pattern, const char *path, struct route_parts *parts) {
    while (*pattern && *path) {
        if (*pattern != '{') {
            if (*pattern++ != *path++) {
                return 0;
            }
            continue;
        }
        size_t p = strcspn(pattern, "/"), n = strcspn(path, "/");
        if (n == 0 || n >= ROUTE_PART_MAX) {
            return 0;
        }
        char *to = place(parts, pattern, p);
        memcpy(to, path, n);
        to[n] = '\0';
        pattern += p;
        path += n;
    }
    return *pattern == '\0' && *path == '\0';
}

const struct route *route_find(const char *method, const char *path, struct route_parts *parts,
                               char allow[64]) {
    if (strcmp(method, "HEAD") == 0) {
        method = "GET";
    }
    allow[0] = '\0';
    for (const struct route *r = routes; r->method; r++) {
        memset(parts, 0, sizeof(*parts));
        if (!matches(r->path, path, parts)) {
            continue;
        }
        if (strcmp(r->method, method) == 0) {
            return r;
        }
        size_t n = strlen(allow);
        snprintf(allow + n, 64 - n, "%s%s", n ? ", " : "", r->method);
    }
    return NULL;
}

enum role route_role(const char *operation, int changes) {
    if (!changes) {
        return ROLE_READ;
    }
    if (strcmp(operation, "app.delete") == 0 || strcmp(operation, "model.del") == 0) {
        return ROLE_ADMIN;
    }
    return strncmp(operation, "app.", 4) == 0 || strncmp(operation, "model.", 6) == 0 ? ROLE_OPERATE
                                                                                      : ROLE_ADMIN;
}
