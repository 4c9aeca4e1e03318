/* SPDX-License-Identifier: Apache-2.0 */
#include "encode.h"

#include "../common/xmem.h"

#define NS_PER_MS  1000000
#define CUMULATIVE 2 /* AGGREGATION_TEMPORALITY_CUMULATIVE */

static const struct {
    const char *all, *scope, *records;
} names[N_SIGNALS] = {
    [TRACES] = {"resourceSpans", "scopeSpans", "spans"},
    [METRICS] = {"resourceMetrics", "scopeMetrics", "metrics"},
    [LOGS] = {"resourceLogs", "scopeLogs", "logRecords"},
    [EVENTS] = {"resourceLogs", "scopeLogs", "logRecords"},
};

static void key(struct jwrite *w, const char *name) {
    jwrite_key(w, trl_cstr(name));
}

static void open_list(struct jwrite *w, const char *name) {
    key(w, name);
    jwrite_open(w, '[');
}

static void put_u64(struct jwrite *w, const char *name, uint64_t v) {
    key(w, name);
    value_u64(w, v);
}

/* Times before 1970 are nobody's. */
static void put_time(struct jwrite *w, const char *name, int64_t ns) {
    put_u64(w, name, ns > 0 ? (uint64_t)ns : 0);
}

static void put_text(struct jwrite *w, const char *name, trl_str s) {
    key(w, name);
    value_text(w, s);
}

static void put_labels(struct jwrite *w, const trl_label *labels, uint32_t n) {
    if (n == 0) {
        return;
    }
    open_list(w, "attributes");
    for (uint32_t i = 0; i < n; i++) {
        value_attribute(w, labels[i].key, labels[i].value);
    }
    jwrite_close(w, ']');
}

void encode_begin(struct encoder *e, enum signal s, trl_str resource) {
    struct jwrite *w = &e->w;
    e->n = 0;
    jwrite_open(w, '{');
    open_list(w, names[s].all);
    jwrite_open(w, '{');
    key(w, "resource");
    jwrite_raw(w, resource);
    open_list(w, names[s].scope);
    jwrite_open(w, '{');
    key(w, "scope");
    jwrite_open(w, '{');
    put_text(w, "name", trl_cstr("trellis"));
    jwrite_close(w, '}');
    open_list(w, names[s].records);
}

/* Names here are as people wrote them. */
static void put_resource_attributes(struct jwrite *w, const struct jnode *from,
                                    const struct jnode *replaced) {
    JNODE_EACH(from, it) {
        int again = 0;
        JNODE_EACH(replaced, by) {
            again |= trl_str_eq(it->key, by->key);
        }
        if (!again) {
            jwrite_open(w, '{');
            put_text(w, "key", it->key);
            key(w, "value");
            value_any(w, it);
            jwrite_close(w, '}');
        }
    }
}

char *encode_resource(const char *own, const char *conf) {
    struct jwrite w = {0};
    struct jtree a = {0}, b = {0};
    const struct jnode *more = conf ? jtree_parse(&b, conf, strlen(conf)) : NULL;
    jwrite_open(&w, '{');
    open_list(&w, "attributes");
    put_resource_attributes(&w, jtree_parse(&a, own, strlen(own)), more);
    put_resource_attributes(&w, more, NULL);
    jwrite_close(&w, ']');
    jwrite_close(&w, '}');
    jtree_finish(&a);
    jtree_finish(&b);
    return x_checked(jwrite_take(&w));
}

/* Spans */

static int is_zero(const uint8_t *id, size_t n) {
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++) {
        any |= id[i];
    }
    return any == 0;
}

void encode_span(struct encoder *e, const trl_span *s) {
    struct jwrite *w = &e->w;
    jwrite_open(w, '{');
    key(w, "traceId");
    value_hex(w, s->trace_id, sizeof(s->trace_id));
    key(w, "spanId");
    value_hex(w, s->span_id, sizeof(s->span_id));
    if (!is_zero(s->parent_id, sizeof(s->parent_id))) {
        key(w, "parentSpanId");
        value_hex(w, s->parent_id, sizeof(s->parent_id));
    }
    put_text(w, "name", s->name);
    key(w, "kind");
    jwrite_u64(w, s->kind <= 5 ? s->kind : TRL_SPAN_INTERNAL);
    put_time(w, "startTimeUnixNano", s->start_wall_ns);
    put_time(w, "endTimeUnixNano", s->end_wall_ns);
    put_labels(w, s->attributes, s->n_attributes);
    key(w, "status");
    jwrite_open(w, '{');
    key(w, "code");
    jwrite_u64(w, s->outcome <= TRL_SPAN_ERROR ? s->outcome : TRL_SPAN_UNSET);
    if (s->outcome == TRL_SPAN_ERROR && s->text.len) {
        put_text(w, "message", s->text);
    }
    jwrite_close(w, '}');
    jwrite_close(w, '}');
    e->n++;
}

