/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include "../scaler-common/scratch.h"
#include "../scaler-common/text.h"

/* Decides one host. matches: its labels match a spread. Returns the reason. */
static uint32_t decide(const trl_place_in *in, uint32_t i, uint32_t flags, uint64_t each,
                       bool matches, uint32_t *wanted) {
    uint32_t current = in->current ? in->current[i] : 0;
    uint32_t foreign = in->foreign ? in->foreign[i] : 0;
    uint32_t most = each > UINT32_MAX ? UINT32_MAX : (uint32_t)each;
    *wanted = 0;
    if (flags & (TRL_HOST_STALE | TRL_HOST_SUSPECT)) {
        *wanted = current;
        return TRL_WHY_FROZEN;
    }
    if (!matches) {
        return TRL_WHY_INELIGIBLE;
    }
    if ((flags & TRL_HOST_EXCLUDED) || (foreign > 0 && current == 0)) {
        return TRL_WHY_EXCLUDED; /* for a provider another's copy does as well as ours */
    }
    *wanted = most;
    if ((!(flags & TRL_HOST_READY) || (flags & TRL_HOST_CORDONED)) && current <= most) {
        *wanted = current;
        return TRL_WHY_CORDONED;
    }
    return *wanted > current   ? TRL_WHY_ADDED
           : *wanted < current ? TRL_WHY_REMOVED
           : current > 0       ? TRL_WHY_KEPT
                               : TRL_WHY_FULL;
}

static void say(const trl_scaler_spec *spec, const trl_place_in *in, const bool *has_host,
                bool too_many, trl_place_out *out) {
    struct text t = {.at = out->message, .cap = sizeof(out->message)};
    for (uint32_t k = 0; k < spec->n_spreads && !t.full; k++) {
        if (has_host[k] || spec->instances == 0) {
            continue;
        }
        text_blank(&t);
        text_c(&t, "Could not satisfy daemonscaler ");
        text_str(&t, spec->spreads[k].name);
        text_c(&t, " for ");
        text_str(&t, in->unit->image);
        text_c(&t, ", 0 eligible hosts found.");
    }
    if (too_many) {
        text_blank(&t);
        text_c(&t, "Could not satisfy daemonscaler for ");
        text_str(&t, in->unit->image);
        text_c(&t, ", a host holds at most 4294967295 instances.");
    }
    out->failed = t.len > 0;
}

void daemon_place(const trl_scaler_spec *spec, const trl_place_in *in, trl_place_out *out) {
    bool singleton = (in->unit->flags & TRL_UNIT_SINGLETON_PER_HOST) != 0;
    uint64_t each = singleton && spec->instances > 1 ? 1 : spec->instances, unplaced = 0;
    struct scratch mem;
    scratch_init(&mem);
    bool *has_host = scratch_array(&mem, spec->n_spreads, sizeof(bool));
    for (uint32_t i = 0; i < in->n_hosts; i++) {
        const trl_host_view *h = trl_at(in->hosts, in->host_stride, i);
        uint32_t flags = in->host_flags ? in->host_flags[i] : h->flags, first = spec->n_spreads;
        for (uint32_t k = 0; k < spec->n_spreads; k++) {
            if (spread_matches(&spec->spreads[k], h)) {
                first = first == spec->n_spreads ? k : first;
                has_host[k] = has_host[k] || !(flags & TRL_HOST_EXCLUDED);
            }
        }
        uint32_t why = decide(in, i, flags, each, first < spec->n_spreads, &out->wanted[i]);
        uint32_t current = in->current ? in->current[i] : 0;
        bool serves = first < spec->n_spreads && (out->wanted[i] > 0 || current > 0);
        out->group[i] = serves ? first : TRL_NO_GROUP;
        if (out->reasons) {
            out->reasons[i] = why;
        }
        if (why == TRL_WHY_ADDED || why == TRL_WHY_KEPT || why == TRL_WHY_REMOVED) {
            unplaced += each - out->wanted[i] < UINT32_MAX ? each - out->wanted[i] : UINT32_MAX;
        }
    }
    out->message[0] = '\0';
    out->unplaced = unplaced > UINT32_MAX ? UINT32_MAX : (uint32_t)unplaced;
    say(spec, in, has_host, unplaced > 0, out);
    scratch_finish(&mem);
}
