/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernel of the plugin border: versions, strings, status codes, errors.
 * Nothing but fixed-width integers, pointers and these structs crosses the border.
 */
#ifndef TRELLIS_ABI_H
#define TRELLIS_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 0.x may break between releases; negotiation is in force from the first day. */
#define TRL_ABI_MAJOR 0
#define TRL_ABI_MINOR 2
#define TRL_MAGIC     0x4c525431u /* "TRL1" */

#define TRL_EXPORT __attribute__((visibility("default")))

/* UTF-8, not NUL-terminated; {NULL, 0} is the empty string. Borrowed for the duration of the call
 * unless a comment says otherwise. */
typedef struct trl_str {
    const char *ptr;
    size_t len;
} trl_str;

typedef struct trl_bytes {
    const void *ptr;
    size_t len;
} trl_bytes;

/* A key with a value: host labels, annotations, message headers. Arrays of labels that describe
 * hosts are sorted by key (bytewise); headers keep their order. */
typedef struct trl_label {
    trl_str key, value;
} trl_label;

typedef int32_t trl_status; /* 0 ok, < 0 one of the codes below, never errno */
#define TRL_OK            0
#define TRL_E_INVALID     (-1) /* caller's fault: bad config, bad key, bad argument         */
#define TRL_E_NOTFOUND    (-2)
#define TRL_E_CONFLICT    (-3) /* revision or ownership lost                                */
#define TRL_E_DENIED      (-4)
#define TRL_E_BUSY        (-5) /* try later; see retry_after_ms                             */
#define TRL_E_TIMEOUT     (-6)
#define TRL_E_CANCELLED   (-7)
#define TRL_E_CLOSED      (-8) /* op or instance already over                               */
#define TRL_E_UNSUPP      (-9)
#define TRL_E_UNAVAIL     (-10) /* peer down: retryable                                      */
#define TRL_E_NOMEM       (-11)
#define TRL_E_INTERNAL    (-12) /* also how an unknown code is read                          */
#define TRL_E_NORESPONDER (-13) /* a request had no listener: told at once, unlike TIMEOUT   */

/* The caller provides it with struct_size set; the callee fills it and never frees it. */
typedef struct trl_err {
    uint32_t struct_size;
    trl_status code;
    uint32_t retry_after_ms; /* 0: caller's own back-off */
    uint32_t msg_len;
    char msg[256]; /* one line, no newline, no secrets */
} trl_err;

typedef struct trl_inst trl_inst; /* a plugin's instance: the plugin defines it   */
typedef struct trl_op trl_op;     /* an operation in flight: the core defines it  */

/* Log levels */
#define TRL_LOG_ERROR 0
#define TRL_LOG_WARN  1
#define TRL_LOG_INFO  2
#define TRL_LOG_DEBUG 3

#ifdef __cplusplus
}
#endif
#endif
