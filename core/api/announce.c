/* SPDX-License-Identifier: Apache-2.0 */
#include "api/announce.h"

#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/utc.h"
#include "codec/json.h"
#include "plug/loop.h"

#define EVENT_BYTES 700u /* most are shorter */

/* Events and records of commands are published a moment later and together: statuses and the
 * commands themselves go first. */
#define LATER_NS        (10 * 1000000ll)
#define LATER_MAX_BYTES (256u * 1024u)

struct watcher {
    void (*fn)(void *arg, str subject, str body);
    void *arg;
};

struct announce {
    struct loop *loop;
    struct bus *bus;
    struct journal *journal;
    const struct log *log;
    size_t max_payload;
    VEC(struct watcher) watchers;
    struct buf held; /* each: struct held, subject, body */
    struct loop_timer later;
};

struct held {
    size_t subject, body; /* lengths */
    struct trace_ctx in;
};

static void send(struct announce *a, str subject, str body, const struct trace_ctx *in) {
    char trace[TRACE_LEN + 1];
    trl_label header = {STR(TRACE_HEADER), trace_text(in, trace)};
    struct bus_msg m = {.subject = subject,
                        .headers = &header,
                        .n_headers = header.value.len ? 1 : 0,
                        .body = body};
    bus_publish(a->bus, &m);
}

static void publish_held(struct announce *a) {
    struct buf held = a->held;
    a->held = (struct buf)BUF_INIT;
    loop_timer_stop(&a->later);
    for (size_t at = 0; at < held.len;) {
        struct held h;
        memcpy(&h, held.ptr + at, sizeof(h));
        at += sizeof(h);
        send(a, str_n(held.ptr + at, h.subject), str_n(held.ptr + at + h.subject, h.body), &h.in);
        at += h.subject + h.body;
    }
    if (a->held.len || held.len > LATER_MAX_BYTES) {
        buf_finish(&held);
    } else { /* room for the next ones */
        buf_clear(&held);
        a->held = held;
    }
}

static void on_later(void *arg) {
    publish_held(arg);
}

struct announce *announce_create(struct loop *loop, struct bus *bus, struct journal *journal,
                                 const struct log *log, size_t max_payload) {
    struct announce *a = mem_zalloc(sizeof(*a));
    a->loop = loop;
    a->bus = bus;
    a->journal = journal;
    a->log = log;
    a->max_payload = max_payload;
    loop_timer_init(&a->later, loop, on_later, a);
    return a;
}

void announce_destroy(struct announce *a) {
    if (a) {
        publish_held(a);
        buf_finish(&a->held);
        VEC_FREE(&a->watchers);
        mem_free(a);
    }
}

void announce_watch(struct announce *a, void (*fn)(void *arg, str subject, str body), void *arg) {
    *VEC_ADD(&a->watchers) = (struct watcher){fn, arg};
}

static bool fits(const struct announce *a, str subject, str body) {
    if (body.len > a->max_payload) {
        log_error(a->log, "%.*s: %zu bytes do not fit a message of %zu, it is not published",
                  PSTR(subject), body.len, a->max_payload);
    }
    return body.len <= a->max_payload;
}

static void tell_watchers(struct announce *a, str subject, str body) {
    for (uint32_t i = 0; i < a->watchers.n; i++) {
        a->watchers.at[i].fn(a->watchers.at[i].arg, subject, body);
    }
}

static void publish(struct announce *a, const struct buf *subject, const struct buf *body,
                    const struct trace_ctx *in) {
    if (fits(a, buf_str(subject), buf_str(body))) {
        send(a, buf_str(subject), buf_str(body), in);
        tell_watchers(a, buf_str(subject), buf_str(body));
    }
}

static void publish_later(struct announce *a, const struct buf *subject, const struct buf *body,
                          const struct trace_ctx *in) {
    struct held h = {subject->len, body->len, {0}};
    if (in) {
        h.in = *in;
    }
    if (!fits(a, buf_str(subject), buf_str(body))) {
        return;
    }
    buf_add(&a->held, &h, sizeof(h));
    buf_add_str(&a->held, buf_str(subject));
    buf_add_str(&a->held, buf_str(body));
    if (a->held.len > LATER_MAX_BYTES) {
        publish_held(a);
    } else if (!loop_timer_active(&a->later)) {
        loop_timer_start(&a->later, LATER_NS);
    }
    tell_watchers(a, buf_str(subject), buf_str(body));
}

