/* SPDX-License-Identifier: Apache-2.0
 *
 * wasmCloud 1.9 hosts of one lattice, as far as a driver can see them, with faults to order.
 */
#ifndef TESTS_DRIVER_FAKEHOST_H
#define TESTS_DRIVER_FAKEHOST_H

#include <jansson.h>

#include "fakecore.h"

#define HOSTS_MAX 128

struct fhost {
    struct fworld *w;
    char id[64];
    int alive, frozen;         /* frozen: subscribed, silent */
    int lose_events;           /* how many of the next component/provider events vanish */
    int64_t echo_ms;           /* > 0: each such event comes again so much later */
    int mute_replies;          /* how many of the next replies vanish; the work is done */
    int64_t born_ms, start_ms; /* how long a start takes */
    json_t *components, *providers, *labels;
};

struct fworld {
    struct core *c;
    char lattice[64], ctl[128], evt[128];
    struct fhost hosts[HOSTS_MAX];
    size_t n_hosts;
    json_t *links, *configs;                  /* array; object */
    const char *fail_image;                   /* starts of images containing it fail */
    const char *nack;                         /* next component request is refused with it */
    int mute_links, mute_configs, drop_links; /* next n: done or dropped, and no reply */
    int lose_link_events;
    int64_t link_ms;           /* time a link request takes */
    int links_now, links_most; /* of one source "a": at the same time */
    char **requests;           /* "component.scale.H1 {…}", in order */
    size_t n_requests, cap_requests;
    int pong_garbage; /* one garbage answer before the others */
};

struct fworld *world_create(struct core *c, const char *lattice, const char *ctl_prefix,
                            const char *evt_prefix);
void world_destroy(struct fworld *w);                       /* after core_destroy */
struct fhost *world_host(struct fworld *w, const char *id); /* adds it, alive, without an event */
void host_start_event(struct fhost *h);
void host_beat(struct fhost *h);
void host_restart(struct fhost *h); /* empty, uptime 0, no event */
void host_run_component(struct fhost *h, const char *id, const char *image, int count,
                        const char *app);
void host_run_provider(struct fhost *h, const char *id, const char *image, const char *app);
const json_t *host_component(const struct fhost *h, const char *id); /* NULL: does not run */
const json_t *host_provider(const struct fhost *h, const char *id);
void world_event(struct fworld *w, const char *source, const char *name,
                 json_t *data); /* data: taken */
size_t world_requests(const struct fworld *w,
                      const char *part); /* how many; part as in core_count */
const char *world_request(const struct fworld *w, const char *part, size_t nth); /* NULL: none */
void world_forget_requests(struct fworld *w);

#endif
