/* SPDX-License-Identifier: Apache-2.0 */
#include "rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static struct rig *rig_of(void *ctx) {
    return plug_iface_ctx(ctx, TRL_HOST_OBSERVE_V1);
}

static void forget(struct rig *r) {
    for (uint32_t i = 0; i < r->images.n; i++) {
        mem_free(r->images.at[i].value);
    }
    map_clear(&r->counts);
    map_clear(&r->flags);
    map_clear(&r->images);
}

static void take_labels(struct rig *r, const trl_report *t) {
    for (uint32_t i = 0; i < r->labels.n; i++) {
        mem_free(r->labels.at[i].value);
    }
    map_clear(&r->labels);
    for (uint32_t i = 0; i < t->n_labels; i++) {
        mem_free(map_set(&r->labels, t->labels[i].key, str_dup(t->labels[i].value)));
    }
}

static void on_report(void *ctx, const trl_report *t) {
    struct rig *r = rig_of(ctx);
    if (t->flags & TRL_REPORT_FULL) {
        forget(r);
    }
    if (t->flags & TRL_REPORT_LABELS) {
        take_labels(r, t);
    }
    for (uint32_t i = 0; i < t->n_entries; i++) {
        const trl_running *e = trl_at(t->entries, t->entry_stride, i);
        map_set(&r->counts, e->unit_id, (void *)(uintptr_t)(e->count + 1));
        map_set(&r->flags, e->unit_id, (void *)(uintptr_t)(e->flags + 1));
        mem_free(map_set(&r->images, e->unit_id, str_dup(e->image)));
    }
}

static void on_note(void *ctx, trl_str lattice, trl_str host, trl_str unit, int32_t code,
                    trl_str text) {
    struct rig *r = rig_of(ctx);
    (void)lattice, (void)host, (void)unit;
    r->notes++;
    if (code == TRL_NOTE_START_FAILED) {
        r->failed++;
        snprintf(r->note, sizeof(r->note), "%.*s", PSTR(text));
    }
}

static void on_gone(void *ctx, trl_str lattice, trl_str host, int32_t why) {
    (void)ctx, (void)lattice, (void)host, (void)why;
}
static void on_links(void *ctx, trl_str lattice, const trl_link *l, uint32_t n, uint32_t stride,
                     int32_t full) {
    (void)ctx, (void)lattice, (void)l, (void)n, (void)stride, (void)full;
}
static void on_link_gone(void *ctx, trl_str lattice, const trl_link *key) {
    (void)ctx, (void)lattice, (void)key;
}
static void on_configs(void *ctx, trl_str lattice, const trl_config_seen *c, uint32_t n,
                       uint32_t stride) {
    (void)ctx, (void)lattice, (void)c, (void)n, (void)stride;
}
static void on_lattice(void *ctx, trl_str lattice) {
    (void)ctx, (void)lattice;
}
static void on_link_state(void *ctx, int32_t up) {
    (void)ctx, (void)up;
}

static const trl_host_observe_v1 observe = {.struct_size = sizeof(observe),
                                            .report = on_report,
                                            .host_gone = on_gone,
                                            .links = on_links,
                                            .link_gone = on_link_gone,
                                            .configs = on_configs,
                                            .note = on_note,
                                            .lattice_seen = on_lattice,
                                            .link_state = on_link_state};

static void open_driver(struct rig *r, const char *more) {
    char config[1024];
    struct plug_iface ifaces[] = {{TRL_HOST_OBSERVE_V1, &observe, r},
                                  {TRL_HOST_SECRET_READ_V1, &vault_iface, r->vault}};
    place_config(&r->p, more, config, sizeof(config));
    r->in = tk_open(r->tk, TRL_KIND_DRIVER, "process", config, ifaces, 2);
}

void rig_open(struct rig *r, const char *more) {
    memset(r, 0, sizeof(*r));
    place_make(&r->p);
    r->tk = tk_create(false);
    r->vault = vault_create(tk_loop(r->tk));
    open_driver(r, more);
}

