/* SPDX-License-Identifier: Apache-2.0 */
#include "fakehost_priv.h"

#include <assert.h>
#include <stdlib.h>

const char *member(const json_t *o, const char *key) {
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

void world_reply(struct fworld *w, const char *to, int success, const char *message,
                 json_t *response) {
    json_t *j = json_pack("{s:b,s:s}", "success", success, "message", message);
    if (response) {
        json_object_set_new(j, "response", response);
    }
    char *text = json_dumps(j, JSON_COMPACT);
    if (to[0]) {
        core_publish(w->c, to, text);
    }
    free(text);
    json_decref(j);
}

static void host_reply(struct fhost *h, const char *to, int success, const char *message,
                       json_t *response) {
    if (h->mute_replies > 0) {
        h->mute_replies--;
        json_decref(response);
        return;
    }
    world_reply(h->w, to, success, message, response);
}

void world_event(struct fworld *w, const char *source, const char *name, json_t *data) {
    char subject[256], type[128];
    snprintf(subject, sizeof(subject), "%s.%s", w->evt, name);
    snprintf(type, sizeof(type), "com.wasmcloud.lattice.%s", name);
    json_t *j =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:o}", "specversion", "1.0", "id", "1", "type", type,
                  "source", source, "datacontenttype", "application/json", "data", data);
    char *text = json_dumps(j, JSON_COMPACT);
    core_publish(w->c, subject, text);
    free(text);
    json_decref(j);
}

struct echo {
    struct fhost *h;
    char *name;
    json_t *data;
};

static void on_echo(void *arg) {
    struct echo *e = arg;
    world_event(e->h->w, e->h->id, e->name, e->data);
    free(e->name);
    free(e);
}

static void host_event(struct fhost *h, const char *name, json_t *data) {
    if (h->lose_events > 0) {
        h->lose_events--;
        json_decref(data);
        return;
    }
    if (h->echo_ms) {
        struct echo *e = calloc(1, sizeof(*e));
        assert(e);
        *e = (struct echo){h, strdup(name), json_deep_copy(data)};
        core_after(h->w->c, h->echo_ms, on_echo, e);
    }
    world_event(h->w, h->id, name, data);
}

static size_t find(const json_t *list, const char *id) {
    size_t i;
    json_t *e;
    json_array_foreach((json_t *)(uintptr_t)list, i, e) {
        if (strcmp(member(e, "id"), id) == 0) {
            return i;
        }
    }
    return (size_t)-1;
}

const json_t *host_component(const struct fhost *h, const char *id) {
    return json_array_get(h->components, find(h->components, id));
}

const json_t *host_provider(const struct fhost *h, const char *id) {
    return json_array_get(h->providers, find(h->providers, id));
}

static json_t *inventory(const struct fhost *h) {
    int64_t up = (core_now_ms(h->w->c) - h->born_ms) / 1000;
    return json_pack("{s:s,s:s,s:s,s:s,s:I,s:O,s:O,s:O}", "host_id", h->id, "friendly_name",
                     "shy-fish-0001", "version", "1.9.2", "uptime_human", "1s", "uptime_seconds",
                     (json_int_t)up, "labels", h->labels, "components", h->components, "providers",
                     h->providers);
}

void host_beat(struct fhost *h) {
    world_event(h->w, h->id, "host_heartbeat", inventory(h));
}

void host_start_event(struct fhost *h) {
    world_event(h->w, h->id, "host_started",
                json_pack("{s:s,s:O,s:i,s:s}", "friendly_name", "shy-fish-0001", "labels",
                          h->labels, "uptime_seconds", 0, "version", "1.9.2"));
}

void host_restart(struct fhost *h) {
    json_array_clear(h->components);
    json_array_clear(h->providers);
    h->born_ms = core_now_ms(h->w->c);
}

static json_t *notes_for(const char *app) {
    return json_pack("{s:s,s:s}", "wasmcloud.dev/managed-by", "wadm", "wasmcloud.dev/appspec", app);
}

void host_run_component(struct fhost *h, const char *id, const char *image, int count,
                        const char *app) {
    json_array_append_new(h->components,
                          json_pack("{s:s,s:s,s:i,s:o,s:i,s:n,s:[]}", "id", id, "image_ref", image,
                                    "max_instances", count, "annotations", notes_for(app),
                                    "revision", 0, "limits", "config"));
}

void host_run_provider(struct fhost *h, const char *id, const char *image, const char *app) {
    json_array_append_new(h->providers, json_pack("{s:s,s:s,s:o,s:i}", "id", id, "image_ref", image,
                                                  "annotations", notes_for(app), "revision", 0));
}

/* Work that ends later. */
struct work {
    struct fhost *h;
    json_t *body;
    char *op, *reply;
};

static json_t *scaled(const char *id, const char *image, json_t *annotations, json_int_t count,
                      const char *host) {
    return json_pack("{s:s,s:s,s:O,s:I,s:s}", "component_id", id, "image_ref", image, "annotations",
                     annotations, "max_instances", count, "host_id", host);
}

