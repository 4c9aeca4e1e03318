/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plugin offers the core: one symbol out, one table in. Everything is const and static.
 */
#ifndef TRELLIS_PLUGIN_H
#define TRELLIS_PLUGIN_H

#include <trellis/abi.h>
#include <trellis/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Thread models (trl_component.thread_model): who calls the kind's functions. */
#define TRL_LOOP     0 /* the loop thread; must return at once                               */
#define TRL_SERIAL   1 /* one core-owned thread per instance, one call at a time; may block  */
#define TRL_PARALLEL 2 /* the core's pool, many at once; may block; plugin locks its state   */

/* Kinds */
#define TRL_KIND_TRANSPORT "transport/1"
#define TRL_KIND_STORE     "store/1"
#define TRL_KIND_SCALER    "scaler/1"
#define TRL_KIND_DRIVER    "driver/1"
#define TRL_KIND_POLICY    "policy/1"
#define TRL_KIND_SECRETS   "secrets/1"
#define TRL_KIND_EXTENSION "extension/1"

/* One thing the library provides. State table (docs/plugin-lifecycle.md):
 * described -create-> created -start-> starting -op done-> ready -stop-> stopping -op done->
 * stopped -destroy-> destroyed. Kind functions are legal in ready only (scalers: from created on).
 */
typedef struct trl_component {
    uint32_t struct_size;
    uint32_t thread_model;
    const char *iface;         /* "store/1"                                     */
    const char *name;          /* "nats-kv": what config names                  */
    const char *summary;       /* one line                                      */
    const char *config_schema; /* JSON Schema text (subset: docs/config-schema.md), or NULL */
    const char *const
        *needs; /* host interface ids it cannot live without; NULL-terminated or NULL */
    const char *const *wants;  /* ... and can use                               */
    const char *const *rights; /* "net", "fs:read", "exec": input for isolation */

    /* [pure] cross-field checks the schema cannot say; may be NULL */
    trl_status (*check)(trl_str config, trl_err *err);
    /* [loop] cheap; no I/O, no threads. config: JSON text, validated, defaults filled in. h lives
     * as long as the instance. */
    trl_status (*create)(const trl_host *h, trl_str config, trl_inst **out, trl_err *err);
    /* [loop] connect, open; completes op when ready. NULL: ready at once */
    void (*start)(trl_inst *in, trl_op *op);
    /* [loop] finish or cancel all ops, join threads; then complete op. NULL: nothing to do */
    void (*stop)(trl_inst *in, trl_op *op);
    /* [loop] cannot fail; accepts an instance in any state */
    void (*destroy)(trl_inst *in);
    /* [any] the kind's table, e.g. trl_store_v1 for "store/1"; static; NULL if unknown */
    const void *(*get_interface)(trl_inst *in, const char *id);
} trl_component;

typedef struct trl_plugin {
    uint32_t magic; /* TRL_MAGIC                                       */
    uint32_t struct_size;
    uint16_t abi_major;
    uint16_t abi_minor_built;  /* filled by the macro: what it was compiled with  */
    uint16_t abi_minor_needed; /* stated by the AUTHOR: what it cannot do without */
    uint16_t flags;
    const char *id, *version, *licence, *home;
    const trl_component *const *components; /* NULL-terminated array of pointers */
} trl_plugin;

/* [pure] The one exported symbol. NULL when the host's major is not served. */
TRL_EXPORT const trl_plugin *trl_plugin_entry(uint32_t host_major);

/* Text of the note is a JSON object; it is read from the file before the library is loaded and must
 * agree with the descriptor. The macro is used once per library, at file scope. */
#define TRL_STR2(x) #x
#define TRL_STR(x)  TRL_STR2(x)
#define TRL_PLUGIN(ID, VERSION, MINOR_NEEDED, ...)                                                 \
    __attribute__((used, section(".note.trellis"), aligned(4))) static const struct {              \
        uint32_t namesz, descsz, type;                                                             \
        char name[4];                                                                              \
        char desc[(sizeof(                                                                         \
                       "{\"id\":\"" ID "\",\"version\":\"" VERSION                                 \
                       "\",\"abi_major\":" TRL_STR(TRL_ABI_MAJOR) ",\"abi_minor_built\":" TRL_STR( \
                           TRL_ABI_MINOR) ",\"abi_minor_needed\":" #MINOR_NEEDED "}") +            \
                   3u) &                                                                           \
                  ~3u];                                                                            \
    } trl_note_ = {                                                                                \
        4,                                                                                         \
        sizeof("{\"id\":\"" ID "\",\"version\":\"" VERSION                                         \
               "\",\"abi_major\":" TRL_STR(TRL_ABI_MAJOR) ",\"abi_minor_built\":" TRL_STR(         \
                   TRL_ABI_MINOR) ",\"abi_minor_needed\":" #MINOR_NEEDED "}"),                     \
        1, "TRL",                                                                                  \
        "{\"id\":\"" ID "\",\"version\":\"" VERSION                                                \
        "\",\"abi_major\":" TRL_STR(TRL_ABI_MAJOR) ",\"abi_minor_built\":" TRL_STR(                \
            TRL_ABI_MINOR) ",\"abi_minor_needed\":" #MINOR_NEEDED "}"};                            \
    static const trl_component *const trl_components_[] = {__VA_ARGS__, NULL};                     \
    static const trl_plugin trl_plugin_ = {TRL_MAGIC,                                              \
                                           sizeof(trl_plugin),                                     \
                                           TRL_ABI_MAJOR,                                          \
                                           TRL_ABI_MINOR,                                          \
                                           (MINOR_NEEDED),                                         \
                                           0,                                                      \
                                           ID,                                                     \
                                           VERSION,                                                \
                                           "Apache-2.0",                                           \
                                           "",                                                     \
                                           trl_components_};                                       \
    TRL_EXPORT const trl_plugin *trl_plugin_entry(uint32_t host_major) {                           \
        return host_major == TRL_ABI_MAJOR ? &trl_plugin_ : NULL;                                  \
    }                                                                                              \
    typedef int trl_plugin_needs_a_semicolon_

#ifdef __cplusplus
}
#endif
#endif
