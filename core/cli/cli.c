/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/wadm.h"
#include "sim/sim_main.h"

static const struct command *const families[] = {cli_plane_commands, cli_app_commands,
                                                 cli_host_commands, cli_tool_commands};

static const char COMMON[] =
    "Options for every command:\n"
    "  -o, --output table|json|yaml  how to print (default: table)\n"
    "  -x, --lattice NAME            lattice (WASMCLOUD_LATTICE; default: default)\n"
    "      --name NAME               which local plane: its socket (default: default)\n"
    "      --socket PATH             socket of a local plane (TRELLIS_SOCKET)\n"
    "      --nats-url URL            talk over NATS (WADM_NATS_SERVER, WASMCLOUD_CTL_HOST[:PORT])\n"
    "      --nats-creds FILE         credentials file (WADM_NATS_CREDS_FILE, WASMCLOUD_CTL_CREDS)\n"
    "      --nats-seed, --nats-jwt   seed and JWT, literal or file (WADM_NATS_NKEY, "
    "WADM_NATS_JWT)\n"
    "      --nats-user, --nats-password-env VAR, --nats-token-env VAR\n"
    "      --tls-ca, --tls-cert, --tls-key FILE   (WADM_NATS_TLS_CA_FILE)\n"
    "      --plugin-dir DIR          searched first; may be repeated\n"
    "      --timeout SECONDS         of one request (default: 10)\n"
    "      --log-level LEVEL         error, warn, info, debug (default: warn; serve, up: info)\n"
    "  -h, --help\n";

static const char EXITS[] =
    "Exit codes: 0 done; 1 no (not found, refused, changes pending for plan, not deployed in time "
    "for "
    "--wait);\n            2 wrong usage; 3 nobody serves; 4 it failed there; 5 bad input.\n";

int cli_fail(int code, const char *fmt, ...) {
    va_list ap;
    fputs("trellis: ", stderr);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fputc('\n', stderr);
    return code;
}

const char *cli_option(const struct cli *c, const char *name) {
    size_t n = strlen(name);
    const char *found = NULL;
    for (uint32_t i = 0; i < c->n_options; i++) {
        const char *o = c->options[i] + 2;
        if (strncmp(o, name, n) == 0 && (o[n] == '=' || o[n] == '\0')) {
            found = o[n] == '=' ? o + n + 1 : "";
        }
    }
    return found;
}

static void print_group(const char *group, FILE *out) {
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        for (const struct command *c = families[f]; c->name; c++) {
            bool in = group ? c->group && strcmp(c->group, group) == 0 : true;
            if (in) {
                char left[80];
                snprintf(left, sizeof(left), "%s%s%s %s", c->group ? c->group : "",
                         c->group ? " " : "", c->name, c->args);
                fprintf(out, "  %-38s %s\n", left, c->summary);
            }
        }
    }
}

static int usage(const char *group, FILE *out) {
    if (group) {
        fprintf(out, "Usage: trellis %s COMMAND [OPTIONS]\n\n", group);
    } else {
        fputs("trellis: declarative application deployment. Manifests in, running applications "
              "out.\n\n"
              "Usage: trellis COMMAND [OPTIONS]\n\n"
              "Start here:  trellis up app.yaml        (everything in one process)\n"
              "             trellis app status NAME    (in a second terminal)\n\n",
              out);
    }
    fputs("Commands:\n", out);
    print_group(group, out);
    fputs("\n`trellis COMMAND --help` tells more.\n\n", out);
    fputs(COMMON, out);
    fputs("\n", out);
    fputs(EXITS, out);
    return EXIT_DONE;
}

static int command_help(const struct command *c) {
    printf("Usage: trellis %s%s%s %s\n\n%s.\n\n%s\n%s\n%s", c->group ? c->group : "",
           c->group ? " " : "", c->name, c->args, c->summary, c->help, COMMON, EXITS);
    return EXIT_DONE;
}

