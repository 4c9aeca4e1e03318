/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/local_secrets.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "codec/json.h"
#include "plane/socket.h"

static char *place(struct cli *c) {
    const char *data = cli_option(c, "data");
    struct buf path = BUF_INIT;
    if (data) {
        char *here = *data == '/' ? NULL : getcwd(NULL, 0);
        buf_addf(&path, "%s%s%s/secrets", here ? here : "", here ? "/" : "", data);
        free(here);
    } else {
        char *state = state_default_dir();
        buf_addf(&path, "%s/%s.secrets", state, c->connect.name);
        mem_free(state);
    }
    return buf_take(&path);
}

static int make_path(char *path) {
    for (char *p = path + 1;; p++) {
        char was = *p;
        if (was == '/' || was == '\0') {
            *p = '\0';
            int rc = mkdir(path, 0700);
            *p = was;
            if (rc < 0 && errno != EEXIST) {
                return -1;
            }
        }
        if (was == '\0') {
            return 0;
        }
    }
}

int local_secrets_use(struct cli *c, struct config *config, struct err *err) {
    struct config_gates *g = &config->gates;
    struct buf json = BUF_INIT;
    struct jw w;
    if (g->n_secrets) {
        return 0;
    }
    char *path = place(c);
    if (cli_option(c, "ephemeral") && access(path, F_OK) < 0) { /* it makes nothing that stays */
        mem_free(path);
        return 0;
    }
    if (make_path(path) < 0) {
        int rc = err_set(err, -1, "cannot keep secrets in %s: %s", path, strerror(errno));
        mem_free(path);
        return rc;
    }
    g->secrets = ARENA_NEW(&config->arena, struct secrets_choice);
    g->n_secrets = 1;
    g->secrets[0] = (struct secrets_choice){.name = STR(LOCAL_SECRETS),
                                            .plugin = {.name = STR("file"), .config = STR("{}")}};
    jw_init(&w, &json, false);
    jw_cstr(&w, path);
    config_plugin_set(config, &g->secrets[0].plugin, "dir", buf_str(&json));
    config_plugin_set(config, &g->secrets[0].plugin, "trim_newline", STR("true"));
    buf_finish(&json);
    mem_free(path);
    return 0;
}
