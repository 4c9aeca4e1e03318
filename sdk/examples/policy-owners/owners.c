/* SPDX-License-Identifier: Apache-2.0
 *
 * policy/1 "owners": a manifest may be stored when its annotation `owner` names somebody we know.
 * An example of a policy backend outside Trellis' tree: see README.md.
 */
#include <jansson.h>
#include <stdlib.h>
#include <trellis/trellis.h>

struct trl_inst {
    const trl_host *host;
    json_t *j_owners;  /* array of strings */
    trl_op **watchers; /* watch() calls under way; they end by cancel() or stop() only */
    size_t n_watchers;
};

/* points: where we have something to say. Nobody asks elsewhere. */

static uint32_t points(trl_inst *in) {
    (void)in;
    return 1u << TRL_POINT_PUT;
}

/* decide: one verdict for each subject of the batch. */

static int is_known(const trl_inst *in, const char *owner) {
    size_t i;
    json_t *b_one;
    json_array_foreach(in->j_owners, i, b_one) {
        if (owner && strcmp(owner, json_string_value(b_one)) == 0) {
            return 1;
        }
    }
    return 0;
}

/* Emitting copies, so the memory of the text is ours again afterwards. */
static trl_status say(trl_inst *in, trl_op *op, uint32_t index, const char *owner) {
    char reasons[512];
    char scratch[sizeof(trl_verdict) + sizeof(reasons)];
    if (is_known(in, owner)) { /* ALLOW until watch() says that the rules changed: never */
        return trl_verdict_emit(in->host, op, scratch, index, TRL_V_ALLOW, 0, TRL_TTL_RULES,
                                trl_strn(NULL, 0));
    }
    snprintf(reasons, sizeof(reasons),
             "[{\"code\":\"owner\",\"text\":\"%s\",\"path\":\"/metadata/annotations\","
             "\"remedy\":\"set the annotation `owner` to one of the configured owners\"}]",
             owner ? "the owner is none that we know" : "nobody owns it");
    return trl_verdict_emit(in->host, op, scratch, index, TRL_V_DENY, 0, TRL_TTL_RULES,
                            trl_cstr(reasons));
}

static void decide(trl_inst *in, trl_op *op, uint32_t point, const void *subjects, uint32_t n,
                   uint32_t stride) {
    for (uint32_t i = 0; i < n; i++) {
        const trl_subject *s = trl_at(subjects, stride, i); /* the core's may be longer than ours */
        json_t *j = json_loadb(s->json.len ? s->json.ptr : "", s->json.len, 0, NULL);
        const json_t *b_meta = json_object_get(json_object_get(j, "manifest"), "metadata");
        const char *b_owner =
            json_string_value(json_object_get(json_object_get(b_meta, "annotations"), "owner"));
        trl_status st = TRL_OK;
        if (!json_is_object(j)) { /* an error fails the call: the chain's on_error decides */
            json_decref(j);
            trl_op_fail(in->host, op, TRL_E_INVALID, "the subject is no JSON object");
            return;
        }
        if (point == TRL_POINT_PUT) {
            st = say(in, op, i, b_owner);
        } else {
            char scratch[sizeof(trl_verdict)];
            st = trl_verdict_emit(in->host, op, scratch, i, TRL_V_ABSTAIN, 0, TRL_TTL_RULES,
                                  trl_strn(NULL, 0));
        }
        json_decref(j);
        if (st == TRL_E_CLOSED) { /* cancelled: nobody listens. BUSY cannot be: it is little */
            break;
        }
    }
    trl_op_ok(in->host, op);
}

/* watch: it emits when rules change. Ours do not, so it only waits for its end. (A backend whose
 * rules never change may leave watch out; this one shows how a watch ends.) */

static void watch(trl_inst *in, trl_op *op) {
    trl_op **more = realloc(in->watchers, (in->n_watchers + 1) * sizeof(trl_op *));
    if (!more) {
        trl_op_fail(in->host, op, TRL_E_NOMEM, "no memory");
        return;
    }
    in->watchers = more;
    in->watchers[in->n_watchers++] = op;
}

static void cancel(trl_inst *in, trl_op *op) {
    for (size_t i = 0; i < in->n_watchers; i++) {
        if (in->watchers[i] == op) {
            in->watchers[i] = in->watchers[--in->n_watchers];
            trl_op_fail(in->host, op, TRL_E_CANCELLED, "cancelled");
            return;
        }
    }
}

/* resume: after BUSY an op may emit again. We never have that much to say. */
static void resume(trl_inst *in, trl_op *op) {
    (void)in;
    (void)op;
}

static void info(trl_inst *in, trl_op *op) {
    char text[64];
    trl_bytes out = {text, 0};
    out.len =
        (size_t)snprintf(text, sizeof(text), "{\"owners\":%zu}", json_array_size(in->j_owners));
    in->host->op_done(op, TRL_OK, out, NULL);
}

static const trl_policy_v1 table = {
    .struct_size = sizeof(table),
    .points = points,
    .decide = decide,
    .watch = watch,
    .cancel = cancel,
    .resume = resume,
    .info = info,
};

static void destroy(trl_inst *in) {
    json_decref(in->j_owners);
    free(in->watchers);
    free(in);
}

/* config: checked against the schema below before it comes here. */
static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    json_t *j = json_loadb(config.ptr, config.len, 0, NULL);
    trl_inst *in = calloc(1, sizeof(*in));
    if (!in || !j) {
        json_decref(j);
        free(in);
        return trl_errf(err, TRL_E_NOMEM, "no memory");
    }
    in->host = h;
    in->j_owners = json_incref(json_object_get(j, "owners"));
    json_decref(j);
    *out = in;
    return TRL_OK;
}

static void stop(trl_inst *in, trl_op *op) {
    while (in->n_watchers) {
        trl_op_fail(in->host, in->watchers[--in->n_watchers], TRL_E_CLOSED, "stopped");
    }
    trl_op_ok(in->host, op);
}

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_POLICY) == 0 ? &table : NULL;
}

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP, /* it answers at once; what blocks is TRL_SERIAL or TRL_PARALLEL */
    .iface = TRL_KIND_POLICY,
    .name = "owners",
    .summary = "Every manifest has an owner we know",
    .config_schema =
        "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"owners\"],"
        "\"properties\":{\"owners\":{\"type\":\"array\",\"minItems\":1,"
        "\"items\":{\"type\":\"string\"},\"description\":\"who may own\"}}}",
    .create = create,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("example.policy-owners", "1.0.0", 2, &component);
