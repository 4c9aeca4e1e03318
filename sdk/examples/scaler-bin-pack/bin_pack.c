/* SPDX-License-Identifier: Apache-2.0
 *
 * scaler/1 "bin-pack": fills hosts one after another instead of spreading, so that the others can
 * be switched off. An example of a scaler outside Trellis' tree: see README.md.
 */
#include <jansson.h>
#include <stdlib.h>
#include <trellis/trellis.h>

/* What one trait says. The name is ours to choose, its content too: the core only passes it. */
struct trl_scaler_spec {
    uint64_t instances;
    uint32_t max_per_host;
};

struct trl_inst {
    const trl_host *host; /* what the core offers; a scaler rarely needs it */
};

/* compile: properties of the trait -> spec. It is the validator too. */

static trl_status number(const json_t *b_all, const char *key, json_int_t min, json_int_t max,
                         json_int_t *ret, trl_err *err) {
    const json_t *b_n = json_object_get(b_all, key);
    if (!b_n) { /* an error begins with a JSON pointer; "" is the whole */
        return trl_errf(err, TRL_E_INVALID, " %s is missing", key);
    }
    *ret = json_integer_value(b_n);
    if (!json_is_integer(b_n) || *ret < min || *ret > max) {
        return trl_errf(err, TRL_E_INVALID, "/%s must be a whole number from %lld to %lld", key,
                        (long long)min, (long long)max);
    }
    return TRL_OK;
}

static trl_status compile(trl_inst *in, trl_str properties, trl_scaler_spec **ret, trl_err *err) {
    json_int_t instances = 0, most = 0;
    json_t *j_all = json_loadb(properties.len ? properties.ptr : "", properties.len,
                               JSON_REJECT_DUPLICATES, NULL);
    trl_status st = TRL_OK;
    (void)in;
    if (!json_is_object(j_all)) {
        st = trl_errf(err, TRL_E_INVALID,
                      " must be an object: {\"instances\":4,\"max_per_host\":2}");
    }
    if (st == TRL_OK) {
        st = number(j_all, "instances", 0, INT64_MAX, &instances, err);
    }
    if (st == TRL_OK) {
        st = number(j_all, "max_per_host", 1, UINT32_MAX, &most, err);
    }
    json_decref(j_all);
    if (st != TRL_OK) {
        return st;
    }
    trl_scaler_spec *spec = malloc(sizeof(*spec));
    if (!spec) {
        return trl_errf(err, TRL_E_NOMEM, " no memory");
    }
    spec->instances = (uint64_t)instances;
    spec->max_per_host = (uint32_t)most;
    *ret = spec;
    return TRL_OK;
}

static void release(trl_inst *in, trl_scaler_spec *spec) {
    (void)in;
    free(spec);
}

static uint64_t total(trl_inst *in, const trl_scaler_spec *spec, uint32_t n_ready_hosts) {
    (void)in;
    (void)n_ready_hosts;
    return spec->instances;
}

/* place: pure. Same input, same output; nothing but the arguments counts. */

struct candidate {
    const trl_host_view *host;
    uint32_t index, failing;
};

/* Fullest first, and the last ones to be filled are the first to give. Ties by id: the order in
 * which hosts come must not matter. */
static int by_preference(const void *a, const void *b) {
    const struct candidate *x = a, *y = b;
    if ((x->failing > 0) != (y->failing > 0)) {
        return x->failing > 0 ? 1 : -1;
    }
    if (x->host->n_instances != y->host->n_instances) {
        return x->host->n_instances > y->host->n_instances ? -1 : 1;
    }
    return trl_str_cmp(x->host->id, y->host->id);
}

static void fill(const trl_place_in *in, trl_place_out *out, const struct candidate *c, uint32_t n,
                 uint32_t most, uint64_t *missing) {
    for (uint32_t i = 0; i<n && * missing> 0; i++) {
        uint32_t h = c[i].index, now = out->wanted[h];
        int taken = in->foreign && in->foreign[h] > 0;
        if (in->host_flags[h] != TRL_HOST_READY || taken || now >= most) {
            continue; /* cordoned: nothing new; another application has the id there; full */
        }
        uint32_t more = *missing < most - now ? (uint32_t)*missing : most - now;
        out->wanted[h] += more;
        *missing -= more;
    }
}

static void drain(trl_place_out *out, const struct candidate *c, uint32_t n, uint64_t excess) {
    for (uint32_t i = n; i-- > 0 && excess > 0;) {
        uint32_t *w = &out->wanted[c[i].index];
        uint32_t less = excess < *w ? (uint32_t)excess : *w;
        *w -= less;
        excess -= less;
    }
}

static trl_status place(trl_inst *in, const trl_scaler_spec *spec, const trl_place_in *what,
                        trl_place_out *out, trl_err *err) {
    int singleton = (what->unit->flags & TRL_UNIT_SINGLETON_PER_HOST) != 0;
    uint32_t n = 0, most = singleton ? 1 : spec->max_per_host;
    uint64_t running = 0, missing = 0;
    struct candidate *c = malloc((what->n_hosts + 1u) * sizeof(*c));
    (void)in;
    if (!c) {
        return trl_errf(err, TRL_E_NOMEM, "no memory");
    }
    for (uint32_t h = 0; h < what->n_hosts; h++) {
        uint32_t flags = what->host_flags[h], now = what->current[h];
        out->group[h] = 0;
        if (flags & (TRL_HOST_STALE | TRL_HOST_SUSPECT)) {
            out->wanted[h] = now; /* frozen: counts, and stays as it is */
        } else if (!(flags & TRL_HOST_EXCLUDED)) {
            out->wanted[h] = singleton && now > 1 ? 1 : now;       /* what runs stays */
            c[n].host = trl_at(what->hosts, what->host_stride, h); /* step by the stride given */
            c[n].index = h;
            c[n++].failing = what->failing[h];
        }
        running += out->wanted[h];
        if (singleton && what->foreign && out->wanted[h] == 0) {
            running += what->foreign[h] > 0; /* somebody else's copy does as well */
        }
    }
    qsort(c, n, sizeof(*c), by_preference);
    if (running > spec->instances) {
        drain(out, c, n, running - spec->instances);
    } else {
        missing = spec->instances - running;
        fill(what, out, c, n, most, &missing);
    }
    free(c);
    if (missing > 0) {
        out->failed = 1;
        out->unplaced = missing < UINT32_MAX ? (uint32_t)missing : UINT32_MAX;
        snprintf(out->message, sizeof(out->message), "No room for %llu of %llu instances",
                 (unsigned long long)missing, (unsigned long long)spec->instances);
    }
    return TRL_OK;
}

static trl_str group_name(trl_inst *in, const trl_scaler_spec *spec, uint32_t group) {
    (void)in;
    (void)spec;
    (void)group;
    return trl_cstr("default");
}

static const trl_scaler_v1 table = {
    .struct_size = sizeof(table),
    .compile = compile,
    .release = release,
    .total = total,
    .place = place,
    .group_name = group_name,
};

/* The instance: one per use in the config file */

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)config;
    *out = malloc(sizeof(**out));
    if (!*out) {
        return trl_errf(err, TRL_E_NOMEM, "no memory");
    }
    (*out)->host = h;
    return TRL_OK;
}

static void destroy(trl_inst *in) {
    free(in);
}

static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_SCALER) == 0 ? &table : NULL;
}

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_SCALER,
    .name = "bin-pack",
    .summary = "Fills hosts one after another, up to max_per_host each",
    .config_schema = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}",
    .create = create,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("example.scaler-bin-pack", "1.0.0", 0, &component);
