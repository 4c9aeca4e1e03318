/* SPDX-License-Identifier: Apache-2.0 */
#include "sim/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

struct sim_config sim_config_default(void) {
    struct sim_config c = {
        .hosts = 1,
        .ctl_prefix = "wasmbus.ctl",
        .version = "1.9.2",
        .nats_url = "nats://127.0.0.1:4222",
        .heartbeat_ns = 30 * S,
        .health_first_ns = 5 * S,
        .health_ns = 30 * S,
        .table_lock = true,
        .auctions = true,
        .builtins = true,
        .faults = {.reply = {MS / 2, MS / 2},
                   .fetch = {2 * MS, 2 * MS},
                   .start_component = {150 * MS, 300 * MS},
                   .start_provider = {50 * MS, 200 * MS},
                   .stop_provider = {2 * MS, 2 * MS},
                   .link = {2 * MS, 2 * MS},
                   .reorder = {10 * MS, 500 * MS}},
    };
    return c;
}

struct sim_config sim_config_instant(void) {
    struct sim_config c = sim_config_default();
    struct sim_delay none = {0, 0};
    struct sim_delay reorder = c.faults.reorder;
    c.faults = (struct sim_faults){.reply = none, .reorder = reorder};
    return c;
}

int64_t sim_delay_draw(const struct sim_delay *d, struct rng *r) {
    if (d->max_ns <= d->min_ns) {
        return d->min_ns;
    }
    return d->min_ns + (int64_t)rng_below(r, (uint64_t)(d->max_ns - d->min_ns) + 1);
}

/* A number and what follows it. */
static bool number(str s, double *ret, str *ret_rest) {
    char text[40], *end;
    if (s.len == 0 || s.len >= sizeof(text) || !(s.ptr[0] >= '0' && s.ptr[0] <= '9')) {
        return false;
    }
    memcpy(text, s.ptr, s.len);
    text[s.len] = '\0';
    *ret = strtod(text, &end);
    *ret_rest = str_skip(s, (size_t)(end - text));
    return isfinite(*ret);
}

int sim_duration_parse(str s, int64_t *ret_ns, struct err *err) {
    static const struct {
        const char *unit;
        double ns;
    } units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    double v;
    str unit;
    if (number(s, &v, &unit)) {
        for (size_t i = 0; i < ARRAY_LEN(units); i++) {
            if (str_is(unit, units[i].unit) && v * units[i].ns < 9e18) {
                *ret_ns = (int64_t)(v * units[i].ns);
                return 0;
            }
        }
        if (unit.len == 0 && v == 0) {
            *ret_ns = 0;
            return 0;
        }
    }
    return err_set(
        err, TRL_E_INVALID,
        "\"%.*s\" is no duration: write a number with ns, us, ms, s, m or h, as in 250ms", PSTR(s));
}

int sim_delay_parse(str s, struct sim_delay *ret, struct err *err) {
    struct sim_delay d;
    str rest, first = str_cut(s, '-', &rest);
    int rc = sim_duration_parse(first, &d.min_ns, err);
    d.max_ns = d.min_ns;
    if (rc == 0 && rest.ptr) {
        rc = sim_duration_parse(rest, &d.max_ns, err);
    }
    if (rc == 0 && d.max_ns < d.min_ns) {
        rc = err_set(err, TRL_E_INVALID, "\"%.*s\": the second duration is the shorter one",
                     PSTR(s));
    }
    if (rc == 0) {
        *ret = d;
    }
    return rc;
}

int sim_rate_parse(str s, double *ret, struct err *err) {
    double v;
    str rest;
    if (number(s, &v, &rest) && (rest.len == 0 || str_is(rest, "%"))) {
        v = rest.len ? v / 100 : v;
        if (v <= 1) {
            *ret = v;
            return 0;
        }
    }
    return err_set(err, TRL_E_INVALID, "\"%.*s\" is no rate: write 0 to 1, or 0%% to 100%%",
                   PSTR(s));
}

