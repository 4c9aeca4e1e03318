/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/secret_open.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/app_show.h"
#include "cli/files.h"
#include "cli/local_secrets.h"
#include "plane/config.h"
#include "plug/bus.h"

#define PATIENCE_NS (30ll * 1000000000ll)
#define CALL_NS     (20ll * 1000000000ll)

struct secret_session {
    struct config config;
    struct loop *loop;
    struct plug *plug;
    struct plug_inst *transport, *in;
    struct bus *bus;
    /* Of what is under way. */
    bool done;
    trl_status st;
    char error[512];
    char *text;
    void (*each)(void *arg, str name);
    void *each_arg;
};

static bool is_done(void *arg) {
    return ((struct secret_session *)arg)->done;
}

static void keep(struct secret_session *s, trl_status st, const trl_err *e) {
    s->done = true;
    s->st = st;
    snprintf(s->error, sizeof(s->error), "%.*s", e ? (int)e->msg_len : 0, e ? e->msg : "");
}

static int wait_for(struct secret_session *s, const char *what) {
    if (!loop_run_until(s->loop, is_done, s, PATIENCE_NS)) {
        return cli_fail(EXIT_UNREACHABLE, "%s: no answer within 30 s", what);
    }
    s->done = false;
    if (s->st == TRL_OK) {
        return 0;
    }
    int code = s->st == TRL_E_NOTFOUND || s->st == TRL_E_DENIED || s->st == TRL_E_CONFLICT ? EXIT_NO
               : s->st == TRL_E_INVALID                           ? EXIT_INPUT
               : s->st == TRL_E_UNAVAIL || s->st == TRL_E_TIMEOUT ? EXIT_UNREACHABLE
                                                                  : EXIT_FAILED;
    return cli_fail(code, "%s: %s", what, s->error[0] ? s->error : err_name(s->st));
}

static void on_started(void *arg, trl_status st, const trl_err *e) {
    keep(arg, st, e);
}

static void on_stopped(void *arg) {
    ((struct secret_session *)arg)->done = true;
}

static int load(struct secret_session *s, struct cli *c, const char *path) {
    struct buf text = BUF_INIT;
    struct findings f;
    struct err e = ERR_INIT;
    int rc = 0;
    config_defaults(&s->config);
    if (!path) {
        return local_secrets_use(c, &s->config, &e) < 0 ? cli_fail(EXIT_FAILED, "%s", e.msg) : 0;
    }
    if (file_read(path, &text, &e) < 0) {
        return cli_fail(EXIT_INPUT, "%s", e.msg);
    }
    findings_init(&f);
    if (config_parse(&s->config, str_c(path), buf_str(&text), &f) < 0) {
        app_show_findings(c, &f, NULL, path);
        rc = EXIT_INPUT;
    }
    findings_finish(&f);
    buf_finish(&text);
    return rc;
}

static const struct plugin_choice *find(struct secret_session *s, const char *backend) {
    const struct config_gates *g = &s->config.gates;
    for (uint32_t i = 0; i < g->n_secrets; i++) {
        if (str_is(g->secrets[i].name, backend)) {
            return &g->secrets[i].plugin;
        }
    }
    return NULL;
}

static int start(struct secret_session *s, const char *kind, const struct plugin_choice *choice,
                 struct plug_inst **ret) {
    struct plug_iface ifaces[] = {{TRL_HOST_TRANSPORT_V1, &bus_host_iface, s->bus}};
    struct err e = ERR_INIT;
    char *name = str_dup(choice->name);
    int rc = plug_inst_create(s->plug, kind, name, choice->config, ifaces, s->bus ? 1 : 0, ret, &e);
    mem_free(name);
    if (rc < 0) {
        return cli_fail(EXIT_INPUT, "%s", e.msg);
    }
    plug_inst_start(*ret, PATIENCE_NS, on_started, s);
    return wait_for(s, kind);
}

