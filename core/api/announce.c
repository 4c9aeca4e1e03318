/* SPDX-License-Identifier: Apache-2.0 */
#include "api/announce.h"

#include <stddef.h>
#include <string.h>

#include "base/digest.h"
#include "base/mem.h"
#include "base/utc.h"
#include "codec/json.h"
#include "plug/loop.h"

#define EVENT_BYTES 700u           /* most are shorter */
#define TIME_TEXT   (UTC_TEXT + 5) /* ... with milliseconds */

/* Events and records of commands are put into words, journalled and published a moment later and
 * together: statuses and the commands themselves go first. */
#define LATER_NS        (10 * 1000000ll)
#define LATER_MAX_BYTES (256u * 1024u)

static const char events[] = "trellis.evt";

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
    struct buf held; /* each: struct held, the names it counts, its fields, each with its text */
    size_t open;     /* in held: the one that fields are added to */
    struct loop_timer later;
};

/* An event as it happened. */
struct held {
    const char *stream, *kind; /* static; stream: the subject's beginning */
    int64_t wall_ms;
    struct trace_ctx in;
    size_t bytes; /* of all that follows */
    uint32_t tenant, lattice, app;
};

struct field {
    const char *key; /* static */
    uint32_t len;
    bool raw; /* finished JSON */
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

static str time_text(int64_t wall_ms, char ret[TIME_TEXT]) {
    int ms = (int)(wall_ms % 1000);
    utc_text(wall_ms / 1000, ret);
    const char tail[5] = {'.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
                          (char)('0' + ms % 10), 'Z'};
    memcpy(ret + UTC_TEXT - 1, tail, sizeof(tail));
    return str_n(ret, TIME_TEXT - 1);
}

static str take(const char **at, uint32_t len) {
    str s = str_n(*at, len);
    *at += len;
    return s;
}

/* Opens an object with the members that every event of ours has, and adds its own. */
static void write_event(const struct held *h, str lattice, str app, const char *at, const char *end,
                        struct buf *out) {
    struct jw w;
    char time[TIME_TEXT];
    jw_init(&w, out, false);
    jw_object(&w);
    jw_kv(&w, "time", time_text(h->wall_ms, time));
    jw_kv(&w, "kind", str_c(h->kind));
    jw_kv(&w, "lattice", lattice);
    jw_kv(&w, "app", app);
    while (at < end) {
        struct field f;
        memcpy(&f, at, sizeof(f));
        at += sizeof(f);
        jw_key(&w, f.key);
        if (f.raw) {
            jw_raw(&w, take(&at, f.len));
        } else {
            jw_str(&w, take(&at, f.len));
        }
    }
    jw_end_object(&w);
}

static void tell_held(struct announce *a, const struct held *h, const char *at, struct buf *subject,
                      struct buf *body) {
    const char *end = at + h->bytes;
    struct journal_entry e = {.wall_ms = h->wall_ms, .kind = str_c(h->kind)};
    e.tenant = take(&at, h->tenant);
    e.lattice = take(&at, h->lattice);
    e.app = take(&at, h->app);
    buf_clear(subject);
    buf_clear(body);
    buf_add_str(subject, str_c(h->stream));
    buf_add_c(subject, '.');
    buf_add_str(subject, e.lattice);
    if (h->stream == events) {
        buf_add_c(subject, '.');
        buf_add_str(subject, e.kind);
    }
    buf_room(body, EVENT_BYTES);
    write_event(h, e.lattice, e.app, at, end, body);
    e.json = buf_str(body);
    journal_add(a->journal, &e);
    publish(a, subject, body, &h->in);
}

static void tell_all_held(void *arg) {
    struct announce *a = arg;
    struct buf held = a->held, subject = BUF_INIT, body = BUF_INIT;
    a->held = (struct buf)BUF_INIT;
    loop_timer_stop(&a->later);
    for (size_t at = 0; at < held.len;) {
        struct held h;
        memcpy(&h, held.ptr + at, sizeof(h));
        tell_held(a, &h, held.ptr + at + sizeof(h), &subject, &body);
        at += sizeof(h) + h.bytes;
    }
    buf_finish(&body);
    buf_finish(&subject);
    if (a->held.len || held.len > LATER_MAX_BYTES) {
        buf_finish(&held);
    } else { /* room for the next ones */
        buf_clear(&held);
        a->held = held;
    }
}

struct announce *announce_create(struct loop *loop, struct bus *bus, struct journal *journal,
                                 const struct log *log, size_t max_payload) {
    struct announce *a = mem_zalloc(sizeof(*a));
    a->loop = loop;
    a->bus = bus;
    a->journal = journal;
    a->log = log;
    a->max_payload = max_payload;
    loop_timer_init(&a->later, loop, tell_all_held, a);
    journal_before_read(journal, tell_all_held, a);
    return a;
}

void announce_destroy(struct announce *a) {
    if (a) {
        tell_all_held(a);
        journal_before_read(a->journal, NULL, NULL);
        buf_finish(&a->held);
        VEC_FREE(&a->watchers);
        mem_free(a);
    }
}

void announce_watch(struct announce *a, void (*fn)(void *arg, str subject, str body), void *arg) {
    *VEC_ADD(&a->watchers) = (struct watcher){fn, arg};
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
    char time[TIME_TEXT];
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
    jw_kv(&w, "time", time_text(loop_wall_ms(a->loop), time));
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

static void event_open(struct announce *a, const char *stream, const char *kind, int64_t wall_ms,
                       str tenant, str lattice, str app, const struct trace_ctx *in) {
    struct held h = {
        stream,           kind, wall_ms, {0}, 0, (uint32_t)tenant.len, (uint32_t)lattice.len,
        (uint32_t)app.len};
    if (in) {
        h.in = *in;
    }
    a->open = a->held.len;
    buf_add(&a->held, &h, sizeof(h));
    buf_add_str(&a->held, tenant);
    buf_add_str(&a->held, lattice);
    buf_add_str(&a->held, app);
}

static void event_add(struct announce *a, const char *key, bool raw, str value) {
    struct field f = {key, (uint32_t)value.len, raw};
    buf_add(&a->held, &f, sizeof(f));
    buf_add_str(&a->held, value);
}

static void event_str(struct announce *a, const char *key, str value) {
    event_add(a, key, false, value);
}

static void event_u64(struct announce *a, const char *key, uint64_t value) {
    struct buf text = BUF_INIT;
    buf_add_u64(&text, value);
    event_add(a, key, true, buf_str(&text));
    buf_finish(&text);
}

static void event_close(struct announce *a) {
    size_t bytes = a->held.len - a->open - sizeof(struct held);
    memcpy(a->held.ptr + a->open + offsetof(struct held, bytes), &bytes, sizeof(bytes));
    if (a->held.len > LATER_MAX_BYTES) {
        tell_all_held(a);
    } else if (!loop_timer_active(&a->later)) {
        loop_timer_start(&a->later, LATER_NS);
    }
}

void announce_event(struct announce *a, const char *kind, str tenant, str lattice, str app,
                    str version, const struct trace_ctx *in) {
    event_open(a, events, kind, loop_wall_ms(a->loop), tenant, lattice, app, in);
    if (version.ptr) {
        event_str(a, "version", version);
    }
    event_close(a);
}

void announce_status(struct announce *a, str tenant, str lattice, str app,
                     const struct app_status *s, const struct trace_ctx *in) {
    struct buf subject = BUF_INIT, body = BUF_INIT;
    buf_add_str(&subject, STR("wadm.status."));
    buf_add_str(&subject, lattice);
    buf_add_c(&subject, '.');
    buf_add_str(&subject, app);
    buf_room(&body, EVENT_BYTES);
    status_write(s, &body);
    publish(a, &subject, &body, in);
    buf_finish(&body);
    buf_finish(&subject);
    event_open(a, events, "status_changed", loop_wall_ms(a->loop), tenant, lattice, app, in);
    event_str(a, "type", str_c(status_type_name(s->type)));
    event_str(a, "message", s->message);
    event_str(a, "version", s->version);
    event_u64(a, "generation", s->generation);
    event_close(a);
}

void announce_forget(struct announce *a, str lattice, str app) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "wadm.status.%.*s.%.*s", PSTR(lattice), PSTR(app));
    bus_forget(a->bus, buf_str(&subject));
    buf_finish(&subject);
}