static void start_fresh(struct fhost *h, const json_t *b, const char *id, json_int_t count) {
    const char *image = member(b, "component_ref");
    json_t *notes = json_object_get(b, "annotations");
    if (h->w->fail_image && strstr(image, h->w->fail_image)) {
        json_t *d = scaled(id, image, notes, count, h->id);
        json_object_set_new(d, "error", json_string("failed to fetch component: no such image"));
        host_event(h, "component_scale_failed", d);
        return;
    }
    json_array_append_new(h->components,
                          json_pack("{s:s,s:s,s:I,s:O,s:i,s:n,s:O}", "id", id, "image_ref", image,
                                    "max_instances", count, "annotations", notes, "revision", 0,
                                    "limits", "config", json_object_get(b, "config")));
    host_event(h, "component_scaled", scaled(id, image, notes, count, h->id));
    host_event(h, "component_scaled", scaled(id, image, notes, count, member(b, "host_id")));
}

static void scale_work(struct fhost *h, const json_t *b) {
    const char *id = member(b, "component_id");
    json_int_t count = json_integer_value(json_object_get(b, "count"));
    size_t at = find(h->components, id);
    json_t *e = json_array_get(h->components, at);
    if (!e && !count) {
        host_event(
            h, "component_scaled",
            scaled(id, member(b, "component_ref"), json_object_get(b, "annotations"), 0, h->id));
    } else if (!e) {
        start_fresh(h, b, id, count);
    } else {
        /* Stop, no-op and rebuild all echo what ran before. */
        json_t *data =
            scaled(id, member(e, "image_ref"), json_object_get(e, "annotations"), count, h->id);
        if (!count) {
            json_array_remove(h->components, at);
        } else if (count != json_integer_value(json_object_get(e, "max_instances")) ||
                   !json_equal(json_object_get(e, "config"), json_object_get(b, "config"))) {
            json_object_set_new(e, "max_instances", json_integer(count));
            json_object_set(e, "image_ref", json_object_get(b, "component_ref"));
            json_object_set(e, "annotations", json_object_get(b, "annotations"));
            json_object_set(e, "config", json_object_get(b, "config"));
        }
        host_event(h, "component_scaled", data);
    }
}

static const char *plain(const char *image) {
    const char *p = strstr(image, "://");
    return p ? p + 3 : image;
}

static void provider_work(struct fhost *h, const json_t *b) {
    const char *id = member(b, "provider_id"), *image = member(b, "provider_ref");
    const char *error = host_provider(h, id) ? "provider is already running with that ID"
                        : h->w->fail_image && strstr(image, h->w->fail_image)
                            ? "failed to fetch provider: no such image"
                            : NULL;
    if (error) {
        host_event(h, "provider_start_failed",
                   json_pack("{s:s,s:s,s:s,s:s}", "provider_id", id, "provider_ref", image,
                             "host_id", h->id, "error", error));
        return;
    }
    json_array_append_new(
        h->providers, json_pack("{s:s,s:s,s:O,s:i}", "id", id, "image_ref", plain(image),
                                "annotations", json_object_get(b, "annotations"), "revision", 0));
    host_event(h, "provider_started",
               json_pack("{s:s,s:s,s:O,s:s}", "provider_id", id, "image_ref", plain(image),
                         "annotations", json_object_get(b, "annotations"), "host_id", h->id));
}

static void work_done(void *arg) {
    struct work *k = arg;
    if (k->h->alive && !k->h->frozen) {
        if (strcmp(k->op, "component.scale") == 0) {
            scale_work(k->h, k->body);
        } else {
            provider_work(k->h, k->body);
        }
    }
    json_decref(k->body);
    free(k->op);
    free(k);
}

static void work_later(struct fhost *h, const char *op, json_t *body, int64_t ms) {
    struct work *k = calloc(1, sizeof(*k));
    assert(k);
    k->h = h;
    k->op = strdup(op);
    k->body = json_incref(body);
    core_after(h->w->c, ms, work_done, k);
}

static void provider_stop(struct fhost *h, const json_t *b, const char *to) {
    const char *id = member(b, "provider_id");
    size_t at = find(h->providers, id);
    if (at == (size_t)-1) {
        host_reply(h, to, 0, "provider with that ID is not running", NULL);
        return;
    }
    json_array_remove(h->providers, at);
    host_event(h, "provider_stopped",
               json_pack("{s:s,s:s,s:{},s:s}", "provider_id", id, "host_id", h->id, "annotations",
                         "reason", "stop"));
    host_reply(h, to, 1, "successfully stopped provider", NULL);
}

static void labels_changed(struct fhost *h) {
    world_event(h->w, h->id, "labels_changed",
                json_pack("{s:s,s:O}", "host_id", h->id, "labels", h->labels));
}

