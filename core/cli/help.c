/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/help.h"

#include <string.h>

#include "cli/options.h"

static const char EXITS[] =
    "Exit codes:\n"
    "  0  done\n"
    "  1  no: not found, refused, changes pending (plan), not so in time (--wait)\n"
    "  2  wrong usage\n"
    "  3  nobody serves\n"
    "  4  it failed there\n"
    "  5  bad input: a manifest, a configuration, a file\n"
    "  6  denied by policy\n";

static const char INTRO[] =
    "trellis: declarative application deployment. Manifests in, running applications out.\n\n"
    "Usage: trellis COMMAND [OPTIONS]\n\n"
    "Start here:  trellis up app.yaml        (everything in one process)\n"
    "             trellis app status NAME    (in a second terminal)\n\n";

static void full_name(const struct command *c, struct buf *out) {
    buf_addf(out, "trellis %s%s%s%s%s", c->group ? c->group : "", c->group ? " " : "", c->name,
             *c->args ? " " : "", c->args);
}

static void list(const char *group, struct buf *out) {
    for (size_t f = 0; cli_families[f]; f++) {
        for (const struct command *c = cli_families[f]; c->name; c++) {
            if (!group || (c->group && strcmp(c->group, group) == 0)) {
                struct buf left = BUF_INIT;
                full_name(c, &left);
                buf_addf(out, "  %-36s  %s\n", left.ptr + strlen("trellis "), c->summary);
                buf_finish(&left);
            }
        }
    }
}

void help_group(const char *group, struct buf *out) {
    if (group) {
        buf_addf(out, "Usage: trellis %s COMMAND [OPTIONS]\n\n", group);
    } else {
        buf_addf(out, "%s", INTRO);
    }
    buf_add_str(out, STR("Commands:\n"));
    list(group, out);
    buf_add_str(out, STR("\n`trellis COMMAND --help` tells more.\n\nFor every command:\n"));
    options_write_common(out);
    buf_addf(out, "\n%s", EXITS);
}

void help_command(const struct command *c, struct buf *out) {
    buf_add_str(out, STR("Usage: "));
    full_name(c, out);
    buf_addf(out, "\n\n%s.\n", c->summary);
    if (*c->help) {
        buf_addf(out, "%s", c->help);
    }
    if (c->options) {
        buf_add_str(out, STR("\nOptions:\n"));
        options_write(c->options, out);
    }
    buf_add_str(out, STR("\nFor every command:\n"));
    options_write_common(out);
    buf_addf(out, "\n%s", EXITS);
}

void help_manual(struct buf *out) {
    buf_add_str(out, STR("# trellis: commands\n\nMade by `trellis help --manual` from the "
                         "program's own table.\n\n"));
    for (size_t f = 0; cli_families[f]; f++) {
        for (const struct command *c = cli_families[f]; c->name; c++) {
            buf_addf(out, "## trellis %s%s%s\n\n    ", c->group ? c->group : "",
                     c->group ? " " : "", c->name);
            full_name(c, out);
            buf_addf(out, "\n\n%s.\n", c->summary);
            if (*c->help) {
                buf_addf(out, "%s", c->help);
            }
            if (c->options) {
                buf_add_str(out, STR("\n```\n"));
                options_write(c->options, out);
                buf_add_str(out, STR("```\n"));
            }
            buf_add_c(out, '\n');
        }
    }
    buf_add_str(out, STR("## For every command\n\nAlso before the command's name.\n\n```\n"));
    options_write_common(out);
    buf_addf(out, "```\n\n```\n%s```\n", EXITS);
}
