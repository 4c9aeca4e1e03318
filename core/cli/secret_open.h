/* SPDX-License-Identifier: Apache-2.0
 *
 * A secrets backend of a configuration file, opened by the command itself: values go between the
 * terminal and the backend, and over no API.
 */
#ifndef TRELLIS_CLI_SECRET_OPEN_H
#define TRELLIS_CLI_SECRET_OPEN_H

#include "cli/cli.h"
#include "plug/secrets.h"

struct secret_session;

/* config_path NULL: that of `trellis up` without one. 0, or an exit code after saying why. */
int secret_open(struct cli *c, const char *config_path, const char *backend,
                struct secret_session **ret);
void secret_close(struct secret_session *s); /* NULL is fine */
struct plug_inst *secret_instance(struct secret_session *s);

/* The calls of plug/secrets.h, waited for. Version or info in *ret (owned C string). */
int secret_check(struct secret_session *s, const trl_secret_ref *ref, char **ret);
int secret_put(struct secret_session *s, const trl_secret_ref *ref, const struct guarded *value,
               char **ret);
int secret_each(struct secret_session *s, str prefix, void (*fn)(void *arg, str name), void *arg);

#endif