void rig_open_again(struct rig *r, const char *more) {
    forget(r);
    open_driver(r, more);
}

void rig_reopen(struct rig *r, const char *more) {
    tk_close(r->tk, r->in);
    rig_open_again(r, more);
}

int rig_finish(struct rig *r) {
    tk_close(r->tk, r->in);
    TK_CHECK_F(r->tk, vault_open(r->vault) == 0, "secrets are still asked for");
    vault_destroy(r->vault);
    TK_CHECK_F(r->tk, place_remove(&r->p) == 0, "processes are left");
    forget(r);
    map_finish(&r->counts);
    map_finish(&r->flags);
    map_finish(&r->images);
    take_labels(r, &(trl_report){.n_labels = 0});
    map_finish(&r->labels);
    mem_free(r->result);
    int failures = tk_failures(r->tk);
    return failures + tk_destroy(r->tk);
}

uint32_t rig_count(struct rig *r, const char *unit) {
    uintptr_t v = (uintptr_t)map_get(&r->counts, str_c(unit));
    return v ? (uint32_t)v - 1 : 0;
}

bool rig_busy(struct rig *r, const char *unit) {
    uintptr_t v = (uintptr_t)map_get(&r->flags, str_c(unit));
    return v && ((v - 1) & TRL_RUNNING_BUSY);
}

static void on_done(void *arg, trl_status st, trl_bytes result, const trl_err *err) {
    struct rig *r = arg;
    r->done = true;
    r->st = st;
    snprintf(r->msg, sizeof(r->msg), "%s", err ? err->msg : "");
    mem_free(r->result);
    r->result = result.len ? mem_strndup(result.ptr, result.len) : NULL;
}

static trl_op *begin(struct rig *r) {
    struct op_handler h = {.on_done = on_done, .arg = r};
    r->done = false;
    return op_begin(r->in, TK_PATIENCE, &h);
}

static const trl_driver_v1 *table(struct rig *r) {
    return plug_inst_table(r->in);
}

trl_status rig_do(struct rig *r, const trl_action *a) {
    table(r)->apply(plug_inst_raw(r->in), begin(r), a);
    tk_until_set(r->tk, &r->done);
    return r->st;
}

trl_action rig_action(uint32_t verb, const char *unit, const char *image, uint32_t n) {
    static const trl_label marks[] = {{STR("wasmcloud.dev/appspec"), STR("app")}};
    static const str configs[] = {STR("cfg")};
    trl_action a = {.struct_size = sizeof(a), .verb = verb, .count = n};
    a.lattice = STR("suite");
    a.host_id = str_c(PLACE_HOST);
    a.unit_id = str_c(unit);
    a.image = str_c(image);
    a.annotations = marks;
    a.n_annotations = 1;
    a.config_names = configs;
    a.n_config_names = 1;
    return a;
}

trl_status rig_scale(struct rig *r, const char *unit, const char *image, uint32_t n,
                     const char *settings) {
    trl_action a = rig_action(TRL_DO_SCALE, unit, image, n);
    a.body = str_c(settings);
    return rig_do(r, &a);
}

trl_status rig_update(struct rig *r, const char *unit, const char *image, uint32_t n,
                      const char *settings) {
    trl_action a = rig_action(TRL_DO_UPDATE, unit, image, n);
    a.body = str_c(settings);
    return rig_do(r, &a);
}

trl_status rig_config(struct rig *r, const char *name, const char *json) {
    trl_action a = {.struct_size = sizeof(a), .verb = TRL_DO_CONFIG_PUT};
    a.lattice = STR("suite");
    a.name = str_c(name);
    a.body = str_c(json);
    return rig_do(r, &a);
}

trl_status rig_logs(struct rig *r, const char *cursor, uint32_t lines) {
    trl_log_query q = {.struct_size = sizeof(q), .max_lines = lines};
    q.lattice = STR("suite");
    q.app = STR("app");
    q.cursor = str_c(cursor);
    table(r)->logs(plug_inst_raw(r->in), begin(r), &q);
    tk_until_set(r->tk, &r->done);
    return r->st;
}

