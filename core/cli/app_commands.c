/* SPDX-License-Identifier: Apache-2.0
 *
 * trellis app ...: changes. What they print and wait for is in app_show.c.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/app_show.h"
#include "cli/cli.h"
#include "cli/files.h"
#include "cli/output.h"
#include "cli/reply.h"
#include "codec/json.h"
#include "model/admit.h"
#include "model/manifest.h"

/* The body and content type of a manifest file. */
struct source {
    const char *path;
    struct buf text;
};

static bool is_file(const char *arg) {
    return strcmp(arg, "-") == 0 || access(arg, R_OK) == 0;
}

static const char *content_type(const char *path) {
    str p = str_c(path);
    return str_ends(p, STR(".json"))                               ? "application/json"
           : str_ends(p, STR(".yaml")) || str_ends(p, STR(".yml")) ? "application/yaml"
                                                                   : NULL;
}

static int read_source(struct cli *c, struct source *s) {
    struct err e = ERR_INIT;
    s->path = c->argv[0];
    return file_read_manifest(s->path, &s->text, &e) < 0 ? cli_fail(EXIT_INPUT, "%s", e.msg) : 0;
}

/* Sends a manifest; prints findings with their place in the file. */
static int send_manifest(struct cli *c, const char *operation, struct source *s, struct reply *r) {
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "trellis.api.%s.app.%s", c->lattice, operation);
    int rc = reply_ask(c, buf_str(&subject), content_type(s->path), buf_str(&s->text), r);
    buf_finish(&subject);
    reply_findings(r, s->path);
    return rc;
}

static void tell_result(const struct node *data) {
    str version = node_text(data, "version", STR(""));
    printf("%.*s%s%.*s: %.*s\n", PSTR(node_text(data, "name", STR(""))), version.len ? " " : "",
           PSTR(version), PSTR(node_text(data, "result", STR(""))));
}

static int put(struct cli *c) {
    struct source s = {NULL, BUF_INIT};
    struct reply r = REPLY_INIT;
    int rc = read_source(c, &s);
    if (rc == 0) {
        rc = send_manifest(c, "put", &s, &r);
    }
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        tell_result(r.data);
    }
    buf_finish(&s.text);
    reply_finish(&r);
    return rc;
}

static void tell_deploy(struct cli *c, const struct reply *r) {
    if (c->format != FORMAT_TABLE) {
        if (!c->wait) {
            output_node(c->format, r->data);
        }
        return;
    }
    tell_result(r->data);
    fflush(stdout);
}

static int after_deploy(struct cli *c, const struct reply *r, const char *until) {
    tell_deploy(c, r);
    str name = node_text(r->data, "name", STR(""));
    return c->wait ? app_wait(c, name, node_u64_or(r->data, "generation", 0), until) : EXIT_DONE;
}

static int apply(struct cli *c) {
    struct source s = {NULL, BUF_INIT};
    struct reply r = REPLY_INIT;
    int rc = read_source(c, &s);
    if (rc == 0) {
        rc = send_manifest(c, "apply", &s, &r);
    }
    if (rc == 0) {
        rc = after_deploy(c, &r, "deployed");
    }
    buf_finish(&s.text);
    reply_finish(&r);
    return rc;
}

bool app_name_fits(const char *name) {
    if (!*name || strpbrk(name, " \t\r\n.*>/")) {
        cli_fail(EXIT_USAGE, "\"%s\" is no name of an application, and no file is called so", name);
        return false;
    }
    return true;
}