/* Log records */

static void put_severity(struct jwrite *w, int32_t level) {
    static const struct {
        uint32_t number;
        const char *text;
    } levels[] = {[TRL_LOG_ERROR] = {17, "ERROR"},
                  [TRL_LOG_WARN] = {13, "WARN"},
                  [TRL_LOG_INFO] = {9, "INFO"},
                  [TRL_LOG_DEBUG] = {5, "DEBUG"}};
    int32_t at = level < TRL_LOG_ERROR   ? TRL_LOG_ERROR
                 : level > TRL_LOG_DEBUG ? TRL_LOG_DEBUG
                                         : level;
    key(w, "severityNumber");
    jwrite_u64(w, levels[at].number);
    put_text(w, "severityText", trl_cstr(levels[at].text));
}

static void put_body(struct jwrite *w, trl_str text) {
    key(w, "body");
    jwrite_open(w, '{');
    put_text(w, "stringValue", text);
    jwrite_close(w, '}');
}

static void put_id(struct jwrite *w, const char *name, const struct jnode *v, size_t n) {
    uint8_t id[16];
    if (value_id(jnode_str(v), id, n)) {
        key(w, name);
        value_hex(w, id, n);
    }
}

/* NULL: it is none. Until the next one. */
static const struct jnode *read_object(struct encoder *e, trl_str json) {
    const struct jnode *n = json.len ? jtree_parse(&e->tree, json.ptr, json.len) : NULL;
    return jnode_is(n, J_OBJECT) ? n : NULL;
}

static int is_one_of(trl_str name, const char *const *list) {
    for (; list && *list; list++) {
        if (trl_str_is(name, *list)) {
            return 1;
        }
    }
    return 0;
}

/* trace_id and span_id have places of their own. */
static void put_members(struct jwrite *w, const struct jnode *o, const char *const *without) {
    static const char *const ids[] = {"trace_id", "span_id", NULL};
    open_list(w, "attributes");
    JNODE_EACH(o, it) {
        if (!is_one_of(it->key, ids) && !is_one_of(it->key, without)) {
            value_attribute_any(w, it->key, it);
        }
    }
    jwrite_close(w, ']');
    put_id(w, "traceId", jnode_get(o, "trace_id"), 16);
    put_id(w, "spanId", jnode_get(o, "span_id"), 8);
}

void encode_log(struct encoder *e, const trl_log_record *r) {
    struct jwrite *w = &e->w;
    const struct jnode *fields = read_object(e, r->fields_json);
    jwrite_open(w, '{');
    put_time(w, "timeUnixNano", r->wall_ns);
    put_time(w, "observedTimeUnixNano", r->wall_ns);
    put_severity(w, r->level);
    put_body(w, r->msg);
    if (fields) {
        put_members(w, fields, NULL);
    }
    jwrite_close(w, '}');
    e->n++;
}

static char *append(char *to, trl_str s) {
    if (s.len) {
        memcpy(to, s.ptr, s.len);
    }
    return to + s.len;
}

/* "status_changed shop: 2 of 2 instances" */
static void put_event_body(struct jwrite *w, const trl_event *ev, const struct jnode *o) {
    trl_str message = jnode_str(jnode_get(o, "message"));
    char *text = x_alloc(ev->kind.len + ev->app.len + message.len + 3);
    char *end = append(text, ev->kind);
    if (ev->app.len) {
        *end++ = ' ';
        end = append(end, ev->app);
    }
    if (message.len) {
        end = append(append(end, trl_strn(": ", 2)), message);
    }
    put_body(w, trl_strn(text, (size_t)(end - text)));
    free(text);
}

static void put_event_name(struct jwrite *w, trl_str kind) {
    char text[128];
    int n = snprintf(text, sizeof(text), "trellis.%.*s", (int)kind.len, kind.ptr ? kind.ptr : "");
    n = n < (int)sizeof(text) ? n : (int)sizeof(text) - 1;
    put_text(w, "eventName", trl_strn(text, (size_t)n));
}

void encode_event(struct encoder *e, const trl_event *ev) {
    static const char *const told[] = {"time", "kind", NULL};
    const trl_label about[] = {{{"lattice", 7}, ev->lattice}, {{"app", 3}, ev->app}};
    struct jwrite *w = &e->w;
    const struct jnode *o = read_object(e, ev->json);
    jwrite_open(w, '{');
    put_time(w, "timeUnixNano", ev->wall_ms * NS_PER_MS);
    put_time(w, "observedTimeUnixNano", ev->wall_ms * NS_PER_MS);
    put_severity(w, TRL_LOG_INFO);
    put_event_name(w, ev->kind);
    if (o) {
        put_event_body(w, ev, o);
        put_members(w, o, told);
    } else {
        put_body(w, ev->json);
        put_labels(w, about, 2);
    }
    jwrite_close(w, '}');
    e->n++;
}