static void add_time(struct buf *out, int64_t wall_ms) {
    char text[UTC_TEXT + 5];
    int ms = (int)(wall_ms % 1000);
    utc_text(wall_ms / 1000, text);
    const char tail[5] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                          (char)('0' + ms % 10), 'Z'};
    buf_add(out, text, UTC_TEXT - 1);
    buf_add(out, tail, sizeof(tail));
}

/* A version 4 UUID: clients check no more than that it is one. */
static void add_uuid(struct announce *a, struct buf *out) {
    struct rng *r = loop_rng(a->loop);
    uint64_t hi = rng_next(r), lo = rng_next(r);
    hi = (hi & ~0xf000ull) | 0x4000ull;
    lo = (lo & ~(3ull << 62)) | (2ull << 62);
    buf_addf(out, "%08llx-%04llx-%04llx-%04llx-%012llx", (unsigned long long)(hi >> 32),
             (unsigned long long)(hi >> 16 & 0xffff), (unsigned long long)(hi & 0xffff),
             (unsigned long long)(lo >> 48), (unsigned long long)(lo & 0xffffffffffffull));
}

static void cloud_event(struct announce *a, str lattice, const char *name, str data,
                        const struct trace_ctx *in) {
    struct buf subject = BUF_INIT, body = BUF_INIT, text = BUF_INIT;
    struct jw w;
    buf_addf(&subject, "wadm.evt.%.*s.%s", PSTR(lattice), name);
    jw_init(&w, &body, false);
    jw_object(&w);
    jw_kv(&w, "specversion", STR("1.0"));
    add_uuid(a, &text);
    jw_kv(&w, "id", buf_str(&text));
    buf_clear(&text);
    buf_addf(&text, "com.wadm.%s", name);
    jw_kv(&w, "type", buf_str(&text));
    jw_kv(&w, "source", STR("wadm"));
    jw_kv(&w, "datacontenttype", STR("application/json"));
    buf_clear(&text);
    add_time(&text, loop_wall_ms(a->loop));
    jw_kv(&w, "time", buf_str(&text));
    jw_key(&w, "data");
    jw_raw(&w, data);
    jw_end_object(&w);
    publish(a, &subject, &body, in);
    buf_finish(&text);
    buf_finish(&body);
    buf_finish(&subject);
}

void announce_published(struct announce *a, str lattice, str manifest, const struct trace_ctx *in) {
    cloud_event(a, lattice, "manifest_published", manifest, in);
}

void announce_unpublished(struct announce *a, str lattice, str app, const struct trace_ctx *in) {
    struct buf data = BUF_INIT;
    struct jw w;
    jw_init(&w, &data, false);
    jw_object(&w);
    jw_kv(&w, "name", app);
    jw_end_object(&w);
    cloud_event(a, lattice, "manifest_unpublished", buf_str(&data), in);
    buf_finish(&data);
}

/* Opens an object with the members that every event of ours has. */
static void open_event(struct jw *w, struct buf *body, const char *kind, str lattice, str app,
                       int64_t wall_ms) {
    struct buf text = BUF_INIT;
    buf_room(body, EVENT_BYTES);
    jw_init(w, body, false);
    jw_object(w);
    add_time(&text, wall_ms);
    jw_kv(w, "time", buf_str(&text));
    jw_kv(w, "kind", str_c(kind));
    jw_kv(w, "lattice", lattice);
    jw_kv(w, "app", app);
    buf_finish(&text);
}

static void close_event(struct announce *a, const struct buf *subject, const struct buf *body,
                        const struct journal_entry *head, const struct trace_ctx *in) {
    struct journal_entry e = *head;
    e.json = buf_str(body);
    journal_add(a->journal, &e);
    publish_later(a, subject, body, in);
}

void announce_event(struct announce *a, const char *kind, str tenant, str lattice, str app,
                    str version, const struct trace_ctx *in) {
    struct buf subject = BUF_INIT, body = BUF_INIT;
    int64_t wall_ms = loop_wall_ms(a->loop);
    struct journal_entry head = {0, wall_ms, tenant, lattice, app, str_c(kind), STR_NONE};
    struct jw w;
    buf_addf(&subject, "trellis.evt.%.*s.%s", PSTR(lattice), kind);
    open_event(&w, &body, kind, lattice, app, wall_ms);
    if (version.ptr) {
        jw_kv(&w, "version", version);
    }
    jw_end_object(&w);
    close_event(a, &subject, &body, &head, in);
    buf_finish(&body);
    buf_finish(&subject);
}