/* Only a backend that speaks on the bus makes us connect to it. */
static bool needs_bus(struct secret_session *s, const struct plugin_choice *choice) {
    struct plug_inst *probe = NULL;
    struct err e = ERR_INIT;
    char *name = str_dup(choice->name);
    int rc = plug_inst_create(s->plug, TRL_KIND_SECRETS, name, choice->config, NULL, 0, &probe, &e);
    mem_free(name);
    if (rc == 0) {
        plug_inst_stop(probe, on_stopped, s);
        loop_run_until(s->loop, is_done, s, PATIENCE_NS);
        s->done = false;
        plug_inst_destroy(probe);
    }
    return rc < 0 && strstr(e.msg, TRL_HOST_TRANSPORT_V1) != NULL;
}

int secret_open(struct cli *c, const char *config_path, const char *backend,
                struct secret_session **ret) {
    struct secret_session *s = mem_zalloc(sizeof(*s));
    const char *dirs[32];
    uint32_t n = 0;
    int rc = load(s, c, config_path);
    const struct plugin_choice *choice = rc == 0 ? find(s, backend) : NULL;
    if (rc == 0 && !choice) {
        rc = config_path
                 ? cli_fail(EXIT_INPUT, "%s names no secrets backend '%s'", config_path, backend)
                 : cli_fail(EXIT_USAGE,
                            "'%s' is not the backend '" LOCAL_SECRETS "' of `trellis up`: say with "
                            "-c FILE where it is configured",
                            backend);
    }
    for (uint32_t i = 0; i < c->connect.n_plugin_dirs && n < 32; i++) {
        dirs[n++] = c->connect.plugin_dirs[i];
    }
    for (uint32_t i = 0; i < s->config.n_plugin_dirs && n < 32; i++) {
        dirs[n++] = s->config.plugin_dirs[i];
    }
    if (rc == 0) {
        s->loop = loop_create_uv(1);
        s->plug = plug_create(s->loop, &c->log, dirs, n);
    }
    if (rc == 0 && needs_bus(s, choice)) {
        rc = start(s, TRL_KIND_TRANSPORT, &s->config.transport, &s->transport);
        s->bus = rc == 0 ? bus_create(s->transport) : NULL;
    }
    rc = rc ? rc : start(s, TRL_KIND_SECRETS, choice, &s->in);
    if (rc) {
        secret_close(s);
        s = NULL;
    }
    *ret = s;
    return rc;
}

static void stop(struct secret_session *s, struct plug_inst *in) {
    if (in) {
        s->done = false;
        plug_inst_stop(in, on_stopped, s);
        loop_run_until(s->loop, is_done, s, PATIENCE_NS);
        plug_inst_destroy(in);
    }
}

void secret_close(struct secret_session *s) {
    if (!s) {
        return;
    }
    stop(s, s->in);
    if (s->bus) {
        bus_destroy(s->bus);
    }
    stop(s, s->transport);
    if (s->plug) {
        plug_destroy(s->plug);
        loop_destroy(s->loop);
    }
    config_finish(&s->config);
    mem_free(s->text);
    mem_free(s);
}

struct plug_inst *secret_instance(struct secret_session *s) {
    return s->in;
}

static void on_text(void *arg, trl_status st, str text, const trl_err *e) {
    struct secret_session *s = arg;
    mem_free(s->text);
    s->text = str_dup(text);
    keep(s, st, e);
}

static int text_call(struct secret_session *s, const char *what, char **ret) {
    int rc = wait_for(s, what);
    *ret = s->text;
    s->text = NULL;
    return rc;
}

int secret_check(struct secret_session *s, const trl_secret_ref *ref, char **ret) {
    secrets_check(s->in, ref, CALL_NS, on_text, s);
    return text_call(s, "check", ret);
}

int secret_put(struct secret_session *s, const trl_secret_ref *ref, const struct guarded *value,
               char **ret) {
    secrets_put(s->in, ref, value, 0, CALL_NS, on_text, s);
    return text_call(s, "put", ret);
}

static void on_name(void *arg, str name) {
    struct secret_session *s = arg;
    s->each(s->each_arg, name);
}

int secret_each(struct secret_session *s, str prefix, void (*fn)(void *arg, str name), void *arg) {
    s->each = fn;
    s->each_arg = arg;
    secrets_list(s->in, prefix, CALL_NS, on_name, on_text, s);
    return wait_for(s, "list");
}