int sim_faults_set(struct sim_faults *f, str name, str value, struct err *err) {
    static const struct {
        const char *name;
        size_t offset;
        bool rate;
    } all[] = {
        {"reply-delay", offsetof(struct sim_faults, reply), false},
        {"fetch-delay", offsetof(struct sim_faults, fetch), false},
        {"start-delay", offsetof(struct sim_faults, start_component), false},
        {"provider-start-delay", offsetof(struct sim_faults, start_provider), false},
        {"provider-stop-delay", offsetof(struct sim_faults, stop_provider), false},
        {"link-delay", offsetof(struct sim_faults, link), false},
        {"reorder-delay", offsetof(struct sim_faults, reorder), false},
        {"fail-rate", offsetof(struct sim_faults, start_fail), true},
        {"nack-rate", offsetof(struct sim_faults, nack), true},
        {"no-reply-rate", offsetof(struct sim_faults, no_reply), true},
        {"lose-requests", offsetof(struct sim_faults, request_lost), true},
        {"die-after-ack", offsetof(struct sim_faults, die_after_ack), true},
        {"lose-events", offsetof(struct sim_faults, event_lost), true},
        {"dup-events", offsetof(struct sim_faults, event_dup), true},
        {"reorder-events", offsetof(struct sim_faults, event_reordered), true},
    };
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        if (str_is(name, all[i].name)) {
            void *p = (char *)f + all[i].offset;
            return all[i].rate ? sim_rate_parse(value, p, err) : sim_delay_parse(value, p, err);
        }
    }
    return err_set(err, TRL_E_NOTFOUND, "there is no setting \"%.*s\"", PSTR(name));
}

struct range { /* "r{0..9}": 10 values */
    str before, after;
    uint64_t from, n;
};

static bool range_parse(str s, struct range *r) {
    str rest, inner, to;
    r->before = str_cut(s, '{', &rest);
    inner = str_cut(rest, '}', &r->after);
    str from = str_cut(inner, '.', &to);
    uint64_t last;
    if (!rest.ptr || !r->after.ptr || !str_starts(to, STR(".")) || !str_u64(from, &r->from) ||
        !str_u64(str_skip(to, 1), &last) || last < r->from || last - r->from > 1000000) {
        return false;
    }
    r->n = last - r->from + 1;
    return true;
}

static bool alternative(str s, uint64_t *skip, struct buf *value, uint32_t index) {
    struct range r;
    uint64_t n = range_parse(s, &r) ? r.n : 1;
    if (*skip >= n) {
        *skip -= n;
        return false;
    }
    if (n > 1) {
        buf_addf(value, "%.*s%llu%.*s", PSTR(r.before), (unsigned long long)(r.from + *skip),
                 PSTR(r.after));
        return true;
    }
    str after, before = str_cut(s, '{', &after);
    if (after.ptr && str_starts(after, STR("i}"))) {
        buf_addf(value, "%.*s%u%.*s", PSTR(before), index, PSTR(str_skip(after, 2)));
    } else {
        buf_add_str(value, s);
    }
    return true;
}

int sim_label_value(str pattern, uint32_t index, str *ret_key, struct buf *value, struct err *err) {
    str all, key = str_cut(pattern, '=', &all);
    uint64_t total = 0;
    if (!all.ptr || key.len == 0) {
        return err_set(err, TRL_E_INVALID,
                       "label \"%.*s\": write key=value, key=a|b|c or key=x{0..9}", PSTR(pattern));
    }
    *ret_key = key;
    for (str rest = all, one; rest.ptr;) {
        struct range r;
        one = str_cut(rest, '|', &rest);
        total += range_parse(one, &r) ? r.n : 1;
    }
    uint64_t skip = index % total;
    for (str rest = all, one; rest.ptr;) {
        one = str_cut(rest, '|', &rest);
        if (alternative(one, &skip, value, index)) {
            break;
        }
    }
    return 0;
}
