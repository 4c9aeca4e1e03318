/* SPDX-License-Identifier: Apache-2.0 */
#include "plane/streams.h"

#include "codec/json.h"

/* wadm_status as wadm makes it: its clients read the last message of a subject from there. The
 * other two are bounded: a week, 64 MiB. */
static const char STREAMS[] =
    "[{\"name\":\"wadm_status\",\"subjects\":[\"wadm.status.*.*\"],\"max_msgs_per_subject\":10,"
    "\"allow_direct\":true},"
    "{\"name\":\"trellis_events\",\"subjects\":[\"trellis.evt.*.*\"],\"max_age_s\":604800,"
    "\"max_bytes\":67108864},"
    "{\"name\":\"trellis_commands\",\"subjects\":[\"trellis.cmd.*\"],\"max_age_s\":604800,"
    "\"max_bytes\":67108864}]";

static bool names_streams(str config) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    bool yes = json_parse(config, &a, &n, NULL) == 0 && node_get(n, "streams");
    arena_finish(&a);
    return yes;
}

struct plugin_choice streams_declare(struct config *c, const struct plugin_choice *transport) {
    struct plugin_choice with = *transport;
    if (str_is(transport->name, "nats") && !names_streams(transport->config)) {
        config_plugin_set(c, &with, "streams", str_c(STREAMS));
    }
    return with;
}
