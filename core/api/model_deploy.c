/* SPDX-License-Identifier: Apache-2.0
 *
 * deploy, undeploy, del of wadm's API.
 */
#include "api/api_priv.h"

__attribute__((format(printf, 4, 5))) static void reply(struct req *r, const char *result,
                                                        str version, const char *fmt, ...) {
    struct buf out = BUF_INIT, text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&text, fmt, ap);
    va_end(ap);
    envelope_deploy(&out, result, buf_str(&text), r->name, version);
    buf_finish(&text);
    req_reply_buf(r, &out);
}

static void on_deployed(struct req *r, const struct op_result *o) {
    switch (o->code) {
    case OP_OK:
        reply(r, "acknowledged", o->cr->version, "Successfully deployed application %.*s %.*s",
              PSTR(r->name), PSTR(o->cr->version));
        break;
    case OP_NOT_FOUND:
        reply(r, "notfound", r->version, "Application with the name %.*s not found", PSTR(r->name));
        break;
    case OP_NO_VERSION:
        reply(r, "error", r->version,
              "Application with the name '%.*s' does not have a version '%.*s' to deploy",
              PSTR(r->name), PSTR(r->version));
        break;
    case OP_STORAGE:
        reply(r, "error", r->version, ENVELOPE_STORAGE "%s%.*s", o->text.len ? ": " : "",
              PSTR(o->text));
        break;
    default:
        req_fail(r, "REFUSED", "%.*s", PSTR(o->text));
        break;
    }
}

void model_deploy(struct req *r) {
    struct err err = ERR_INIT;
    if (req_read_version(r, &err)) {
        op_deploy(r, on_deployed);
    } else {
        req_fail(r, "INVALID", "Unable to parse deploy application request: %s", err.msg);
    }
}

static void on_undeployed(struct req *r, const struct op_result *o) {
    switch (o->code) {
    case OP_OK:
        reply(r, "acknowledged", STR_NONE,
              o->cr->was_deployed ? "Successfully undeployed application %.*s"
                                  : "Application %.*s was already undeployed",
              PSTR(r->name));
        break;
    case OP_NOT_FOUND:
    case OP_REFUSED: /* a name that cannot be stored */
        reply(r, "notfound", STR_NONE, "Application with the name %.*s not found", PSTR(r->name));
        break;
    default:
        reply(r, "error", STR_NONE, ENVELOPE_STORAGE "%s%.*s", o->text.len ? ": " : "",
              PSTR(o->text));
        break;
    }
}

void model_undeploy(struct req *r) {
    struct node *root = NULL;
    struct err err = ERR_INIT;
    if (req_read_object(r, &root, &err)) { /* nothing in it counts */
        op_undeploy(r, on_undeployed);
    } else {
        req_fail(r, "INVALID", "Unable to parse undeploy application request: %s", err.msg);
    }
}

__attribute__((format(printf, 4, 5))) static void
reply_delete(struct req *r, const char *result, bool undeploy, const char *fmt, ...) {
    struct buf out = BUF_INIT, text = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&text, fmt, ap);
    va_end(ap);
    envelope_delete(&out, result, buf_str(&text), undeploy);
    buf_finish(&text);
    req_reply_buf(r, &out);
}

static void on_deleted(struct req *r, const struct op_result *o) {
    const char *colon = o->text.len ? ": " : "";
    switch (o->code) {
    case OP_OK:
        if (!r->version.ptr) {
            reply_delete(r, "deleted", true, "Successfully deleted application %.*s",
                         PSTR(r->name));
        } else if (o->cr->last) {
            reply_delete(r, "deleted", true,
                         "Successfully deleted last version of application %.*s", PSTR(r->name));
        } else {
            reply_delete(r, "deleted", o->cr->was_deployed,
                         "Successfully deleted version %.*s of application %.*s", PSTR(r->version),
                         PSTR(r->name));
        }
        break;
    case OP_NOT_FOUND:
    case OP_REFUSED: /* a name that cannot be stored */
        reply_delete(r, "noop", false, "Application %.*s doesn't exist or was already deleted",
                     PSTR(r->name));
        break;
    case OP_NO_VERSION:
        reply_delete(r, "noop", false, "Application version %.*s doesn't exist", PSTR(r->version));
        break;
    default:
        if (r->version.ptr) {
            reply_delete(r, "error", false,
                         "Internal storage error when deleting %.*s of application %.*s%s%.*s",
                         PSTR(r->version), PSTR(r->name), colon, PSTR(o->text));
        } else {
            reply_delete(r, "error", false,
                         "Internal storage error when deleting application %.*s%s%.*s",
                         PSTR(r->name), colon, PSTR(o->text));
        }
        break;
    }
}

void model_delete(struct req *r) {
    struct err err = ERR_INIT;
    if (req_read_version(r, &err)) {
        op_delete(r, on_deleted);
    } else {
        req_fail(r, "INVALID", "Unable to parse delete application request: %s", err.msg);
    }
}