void cli_manual(struct buf *out) {
    buf_addf(
        out,
        "# trellis: commands\n\nMade by `trellis help --manual` from the program's own table.\n\n");
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        for (const struct command *c = families[f]; c->name; c++) {
            buf_addf(out, "## trellis %s%s%s\n\n    trellis %s%s%s %s\n\n%s.\n\n",
                     c->group ? c->group : "", c->group ? " " : "", c->name,
                     c->group ? c->group : "", c->group ? " " : "", c->name, c->args, c->summary);
            if (c->help[0]) {
                buf_addf(out, "```\n%s```\n\n", c->help);
            }
        }
    }
    buf_addf(out, "## For every command\n\n```\n%s\n%s```\n", COMMON, EXITS);
}

static const struct command *find(const char *group, const char *name) {
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        for (const struct command *c = families[f]; c->name; c++) {
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
    for (size_t f = 0; f < ARRAY_LEN(families); f++) {
        for (const struct command *c = families[f]; c->name; c++) {
            if (c->group && strcmp(c->group, name) == 0) {
                return true;
            }
        }
    }
    return false;
}

/* The common options. Each takes a value. */
struct common {
    const char *name;
    char letter;
};
static const struct common commons[] = {
    {"output", 'o'},  {"lattice", 'x'},         {"name", 0},           {"socket", 0},
    {"nats-url", 0},  {"nats-creds", 0},        {"nats-seed", 0},      {"nats-jwt", 0},
    {"nats-user", 0}, {"nats-password-env", 0}, {"nats-token-env", 0}, {"tls-ca", 0},
    {"tls-cert", 0},  {"tls-key", 0},           {"plugin-dir", 0},     {"timeout", 0},
    {"log-level", 0}};

static int set_common(struct cli *c, const char *name, const char *value, const char **dirs) {
    struct client_options *o = &c->connect;
    uint64_t seconds;
    const struct {
        const char *name;
        const char **to;
    } texts[] = {
        {"lattice", &c->lattice},   {"name", &o->name},        {"socket", &o->socket},
        {"nats-url", &o->nats_url}, {"nats-creds", &o->creds}, {"nats-seed", &o->nkey_seed},
        {"nats-jwt", &o->jwt},      {"nats-user", &o->user},   {"tls-ca", &o->ca},
        {"tls-cert", &o->cert},     {"tls-key", &o->key}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (strcmp(name, texts[i].name) == 0) {
            *texts[i].to = value;
            return 0;
        }
    }
    if (strcmp(name, "output") == 0) {
        static const char *const formats[] = {"table", "json", "yaml"};
        for (int i = 0; i < 3; i++) {
            if (strcmp(value, formats[i]) == 0) {
                c->format = (enum cli_format)i;
                c->format_given = true;
                return 0;
            }
        }
        return cli_fail(EXIT_USAGE, "--output %s: table, json or yaml", value);
    }
    if (strcmp(name, "timeout") == 0 && str_u64(str_c(value), &seconds) && seconds > 0) {
        o->timeout_ms = (int64_t)seconds * 1000;
        return 0;
    }
    if (strcmp(name, "log-level") == 0) {
        static const char *const levels[] = {"error", "warn", "info", "debug"};
        for (int i = 0; i < 4; i++) {
            if (strcmp(value, levels[i]) == 0) {
                c->log.level = i;
                return 0;
            }
        }
        return cli_fail(EXIT_USAGE, "--log-level %s: error, warn, info or debug", value);
    }
    if (strcmp(name, "nats-password-env") == 0) {
        o->password = getenv(value);
        return 0;
    }
    if (strcmp(name, "nats-token-env") == 0) {
        o->token = getenv(value);
        return 0;
    }
    if (strcmp(name, "plugin-dir") == 0 && o->n_plugin_dirs < 16) {
        dirs[o->n_plugin_dirs++] = value;
        return 0;
    }
    return cli_fail(EXIT_USAGE, "--%s %s: not understood", name, value);
}

static const char *common_name(const char *arg, const char **ret_value) {
    *ret_value = NULL;
    for (size_t i = 0; i < ARRAY_LEN(commons); i++) {
        size_t n = strlen(commons[i].name);
        if (arg[1] == '-' && strncmp(arg + 2, commons[i].name, n) == 0 &&
            (arg[2 + n] == '=' || arg[2 + n] == '\0')) {
            *ret_value = arg[2 + n] == '=' ? arg + 3 + n : NULL;
            return commons[i].name;
        }
        if (arg[1] != '-' && commons[i].letter && arg[1] == commons[i].letter) {
            *ret_value = arg[2] ? arg + 2 : NULL;
            return commons[i].name;
        }
    }
    return NULL;
}

/* Does the command's help name this option with a value ("--version V")? */
static bool own_option(const struct command *cmd, const char *arg, bool *ret_value) {
    size_t n = strcspn(arg, "=");
    for (const char *p = strstr(cmd->help, "--"); p; p = strstr(p + 2, "--")) {
        if (strncmp(p, arg, n) == 0 && strchr(" ,\n=", p[n])) {
            *ret_value = p[n] == ' ' && p[n + 1] >= 'A' && p[n + 1] <= 'Z';
            return true;
        }
    }
    return false;
}

static void from_environment(struct cli *c, struct buf *url) {
    struct client_options *o = &c->connect;
    const char *lattice = getenv("WASMCLOUD_LATTICE"), *host = getenv("WASMCLOUD_CTL_HOST"),
               *port = getenv("WASMCLOUD_CTL_PORT");
    c->lattice = lattice && *lattice ? lattice : "default";
    o->socket = getenv("TRELLIS_SOCKET");
    o->nats_url = getenv("WADM_NATS_SERVER");
    if (!o->nats_url && host && *host) {
        buf_addf(url, "nats://%s:%s", host, port && *port ? port : "4222");
        o->nats_url = url->ptr;
    }
    o->creds = getenv("WADM_NATS_CREDS_FILE") ? getenv("WADM_NATS_CREDS_FILE")
                                              : getenv("WASMCLOUD_CTL_CREDS");
    o->nkey_seed =
        getenv("WADM_NATS_NKEY") ? getenv("WADM_NATS_NKEY") : getenv("WASMCLOUD_CTL_SEED");
    o->jwt = getenv("WADM_NATS_JWT") ? getenv("WADM_NATS_JWT") : getenv("WASMCLOUD_CTL_JWT");
    o->ca = getenv("WADM_NATS_TLS_CA_FILE");
}

static void to_stderr(void *arg, int level, str msg, str fields) {
    static const char *const names[] = {"error", "warn", "info", "debug"};
    (void)arg;
    (void)fields;
    fprintf(stderr, "%-5s %.*s\n", names[level], PSTR(msg));
}

static int parse(struct cli *c, const struct command *cmd, int argc, char **argv, const char **dirs,
                 bool *ret_help) {
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i], *value = NULL, *name;
        bool takes = false;
        if (only_args || arg[0] != '-' || arg[1] == '\0') {
            c->argv[c->argc++] = argv[i];
        } else if (strcmp(arg, "--") == 0) {
            only_args = true;
        } else if (strcmp(arg, "-h") == 0 || strcmp(arg, "--help") == 0) {
            *ret_help = true;
        } else if (strcmp(arg, "-c") == 0 && own_option(cmd, "--config", &takes) && i + 1 < argc) {
            struct buf b = BUF_INIT;
            buf_addf(&b, "--config=%s", argv[++i]);
            c->options[c->n_options++] = buf_take(&b); /* lives as long as the process */
        } else if (own_option(cmd,
                              arg[1] == '-'            ? arg
                              : strcmp(arg, "-f") == 0 ? "--follow"
                                                       : arg,
                              &takes) &&
                   c->n_options < ARRAY_LEN(c->options)) {
            if (strcmp(arg, "-f") == 0) {
                arg = "--follow";
            }
            if (takes && !strchr(arg, '=')) {
                if (i + 1 >= argc) {
                    return cli_fail(EXIT_USAGE, "%s needs a value", arg);
                }
                struct buf b = BUF_INIT;
                buf_addf(&b, "%s=%s", arg, argv[++i]);
                arg = buf_take(&b); /* lives as long as the process */
            }
            c->options[c->n_options++] = arg;
        } else if ((name = common_name(arg, &value))) {
            if (!value && i + 1 < argc) {
                value = argv[++i];
            }
            int rc = value ? set_common(c, name, value, dirs)
                           : cli_fail(EXIT_USAGE, "%s needs a value", arg);
            if (rc) {
                return rc;
            }
        } else {
            return cli_fail(EXIT_USAGE, "unknown option %s: see `trellis %s%s%s --help`", arg,
                            cmd->group ? cmd->group : "", cmd->group ? " " : "", cmd->name);
        }
    }
    return 0;
}

