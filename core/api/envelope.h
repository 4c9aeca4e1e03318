/* SPDX-License-Identifier: Apache-2.0
 *
 * The replies of both APIs as JSON text. Pure: every function appends one complete object to out.
 */
#ifndef TRELLIS_API_ENVELOPE_H
#define TRELLIS_API_ENVELOPE_H

#include "base/str.h"
#include "catalog/catalog.h"
#include "engine/status.h"
#include "model/finding.h"

#define ENVELOPE_STORAGE    "Internal storage error"
#define ENVELOPE_NO_HOSTS   "Waiting for status: Lattice contains no hosts, deployment not started."
#define ENVELOPE_UNDEPLOYED "Manifest has been undeployed"

/* wadm's error object: exactly message and result. */
void envelope_error(struct buf *out, str message);
void envelope_put(struct buf *out, bool first, uint32_t total, str version, str message, str name);
/* manifest: finished JSON; ptr NULL: omitted. */
void envelope_get(struct buf *out, const char *result, str message, str manifest);
void envelope_versions(struct buf *out, const char *result, str message, const struct app *a);
void envelope_delete(struct buf *out, const char *result, str message, bool undeploy);
/* version: ptr NULL gives null. */
void envelope_deploy(struct buf *out, const char *result, str message, str name, str version);
/* status: finished JSON. */
void envelope_status(struct buf *out, str app, str status);

/* One app in a list. `status` may be NULL: what stands for it is chosen from the head. brief:
 * without scalers, for lists that would not fit a message. */
void envelope_summary(struct buf *out, const struct app *a, str description,
                      const struct app_status *status, bool brief);
/* What is said of an app that the engine has nothing to say about. listing: wadm words it
 * differently in lists and in the status operation. */
void envelope_default_status(const struct app *a, bool listing, struct app_status *ret);

/* trellis.api. data: finished JSON; f may be NULL. */
void envelope_ok(struct buf *out, str data, const struct findings *f);
void envelope_refusal(struct buf *out, const char *code, str message, const struct findings *f);

#endif
