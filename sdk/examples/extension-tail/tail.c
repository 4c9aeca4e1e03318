/* SPDX-License-Identifier: Apache-2.0
 *
 * An extension: appends everything that happens to a file, one JSON object per line. Read on the
 * loop, written on the core's worker pool.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <trellis/trellis.h>

#define BATCH 500u /* events read in one turn */

struct trl_inst {
    const trl_host *h;
    const trl_host_events_v1 *events;
    const trl_host_work_v1 *work;
    char *path;
    trl_cursor at;
    uint64_t watch;
    char *text; /* lines of one batch */
    size_t len, cap;
    uint32_t n;
    int writing, more, error; /* error: of the last write, 0: none */
    uint64_t lines, missed;
    trl_op *stop_op;
};

static void add(trl_inst *in, const char *p, size_t n) {
    if (in->len + n > in->cap) {
        size_t cap = (in->len + n) * 2;
        char *text = realloc(in->text, cap);
        if (!text) {
            abort();
        }
        in->text = text;
        in->cap = cap;
    }
    memcpy(in->text + in->len, p, n);
    in->len += n;
}

static void add_event(void *arg, const trl_event *e) {
    trl_inst *in = arg;
    add(in, e->json.ptr, e->json.len);
    add(in, "\n", 1);
    in->n++;
}

/* On a worker: nothing else touches the batch meanwhile. */
static void write_batch(void *arg) {
    trl_inst *in = arg;
    FILE *f = fopen(in->path, "a");
    in->error = 0;
    if (!f || fwrite(in->text, 1, in->len, f) != in->len) {
        in->error = errno ? errno : EIO;
    }
    if (f && fclose(f) != 0 && !in->error) {
        in->error = errno ? errno : EIO;
    }
}

static void read_batch(trl_inst *in);

static void written(void *arg) {
    trl_inst *in = arg;
    in->writing = 0;
    if (in->error) {
        trl_logf(in->h, TRL_LOG_ERROR, "%u events are lost: %s: %s", in->n, in->path,
                 strerror(in->error));
        in->missed += in->n;
    } else {
        in->lines += in->n;
    }
    if (in->stop_op) {
        trl_op_ok(in->h, in->stop_op);
    } else if (in->more || in->n == BATCH) {
        read_batch(in);
    }
}

static void read_batch(trl_inst *in) {
    in->len = 0;
    in->n = 0;
    in->more = 0;
    uint64_t missed = in->events->read(in->h->ctx, &in->at, BATCH, add_event, in);
    if (missed && missed != TRL_MISSED_UNKNOWN) {
        in->missed += missed;
        trl_logf(in->h, TRL_LOG_WARN, "too slow: %llu events are gone", (unsigned long long)missed);
    }
    if (in->n) {
        in->writing = 1;
        if (in->work->queue(in->h->ctx, write_batch, written, in) != TRL_OK) {
            in->writing = 0;
        }
    }
}

static void on_more(void *arg) {
    trl_inst *in = arg;
    if (in->writing) {
        in->more = 1;
    } else {
        read_batch(in);
    }
}

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *in = calloc(1, sizeof(*in));
    json_t *o = json_loadb(config.ptr, config.len, 0, NULL);
    const char *path = json_string_value(json_object_get(o, "file"));
    if (in && path) {
        in->h = h;
        in->events = h->get_interface(h->ctx, TRL_HOST_EVENTS_V1);
        in->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
        in->path = malloc(strlen(path) + 1);
    }
    if (!in || !path || !in->path) {
        json_decref(o);
        free(in);
        return trl_errf(err, TRL_E_NOMEM, "no memory");
    }
    memcpy(in->path, path, strlen(path) + 1);
    json_decref(o);
    *out = in;
    return TRL_OK;
}

static void start(trl_inst *in, trl_op *op) {
    in->at = in->events->latest(in->h->ctx);
    in->watch = in->events->watch(in->h->ctx, on_more, in);
    trl_op_ok(in->h, op);
}

static void stop(trl_inst *in, trl_op *op) {
    in->events->unwatch(in->h->ctx, in->watch);
    if (in->writing) {
        in->stop_op = op; /* completed when the batch is written */
    } else {
        trl_op_ok(in->h, op);
    }
}

static void destroy(trl_inst *in) {
    free(in->path);
    free(in->text);
    free(in);
}

static void info(trl_inst *in, trl_op *op) {
    char text[128];
    trl_bytes out = {text, 0};
    out.len = (size_t)snprintf(text, sizeof(text), "{\"lines\":%llu,\"missed\":%llu}",
                               (unsigned long long)in->lines, (unsigned long long)in->missed);
    in->h->op_done(op, TRL_OK, out, NULL);
}

static const trl_extension_v1 table = {sizeof(table), 0, info};

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_EXTENSION) == 0 ? &table : NULL;
}

static const char schema[] =
    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"file\"],\"properties\":{"
    "\"file\":{\"type\":\"string\",\"minLength\":1,\"description\":\"appended to\"}}}";
static const char *const needs[] = {TRL_HOST_EVENTS_V1, TRL_HOST_WORK_V1, NULL};
static const char *const rights[] = {"fs:write", NULL};

static const trl_component tail = {
    .struct_size = sizeof(tail),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_EXTENSION,
    .name = "tail",
    .summary = "every event as a line of a file",
    .config_schema = schema,
    .needs = needs,
    .rights = rights,
    .create = create,
    .start = start,
    .stop = stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("org.example.tail", "1.0.0", 2, &tail);
