/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration, read and checked. Strings are owned by it and never change.
 */
#ifndef OPA_OPTS_H
#define OPA_OPTS_H

#include <trellis/helper.h>

#define OPTS_TTL_UNTIL_CHANGE (-1)

enum opts_undefined { OPTS_UNDEFINED_DENY, OPTS_UNDEFINED_ABSTAIN, OPTS_UNDEFINED_FAIL };

struct opts {
    char *url;         /* without a '/' at its end */
    char *unix_socket; /* NULL where nothing is configured, as all below but path */
    char *path, *batch_path, *revision_path;
    char *token_file, *ca, *cert, *key;
    enum opts_undefined undefined;
    uint32_t points; /* bit n: point n */
    int64_t timeout_ms, connect_timeout_ms, watch_ms, ttl_ms;
    size_t max_answer_bytes, max_request_bytes;
    uint32_t max_connections;
};

extern const char opts_schema[];

/* config: JSON text that fits the schema. On failure *o is empty. */
trl_status opts_parse(trl_str config, struct opts *o, trl_err *err);
void opts_finish(struct opts *o);

/* "put", "deploy", ... */
const char *opts_point_name(uint32_t point);
/* Path of a document below the server's address, {point} filled in. Owned by the caller. */
char *opts_data_path(const char *path, uint32_t point);
/* The same as Rego names it: data.trellis.decision. Owned by the caller. */
char *opts_rule_name(const char *path, uint32_t point);

#endif