/* Metrics */

static void close_metric(struct encoder *e) {
    struct jwrite *w = &e->w;
    if (!e->open) {
        return;
    }
    jwrite_close(w, ']');
    if (e->open_type != TRL_METRIC_GAUGE) {
        key(w, "aggregationTemporality");
        jwrite_u64(w, CUMULATIVE);
    }
    if (e->open_type == TRL_METRIC_COUNTER) {
        key(w, "isMonotonic");
        jwrite_raw(w, trl_cstr("true"));
    }
    jwrite_close(w, '}');
    jwrite_close(w, '}');
    free(e->open);
    e->open = NULL;
}

static int ends_with(trl_str s, const char *end) {
    trl_str e = trl_cstr(end);
    return s.len >= e.len && memcmp(s.ptr + s.len - e.len, end, e.len) == 0;
}

/* In the words of UCUM. Counts have none: "1" would make ratios of them in Prometheus. */
static const char *unit_of(trl_str name) {
    return ends_with(name, "_seconds") ? "s"
           : ends_with(name, "_bytes") ? "By"
           : ends_with(name, "_ratio") ? "1"
                                       : NULL;
}

static void open_metric(struct encoder *e, const trl_metric *m) {
    static const char *const types[] = {
        [TRL_METRIC_COUNTER] = "sum",
        [TRL_METRIC_GAUGE] = "gauge",
        [TRL_METRIC_HISTOGRAM] = "histogram",
    };
    struct jwrite *w = &e->w;
    const char *unit = unit_of(m->name);
    e->open = x_alloc(m->name.len + 1);
    memcpy(e->open, m->name.ptr, m->name.len);
    e->open[m->name.len] = '\0';
    e->open_type = m->type;
    jwrite_open(w, '{');
    put_text(w, "name", m->name);
    put_text(w, "description", m->help);
    if (unit) {
        put_text(w, "unit", trl_cstr(unit));
    }
    key(w, types[m->type]);
    jwrite_open(w, '{');
    open_list(w, "dataPoints");
}

/* The core counts observations up to each bound, OTLP those of each bucket; one more bucket has no
 * bound. */
static void put_buckets(struct jwrite *w, const trl_metric *m) {
    uint64_t before = 0;
    put_u64(w, "count", m->count);
    key(w, "sum");
    value_number(w, m->value);
    open_list(w, "bucketCounts");
    for (uint32_t i = 0; i <= m->n_buckets; i++) {
        uint64_t now = i < m->n_buckets ? m->counts[i] : m->count;
        value_u64(w, now > before ? now - before : 0);
        before = now > before ? now : before;
    }
    jwrite_close(w, ']');
    open_list(w, "explicitBounds");
    for (uint32_t i = 0; i < m->n_buckets; i++) {
        value_number(w, m->bounds[i]);
    }
    jwrite_close(w, ']');
}

void encode_metric(struct encoder *e, const trl_metric *m, int64_t start_ns, int64_t now_ns) {
    struct jwrite *w = &e->w;
    if (m->type < TRL_METRIC_COUNTER || m->type > TRL_METRIC_HISTOGRAM) {
        return;
    }
    if (!e->open || e->open_type != m->type || !trl_str_is(m->name, e->open)) {
        close_metric(e);
        open_metric(e, m);
    }
    jwrite_open(w, '{');
    put_labels(w, m->labels, m->n_labels);
    if (m->type != TRL_METRIC_GAUGE) {
        put_time(w, "startTimeUnixNano", start_ns);
    }
    put_time(w, "timeUnixNano", now_ns);
    if (m->type == TRL_METRIC_HISTOGRAM) {
        put_buckets(w, m);
    } else {
        key(w, "asDouble");
        value_number(w, m->value);
    }
    jwrite_close(w, '}');
    e->n++;
}

/* The whole */

char *encode_end(struct encoder *e, size_t *len) {
    static const char ends[] = {']', '}', ']', '}', ']', '}'};
    struct jwrite *w = &e->w;
    close_metric(e);
    for (size_t i = 0; i < sizeof(ends); i++) {
        jwrite_close(w, ends[i]);
    }
    *len = w->len;
    e->n = 0;
    jtree_finish(&e->tree);
    return x_checked(jwrite_take(w));
}

void encode_drop(struct encoder *e) {
    free(e->open);
    free(e->w.text);
    jtree_finish(&e->tree);
    memset(e, 0, sizeof(*e));
}
