/* SPDX-License-Identifier: Apache-2.0
 *
 * Prometheus text format 0.0.4.
 */
#include "http.h"

static void add_escaped(struct text *out, trl_str s, int quotes) {
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (c == '\\' || (quotes && c == '"')) {
            text_add(out, "\\", 1);
        }
        if (c == '\n') {
            text_add(out, "\\n", 2);
        } else {
            text_add(out, &c, 1);
        }
    }
}

static void add_labels(const trl_metric *m, const char *le, struct text *out) {
    if (m->n_labels == 0 && !le) {
        return;
    }
    text_add(out, "{", 1);
    for (uint32_t i = 0; i < m->n_labels; i++) {
        text_adds(out, i ? "," : "");
        text_addv(out, m->labels[i].key);
        text_adds(out, "=\"");
        add_escaped(out, m->labels[i].value, 1);
        text_adds(out, "\"");
    }
    if (le) {
        text_addf(out, "%sle=\"%s\"", m->n_labels ? "," : "", le);
    }
    text_add(out, "}", 1);
}

static void add_head(const trl_metric *m, struct text *out) {
    static const char *const types[] = {"untyped", "counter", "gauge", "histogram"};
    const char *suffix = m->type == TRL_METRIC_COUNTER ? "_total" : "";
    text_addf(out, "# HELP %.*s%s ", (int)m->name.len, m->name.ptr, suffix);
    add_escaped(out, m->help, 0);
    text_addf(out, "\n# TYPE %.*s%s %s\n", (int)m->name.len, m->name.ptr, suffix,
              types[m->type <= TRL_METRIC_HISTOGRAM ? m->type : 0]);
}

void prom_write(const trl_metric *m, trl_str *last_name, struct text *out) {
    if (!trl_str_eq(m->name, *last_name)) {
        add_head(m, out);
    }
    if (m->type != TRL_METRIC_HISTOGRAM) {
        text_addv(out, m->name);
        text_adds(out, m->type == TRL_METRIC_COUNTER ? "_total" : "");
        add_labels(m, NULL, out);
        text_addf(out, " %.17g\n", m->value);
        return;
    }
    for (uint32_t i = 0; i <= m->n_buckets; i++) {
        char le[40] = "+Inf";
        if (i < m->n_buckets) {
            snprintf(le, sizeof(le), "%.15g", m->bounds[i]);
        }
        text_addv(out, m->name);
        text_adds(out, "_bucket");
        add_labels(m, le, out);
        text_addf(out, " %llu\n", (unsigned long long)(i < m->n_buckets ? m->counts[i] : m->count));
    }
    text_addv(out, m->name);
    text_adds(out, "_sum");
    add_labels(m, NULL, out);
    text_addf(out, " %.17g\n", m->value);
    text_addv(out, m->name);
    text_adds(out, "_count");
    add_labels(m, NULL, out);
    text_addf(out, " %llu\n", (unsigned long long)m->count);
}

void prom_counts(const struct counts *c, struct text *out) {
    const struct {
        const char *reason;
        uint64_t n;
    } refused[] = {
        {"host", c->refused_host}, {"origin", c->refused_origin}, {"rate", c->refused_rate},
        {"auth", c->refused_auth}, {"role", c->refused_role},     {"cut_off", c->cut_off},
    };
    text_adds(out, "# HELP trellis_http_requests_total Requests answered, by class of status\n"
                   "# TYPE trellis_http_requests_total counter\n");
    for (int i = 2; i < 6; i++) {
        text_addf(out, "trellis_http_requests_total{class=\"%dxx\"} %llu\n", i,
                  (unsigned long long)c->by_class[i]);
    }
    text_adds(out, "# HELP trellis_http_refused_total Requests refused or cut off\n"
                   "# TYPE trellis_http_refused_total counter\n");
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        text_addf(out, "trellis_http_refused_total{reason=\"%s\"} %llu\n", refused[i].reason,
                  (unsigned long long)refused[i].n);
    }
    text_addf(out,
              "# HELP trellis_http_streams Event streams open\n"
              "# TYPE trellis_http_streams gauge\ntrellis_http_streams %u\n",
              c->n_streams);
}
