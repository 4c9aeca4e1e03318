/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this room share. A request is a `struct req` from its subject to its one reply;
 * requests of one app pass one after another through that app's lane.
 */
#ifndef TRELLIS_API_PRIV_H
#define TRELLIS_API_PRIV_H

#include "api/announce.h"
#include "api/api.h"
#include "api/envelope.h"
#include "api/journal.h"
#include "api/subject.h"
#include "base/map.h"
#include "base/mem.h"
#include "catalog/key.h"
#include "codec/json.h"
#include "plug/loop.h"

struct lane;
struct operation;
struct req;

struct api {
    struct api_env env;
    str prefix;
    size_t max_payload;
    struct announce *announce;
    struct journal *journal;
    struct rejudge *rejudge;
    struct rotation *rotation;
    struct map lanes; /* "tenant.lattice.app" -> struct lane */
    struct req *reqs; /* all that are not answered yet */
    struct bus_sub *subs[2];
    int64_t started_ns;
};

enum op_code {
    OP_OK,
    OP_UNCHANGED,
    OP_NOT_FOUND,
    OP_NO_VERSION,
    OP_EXISTS,
    OP_REFUSED,
    OP_DENIED, /* by policy */
    OP_STORAGE
};

/* How a change of the model went; borrowed for the call. */
struct op_result {
    enum op_code code;
    str text;                        /* REFUSED, STORAGE, EXISTS: for people */
    const struct catalog_result *cr; /* NULL unless the catalog was asked */
    str note;                        /* put: what else should be said, may be empty */
};

struct req {
    struct api *api;
    struct req *prev, *next;
    struct arena arena;
    struct subject s;                /* its parts live in the arena */
    str subject, body, content_type; /* content_type: ptr NULL when absent */
    struct lane *lane;
    struct req *lane_next;
    void (*lane_fn)(struct req *r);
    void (*reply)(void *arg, str json);
    void *arg;
    char *reply_to;     /* owned; the bus subject of the asker */
    struct manifest *m; /* owned; put, apply, validate, plan */
    struct findings findings;
    str name, version; /* the app; version: ptr NULL when not given */
    void (*then)(struct req *r, const struct op_result *o);
    void (*again)(struct req *r); /* after a look at the store */
    bool looked;
    str note;
    str caller;             /* JSON of who asks, as far as the door knows; or empty */
    struct trace_ctx ctx;   /* of the asker, of span once that is open; or none */
    struct span span, step; /* of the operation, if it changes something; of what it waits for */
    const struct operation *operation; /* of the span */
    str failure;                       /* what the refusal says */
    uint32_t point;                    /* of ask */
    struct policy_ask *ask;            /* under way, else NULL; then judged() */
    void (*judged)(struct req *r, const struct ruling *ruling);
    trl_op *op;                    /* at the driver, else NULL */
    struct secrets_asked *secrets; /* under way, else NULL; then checked() */
    void (*checked)(struct req *r, str refusal);
    str *secret_names;
    const struct node **secret_places; /* in the manifest of the request; NULL: it sent none */
    uint32_t n_secrets;
    struct secret_pin *pins; /* what the check found */
    uint32_t n_pins;
    bool keep_pins;   /* a rollback: secrets as they were */
    str deploying;    /* version under way */
    bool if_changed;  /* put */
    str plan_json;    /* plan: finished but for its verdicts */
    uint32_t waiting; /* info calls under way */
    size_t max_reply; /* 0: as large as a message */
    str store_info, bus_info;
};

/* request.c */
struct req *req_create(struct api *a, str subject, const trl_label *headers, uint32_t n_headers,
                       str body);
void req_run(struct req *r);                      /* finds the operation */
void req_dispatch(struct req *r);                 /* ... by r->s, which is sound */
void req_reply(struct req *r, str json);          /* the end of r */
void req_reply_buf(struct req *r, struct buf *b); /* ... b is finished too */
void req_destroy(struct req *r);
/* fn runs when the app's earlier requests are answered: at once if there are none. */
void req_enter(struct req *r, str app, void (*fn)(struct req *r));

