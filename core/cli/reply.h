/* SPDX-License-Identifier: Apache-2.0
 *
 * A reply of trellis.api: {"result":"ok","data":...} or {"result":"error",...}, findings in both.
 */
#ifndef TRELLIS_CLI_REPLY_H
#define TRELLIS_CLI_REPLY_H

#include "cli/cli.h"
#include "codec/node.h"

struct reply {
    struct buf text;
    struct arena arena;
    struct node *root;
    const struct node *data; /* NULL on error */
    bool verbatim;           /* texts as they are, else fit for a terminal */
};
#define REPLY_INIT                                                                                 \
    { BUF_INIT, ARENA_INIT, NULL, NULL, false }

/* Asks with the command's connection; what a table shows is fit for a terminal. 0, or an exit code
 * after printing why. */
int reply_ask(struct cli *c, str subject, const char *content_type, str body, struct reply *r);
/* As reply_ask on an open client; quiet: prints nothing. */
int reply_ask_on(struct client *cl, str subject, const char *content_type, str body,
                 struct reply *r, struct err *err);
void reply_findings(const struct reply *r, const char *file); /* on stderr */
void reply_finish(struct reply *r);

#endif