static void host_request(struct fhost *h, const char *op, json_t *b, const char *to) {
    struct fworld *w = h->w;
    if (strcmp(op, "host.get") == 0) {
        host_reply(h, to, 1, "", inventory(h));
    } else if (w->nack) {
        const char *text = w->nack;
        w->nack = NULL;
        host_reply(h, to, 0, text, NULL);
    } else if (strcmp(op, "component.scale") == 0) {
        json_int_t count = json_integer_value(json_object_get(b, "count"));
        host_reply(h, to, 1, "", NULL);
        work_later(h, op, b, count ? h->start_ms : 1);
    } else if (strcmp(op, "provider.start") == 0) {
        if (host_provider(h, member(b, "provider_id"))) {
            host_reply(h, to, 0, "provider with that ID is already running", NULL);
        } else {
            host_reply(h, to, 1, "successfully started provider", NULL);
            work_later(h, op, b, h->start_ms);
        }
    } else if (strcmp(op, "provider.stop") == 0) {
        provider_stop(h, b, to);
    } else if (strcmp(op, "label.put") == 0) {
        json_object_set(h->labels, member(b, "key"), json_object_get(b, "value"));
        labels_changed(h);
        host_reply(h, to, 1, "successfully put label", NULL);
    } else if (strcmp(op, "label.del") == 0) {
        json_object_del(h->labels, member(b, "key"));
        labels_changed(h);
        host_reply(h, to, 1, "successfully deleted label", NULL);
    } else if (strcmp(op, "host.stop") == 0) {
        host_reply(h, to, 1, "successfully handled stop host", NULL);
        world_event(w, h->id, "host_stopped", json_pack("{s:O}", "labels", h->labels));
        h->alive = 0;
    }
}

static void on_host(void *arg, const char *subject, const char *to, const char *body, size_t len) {
    struct fhost *h = arg;
    struct fworld *w = h->w;
    const char *suffix = subject + strlen(w->ctl) + 1;
    char op[64];
    snprintf(op, sizeof(op), "%.*s", (int)(strlen(suffix) - strlen(h->id) - 1), suffix);
    world_note(w, suffix, body, len);
    json_t *b = json_loadb(len ? body : "{}", len ? len : 2, 0, NULL);
    if (h->alive && !h->frozen) {
        host_request(h, op, b, to);
    }
    json_decref(b);
}

struct fhost *world_host(struct fworld *w, const char *id) {
    assert(w->n_hosts < HOSTS_MAX);
    struct fhost *h = &w->hosts[w->n_hosts++];
    char subject[256];
    static const char *const what[] = {"component.*", "provider.*", "label.*", "host.*"};
    h->w = w;
    snprintf(h->id, sizeof(h->id), "%s", id);
    h->alive = 1;
    h->born_ms = core_now_ms(w->c);
    h->start_ms = 5;
    h->components = json_array();
    h->providers = json_array();
    h->labels = json_pack("{s:s,s:s}", "zone", "a", "hostcore.arch", "x86_64");
    for (size_t i = 0; i < 4; i++) {
        snprintf(subject, sizeof(subject), "%s.%s.%s", w->ctl, what[i], id);
        core_subscribe(w->c, subject, on_host, h);
    }
    if (w->n_hosts == 1) {
        static const char *const shared[] = {"link.*", "config.>", "host.ping"};
        for (size_t i = 0; i < 3; i++) {
            snprintf(subject, sizeof(subject), "%s.%s", w->ctl, shared[i]);
            core_subscribe(w->c, subject, world_on_shared, w);
        }
    }
    return h;
}

struct fworld *world_create(struct core *c, const char *lattice, const char *ctl_prefix,
                            const char *evt_prefix) {
    struct fworld *w = calloc(1, sizeof(*w));
    assert(w);
    w->c = c;
    w->links = json_array();
    w->configs = json_object();
    w->link_ms = 2;
    snprintf(w->lattice, sizeof(w->lattice), "%s", lattice);
    snprintf(w->ctl, sizeof(w->ctl), "%s.v1.%s", ctl_prefix, lattice);
    snprintf(w->evt, sizeof(w->evt), "%s.%s", evt_prefix, lattice);
    return w;
}

void world_destroy(struct fworld *w) {
    for (size_t i = 0; i < w->n_hosts; i++) {
        json_decref(w->hosts[i].components);
        json_decref(w->hosts[i].providers);
        json_decref(w->hosts[i].labels);
    }
    json_decref(w->links);
    json_decref(w->configs);
    world_forget_requests(w);
    free(w->requests);
    free(w);
}

size_t world_requests(const struct fworld *w, const char *part) {
    size_t n = 0;
    for (size_t i = 0; i < w->n_requests; i++) {
        n += text_match(w->requests[i], part) ? 1 : 0;
    }
    return n;
}

const char *world_request(const struct fworld *w, const char *part, size_t nth) {
    for (size_t i = 0; i < w->n_requests; i++) {
        if (text_match(w->requests[i], part) && nth-- == 0) {
            return w->requests[i];
        }
    }
    return NULL;
}

void world_forget_requests(struct fworld *w) {
    for (size_t i = 0; i < w->n_requests; i++) {
        free(w->requests[i]);
    }
    w->n_requests = 0;
}
