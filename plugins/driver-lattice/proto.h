/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests as hosts want them: operation names (the part of the subject behind the lattice) and
 * bodies. Texts returned are owned; NULL: something in it is no UTF-8.
 */
#ifndef DRIVER_LATTICE_PROTO_H
#define DRIVER_LATTICE_PROTO_H

#include <trellis/kind/driver.h>

#define AGENT_LABEL                                                                                \
    "hostcore.driver" /* of hosts that are trellis agents: the name of their driver */

/* "component.scale" + host id -> "component.scale.<id>" */
char *proto_op(const char *operation, trl_str token);

/* One scale of one unit on one host: what UPDATE is made of, too. */
struct scale {
    trl_str host_id, unit_id, image;
    uint32_t count;
    const trl_str *config_names;
    uint32_t n_config_names, n_annotations;
    const trl_label *annotations;
    trl_str limits; /* JSON object of strings, or empty */
};
char *proto_scale(const struct scale *s);
char *proto_provider_start(const struct scale *s);
char *proto_provider_stop(trl_str host_id, trl_str unit_id);
char *proto_link_put(const trl_link *l);
char *proto_link_del(const trl_link *l);
char *proto_label(trl_str key, trl_str value); /* value.ptr NULL: a deletion */
char *proto_host_stop(trl_str host_id);

/* A provider's image as hosts report it: a part of `image`. */
trl_str proto_provider_image(trl_str image);

/* Splits "[account.]<event_prefix>.<lattice>.<event>". -1: it is none of ours. */
int proto_event_subject(trl_str subject, trl_str event_prefix, int multitenant, trl_str *account,
                        trl_str *lattice, trl_str *event);

#endif
