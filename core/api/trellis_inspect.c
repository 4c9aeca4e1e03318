/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis.api: what the driver knows of running instances beyond its reports: their logs and the
 * resources they use. The driver's answer is the data.
 */
#include "api/api_priv.h"
#include "plug/op.h"

#define ANSWER_NS (5ll * 1000000000ll)
#define LINES_MAX 10000u

static void on_told(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct req *r = arg;
    struct buf data = BUF_INIT;
    r->op = NULL;
    if (st != TRL_OK) {
        req_fail(r, "UNAVAILABLE", "%.*s", err ? (int)err->msg_len : 0, err ? err->msg : "");
        return;
    }
    buf_add(&data, result.ptr, result.len);
    req_ok(r, &data);
}

/* NULL: answered. */
static const trl_driver_v1 *driver_of(struct req *r, struct engine **ret) {
    *ret = req_engine(r, false);
    if (r->s.name.len &&
        !catalog_find(r->api->env.catalog, r->s.account, r->s.lattice, r->s.name)) {
        req_fail(r, "NOT_FOUND", "Application with the name %.*s not found", PSTR(r->s.name));
        return NULL;
    }
    if (!*ret) {
        req_fail(r, "NO_LATTICE", "Nothing is known of lattice %.*s", PSTR(r->s.lattice));
        return NULL;
    }
    return plug_inst_table(engine_driver(*ret));
}

void trellis_app_logs(struct req *r) {
    struct op_handler h = {.on_done = on_told, .arg = r};
    struct err err = ERR_INIT;
    struct node *body = NULL;
    struct engine *e;
    const trl_driver_v1 *driver;
    if (r->body.len && json_parse(r->body, &r->arena, &body, &err) < 0) {
        req_fail(r, "INVALID", "Unable to parse the request: %s", err.msg);
        return;
    }
    driver = driver_of(r, &e);
    if (!driver) {
        return;
    }
    if (!driver->logs) {
        req_fail(r, "UNAVAILABLE", "The hosts of lattice %.*s keep no logs that can be read here",
                 PSTR(r->s.lattice));
        return;
    }
    uint64_t lines = node_u64_or(body, "lines", 0);
    trl_log_query q = {.struct_size = sizeof(q),
                       .lattice = engine_id(e),
                       .app = r->s.name,
                       .unit_id = node_text(body, "unit", STR("")),
                       .cursor = node_text(body, "cursor", STR("")),
                       .since_ms = (int64_t)node_u64_or(body, "since_ms", 0),
                       .max_lines = (uint32_t)(lines > LINES_MAX ? LINES_MAX : lines)};
    r->op = op_begin(engine_driver(e), ANSWER_NS, &h);
    driver->logs(plug_inst_raw(engine_driver(e)), r->op, &q);
}

void trellis_app_top(struct req *r) {
    struct op_handler h = {.on_done = on_told, .arg = r};
    struct engine *e;
    const trl_driver_v1 *driver = driver_of(r, &e);
    if (!driver) {
        return;
    }
    if (!driver->usage) {
        req_fail(r, "UNAVAILABLE", "The hosts of lattice %.*s do not tell what instances use",
                 PSTR(r->s.lattice));
        return;
    }
    r->op = op_begin(engine_driver(e), ANSWER_NS, &h);
    driver->usage(plug_inst_raw(engine_driver(e)), r->op, engine_id(e), r->s.name);
}
