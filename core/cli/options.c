/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

#define HELP_COLUMN 32

/* Where a common option's value goes: a text in struct cli, or a function that judges it. */
struct common {
    struct cli_opt opt;
    size_t at;
    int (*set)(struct cli *c, const char *value);
};
#define TEXT(member) offsetof(struct cli, member), NULL

static int word_of(const char *value, const char *const *words, int n) {
    for (int i = 0; i < n; i++) {
        if (strcmp(value, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static int set_output(struct cli *c, const char *value) {
    static const char *const formats[] = {"table", "json", "yaml"};
    int f = word_of(value, formats, 3);
    if (f < 0) {
        return cli_fail(EXIT_USAGE, "--output %s: table, json or yaml", value);
    }
    c->format = (enum cli_format)f;
    return 0;
}

static int set_timeout(struct cli *c, const char *value) {
    uint64_t seconds;
    if (!str_u64(str_c(value), &seconds) || seconds == 0 || seconds > 86400) {
        return cli_fail(EXIT_USAGE, "--timeout %s: seconds, 1 to 86400", value);
    }
    c->connect.timeout_ms = (int64_t)seconds * 1000;
    return 0;
}

static int set_log_level(struct cli *c, const char *value) {
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    int level = word_of(value, levels, 4);
    if (level < 0) {
        return cli_fail(EXIT_USAGE, "--log-level %s: error, warn, info or debug", value);
    }
    c->log.level = level;
    return 0;
}

static int from_variable(const char *option, const char *variable, const char **to) {
    *to = getenv(variable);
    return *to ? 0
               : cli_fail(EXIT_USAGE, "--%s %s: there is no such environment variable", option,
                          variable);
}

static int set_password(struct cli *c, const char *value) {
    return from_variable("nats-password-env", value, &c->connect.password);
}

static int set_token(struct cli *c, const char *value) {
    return from_variable("nats-token-env", value, &c->connect.token);
}

static int add_plugin_dir(struct cli *c, const char *value) {
    if (c->connect.n_plugin_dirs == ARRAY_LEN(c->plugin_dirs)) {
        return cli_fail(EXIT_USAGE, "--plugin-dir %s: at most %zu of them", value,
                        ARRAY_LEN(c->plugin_dirs));
    }
    c->plugin_dirs[c->connect.n_plugin_dirs++] = value;
    return 0;
}

static const struct common commons[] = {
    {{"output", 'o', "FORMAT", false, "table, json or yaml (default: table)"}, 0, set_output},
    {{"lattice", 'x', "NAME", false, "lattice (WASMCLOUD_LATTICE; default: default)"},
     TEXT(lattice)},
    {{"name", 0, "NAME", false, "which local plane: its socket (default: default)"},
     TEXT(connect.name)},
    {{"socket", 0, "PATH", false, "socket of a local plane (TRELLIS_SOCKET)"},
     TEXT(connect.socket)},
    {{"nats-url", 0, "URL", false, "talk over NATS (WADM_NATS_SERVER, WASMCLOUD_CTL_HOST[:PORT])"},
     TEXT(connect.nats_url)},
    {{"nats-creds", 0, "FILE", false,
      "credentials file (WADM_NATS_CREDS_FILE, WASMCLOUD_CTL_CREDS)"},
     TEXT(connect.creds)},
    {{"nats-seed", 0, "SEED", false,
      "user seed, literal or file (WADM_NATS_NKEY, WASMCLOUD_CTL_SEED)"},
     TEXT(connect.nkey_seed)},
    {{"nats-jwt", 0, "JWT", false, "user JWT, literal or file (WADM_NATS_JWT, WASMCLOUD_CTL_JWT)"},
     TEXT(connect.jwt)},
    {{"nats-user", 0, "USER", false, "user name"}, TEXT(connect.user)},
    {{"nats-password-env", 0, "VAR", false, "environment variable that holds the password"},
     0,
     set_password},
    {{"nats-token-env", 0, "VAR", false, "environment variable that holds the token"},
     0,
     set_token},
    {{"tls-ca", 0, "FILE", false, "certificate authority (WADM_NATS_TLS_CA_FILE)"},
     TEXT(connect.ca)},
    {{"tls-cert", 0, "FILE", false, "client certificate"}, TEXT(connect.cert)},
    {{"tls-key", 0, "FILE", false, "its key"}, TEXT(connect.key)},
    {{"plugin-dir", 0, "DIR", false, "searched first; may be repeated"}, 0, add_plugin_dir},
    {{"timeout", 0, "SECONDS", false, "of one request (default: 10)"}, 0, set_timeout},
    {{"log-level", 0, "LEVEL", false, "error, warn, info, debug (default: warn; serve: info)"},
     0,
     set_log_level},
    {{"help", 'h', NULL, false, "tell what the command does"}, 0, NULL},
};

static void write_option(const struct cli_opt *o, struct buf *out) {
    size_t start = out->len;
    if (o->letter) {
        buf_addf(out, "  -%c, --%s", o->letter, o->name);
    } else {
        buf_addf(out, "      --%s", o->name);
    }
    if (o->value) {
        buf_addf(out, o->value_may ? "[=%s]" : " %s", o->value);
    }
    size_t used = out->len - start;
    buf_addf(out, "%*s%s\n", used < HELP_COLUMN ? (int)(HELP_COLUMN - used) : 2, "", o->help);
}

void options_write(const struct cli_opt *o, struct buf *out) {
    for (; o && o->name; o++) {
        write_option(o, out);
    }
}

void options_write_common(struct buf *out) {
    for (size_t i = 0; i < ARRAY_LEN(commons); i++) {
        write_option(&commons[i].opt, out);
    }
}

static const char *first_of(const char *a, const char *b) {
    const char *v = getenv(a);
    return v && *v ? v : getenv(b);
}

void options_defaults(struct cli *c, struct buf *url) {
    struct client_options *o = &c->connect;
    const char *lattice = getenv("WASMCLOUD_LATTICE"), *host = getenv("WASMCLOUD_CTL_HOST"),
               *port = getenv("WASMCLOUD_CTL_PORT");
    c->colour = isatty(STDOUT_FILENO) && !(getenv("NO_COLOR") && *getenv("NO_COLOR"));
    c->lattice = lattice && *lattice ? lattice : "default";
    o->name = "default";
    o->plugin_dirs = c->plugin_dirs;
    o->timeout_ms = 10000;
    o->socket = getenv("TRELLIS_SOCKET");
    const char *server = getenv("WADM_NATS_SERVER");
    o->nats_url = server && *server ? server : NULL;
    if (!o->nats_url && host && *host) {
        buf_addf(url, "nats://%s:%s", host, port && *port ? port : "4222");
        o->nats_url = url->ptr;
    }
    o->creds = first_of("WADM_NATS_CREDS_FILE", "WASMCLOUD_CTL_CREDS");
    o->nkey_seed = first_of("WADM_NATS_NKEY", "WASMCLOUD_CTL_SEED");
    o->jwt = first_of("WADM_NATS_JWT", "WASMCLOUD_CTL_JWT");
    o->ca = getenv("WADM_NATS_TLS_CA_FILE");
}

/* Is arg this option? *ret_value: what is written behind it in the same argument, else NULL. */
static bool matches(const struct cli_opt *o, const char *arg, const char **ret_value) {
    *ret_value = NULL;
    if (arg[1] != '-') {
        if (!o->letter || arg[1] != o->letter) {
            return false;
        }
        *ret_value = arg[2] ? arg + 2 + (arg[2] == '=') : NULL;
        return true;
    }
    size_t n = strlen(o->name);
    if (strncmp(arg + 2, o->name, n) != 0 || (arg[2 + n] != '=' && arg[2 + n] != '\0')) {
        return false;
    }
    *ret_value = arg[2 + n] == '=' ? arg + 3 + n : NULL;
    return true;
}

static const struct cli_opt *find_own(const struct command *cmd, const char *arg,
                                      const char **ret_value) {
    for (const struct cli_opt *o = cmd->options; o && o->name; o++) {
        if (matches(o, arg, ret_value)) {
            return o;
        }
    }
    return NULL;
}

static const struct common *find_common(const char *arg, const char **ret_value) {
    for (size_t i = 0; i < ARRAY_LEN(commons); i++) {
        if (matches(&commons[i].opt, arg, ret_value)) {
            return &commons[i];
        }
    }
    return NULL;
}

int options_common_size(int argc, char **argv) {
    const char *value;
    const struct common *o = argv[0][0] == '-' ? find_common(argv[0], &value) : NULL;
    return !o || !o->opt.value ? 0 : value || argc < 2 ? 1 : 2;
}

static int set_common(struct cli *c, const struct common *o, const char *value) {
    if (o->set) {
        return o->set(c, value);
    }
    const char **to = (const char **)(void *)((char *)c + o->at);
    *to = value;
    return 0;
}

static int set_own(struct cli *c, const struct cli_opt *o, const char *value) {
    if (c->n_given == CLI_OPTIONS) {
        return cli_fail(EXIT_USAGE, "--%s: too many options", o->name);
    }
    c->given[c->n_given++] = (struct cli_given){o->name, value ? value : ""};
    return 0;
}

/* One option at argv[*at]; *at moves when its value is the next argument. */
static int parse_option(struct cli *c, const struct command *cmd, int argc, char **argv, int *at,
                        bool *ret_help) {
    const char *arg = argv[*at], *value = NULL;
    const struct common *common = NULL;
    const struct cli_opt *o = find_own(cmd, arg, &value);
    if (!o) {
        common = find_common(arg, &value);
        o = common ? &common->opt : NULL;
    }
    if (!o) {
        return cli_fail(EXIT_USAGE, "unknown option %s: see `trellis %s%s%s --help`", arg,
                        cmd->group ? cmd->group : "", cmd->group ? " " : "", cmd->name);
    }
    if (!o->value && value) {
        return cli_fail(EXIT_USAGE, "--%s takes no value", o->name);
    }
    if (o->value && !value && !o->value_may) {
        if (*at + 1 >= argc) {
            return cli_fail(EXIT_USAGE, "--%s needs a value: --%s %s", o->name, o->name, o->value);
        }
        value = argv[++*at];
    }
    if (common && !o->value) {
        *ret_help = true;
        return 0;
    }
    return common ? set_common(c, common, value) : set_own(c, o, value);
}

static int check_counts(const struct cli *c, const struct command *cmd) {
    if (c->argc < cmd->min || (cmd->max >= 0 && c->argc > cmd->max)) {
        const char *text = c->argc < cmd->min ? "something is missing" : c->argv[cmd->max];
        return cli_fail(EXIT_USAGE, "%s%s: usage: trellis %s%s%s%s%s",
                        c->argc < cmd->min ? "" : "unexpected argument ", text,
                        cmd->group ? cmd->group : "", cmd->group ? " " : "", cmd->name,
                        *cmd->args ? " " : "", cmd->args);
    }
    return 0;
}

/* The lattice becomes part of subjects. */
static int check_lattice(const struct cli *c) {
    if (!*c->lattice || strpbrk(c->lattice, " \t\r\n.*>")) {
        return cli_fail(EXIT_USAGE, "--lattice \"%s\": a name without blanks, dots, * and >",
                        c->lattice);
    }
    return 0;
}

int options_parse(struct cli *c, const struct command *cmd, int argc, char **argv, bool *ret_help) {
    bool only_args = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i];
        if (only_args || arg[0] != '-' || arg[1] == '\0') {
            c->argv[c->argc++] = argv[i];
        } else if (strcmp(arg, "--") == 0) {
            only_args = true;
        } else {
            int rc = parse_option(c, cmd, argc, argv, &i, ret_help);
            if (rc) {
                return rc;
            }
        }
    }
    int rc = *ret_help ? 0 : check_counts(c, cmd);
    return rc || *ret_help ? rc : check_lattice(c);
}
