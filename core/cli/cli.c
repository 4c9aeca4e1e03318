/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/help.h"
#include "cli/options.h"
#include "cli/output.h"
#include "cli/wadm.h"
#include "sim/sim_main.h"

const struct command *const cli_families[] = {cli_plane_commands,  cli_agent_commands,
                                              cli_app_commands,    cli_host_commands,
                                              cli_tool_commands,   cli_trace_commands,
                                              cli_config_commands, cli_policy_commands,
                                              cli_secret_commands, NULL};

int cli_fail(int code, const char *fmt, ...) {
    va_list ap;
    fflush(stdout);
    fputs("trellis: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

const char *cli_option(const struct cli *c, const char *name) {
    for (uint32_t i = c->n_given; i > 0; i--) { /* the last one counts */
        if (strcmp(c->given[i - 1].name, name) == 0) {
            return c->given[i - 1].value;
        }
    }
    return NULL;
}

static const struct command *find(const char *group, const char *name) {
    for (size_t f = 0; cli_families[f]; f++) {
        for (const struct command *c = cli_families[f]; c->name; c++) {
            bool same =
                (c->group == NULL) == (group == NULL) && (!group || strcmp(c->group, group) == 0);
            if (same && strcmp(c->name, name) == 0) {
                return c;
            }
        }
    }
    return NULL;
}

static bool is_group(const char *name) {
    for (size_t f = 0; cli_families[f]; f++) {
        for (const struct command *c = cli_families[f]; c->name; c++) {
            if (c->group && strcmp(c->group, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void print(struct buf *text, FILE *to) {
    fwrite(text->ptr, 1, text->len, to);
    buf_finish(text);
}

static int tell_group(const char *group, int rc) {
    struct buf out = BUF_INIT;
    help_group(group, &out);
    print(&out, rc ? stderr : stdout);
    return rc;
}

static int tell_command(const struct command *cmd) {
    struct buf out = BUF_INIT;
    help_command(cmd, &out);
    print(&out, stdout);
    return EXIT_DONE;
}

static int tell_manual(void) {
    struct buf out = BUF_INIT;
    help_manual(&out);
    print(&out, stdout);
    return EXIT_DONE;
}

static void to_stderr(void *arg, int level, str msg, str fields) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    (void)arg;
    (void)fields;
    fprintf(stderr, "%-5s %.*s\n", names[level], PSTR(msg));
}

/* What options_parse cannot tell: --wait and --follow of the commands that have them, too. */
static int read_more(struct cli *c) {
    const char *v = cli_option(c, "wait");
    uint64_t s = 60;
    if (v && *v && (!str_u64(str_c(v), &s) || s == 0 || s > 86400)) {
        return cli_fail(EXIT_USAGE, "--wait=%s: seconds, 1 to 86400", v);
    }
    if (c->connect.nats_url && !*c->connect.nats_url) {
        return cli_fail(EXIT_USAGE, "--nats-url is empty: --nats-url URL");
    }
    c->wait = v != NULL;
    c->wait_ms = (int64_t)s * 1000;
    c->follow = cli_option(c, "follow") != NULL;
    return 0;
}

static int run(const struct command *cmd, const char *program, int argc, char **argv) {
    struct buf url = BUF_INIT;
    bool help = false;
    struct cli c = {.program = program,
                    .log = {TRL_LOG_WARN, to_stderr, NULL},
                    .argv = mem_array((size_t)argc + 1, sizeof(char *))};
    if (cmd->group == NULL) {
        c.log.level = TRL_LOG_INFO;
    }
    c.connect.log = &c.log;
    options_defaults(&c, &url);
    int rc = options_parse(&c, cmd, argc, argv, &help);
    rc = rc ? rc : read_more(&c);
    if (rc == 0) {
        rc = help ? tell_command(cmd) : cmd->run(&c);
    }
    if (!output_flush() && rc == EXIT_DONE) {
        rc = cli_fail(EXIT_FAILED, "cannot write what was asked for to standard output");
    }
    mem_free(c.argv);
    buf_finish(&url);
    return rc;
}

static int help_words(int n, char **words) {
    if (n && strcmp(words[0], "--manual") == 0) {
        return tell_manual();
    }
    const struct command *cmd = n > 1 ? find(words[0], words[1]) : n ? find(NULL, words[0]) : NULL;
    if (cmd) {
        return tell_command(cmd);
    }
    if (n > 1 || (n && !is_group(words[0]))) {
        return cli_fail(EXIT_USAGE, "unknown command `%s%s%s`: see `trellis --help`", words[0],
                        n > 1 ? " " : "", n > 1 ? words[1] : "");
    }
    return tell_group(n ? words[0] : NULL, EXIT_DONE);
}

static bool asks_help(const char *word) {
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Takes the next word off the line; common options before it go to kept. */
static char *next_word(int argc, char **argv, int *at, char **kept, int *n_kept) {
    while (*at < argc) {
        int size = options_common_size(argc - *at, argv + *at);
        if (size == 0) {
            return argv[(*at)++];
        }
        for (int i = 0; i < size; i++) {
            kept[(*n_kept)++] = argv[(*at)++];
        }
    }
    return NULL;
}

/* kept: room for all arguments; holds those of the command at the end. */
static int dispatch(int argc, char **argv, char **kept) {
    int at = 1, n = 0;
    const char *first = next_word(argc, argv, &at, kept, &n), *second = NULL;
    const struct command *cmd = NULL;
    if (!first) {
        return tell_group(NULL, EXIT_USAGE);
    }
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        puts("trellis " TRELLIS_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(first, "help") == 0 || asks_help(first)) {
        return help_words(argc - at, argv + at);
    }
    if (strcmp(first, "sim") == 0) {
        return sim_main(argc - at + 1, argv + at - 1);
    }
    if (is_group(first)) {
        second = next_word(argc, argv, &at, kept, &n);
        if (!second || asks_help(second)) {
            return tell_group(first, second ? EXIT_DONE : EXIT_USAGE);
        }
    }
    cmd = second ? find(first, second) : find(NULL, first);
    if (!cmd) {
        return cli_fail(EXIT_USAGE, "unknown %s `%s%s%s`: see `trellis %s%s--help`",
                        first[0] == '-' ? "option" : "command", first, second ? " " : "",
                        second ? second : "", second ? first : "", second ? " " : "");
    }
    for (; at < argc; at++) {
        kept[n++] = argv[at];
    }
    return run(cmd, argv[0], n, kept);
}

int cli_main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/');
    if (strcmp(slash ? slash + 1 : argv[0], "wadm") == 0 || wadm_flags(argc, argv)) {
        return wadm_main(argc, argv);
    }
    char **kept = mem_array((size_t)argc + 1, sizeof(char *));
    int rc = dispatch(argc, argv, kept);
    mem_free(kept);
    return rc;
}