/* An operation on a named app, with an optional version. */
static int on_app(struct cli *c, const char *operation, const char *body, struct reply *r) {
    struct buf subject = BUF_INIT, json = BUF_INIT;
    if (!app_name_fits(c->argv[0])) {
        return EXIT_USAGE;
    }
    buf_addf(&subject, "trellis.api.%s.app.%s.%s", c->lattice, operation, c->argv[0]);
    const char *version = cli_option(c, "version");
    version = version ? version : c->argc > 1 ? c->argv[1] : NULL;
    if (version) {
        struct jw w;
        jw_init(&w, &json, false);
        jw_object(&w);
        jw_kv(&w, "version", str_c(version));
        jw_end_object(&w);
    } else if (body) {
        buf_addf(&json, "%s", body);
    }
    int rc = reply_ask(c, buf_str(&subject), NULL, buf_str(&json), r);
    buf_finish(&subject);
    buf_finish(&json);
    return rc;
}

static int deploy(struct cli *c) {
    if (c->argc == 1 && is_file(c->argv[0])) {
        return apply(c);
    }
    struct reply r = REPLY_INIT;
    int rc = on_app(c, "deploy", NULL, &r);
    if (rc == 0) {
        rc = after_deploy(c, &r, "deployed");
    }
    reply_finish(&r);
    return rc;
}

static int undeploy(struct cli *c) {
    struct reply r = REPLY_INIT;
    int rc = on_app(c, "undeploy", NULL, &r);
    if (rc == 0) {
        rc = after_deploy(c, &r, "undeployed");
    }
    reply_finish(&r);
    return rc;
}

static int rollback(struct cli *c) {
    struct reply r = REPLY_INIT;
    int rc = on_app(c, "rollback", NULL, &r);
    if (rc == 0) {
        rc = after_deploy(c, &r, "deployed");
    }
    reply_finish(&r);
    return rc;
}

static int delete_app(struct cli *c) {
    struct reply r = REPLY_INIT;
    int rc = on_app(c, "delete", NULL, &r);
    if (rc == 0) {
        tell_deploy(c, &r);
    }
    if (rc == 0 && c->wait) {
        rc = app_wait(c, str_c(c->argv[0]), 0, "gone");
        if (c->format != FORMAT_TABLE) {
            output_node(c->format, r.data);
        }
    }
    reply_finish(&r);
    return rc;
}

static int plan(struct cli *c) {
    struct reply r = REPLY_INIT;
    struct source s = {NULL, BUF_INIT};
    int rc;
    if (c->argc == 1 && is_file(c->argv[0])) {
        rc = read_source(c, &s);
        rc = rc ? rc : send_manifest(c, "plan", &s, &r);
    } else {
        rc = on_app(c, "plan", cli_option(c, "undeploy") ? "{\"undeploy\":true}" : NULL, &r);
    }
    if (rc == 0) {
        rc = app_show_plan(c, &r, s.path ? buf_str(&s.text) : STR_NONE);
    }
    buf_finish(&s.text);
    reply_finish(&r);
    return rc;
}

/* Needs no server: the same code that admits a put. */
static int validate(struct cli *c) {
    struct source s = {NULL, BUF_INIT};
    struct findings f;
    struct manifest *m = NULL;
    char *message = NULL;
    int rc = read_source(c, &s);
    if (rc) {
        return rc;
    }
    findings_init(&f);
    const char *type = content_type(s.path);
    model_admit(buf_str(&s.text), type ? str_c(type) : STR_NONE, 0, &m, &f, &message);
    rc = app_show_findings(c, &f, m, s.path);
    mem_free(message);
    manifest_destroy(m);
    findings_finish(&f);
    buf_finish(&s.text);
    return rc;
}

static int get(struct cli *c) {
    struct reply r = {.verbatim = true};
    int rc = on_app(c, "get", NULL, &r);
    if (rc == 0) {
        output_node(c->format == FORMAT_TABLE ? FORMAT_YAML : c->format,
                    node_get(r.data, "manifest"));
    }
    reply_finish(&r);
    return rc;
}

static int history(struct cli *c) {
    struct reply r = REPLY_INIT;
    int rc = on_app(c, "history", NULL, &r);
    if (rc == 0) {
        app_show_history(c, &r);
    }
    reply_finish(&r);
    return rc;
}

