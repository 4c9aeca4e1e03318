/* SPDX-License-Identifier: Apache-2.0
 *
 * scaler/1 "daemon": so many instances on every host that matches.
 */
#include "../common/xmem.h"
#include "../scaler-common/why.h"
#include "place.h"

struct trl_inst {
    const trl_host *host; /* not used: placement is pure */
};

static trl_status compile(trl_inst *in, trl_str properties, trl_scaler_spec **ret, trl_err *err) {
    (void)in;
    return spec_compile(properties, ret, err);
}

static void release(trl_inst *in, trl_scaler_spec *spec) {
    (void)in;
    spec_release(spec);
}

static uint64_t total(trl_inst *in, const trl_scaler_spec *spec, uint32_t n_ready_hosts) {
    (void)in;
    uint64_t all;
    return __builtin_mul_overflow(spec->instances, n_ready_hosts, &all) ? UINT64_MAX : all;
}

static trl_status place(trl_inst *in, const trl_scaler_spec *spec, const trl_place_in *what,
                        trl_place_out *out, trl_err *err) {
    (void)in;
    (void)err;
    daemon_place(spec, what, out);
    return TRL_OK;
}

static trl_str group_name(trl_inst *in, const trl_scaler_spec *spec, uint32_t group) {
    (void)in;
    return spec_group_name(spec, group);
}

static void describe(trl_inst *in, const trl_scaler_spec *spec, uint32_t why,
                     const trl_host_view *h, char *text, size_t cap) {
    (void)in;
    (void)spec;
    (void)h;
    why_describe(why, "the labels match no spread", "every host that matches has them", text, cap);
}

static const trl_scaler_v1 table = {
    .struct_size = sizeof(table),
    .compile = compile,
    .release = release,
    .total = total,
    .place = place,
    .group_name = group_name,
    .describe = describe,
    .status_kind = "DaemonScaler",
};

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)config;
    (void)err;
    *out = x_zalloc(sizeof(**out));
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
    .name = "daemon",
    .summary = "So many instances on every host that matches",
    .config_schema = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}",
    .create = create,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.scaler-daemon", "0.1.0", 0, &component);
