/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/negotiate.h"

#include <string.h>

#include "base/mem.h"

#define TABLE_MAX_BYTES 65536u /* beyond this struct_size is garbage */

#define FN(type, member)                                                                           \
    { #member, offsetof(type, member) }
static const struct kind_fn transport_fns[] = {
    FN(trl_transport_v1, publish),      FN(trl_transport_v1, request),
    FN(trl_transport_v1, request_many), FN(trl_transport_v1, subscribe),
    FN(trl_transport_v1, watch_link),   FN(trl_transport_v1, cancel),
    FN(trl_transport_v1, resume),
};
static const struct kind_fn store_fns[] = {
    FN(trl_store_v1, get),    FN(trl_store_v1, put),    FN(trl_store_v1, del),
    FN(trl_store_v1, batch),  FN(trl_store_v1, list),   FN(trl_store_v1, watch),
    FN(trl_store_v1, cancel), FN(trl_store_v1, resume),
};
static const struct kind_fn scaler_fns[] = {
    FN(trl_scaler_v1, compile),
    FN(trl_scaler_v1, release),
    FN(trl_scaler_v1, total),
    FN(trl_scaler_v1, place),
};
static const struct kind_fn driver_fns[] = {
    FN(trl_driver_v1, apply), FN(trl_driver_v1, resync), FN(trl_driver_v1, read_configs),
    FN(trl_driver_v1, probe), FN(trl_driver_v1, cancel),
};
static const struct kind_fn policy_fns[] = {
    FN(trl_policy_v1, decide),
    FN(trl_policy_v1, cancel),
    FN(trl_policy_v1, resume),
};
static const struct kind_fn secrets_fns[] = {
    FN(trl_secrets_v1, fetch),
    FN(trl_secrets_v1, check),
    FN(trl_secrets_v1, cancel),
    FN(trl_secrets_v1, resume),
};

#define MODEL(m) (1u << (m))
/* A parallel transport could not keep the order of what is published; scalers are pure and drivers
 * are called from planning, so both answer at once. */
static const struct kind_info kinds[] = {
    {TRL_KIND_TRANSPORT, "transport", sizeof(trl_transport_v1), MODEL(TRL_LOOP) | MODEL(TRL_SERIAL),
     offsetof(trl_transport_v1, cancel), offsetof(trl_transport_v1, resume), transport_fns,
     ARRAY_LEN(transport_fns)},
    {TRL_KIND_STORE, "store", sizeof(trl_store_v1),
     MODEL(TRL_LOOP) | MODEL(TRL_SERIAL) | MODEL(TRL_PARALLEL), offsetof(trl_store_v1, cancel),
     offsetof(trl_store_v1, resume), store_fns, ARRAY_LEN(store_fns)},
    {TRL_KIND_SCALER, "scaler", sizeof(trl_scaler_v1), MODEL(TRL_LOOP), 0, 0, scaler_fns,
     ARRAY_LEN(scaler_fns)},
    {TRL_KIND_DRIVER, "driver", sizeof(trl_driver_v1), MODEL(TRL_LOOP),
     offsetof(trl_driver_v1, cancel), 0, driver_fns, ARRAY_LEN(driver_fns)},
    {TRL_KIND_POLICY, "policy", sizeof(trl_policy_v1),
     MODEL(TRL_LOOP) | MODEL(TRL_SERIAL) | MODEL(TRL_PARALLEL), offsetof(trl_policy_v1, cancel),
     offsetof(trl_policy_v1, resume), policy_fns, ARRAY_LEN(policy_fns)},
    {TRL_KIND_SECRETS, "secrets", sizeof(trl_secrets_v1),
     MODEL(TRL_LOOP) | MODEL(TRL_SERIAL) | MODEL(TRL_PARALLEL), offsetof(trl_secrets_v1, cancel),
     offsetof(trl_secrets_v1, resume), secrets_fns, ARRAY_LEN(secrets_fns)},
    {TRL_KIND_EXTENSION, "extension", sizeof(trl_extension_v1), MODEL(TRL_LOOP), 0, 0, NULL, 0},
};

const struct kind_info *kind_find(const char *iface) {
    for (size_t i = 0; iface && i < ARRAY_LEN(kinds); i++) {
        if (strcmp(kinds[i].iface, iface) == 0) {
            return &kinds[i];
        }
    }
    return NULL;
}

const struct kind_info *kind_need(const char *iface, struct err *err) {
    const struct kind_info *k = kind_find(iface);
    if (!k) {
        err_set(err, TRL_E_UNSUPP,
                "unknown plugin kind '%s' (known: transport/1, store/1, scaler/1, driver/1, "
                "policy/1, secrets/1, extension/1)",
                iface ? iface : "");
    }
    return k;
}

typedef void (*op_fn)(trl_inst *, trl_op *);

static op_fn fn_at(const void *table, uint32_t offset) {
    op_fn f = NULL;
    if (table && offset) {
        memcpy(&f, (const char *)table + offset, sizeof(f));
    }
    return f;
}

op_fn kind_cancel(const struct kind_info *k, const void *table) {
    return fn_at(table, k->cancel);
}

op_fn kind_resume(const struct kind_info *k, const void *table) {
    return fn_at(table, k->resume);
}

static int need_versions(const char *what, uint32_t major, uint32_t minor_needed, struct err *err) {
    if (major != TRL_ABI_MAJOR) {
        return err_set(err, TRL_E_UNSUPP,
                       "%s: built for plugin ABI %u, this core offers %u.%u: rebuild the plugin "
                       "against this release",
                       what, major, TRL_ABI_MAJOR, TRL_ABI_MINOR);
    }
    if (minor_needed > TRL_ABI_MINOR) {
        return err_set(err, TRL_E_UNSUPP,
                       "%s: needs plugin ABI %u.%u, this core offers %u.%u: use a newer trellis",
                       what, major, minor_needed, TRL_ABI_MAJOR, TRL_ABI_MINOR);
    }
    return 0;
}

int negotiate_note(const char *what, const struct note_info *n, struct err *err) {
    return need_versions(what, n->abi_major, n->abi_minor_needed, err);
}

static int disagree(const char *what, const char *member, struct err *err) {
    return err_set(err, TRL_E_INVALID,
                   "%s: its note and its code disagree about '%s': the file was replaced while the "
                   "old one is in use (restart), or it was damaged",
                   what, member);
}

int negotiate_plugin(const char *what, const struct note_info *n, const trl_plugin *p,
                     trl_plugin *ret, struct err *err) {
    if (!p) {
        return err_set(err, TRL_E_UNSUPP,
                       "%s: refuses plugin ABI %d, which this core speaks: rebuild the plugin "
                       "against this release",
                       what, TRL_ABI_MAJOR);
    }
    if (p->magic != TRL_MAGIC) {
        return err_set(err, TRL_E_INVALID,
                       "%s: its descriptor begins with %08x, not with %08x: set magic = TRL_MAGIC "
                       "in its trl_plugin and rebuild it, or install the file again if it was "
                       "damaged",
                       what, p->magic, TRL_MAGIC);
    }
    if (p->struct_size < sizeof(*p) || p->struct_size > TABLE_MAX_BYTES) {
        return err_set(err, TRL_E_INVALID,
                       "%s: its descriptor says it has %u bytes, at least %zu are "
                       "needed: set struct_size = sizeof(trl_plugin) and rebuild the plugin",
                       what, p->struct_size, sizeof(*p));
    }
    memcpy(ret, p, sizeof(*ret));
    int rc = need_versions(what, p->abi_major, p->abi_minor_needed, err);
    if (rc < 0) {
        return rc;
    }
    if (!p->id || !p->version || !p->components) {
        return err_set(err, TRL_E_INVALID,
                       "%s: its descriptor lacks id, version or components: fill them in and "
                       "rebuild the plugin",
                       what);
    }
    if (!str_is(n->id, p->id)) {
        return disagree(what, "id", err);
    }
    if (!str_is(n->version, p->version)) {
        return disagree(what, "version", err);
    }
    if (n->abi_major != p->abi_major || n->abi_minor_needed != p->abi_minor_needed ||
        n->abi_minor_built != p->abi_minor_built) {
        return disagree(what, "abi", err);
    }
    ret->licence = p->licence ? p->licence : "";
    ret->home = p->home ? p->home : "";
    return 0;
}

int negotiate_component(const char *what, const trl_component *c, trl_component *ret,
                        struct err *err) {
    if (c->struct_size < sizeof(*c) || c->struct_size > TABLE_MAX_BYTES) {
        return err_set(err, TRL_E_INVALID,
                       "%s: a component says it has %u bytes, at least %zu are "
                       "needed",
                       what, c->struct_size, sizeof(*c));
    }
    memcpy(ret, c, sizeof(*ret));
    if (!c->iface || !c->name) {
        return err_set(err, TRL_E_INVALID, "%s: a component lacks iface or name", what);
    }
    const char *missing = !c->create          ? "create"
                          : !c->destroy       ? "destroy"
                          : !c->get_interface ? "get_interface"
                                              : NULL;
    if (missing) {
        return err_set(err, TRL_E_INVALID, "%s: component %s '%s' lacks the function '%s'", what,
                       c->iface, c->name, missing);
    }
    if (c->thread_model > TRL_PARALLEL) {
        return err_set(err, TRL_E_UNSUPP,
                       "%s: component %s '%s' has thread model %u, known are 0 to "
                       "2",
                       what, c->iface, c->name, c->thread_model);
    }
    const struct kind_info *k = kind_find(c->iface);
    if (k && !(k->models & MODEL(c->thread_model))) {
        static const char *const names[] = {"TRL_LOOP", "TRL_SERIAL", "TRL_PARALLEL"};
        return err_set(err, TRL_E_UNSUPP,
                       "%s: component %s '%s' has thread model %s, which this kind "
                       "does not allow",
                       what, c->iface, c->name, names[c->thread_model]);
    }
    ret->summary = c->summary ? c->summary : "";
    return 0;
}

int negotiate_table(const char *what, const struct kind_info *k, const void *table, void *ret,
                    struct err *err) {
    uint32_t size;
    if (!table) {
        return err_set(err, TRL_E_UNSUPP, "%s: get_interface(\"%s\") gives nothing", what,
                       k->iface);
    }
    memcpy(&size, table, sizeof(size));
    if (size < 8 || size > TABLE_MAX_BYTES) {
        return err_set(err, TRL_E_INVALID, "%s: its %s table says it has %u bytes", what, k->iface,
                       size);
    }
    size = size < k->size ? size & ~7u : k->size; /* no half pointers */
    memset(ret, 0, k->size);
    memcpy(ret, table, size);
    memcpy(ret, &k->size, sizeof(k->size));
    for (uint32_t i = 0; i < k->n_fns; i++) {
        if (!fn_at(ret, k->fns[i].offset)) {
            return err_set(err, TRL_E_INVALID, "%s: its %s table lacks the function '%s'", what,
                           k->iface, k->fns[i].name);
        }
    }
    return 0;
}

trl_status negotiate_request(void *ret, size_t size, const void *request) {
    uint32_t have;
    if (!request) {
        return TRL_E_INVALID;
    }
    memcpy(&have, request, sizeof(have));
    if (have < sizeof(have) || have > TABLE_MAX_BYTES) {
        return TRL_E_INVALID;
    }
    const unsigned char *bytes = request;
    for (size_t i = size; i < have; i++) {
        if (bytes[i]) {
            return TRL_E_UNSUPP;
        }
    }
    memset(ret, 0, size);
    memcpy(ret, request, have < size ? have : size);
    uint32_t own = (uint32_t)size;
    memcpy(ret, &own, sizeof(own));
    return TRL_OK;
}
