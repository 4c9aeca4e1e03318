/* SPDX-License-Identifier: Apache-2.0
 *
 * What hosts of a lattice do together: links, configs, pings.
 */
#include <assert.h>
#include <stdlib.h>

#include "fakehost_priv.h"

static int key_equal(const json_t *a, const json_t *b) {
    return strcmp(member(a, "source_id"), member(b, "source_id")) == 0 &&
           strcmp(member(a, "name"), member(b, "name")) == 0 &&
           strcmp(member(a, "wit_namespace"), member(b, "wit_namespace")) == 0 &&
           strcmp(member(a, "wit_package"), member(b, "wit_package")) == 0;
}

static int overlap(const json_t *a, const json_t *b) {
    size_t i, k;
    json_t *x, *y;
    json_array_foreach(json_object_get(a, "interfaces"), i, x) {
        json_array_foreach(json_object_get(b, "interfaces"), k, y) {
            if (json_equal(x, y)) {
                return 1;
            }
        }
    }
    return 0;
}

static void link_event(struct fworld *w, const char *name, json_t *data) {
    if (w->lose_link_events > 0) {
        w->lose_link_events--;
        json_decref(data);
        return;
    }
    world_event(w, w->hosts[0].id, name, data);
}

static void link_put(struct fworld *w, json_t *b, const char *to) {
    size_t i;
    json_t *e;
    json_array_foreach(w->links, i, e) {
        if (key_equal(e, b) && overlap(e, b) &&
            strcmp(member(e, "target"), member(b, "target")) != 0) {
            const char *text = "link already exists with different target, consider deleting the "
                               "existing link or using a different link name";
            json_t *data = json_copy(b);
            json_object_set_new(data, "error", json_string(text));
            link_event(w, "linkdef_set_failed", data);
            world_reply(w, to, 0, text, NULL);
            return;
        }
    }
    json_array_foreach(w->links, i, e) {
        if (key_equal(e, b) && strcmp(member(e, "target"), member(b, "target")) == 0) {
            json_array_remove(w->links, i);
            break;
        }
    }
    json_array_append(w->links, b);
    link_event(w, "linkdef_set", json_copy(b));
    if (w->mute_links > 0) {
        w->mute_links--;
    } else {
        world_reply(w, to, 1, "successfully set link", NULL);
    }
}

static void link_del(struct fworld *w, const json_t *b, const char *to) {
    size_t i;
    json_t *e, *data = json_copy((json_t *)(uintptr_t)b);
    int spec = 0;
    json_array_foreach(w->links, i, e) {
        spec |= strcmp(member(e, "source_id"), member(b, "source_id")) == 0;
        if (key_equal(e, b)) {
            json_object_set(data, "target", json_object_get(e, "target"));
            json_object_set(data, "interfaces", json_object_get(e, "interfaces"));
            json_array_remove(w->links, i);
            break;
        }
    }
    if (spec) {
        link_event(w, "linkdef_deleted", json_incref(data));
    }
    json_decref(data);
    if (w->mute_links > 0) {
        w->mute_links--;
    } else {
        world_reply(w, to, 1,
                    spec ? "successfully deleted link"
                         : "successfully deleted link (spec doesn't exist)",
                    NULL);
    }
}

struct link_work {
    struct fworld *w;
    json_t *body;
    char *op, *to;
};

static void link_done(void *arg) {
    struct link_work *k = arg;
    struct fworld *w = k->w;
    w->links_now -= strcmp(member(k->body, "source_id"), "a") == 0 ? 1 : 0;
    if (w->drop_links > 0) {
        w->drop_links--;
    } else if (strcmp(k->op, "link.put") == 0) {
        link_put(w, k->body, k->to);
    } else {
        link_del(w, k->body, k->to);
    }
    json_decref(k->body);
    free(k->op);
    free(k->to);
    free(k);
}

static void link_request(struct fworld *w, const char *op, json_t *b, const char *to) {
    struct link_work *k = calloc(1, sizeof(*k));
    assert(k);
    *k = (struct link_work){.w = w, .body = json_incref(b), .op = strdup(op), .to = strdup(to)};
    w->links_now += strcmp(member(b, "source_id"), "a") == 0 ? 1 : 0;
    w->links_most = w->links_now > w->links_most ? w->links_now : w->links_most;
    core_after(w->c, w->link_ms, link_done, k);
}

static void config_request(struct fworld *w, const char *op, const char *name, json_t *b,
                           const char *to) {
    json_t *there = json_object_get(w->configs, name);
    if (w->mute_configs > 0) {
        w->mute_configs--;
        return;
    }
    if (strcmp(op, "get") == 0) {
        if (strchr(name, '$')) {
            world_reply(w, to, 0, "key cannot be empty or start/end with `.`", NULL);
        } else if (there && !json_is_object(there)) {
            world_reply(w, to, 0, "config data should be a map of string -> string", NULL);
        } else {
            world_reply(w, to, 1, there ? "" : "Configuration not found", json_incref(there));
        }
    } else if (strcmp(op, "put") == 0) {
        json_object_set(w->configs, name, b);
        world_event(w, w->hosts[0].id, "config_set", json_pack("{s:s}", "config_name", name));
        world_reply(w, to, 1, "successfully put config", NULL);
    } else {
        json_object_del(w->configs, name);
        world_event(w, w->hosts[0].id, "config_deleted", json_pack("{s:s}", "config_name", name));
        world_reply(w, to, 1, "successfully deleted config", NULL);
    }
}

void world_note(struct fworld *w, const char *suffix, const char *body, size_t len) {
    if (w->n_requests == w->cap_requests) {
        w->cap_requests = w->cap_requests ? w->cap_requests * 2 : 64;
        w->requests = realloc(w->requests, w->cap_requests * sizeof(char *));
        assert(w->requests);
    }
    int n = asprintf(&w->requests[w->n_requests++], "%s %.*s", suffix, (int)len, body);
    assert(n >= 0);
}

static struct fhost *first_alive(struct fworld *w) {
    for (size_t i = 0; i < w->n_hosts; i++) {
        if (w->hosts[i].alive && !w->hosts[i].frozen) {
            return &w->hosts[i];
        }
    }
    return NULL;
}

void world_on_shared(void *arg, const char *subject, const char *to, const char *body, size_t len) {
    struct fworld *w = arg;
    const char *suffix = subject + strlen(w->ctl) + 1;
    json_t *b = json_loadb(len ? body : "{}", len ? len : 2, 0, NULL);
    world_note(w, suffix, body, len);
    if (!first_alive(w)) {
        json_decref(b);
        return;
    }
    if (strcmp(suffix, "link.get") == 0) {
        world_reply(w, to, 1, "", json_deep_copy(w->links));
    } else if (strncmp(suffix, "link.", 5) == 0) {
        link_request(w, suffix, b, to);
    } else if (strncmp(suffix, "config.", 7) == 0) {
        char op[8];
        snprintf(op, sizeof(op), "%.3s", suffix + 7);
        config_request(w, op, suffix + 11, b, to);
    } else if (strcmp(suffix, "host.ping") == 0) {
        if (w->pong_garbage) {
            core_publish(w->c, to, "{\"success\":tru");
            core_publish(w->c, to, "{\"success\":true,\"message\":\"\",\"response\":{\"id\":7}}");
        }
        for (size_t i = 0; i < w->n_hosts; i++) {
            if (w->hosts[i].alive && !w->hosts[i].frozen) {
                world_reply(w, to, 1, "",
                            json_pack("{s:s,s:s}", "id", w->hosts[i].id, "lattice", w->lattice));
            }
        }
    }
    json_decref(b);
}
