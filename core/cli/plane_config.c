/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/plane_config.h"

#include <stdio.h>
#include <string.h>

#include "cli/files.h"
#include "cli/nats_client.h"
#include "codec/json.h"

void config_tell_findings(const struct findings *f, const char *path) {
    struct buf line = BUF_INIT;
    for (uint32_t i = 0; i < f->n; i++) {
        buf_clear(&line);
        finding_format(&f->at[i], str_c(path), &line);
        fprintf(stderr, "%s\n", line.ptr);
    }
    buf_finish(&line);
}

int config_load(struct cli *c, struct config *config) {
    const char *path = cli_option(c, "config");
    struct buf text = BUF_INIT;
    struct findings f;
    struct err e = ERR_INIT;
    int rc = EXIT_DONE;
    if (!path) {
        return rc;
    }
    if (file_read(path, &text, &e) < 0) {
        return cli_fail(EXIT_INPUT, "%s", e.msg);
    }
    findings_init(&f);
    if (config_parse(config, str_c(path), buf_str(&text), &f) < 0) {
        config_tell_findings(&f, path);
        rc = EXIT_INPUT;
    }
    findings_finish(&f);
    buf_finish(&text);
    return rc;
}

void config_add_dirs(struct cli *c, struct config *config) {
    uint32_t n = c->connect.n_plugin_dirs + config->n_plugin_dirs;
    const char **dirs = ARENA_ARRAY(&config->arena, const char *, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        dirs[i] = i < c->connect.n_plugin_dirs ? c->connect.plugin_dirs[i]
                                               : config->plugin_dirs[i - c->connect.n_plugin_dirs];
    }
    config->plugin_dirs = dirs;
    config->n_plugin_dirs = n;
}

/* NATS options of the command line beat the file. */
void config_add_nats(struct cli *c, struct config *config) {
    struct buf json = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    nats_config_json(&c->connect, &json);
    bool nats = str_is(config->transport.name, "nats");
    if (nats && c->connect.nats_url && json_parse(buf_str(&json), &a, &n, NULL) == 0) {
        for (uint32_t i = 0; i < n->n; i++) {
            struct buf value = BUF_INIT;
            struct jw w;
            if (str_is(n->members[i].key, "name")) {
                continue;
            }
            jw_init(&w, &value, false);
            jw_node(&w, n->members[i].value);
            config_plugin_set(config, &config->transport, n->members[i].key.ptr, buf_str(&value));
            if (str_is(config->store.name, "nats-kv")) {
                config_plugin_set(config, &config->store, n->members[i].key.ptr, buf_str(&value));
            }
            buf_finish(&value);
        }
    }
    arena_finish(&a);
    buf_finish(&json);
}

void config_set_string(struct config *config, struct plugin_choice *p, const char *key,
                       const char *value) {
    struct buf json = BUF_INIT;
    struct jw w;
    jw_init(&w, &json, false);
    jw_cstr(&w, value);
    config_plugin_set(config, p, key, buf_str(&json));
    buf_finish(&json);
}
