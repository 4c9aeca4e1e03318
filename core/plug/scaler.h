/* SPDX-License-Identifier: Apache-2.0
 *
 * A scaler plugin as the core uses it: typed calls, and the core's check of every answer.
 */
#ifndef TRELLIS_PLUG_SCALER_H
#define TRELLIS_PLUG_SCALER_H

#include "base/str.h"
#include "plug/plug.h"

struct scaler; /* an instance with the name it is known by; shared by all specs */
struct scaler_spec;

struct scaler *scaler_create(struct plug_inst *in); /* in: created scaler/1 instance, borrowed */
void scaler_destroy(struct scaler *s);
const char *scaler_status_kind(const struct scaler *s); /* NULL: the trait type */
int scaler_compile(struct scaler *s, str properties, struct scaler_spec **ret, struct err *err);
void scaler_release(struct scaler_spec *sp);
/* Fails (with the plugin named) when the answer breaks the rules: a frozen host's count changed, an
 * excluded host got one, a singleton above 1. out arrays are the caller's, n_hosts long. */
int scaler_place(struct scaler_spec *sp, const trl_place_in *in, trl_place_out *out,
                 struct err *err);
/* The same, for a unit that is looked at again and again: once the last answer was followed, it
 * holds without asking, as long as counts, flags and hosts are those (the revision moves with any
 * change of theirs but the loads). The laws of the kind say so: additions and removals alone look
 * at loads. And while nothing runs, the same with the same loads is answered as before. */
int scaler_place_again(struct scaler_spec *sp, const trl_place_in *in, uint64_t hosts_revision,
                       trl_place_out *out, struct err *err);
/* Instances wanted in all, with that many ready hosts; an upper bound. */
uint64_t scaler_total(struct scaler_spec *sp, uint32_t n_ready_hosts);
str scaler_group_name(struct scaler_spec *sp, uint32_t group);
void scaler_describe(struct scaler_spec *sp, uint32_t why, const trl_host_view *h, char *text,
                     size_t cap);

#endif
