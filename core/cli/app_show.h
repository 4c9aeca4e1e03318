/* SPDX-License-Identifier: Apache-2.0 — what the app commands print, and how they wait. */
#ifndef TRELLIS_CLI_APP_SHOW_H
#define TRELLIS_CLI_APP_SHOW_H

#include "cli/reply.h"
#include "model/manifest.h"

int app_list(struct cli *c);
int app_events(struct cli *c); /* app_events.c */
int app_logs(struct cli *c);   /* app_watch.c */
int app_top(struct cli *c);
bool app_name_fits(const char *name); /* else says why not: names become part of subjects */
int app_show_status(struct cli *c, const struct reply *r); /* exit code by the state */
void app_show_history(struct cli *c, const struct reply *r);
int app_show_plan(struct cli *c, const struct reply *r,
                  str manifest); /* manifest: the file's text, for the field diff */
int app_show_findings(struct cli *c, const struct findings *f, const struct manifest *m,
                      const char *path);
/* Follows an app until its state is `until` ("deployed", "undeployed", "gone"), at most as long as
 * --wait says. generation: of the deploy that was asked for; 0: any. */
int app_wait(struct cli *c, str name, uint64_t generation, const char *until);
/* The tree of one app's status as lines of text (for `status` and the live view). */
void app_tree(const struct node *status, bool colour, struct buf *out);

#endif