trl_status rig_logs_since(struct rig *r, int64_t since_ms) {
    trl_log_query q = {.struct_size = sizeof(q), .since_ms = since_ms};
    q.lattice = STR("suite");
    q.app = STR("app");
    table(r)->logs(plug_inst_raw(r->in), begin(r), &q);
    tk_until_set(r->tk, &r->done);
    return r->st;
}

trl_status rig_usage(struct rig *r) {
    table(r)->usage(plug_inst_raw(r->in), begin(r), STR("suite"), STR("app"));
    tk_until_set(r->tk, &r->done);
    return r->st;
}

/* Conditions. Files have no event: a timer looks. */

struct waiting {
    struct rig *r;
    bool (*done)(struct rig *r, const void *arg);
    const void *arg;
    struct loop_timer look;
};

static bool met(void *arg) {
    struct waiting *w = arg;
    return w->done(w->r, w->arg);
}

static void on_look(void *arg) {
    struct waiting *w = arg;
    loop_timer_start(&w->look, 5 * TK_MS);
}

void rig_until(struct rig *r, bool (*done)(struct rig *r, const void *arg), const void *arg) {
    struct waiting w = {.r = r, .done = done, .arg = arg};
    loop_timer_init(&w.look, tk_loop(r->tk), on_look, &w);
    on_look(&w);
    tk_until(r->tk, met, &w);
    loop_timer_stop(&w.look);
}

struct wanted {
    const char *name, *text;
    uint32_t n;
};

static bool counted(struct rig *r, const void *arg) {
    const struct wanted *w = arg;
    return rig_count(r, w->name) == w->n && !rig_busy(r, w->name);
}

void rig_wait_count(struct rig *r, const char *unit, uint32_t n) {
    struct wanted w = {unit, NULL, n};
    rig_until(r, counted, &w);
}

static bool has_failed(struct rig *r, const void *arg) {
    return r->failed >= *(const uint32_t *)arg;
}

void rig_wait_failed(struct rig *r, uint32_t at_least) {
    rig_until(r, has_failed, &at_least);
}

static uint32_t times_in(const char *in, const char *text) {
    uint32_t n = 0;
    for (const char *at = in; at && (at = strstr(at, text)); at++) {
        n++;
    }
    return n;
}

static void on_late(void *arg) {
    *(bool *)arg = true;
}

static void pause_look(struct rig *r) {
    bool late = false;
    struct loop_timer look;
    loop_timer_init(&look, tk_loop(r->tk), on_late, &late);
    loop_timer_start(&look, 5 * TK_MS);
    tk_until_set(r->tk, &late);
}

void rig_wait_logged(struct rig *r, const char *text, uint32_t times) {
    uint32_t n = 0;
    for (int i = 0; i < 4000 && n < times; i++) { /* at least 20 s */
        if (i > 0) {
            pause_look(r);
        }
        TK_CHECK_ST(r->tk, rig_logs(r, "", 100), TRL_OK);
        n = times_in(r->result, text);
    }
    TK_CHECK_F(r->tk, n >= times, "%s: %u of %u in %.300s", text, n, times,
               r->result ? r->result : "nothing");
}

char *rig_file(struct rig *r, const char *name) {
    char path[512], content[65536];
    snprintf(path, sizeof(path), "%s/%s", r->p.dir, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, content, sizeof(content));
    if (fd >= 0) {
        close(fd);
    }
    return mem_strndup(content, n > 0 ? (size_t)n : 0);
}

bool rig_file_has(struct rig *r, const char *name, const char *text) {
    char *content = rig_file(r, name);
    bool has = strstr(content, text) != NULL;
    mem_free(content);
    return has;
}

static bool in_file(struct rig *r, const void *arg) {
    const struct wanted *w = arg;
    return rig_file_has(r, w->name, w->text);
}

void rig_wait_file(struct rig *r, const char *name, const char *text) {
    struct wanted w = {name, text, 0};
    rig_until(r, in_file, &w);
}
