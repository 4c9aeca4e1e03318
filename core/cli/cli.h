/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line. One table of commands, each with its options, is the source of parsing, of
 * --help, of the manual (docs/cli.md) and of dispatch. Exit codes: 0 done; 1 no (not found,
 * refused, changes pending for `plan`, not deployed in time for --wait: see each command); 2 wrong
 * usage; 3 nobody serves; 4 it failed there; 5 bad input.
 */
#ifndef TRELLIS_CLI_CLI_H
#define TRELLIS_CLI_CLI_H

#include "cli/client.h"

#define EXIT_DONE        0
#define EXIT_NO          1
#define EXIT_USAGE       2
#define EXIT_UNREACHABLE 3
#define EXIT_FAILED      4
#define EXIT_INPUT       5
#define EXIT_DENIED      6

#define CLI_OPTIONS 16u /* of one command line */

enum cli_format { FORMAT_TABLE, FORMAT_JSON, FORMAT_YAML };

/* One option. Arrays end with a name of NULL. */
struct cli_opt {
    const char *name;  /* "config" for --config */
    char letter;       /* 'c' for -c; 0: none */
    const char *value; /* "FILE"; NULL: a switch */
    bool value_may;    /* [=VALUE]: only behind an equals sign */
    const char *help;  /* lines */
};

struct cli_given {
    const char *name, *value; /* "" for a switch */
};

struct cli {             /* what every command gets */
    const char *program; /* as the user wrote it */
    struct client_options connect;
    const char *lattice;
    enum cli_format format;
    bool colour; /* stdout is a terminal and NO_COLOR is not set */
    bool wait;
    bool follow;
    int64_t wait_ms; /* of --wait */
    struct log log;
    int argc; /* arguments without options */
    char **argv;
    struct cli_given given[CLI_OPTIONS]; /* the command's own options */
    uint32_t n_given;
    const char *plugin_dirs[16];
};

struct command {
    const char *group, *name;      /* "app", "put"; group NULL: top level */
    const char *args;              /* "NAME|FILE|-" */
    int min, max;                  /* how many arguments; max < 0: any number */
    const char *summary;           /* one line */
    const char *help;              /* paragraphs */
    const struct cli_opt *options; /* NULL: none of its own */
    int (*run)(struct cli *c);
};

int cli_main(int argc, char **argv);
/* Value of a command's own option, NULL when absent; "" for one without a value. */
const char *cli_option(const struct cli *c, const char *name);
/* Prints "trellis: ..." on stderr and returns code. */
__attribute__((format(printf, 2, 3))) int cli_fail(int code, const char *fmt, ...);

/* Tables of the families, each ended by a command without a name. */
extern const struct command cli_app_commands[];
extern const struct command cli_host_commands[];
extern const struct command cli_plane_commands[]; /* serve, up, sim */
extern const struct command cli_agent_commands[];
extern const struct command cli_tool_commands[]; /* plugin */
extern const struct command cli_config_commands[];
extern const struct command cli_policy_commands[];
extern const struct command cli_secret_commands[];
extern const struct command cli_trace_commands[];

#endif
