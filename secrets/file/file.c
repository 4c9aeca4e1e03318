/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets/1 "file": secrets in a directory of this machine, or in one sealed file.
 */
#include "file.h"

#include <sodium.h>

#include "../../plugins/common/xmem.h"

static trl_status create(const trl_host *h, trl_str config, trl_inst **out, trl_err *err) {
    trl_inst *in;
    trl_status st;
    if (sodium_init() < 0) {
        return trl_errf(err, TRL_E_INTERNAL, "libsodium does not start: no source of randomness");
    }
    in = x_zalloc(sizeof(*in));
    in->host = h;
    in->work = h->get_interface(h->ctx, TRL_HOST_WORK_V1);
    in->loop = h->get_interface(h->ctx, TRL_HOST_LOOP_V1);
    in->secret = h->get_interface(h->ctx, TRL_HOST_SECRET_V1);
    in->place.safe.mem = in->secret;
    in->place.safe.ctx = h->ctx;
    pthread_mutex_init(&in->place.write, NULL);
    st = conf_read(config, &in->place, &in->poll_ns, err);
    if (st != TRL_OK) {
        place_finish(&in->place);
        free(in);
        return st;
    }
    *out = in;
    return TRL_OK;
}

static void destroy(trl_inst *in) {
    ops_finish(in);
    place_finish(&in->place);
    free(in);
}

static const void *get_interface(trl_inst *in, const char *id) {
    if (strcmp(id, TRL_KIND_SECRETS) != 0) {
        return NULL;
    }
    return in->place.readonly ? &ops_table_readonly : &ops_table;
}

static const char *const needs[] = {TRL_HOST_WORK_V1, TRL_HOST_LOOP_V1, TRL_HOST_SECRET_V1, NULL};
static const char *const rights[] = {"fs:read", "fs:write", NULL};

static const trl_component component = {
    .struct_size = sizeof(component),
    .thread_model = TRL_LOOP,
    .iface = TRL_KIND_SECRETS,
    .name = "file",
    .summary = "Secrets in a directory of this machine, or in one sealed file",
    .config_schema = file_schema,
    .needs = needs,
    .rights = rights,
    .check = conf_check,
    .create = create,
    .start = ops_start,
    .stop = ops_stop,
    .destroy = destroy,
    .get_interface = get_interface,
};

TRL_PLUGIN("trellis.secrets-file", "0.1.0", 2, &component);
