/* SPDX-License-Identifier: Apache-2.0
 *
 * The configuration, read and checked. Strings are owned by it and never change.
 */
#ifndef OTLP_CONF_H
#define OTLP_CONF_H

#include "../common/curl_thread.h"

enum signal { TRACES, METRICS, LOGS, EVENTS, N_SIGNALS };

struct conf {
    char *endpoint; /* without a '/' at its end */
    char *token_file, *ca, *cert, *key;
    struct http_header *headers; /* token_file's is one of them */
    uint32_t n_headers;
    char *resource;   /* JSON object, or NULL */
    uint32_t signals; /* bit n: enum signal n */
    int gzip;
    int64_t timeout_ms, interval_ms, batch_ms, retry_ms, retry_max_ms, flush_ms;
    uint32_t batch_max;
};

extern const char otlp_schema[];

/* config: JSON text that fits the schema. On failure *c is empty. */
trl_status conf_parse(trl_str config, struct conf *c, trl_err *err);
void conf_finish(struct conf *c);

const char *signal_name(enum signal s); /* "traces" */
const char *signal_path(enum signal s); /* "/v1/traces" */

#endif
