/* SPDX-License-Identifier: Apache-2.0
 *
 * What the border sees of a scaler that takes wadm's properties: the same for all that differ only
 * in how they place. Included once, by the file that names the component and defines `own`.
 */
#ifndef PLUGINS_SCALER_FACE_H
#define PLUGINS_SCALER_FACE_H

#include "../common/xmem.h"
#include "spec.h"
#include "why.h"

struct scaler_own {
    uint64_t (*total)(const trl_scaler_spec *, uint32_t n_ready_hosts);
    void (*place)(const trl_scaler_spec *, const trl_place_in *, trl_place_out *);
    const char *added; /* why a host gets more, for people */
};
static const struct scaler_own own;

struct trl_inst {
    const trl_host *host; /* not used: placement is pure */
};

static trl_status face_compile(trl_inst *in, trl_str properties, trl_scaler_spec **ret,
                               trl_err *err) {
    (void)in;
    return spec_compile(properties, ret, err);
}

static void face_release(trl_inst *in, trl_scaler_spec *spec) {
    (void)in;
    spec_release(spec);
}

static uint64_t face_total(trl_inst *in, const trl_scaler_spec *spec, uint32_t n_ready_hosts) {
    (void)in;
    return own.total(spec, n_ready_hosts);
}

static trl_status face_place(trl_inst *in, const trl_scaler_spec *spec, const trl_place_in *what,
                             trl_place_out *out, trl_err *err) {
    (void)in;
    (void)err;
    own.place(spec, what, out);
    return TRL_OK;
}

static trl_str face_group_name(trl_inst *in, const trl_scaler_spec *spec, uint32_t group) {
    (void)in;
    return spec_group_name(spec, group);
}

static void face_describe(trl_inst *in, const trl_scaler_spec *spec, uint32_t why,
                          const trl_host_view *h, char *text, size_t cap) {
    (void)in;
    (void)spec;
    (void)h;
    why_describe(why, "the labels match no spread", own.added, text, cap);
}

static const trl_scaler_v1 face_table;

static trl_status face_create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)config;
    (void)err;
    *out = x_zalloc(sizeof(**out));
    (*out)->host = h;
    return TRL_OK;
}

static void face_destroy(trl_inst *in) {
    free(in);
}

static const void *face_interface(trl_inst *in, const char *id) {
    (void)in;
    return strcmp(id, TRL_KIND_SCALER) == 0 ? &face_table : NULL;
}

#define FACE_TABLE(KIND)                                                                           \
    {                                                                                              \
        .struct_size = sizeof(trl_scaler_v1), .compile = face_compile, .release = face_release,    \
        .total = face_total, .place = face_place, .group_name = face_group_name,                   \
        .describe = face_describe, .status_kind = (KIND),                                          \
    }
#define FACE_COMPONENT(NAME, SUMMARY)                                                              \
    {                                                                                              \
        .struct_size = sizeof(trl_component), .thread_model = TRL_LOOP, .iface = TRL_KIND_SCALER,  \
        .name = (NAME), .summary = (SUMMARY),                                                      \
        .config_schema = "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{}}", \
        .create = face_create, .destroy = face_destroy, .get_interface = face_interface,           \
    }

#endif
