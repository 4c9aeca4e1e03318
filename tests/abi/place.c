/* SPDX-License-Identifier: Apache-2.0
 *
 * A scaler that answers as its properties say: the text is the count for every host; "fail" fails,
 * "bad" does not compile. Its reasons count how often it was asked, from 101 on. It has neither
 * group_name nor describe.
 */
#include <stdlib.h>
#include <trellis/trellis.h>

struct trl_inst {
    const trl_host *h;
};
struct trl_scaler_spec {
    uint32_t count;
    int fails;
    uint32_t *asked; /* owned */
};

static trl_status compile(trl_inst *in, trl_str properties, trl_scaler_spec **ret, trl_err *err) {
    (void)in;
    if (trl_str_is(properties, "bad")) {
        return trl_errf(err, TRL_E_INVALID, "/instances must be a number");
    }
    *ret = calloc(1, sizeof(**ret));
    (*ret)->fails = trl_str_is(properties, "fail");
    (*ret)->asked = calloc(1, sizeof(uint32_t));
    for (size_t i = 0; i < properties.len; i++) {
        (*ret)->count = (*ret)->count * 10 + (uint32_t)(properties.ptr[i] - '0');
    }
    return TRL_OK;
}
static void release(trl_inst *in, trl_scaler_spec *s) {
    (void)in;
    free(s->asked);
    free(s);
}
static uint64_t total(trl_inst *in, const trl_scaler_spec *s, uint32_t n) {
    (void)in;
    return (uint64_t)s->count * n;
}
static trl_status place(trl_inst *in, const trl_scaler_spec *s, const trl_place_in *p,
                        trl_place_out *out, trl_err *err) {
    (void)in;
    if (s->fails) {
        return trl_errf(err, TRL_E_INTERNAL, "cannot count");
    }
    ++*s->asked;
    for (uint32_t i = 0; i < p->n_hosts; i++) {
        out->wanted[i] = s->count;
        if (out->reasons) {
            out->reasons[i] = 100 + *s->asked;
        }
    }
    return TRL_OK;
}
static const trl_scaler_v1 table = {sizeof(table), 0,    compile, release,      total,
                                    place,         NULL, NULL,    "PlaceScaler"};
static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    (void)config;
    (void)err;
    *out = calloc(1, sizeof(**out));
    (*out)->h = h;
    return TRL_OK;
}
static void destroy(trl_inst *in) {
    free(in);
}
static const void *get_interface(trl_inst *in, const char *id) {
    (void)in;
    (void)id;
    return &table;
}
static const trl_component component = {.struct_size = sizeof(trl_component),
                                        .iface = TRL_KIND_SCALER,
                                        .name = "place",
                                        .create = create,
                                        .destroy = destroy,
                                        .get_interface = get_interface};
TRL_PLUGIN("test.place", "1.0", 0, &component);
