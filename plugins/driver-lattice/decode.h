/* SPDX-License-Identifier: Apache-2.0
 *
 * What hosts say, as plain structs. Pure. Strings are borrowed from the message; arrays live in
 * scratch structs that are reused, so a message like the last one needs no new memory. Lenient:
 * what does not matter to the core is not looked at. But what matters must have its type, for a
 * full report made of half an inventory would be read as "the rest is gone".
 */
#ifndef DRIVER_LATTICE_DECODE_H
#define DRIVER_LATTICE_DECODE_H

#include <trellis/kind/driver.h>

#include "../common/jtree.h"

struct inventory {
    trl_str host_id, name, version;
    uint64_t uptime_s;
    trl_label *labels; /* sorted by key */
    trl_running *entries;
    trl_label *notes; /* annotations of all entries */
    size_t n_labels, n_entries, n_notes;
    size_t cap_labels, cap_entries, cap_notes;
};
void inventory_finish(struct inventory *inv);

/* All return 0, or -1 when it is garbage. */
int decode_inventory(const struct jnode *b_object, struct inventory *inv);
/* Only the labels of an object with "labels". */
int decode_labels(const struct jnode *b_object, struct inventory *inv);
/* The one entry of a component_scaled, component_scale_failed, provider_started, ... event. */
int decode_entry_event(const struct jnode *b_data, uint32_t kind, struct inventory *inv);

struct link_scratch {
    trl_link link;
    trl_str *lists;
    size_t cap;
};
int decode_link(const struct jnode *b_object, struct link_scratch *ls);

/* Hash of a map of strings, as the core computes it. -1: it is none. */
int decode_config_hash(const struct jnode *b_map, uint64_t *ret_hash);

/* A reply: {"success":…,"message":…,"response":…}. What is returned is borrowed from the payload
 * and the tree. */
struct reply {
    int success;
    trl_str message;
    const struct jnode *b_response; /* NULL: none */
};
int decode_reply(struct jtree *t, trl_bytes payload, struct reply *r);

/* CloudEvent: data and source, borrowed likewise. */
int decode_event(struct jtree *t, trl_bytes payload, const struct jnode **ret_data,
                 trl_str *ret_source);

trl_str decode_str(const struct jnode *b_object,
                   const char *key); /* empty when absent or of another type */
/* Order of the pairs does not matter. */
uint64_t label_set_hash(const trl_label *labels, size_t n);

#endif
