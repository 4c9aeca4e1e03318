/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "bench.h"
#include "codec/json.h"

void series_add(struct series *s, double x) {
    s->at = mem_grow(s->at, &s->cap, s->n + 1, sizeof(*s->at));
    s->at[s->n++] = x;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double series_quantile(struct series *s, double q) {
    if (s->n == 0) {
        return 0;
    }
    qsort(s->at, s->n, sizeof(*s->at), by_size);
    uint32_t i = (uint32_t)(q * (double)s->n);
    return s->at[i < s->n ? i : s->n - 1];
}

static void number(struct jw *w, const char *key, double value) {
    char text[64];
    snprintf(text, sizeof(text), "%.6g", value);
    jw_key(w, key);
    jw_raw(w, str_c(text));
}

static void line(const char *id, const char *variant, const char *what, double value,
                 const char *unit, const char *target, const char *how, struct series *s) {
    struct buf out = BUF_INIT;
    struct jw w;
    jw_init(&w, &out, false);
    jw_object(&w);
    jw_kv(&w, "id", str_c(id));
    jw_kv(&w, "variant", str_c(variant));
    jw_kv(&w, "what", str_c(what));
    number(&w, "value", value);
    jw_kv(&w, "unit", str_c(unit));
    jw_kv(&w, "target", str_c(target));
    jw_kv(&w, "how", str_c(how));
    if (s && s->n) {
        number(&w, "n", s->n);
        number(&w, "p50", series_quantile(s, 0.5));
        number(&w, "p90", series_quantile(s, 0.9));
        number(&w, "p99", series_quantile(s, 0.99));
        number(&w, "max", series_quantile(s, 1));
    }
    jw_end_object(&w);
    printf("%s\n", out.ptr);
    fflush(stdout);
    buf_finish(&out);
}

void report(const char *id, const char *variant, const char *what, double value, const char *unit,
            const char *target, const char *how) {
    line(id, variant, what, value, unit, target, how, NULL);
}

void report_series(const char *id, const char *variant, const char *what, struct series *s,
                   const char *target, const char *how) {
    line(id, variant, what, series_quantile(s, 0.5), "ms", target, how, s);
    mem_free(s->at);
    *s = (struct series){0};
}
