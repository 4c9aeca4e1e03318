/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files that play hosts.
 */
#ifndef TESTS_DRIVER_FAKEHOST_PRIV_H
#define TESTS_DRIVER_FAKEHOST_PRIV_H

#include "fakehost.h"

const char *member(const json_t *o, const char *key); /* "" when absent */
void world_reply(struct fworld *w, const char *to, int success, const char *message,
                 json_t *response); /* response: taken */
void world_note(struct fworld *w, const char *suffix, const char *body, size_t len);
void world_on_shared(void *arg, const char *subject, const char *to, const char *body, size_t len);

#endif