void announce_command(struct announce *a, str tenant, const struct command_record *r) {
    event_open(a, "trellis.cmd", "command", r->wall_ms, tenant, r->lattice, r->app, r->trace);
    event_u64(a, "command", r->seq);
    event_str(a, "verb", r->verb);
    event_str(a, "host", r->host_id);
    event_str(a, "subject", r->subject);
    event_str(a, "reason", r->reason);
    event_str(a, "trace_id", r->trace_id);
    event_str(a, "outcome",
              r->outcome == 1   ? STR("sent")
              : r->outcome == 0 ? STR("done")
                                : str_c(err_name(r->outcome)));
    event_str(a, "text", r->text);
    event_close(a);
}

void announce_audit(struct announce *a, const struct announce_audit *x) {
    struct buf name = BUF_INIT;
    str caller = x->caller.len ? x->caller : STR("{}");
    log_info(a->log, "audit: %s.%s%s%.*s in lattice %.*s by %.*s: %.*s", x->category, x->operation,
             x->app.len ? " " : "", PSTR(x->app), PSTR(x->lattice), PSTR(caller), PSTR(x->outcome));
    buf_addf(&name, "%s.%s", x->category, x->operation);
    event_open(a, events, "audit", loop_wall_ms(a->loop), x->tenant, x->lattice, x->app, x->in);
    event_str(a, "operation", buf_str(&name));
    event_str(a, "outcome", x->outcome);
    event_add(a, "caller", true, caller);
    event_close(a);
    buf_finish(&name);
}