void announce_status(struct announce *a, str tenant, str lattice, str app,
                     const struct app_status *s, const struct trace_ctx *in) {
    struct buf subject = BUF_INIT, body = BUF_INIT;
    int64_t wall_ms = loop_wall_ms(a->loop);
    struct journal_entry head = {0, wall_ms, tenant, lattice, app, STR("status_changed"), STR_NONE};
    struct jw w;
    buf_addf(&subject, "wadm.status.%.*s.%.*s", PSTR(lattice), PSTR(app));
    buf_room(&body, EVENT_BYTES);
    status_write(s, &body);
    publish(a, &subject, &body, in);
    buf_clear(&subject);
    buf_clear(&body);
    buf_addf(&subject, "trellis.evt.%.*s.status_changed", PSTR(lattice));
    open_event(&w, &body, "status_changed", lattice, app, wall_ms);
    jw_kv(&w, "type", str_c(status_type_name(s->type)));
    jw_kv(&w, "message", s->message);
    jw_kv(&w, "version", s->version);
    jw_kv_u64(&w, "generation", s->generation);
    jw_end_object(&w);
    close_event(a, &subject, &body, &head, in);
    buf_finish(&body);
    buf_finish(&subject);
}

void announce_forget(struct announce *a, str lattice, str app) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "wadm.status.%.*s.%.*s", PSTR(lattice), PSTR(app));
    bus_forget(a->bus, buf_str(&subject));
    buf_finish(&subject);
}

void announce_command(struct announce *a, str tenant, const struct command_record *r) {
    struct buf subject = BUF_INIT, body = BUF_INIT;
    struct journal_entry head = {0,      r->wall_ms,     tenant,  r->lattice,
                                 r->app, STR("command"), STR_NONE};
    struct jw w;
    buf_addf(&subject, "trellis.cmd.%.*s", PSTR(r->lattice));
    open_event(&w, &body, "command", r->lattice, r->app, r->wall_ms);
    jw_kv_u64(&w, "command", r->seq);
    jw_kv(&w, "verb", r->verb);
    jw_kv(&w, "host", r->host_id);
    jw_kv(&w, "subject", r->subject);
    jw_kv(&w, "reason", r->reason);
    jw_kv(&w, "trace_id", r->trace_id);
    jw_kv(&w, "outcome",
          r->outcome == 1   ? STR("sent")
          : r->outcome == 0 ? STR("done")
                            : str_c(err_name(r->outcome)));
    jw_kv(&w, "text", r->text);
    jw_end_object(&w);
    close_event(a, &subject, &body, &head, r->trace);
    buf_finish(&body);
    buf_finish(&subject);
}

void announce_audit(struct announce *a, const struct announce_audit *x) {
    struct buf subject = BUF_INIT, body = BUF_INIT, name = BUF_INIT;
    int64_t wall_ms = loop_wall_ms(a->loop);
    struct journal_entry head = {0, wall_ms, x->tenant, x->lattice, x->app, STR("audit"), STR_NONE};
    str caller = x->caller.len ? x->caller : STR("{}");
    struct jw w;
    log_info(a->log, "audit: %s.%s%s%.*s in lattice %.*s by %.*s: %.*s", x->category, x->operation,
             x->app.len ? " " : "", PSTR(x->app), PSTR(x->lattice), PSTR(caller), PSTR(x->outcome));
    buf_addf(&subject, "trellis.evt.%.*s.audit", PSTR(x->lattice));
    open_event(&w, &body, "audit", x->lattice, x->app, wall_ms);
    buf_addf(&name, "%s.%s", x->category, x->operation);
    jw_kv(&w, "operation", buf_str(&name));
    jw_kv(&w, "outcome", x->outcome);
    jw_key(&w, "caller");
    jw_raw(&w, caller);
    jw_end_object(&w);
    close_event(a, &subject, &body, &head, x->in);
    buf_finish(&name);
    buf_finish(&body);
    buf_finish(&subject);
}