static int run(const struct command *cmd, int argc, char **argv) {
    struct buf url = BUF_INIT;
    const char *dirs[16];
    bool help = false;
    struct cli c = {.program = "trellis",
                    .connect = {.name = "default", .plugin_dirs = dirs, .timeout_ms = 10000},
                    .colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
                    .log = {TRL_LOG_WARN, to_stderr, NULL},
                    .argv = mem_array((size_t)argc + 1, sizeof(char *))};
    if (cmd->group == NULL) {
        c.log.level = TRL_LOG_INFO;
    }
    c.connect.log = &c.log;
    from_environment(&c, &url);
    int rc = parse(&c, cmd, argc, argv, dirs, &help);
    if (rc == 0) {
        c.wait = cli_option(&c, "wait") != NULL;
        c.follow = cli_option(&c, "follow") != NULL;
        rc = help ? command_help(cmd) : cmd->run(&c);
    }
    mem_free(c.argv);
    buf_finish(&url);
    return rc;
}

int cli_main(int argc, char **argv) {
    const char *slash = strrchr(argv[0], '/');
    if (strcmp(slash ? slash + 1 : argv[0], "wadm") == 0 || wadm_flags(argc, argv)) {
        return wadm_main(argc, argv);
    }
    const char *first = argc > 1 ? argv[1] : "--help";
    if (strcmp(first, "--version") == 0 || strcmp(first, "-V") == 0) {
        puts("trellis " TRELLIS_VERSION);
        return EXIT_DONE;
    }
    if (strcmp(first, "help") == 0 && argc > 2 && strcmp(argv[2], "--manual") == 0) {
        struct buf b = BUF_INIT;
        cli_manual(&b);
        fwrite(b.ptr, 1, b.len, stdout);
        buf_finish(&b);
        return EXIT_DONE;
    }
    if (strcmp(first, "help") == 0 || strcmp(first, "--help") == 0 || strcmp(first, "-h") == 0) {
        return usage(NULL, argc > 1 ? stdout : stderr) + (argc > 1 ? 0 : EXIT_USAGE);
    }
    if (is_group(first)) {
        if (argc < 3 || strcmp(argv[2], "--help") == 0 || strcmp(argv[2], "-h") == 0) {
            return usage(first, argc < 3 ? stderr : stdout) + (argc < 3 ? EXIT_USAGE : 0);
        }
        const struct command *cmd = find(first, argv[2]);
        return cmd ? run(cmd, argc - 3, argv + 3)
                   : cli_fail(EXIT_USAGE, "unknown command `%s %s`: see `trellis %s --help`", first,
                              argv[2], first);
    }
    if (strcmp(first, "sim") == 0) {
        return sim_main(argc - 1, argv + 1);
    }
    const struct command *cmd = find(NULL, first);
    return cmd ? run(cmd, argc - 2, argv + 2)
               : cli_fail(EXIT_USAGE, "unknown command `%s`: see `trellis --help`", first);
}
