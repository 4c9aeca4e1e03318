/* SPDX-License-Identifier: Apache-2.0
 *
 * Printing: aligned tables on a terminal or a pipe, the reply's JSON or YAML for machines.
 */
#ifndef TRELLIS_CLI_OUTPUT_H
#define TRELLIS_CLI_OUTPUT_H

#include "base/mem.h"
#include "cli/cli.h"
#include "codec/node.h"

/* Control characters other than line ends and tabs, in all texts of what goes to a terminal, become
 * escapes. */
void output_make_visible(struct node *n, struct arena *a);

/* False: it could not be written. Where the reader went away, as head does, the program ends, as
 * one that never heard of SIGPIPE does: the NATS library turns that signal off. */
bool output_flush(void);

#define TABLE_COLUMNS 8u

struct table {
    const char *head[TABLE_COLUMNS];
    uint32_t n_columns;
    VEC(char *) cells; /* rows * n_columns; owned */
};
void table_init(struct table *t, const char *const *head, uint32_t n);
void table_cell(struct table *t, str text);
__attribute__((format(printf, 2, 3))) void table_cellf(struct table *t, const char *fmt, ...);
void table_print(struct table *t, bool colour); /* and frees it */

/* A node as JSON (pretty) or YAML on stdout. */
void output_node(enum cli_format f, const struct node *n);
void output_yaml(const struct node *n, uint32_t indent, struct buf *out);
/* Status words coloured: green deployed, yellow reconciling and waiting, red failed. */
const char *output_colour(bool on, str word);
#define COLOUR_OFF(on) ((on) ? "\033[0m" : "")
/* "3s", "5m", "2h", "4d" since a UNIX time in ms. */
void output_age(struct buf *out, int64_t then_ms);

#endif