static int status(struct cli *c) {
    struct reply r = REPLY_INIT;
    if (c->wait) {
        return app_name_fits(c->argv[0]) ? app_wait(c, str_c(c->argv[0]), 0, "deployed")
                                         : EXIT_USAGE;
    }
    int rc = on_app(c, "status", NULL, &r);
    if (rc == 0) {
        rc = app_show_status(c, &r);
    }
    reply_finish(&r);
    return rc;
}

#define WAIT                                                                                       \
    { "wait", 0, "SECONDS", true, "follow until it is so (default: 60); exit 1 when it is not" }
#define VERSION(help)                                                                              \
    { "version", 0, "VERSION", false, help }
#define END                                                                                        \
    { NULL, 0, NULL, false, NULL }

static const struct cli_opt waiting[] = {WAIT, END};
static const struct cli_opt versioned[] = {VERSION("which version"), END};
static const struct cli_opt both[] = {VERSION("which version"), WAIT, END};
static const struct cli_opt for_delete[] = {VERSION("only that version"), WAIT, END};
static const struct cli_opt for_plan[] = {
    VERSION("of a stored application"),
    {"undeploy", 0, NULL, false, "what taking it down would do"},
    END};
static const struct cli_opt for_events[] = {{"follow", 'f', NULL, false, "go on"}, END};

static const struct cli_opt for_logs[] = {
    {"follow", 'f', NULL, false, "go on"},
    {"since", 0, "TIME", false, "from then on: 90s, 10m, 2h, 1d, or seconds since 1970"},
    {"lines", 'n', "NUMBER", false, "without --since: so many of the newest (default: 100)"},
    END};

const struct command cli_app_commands[] = {
    {"app", "put", "FILE|-", 1, 1, "store a manifest as a new version",
     "Content equal to the newest version is told as `unchanged` and stores nothing.\n", NULL, put},
    {"app", "apply", "FILE|-", 1, 1, "put if changed, deploy, and with --wait follow until it runs",
     "", waiting, apply},
    {"app", "deploy", "NAME [VERSION]|FILE", 1, 2,
     "deploy a stored version (the newest), or a file", "", both, deploy},
    {"app", "undeploy", "NAME", 1, 1, "take an application down, keep its versions", "", waiting,
     undeploy},
    {"app", "rollback", "NAME [VERSION]", 1, 2,
     "deploy the version before, its configuration included", "", both, rollback},
    {"app", "delete", "NAME [VERSION]", 1, 2, "delete an application, or one version", "",
     for_delete, delete_app},
    {"app", "plan", "FILE|NAME [VERSION]", 1, 2,
     "what a deploy would do, and where; exit 0 nothing, 1 changes, 6 denied", "", for_plan, plan},
    {"app", "status", "NAME", 1, 1, "state of an application, line by line; exit 1 unless deployed",
     "", waiting, status},
    {"app", "list", "", 0, 0, "applications of the lattice", "", NULL, app_list},
    {"app", "get", "NAME [VERSION]", 1, 2, "the stored manifest", "", versioned, get},
    {"app", "history", "NAME", 1, 1, "versions, oldest first", "", NULL, history},
    {"app", "validate", "FILE|-", 1, 1,
     "check a manifest here, without a server; every finding with its place",
     "Exit 5 when it has errors.\n", NULL, validate},
    {"app", "events", "[NAME]", 0, 1, "commands and status changes",
     "With -o json one object a line.\n", for_events, app_events},
    {"app", "logs", "NAME", 1, 1, "what its processes wrote, where the hosts keep that",
     "Times are UTC; lines that begin with ! were written to standard error.\n"
     "With -o json one object a line.\n",
     for_logs, app_logs},
    {"app", "top", "[NAME]", 0, 1, "what its processes use: CPU, memory, descriptors, restarts", "",
     NULL, app_top},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