/* Memory lacks something of r->name that another instance may have written a moment ago: reads the
 * store, then runs again(). False: that was done, or makes no sense; it is not there. */
bool req_look(struct req *r, void (*again)(struct req *r));

/* Replies in the door's own form. */
__attribute__((format(printf, 3, 4))) void req_fail(struct req *r, const char *code,
                                                    const char *fmt, ...);
void req_ok(struct req *r, struct buf *data); /* trellis.api; data is finished */
/* A body that is an object, or empty (NULL); false: neither, *err says why. */
bool req_read_object(struct req *r, struct node **ret, struct err *err);
/* The {"version": ...} of a body; false: not readable, *err says why. */
bool req_read_version(struct req *r, struct err *err);
struct engine *req_engine(struct req *r, bool wanted); /* wanted: made when unknown */

/* traced.c */
str req_trace_id(struct req *r); /* 32 digits; one of its own when the asker gave none */
void req_trace_begin(struct req *r, const struct operation *o);
void req_trace_end(struct req *r, str json); /* json: the reply */
/* One step at a time, of a request that has a span. fault: empty: it went well. more: up to 4. */
void step_begin(struct req *r);
void step_end(struct req *r, const char *name, str fault);
void step_end_with(struct req *r, const char *name, str fault, const trl_label *more, uint32_t n);

/* operations.c: changes of the model, whichever door they came through. r->name, r->version and
 * r->m are set; then() runs once, perhaps before the call returns. */
void op_put(struct req *r, bool if_changed, void (*then)(struct req *, const struct op_result *));
void op_deploy(struct req *r, void (*then)(struct req *, const struct op_result *));
void op_undeploy(struct req *r, void (*then)(struct req *, const struct op_result *));
void op_delete(struct req *r, void (*then)(struct req *, const struct op_result *));
/* The version that r->version means: none or "latest" is the newest. NULL: there is none. */
const struct version *op_resolve(const struct req *r, const struct app *a);
/* Decodes and checks r->body into r->m; findings are kept. wadm's words in *ret when refused. */
bool op_admit(struct req *r, str *ret_refusal);

/* A row of the table of operations. */
enum op_name { NAME_NONE, NAME_MUST, NAME_MAY };
struct operation {
    const char *category, *operation;
    enum op_name name;
    bool changes; /* refused when read-only */
    bool lane;    /* enters the lane of the name in the subject */
    void (*run)(struct req *r);
};
extern const struct operation wadm_operations[];    /* ends with category NULL */
extern const struct operation trellis_operations[]; /* same */

str plan_verb(uint32_t verb); /* "provider_start"; static */

/* One per operation: model_*.c (wadm.api), trellis_*.c (trellis.api). */
void model_put(struct req *r);
void model_get(struct req *r);
void model_get_list(struct req *r);
void model_list(struct req *r);
void model_versions(struct req *r);
void model_delete(struct req *r);
void model_deploy(struct req *r);
void model_undeploy(struct req *r);
void model_status(struct req *r);
void model_history(struct req *r);
void trellis_app_put(struct req *r);
void trellis_app_apply(struct req *r);
void trellis_app_validate(struct req *r);
void trellis_app_get(struct req *r);
void trellis_app_list(struct req *r);
void trellis_app_versions(struct req *r);
void trellis_app_deploy(struct req *r);
void trellis_app_undeploy(struct req *r);
void trellis_app_rollback(struct req *r);
void trellis_app_delete(struct req *r);
void trellis_app_status(struct req *r);
void trellis_app_plan(struct req *r);
void trellis_app_logs(struct req *r);
void trellis_app_top(struct req *r);
void trellis_host_list(struct req *r);
void trellis_host_inspect(struct req *r);
void trellis_lattice_list(struct req *r);
void trellis_server_info(struct req *r);
void trellis_events_list(struct req *r);
void trellis_policy_list(struct req *r);
void trellis_policy_log(struct req *r);
void trellis_secret_backends(struct req *r);
void trellis_secret_check(struct req *r);
void trellis_trace_get(struct req *r);

#endif
