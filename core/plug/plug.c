/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/plug.h"

#include <string.h>

#include "codec/json.h"
#include "codec/schema.h"
#include "plug/inst_priv.h"
#include "plug/must.h"
#include "plug/negotiate.h"
#include "plug/registry.h"
#include "plug/trust.h"
#include "plug/watch.h"

#define POOL_THREADS 8u /* each of the two pools; threads are made when needed */

struct plug {
    struct loop *loop;
    const struct log *log;
    struct registry registry;
    VEC(struct plug_inst *) instances;
    struct workers
        *calls;           /* PARALLEL instances; apart from the other, so that neither starves it */
    struct workers *work; /* host.work/1 */
    int64_t inside_ns;    /* watch.c: what calls inside the present one took */
    bool stuck;           /* an instance was given up: a thread may never come back */
};

struct plug *plug_create(struct loop *loop, const struct log *log, const char *const *dirs,
                         uint32_t n_dirs) {
    struct plug *p = mem_zalloc(sizeof(*p));
    p->loop = loop;
    p->log = log;
    registry_init(&p->registry, log, dirs, n_dirs);
    return p;
}

void plug_allow(struct plug *p, enum plug_trust trust, const struct plug_allowed *at, uint32_t n) {
    allow_set(&p->registry.allow, trust, at, n);
}

void plug_destroy(struct plug *p) {
    if (!p) {
        return;
    }
    plug_must(p->instances.n == 0, "all plugin instances are destroyed before their plug");
    workers_finish(p->calls, !p->stuck);
    workers_finish(p->work, !p->stuck);
    if (!p->stuck) { /* else its descriptors are still in use */
        registry_finish(&p->registry);
        VEC_FREE(&p->instances);
        mem_free(p);
    }
}

int64_t *plug_watch_inside(struct plug *p) {
    return &p->inside_ns;
}

struct loop *plug_loop(struct plug *p) {
    return p->loop;
}

const struct log *plug_log(struct plug *p) {
    return p->log;
}

struct workers *plug_pool(struct plug *p) {
    if (!p->calls) {
        p->calls = workers_create(POOL_THREADS);
    }
    return p->calls;
}

struct workers *plug_work_pool(struct plug *p) {
    if (!p->work) {
        p->work = workers_create(POOL_THREADS);
    }
    return p->work;
}

void plug_remove(struct plug *p, struct plug_inst *in) {
    p->stuck = p->stuck || in->leaked;
    for (uint32_t i = 0; i < p->instances.n; i++) {
        if (p->instances.at[i] == in) {
            p->instances.at[i] = p->instances.at[--p->instances.n];
            return;
        }
    }
}

void plug_each(struct plug *p, void (*fn)(void *arg, struct plug_inst *in), void *arg) {
    for (uint32_t i = 0; i < p->instances.n; i++) {
        fn(arg, p->instances.at[i]);
    }
}

/* Config */

static int say_findings(const struct schema_findings *f, const char *name, struct err *err) {
    struct buf b = BUF_INIT;
    for (uint32_t i = 0; i < f->n; i++) {
        buf_addf(&b, "%s%.*s %.*s", i ? "\n" : "", PSTR(f->at[i].pointer), PSTR(f->at[i].text));
    }
    int rc = err_set(err, TRL_E_INVALID, "config of plugin '%s': %s", name, b.ptr);
    buf_finish(&b);
    return rc;
}

static int fill_config(const trl_component *c, str config, struct arena *a, struct buf *ret,
                       struct err *err) {
    struct node *value, *schema = NULL;
    int rc = json_parse(config.len ? config : STR("{}"), a, &value, err);
    if (rc < 0) {
        err_wrap(err, "config of plugin '%s'", c->name);
        return rc;
    }
    if (value->type != NODE_OBJECT) {
        return err_set(err, TRL_E_INVALID, "config of plugin '%s': must be a JSON object", c->name);
    }
    if (c->config_schema) {
        struct schema_findings f = {NULL, 0, 0};
        rc = json_parse(str_c(c->config_schema), a, &schema, err);
        if (rc == 0) {
            rc = schema_check(schema, err);
        }
        if (rc < 0) {
            err_wrap(err, "plugin '%s' has a broken config schema", c->name);
            return rc;
        }
        if (schema_validate(schema, value, a, &f) > 0) {
            rc = say_findings(&f, c->name, err);
        } else {
            value = schema_fill(schema, value, a);
        }
        mem_free(f.at);
        if (rc < 0) {
            return rc;
        }
    }
    struct jw w;
    jw_init(&w, ret, false);
    jw_node(&w, value);
    return 0;
}

static int check_config(const trl_component *c, str config, struct buf *ret, struct err *err) {
    struct arena scratch = ARENA_INIT;
    int rc = fill_config(c, config, &scratch, ret, err);
    arena_finish(&scratch);
    if (rc == 0 && c->check) {
        trl_err e = {.struct_size = sizeof(e)};
        trl_status st = c->check(buf_str(ret), &e);
        if (st != TRL_OK) {
            rc = err_from_trl(err, st, &e);
            err_wrap(err, "config of plugin '%s'", c->name);
        }
    }
    return rc;
}

int plug_check_config(struct plug *p, const char *kind, const char *name, str config,
                      char **ret_config, struct err *err) {
    const struct library *l;
    const trl_component *c;
    struct buf filled = BUF_INIT;
    int rc = registry_find(&p->registry, kind, name, &l, &c, err);
    if (rc == 0) {
        rc = check_config(c, config, &filled, err);
    }
    if (rc == 0) {
        *ret_config = buf_take(&filled);
    }
    buf_finish(&filled);
    return rc;
}

/* Instances */

static int check_needs(const struct plug_inst *in, struct err *err) {
    const char *const *needs = in->component->needs;
    char name[160];
    for (uint32_t i = 0; needs && needs[i]; i++) {
        if (!host_offers(in, needs[i])) {
            return err_set(
                err, TRL_E_UNSUPP,
                "%s needs the host interface '%s', which this core does not offer it here",
                inst_name(in, name, sizeof(name)), needs[i]);
        }
    }
    if (in->component->thread_model != TRL_LOOP && !loop_uv(in->loop)) {
        return err_set(err, TRL_E_UNSUPP,
                       "%s runs on threads of its own (thread model %u): a virtual loop takes "
                       "TRL_LOOP components only",
                       inst_name(in, name, sizeof(name)), in->component->thread_model);
    }
    return 0;
}

static struct plug_inst *inst_new(struct plug *p, const struct library *l, const trl_component *c,
                                  const struct plug_iface *ifaces, uint32_t n_ifaces) {
    struct plug_inst *in = mem_zalloc(sizeof(*in));
    in->magic = INST_MAGIC;
    in->plug = p;
    in->loop = p->loop;
    in->log = p->log;
    in->gate = gate_create(p->loop);
    in->loop_thread = pthread_self();
    in->plugin = &l->plugin;
    in->component = c;
    in->kind = kind_find(c->iface);
    in->n_ifaces = n_ifaces;
    in->ifaces = mem_array(n_ifaces, sizeof(*ifaces));
    if (n_ifaces) {
        memcpy(in->ifaces, ifaces, n_ifaces * sizeof(*ifaces));
    }
    in->timers = host_timers_create(in);
    host_table_init(in);
    return in;
}

static void inst_free(struct plug_inst *in) {
    gate_close(in->gate);
    gate_unref(in->gate);
    host_timers_destroy(in->timers);
    mem_free(in->ifaces);
    mem_free(in->table);
    mem_free(in);
}

/* Calls create() and reads the table; on failure the plugin keeps nothing. */
static int make_raw(struct plug_inst *in, str config, struct err *err) {
    char name[160];
    trl_err e = {.struct_size = sizeof(e)};
    inst_name(in, name, sizeof(name));
    struct watch w;
    watch_enter(in, &w);
    trl_status st = in->component->create(&in->host, config, &in->raw, &e);
    watch_leave(in, &w, "create");
    if (st != TRL_OK) {
        int rc = err_from_trl(err, st, &e);
        err_wrap(err, "%s", name);
        return rc;
    }
    if (!in->raw) {
        return err_set(err, TRL_E_INTERNAL, "%s: create gives no instance", name);
    }
    in->table = mem_zalloc(in->kind->size);
    int rc = negotiate_table(name, in->kind, in->component->get_interface(in->raw, in->kind->iface),
                             in->table, err);
    if (rc < 0) {
        in->component->destroy(in->raw);
    }
    return rc;
}

int plug_inst_create(struct plug *p, const char *kind, const char *name, str config,
                     const struct plug_iface *ifaces, uint32_t n_ifaces, struct plug_inst **ret,
                     struct err *err) {
    const struct library *l;
    const trl_component *c;
    struct buf filled = BUF_INIT;
    struct plug_inst *in = NULL;
    int rc = registry_find(&p->registry, kind, name, &l, &c, err);
    if (rc < 0) {
        return rc;
    }
    rc = check_config(c, config, &filled, err);
    if (rc == 0) {
        in = inst_new(p, l, c, ifaces, n_ifaces);
        rc = check_needs(in, err);
    }
    if (rc == 0) {
        rng_seed(&in->rng, rng_next(loop_rng(p->loop)));
        rc = make_raw(in, buf_str(&filled), err);
    }
    buf_finish(&filled);
    if (rc < 0) {
        if (in) {
            inst_free(in);
        }
        return rc;
    }
    if (c->thread_model == TRL_SERIAL) {
        in->threads = workers_create(1);
        in->own_threads = true;
    } else if (c->thread_model == TRL_PARALLEL) {
        in->threads = plug_pool(p);
    }
    inst_init_grace(in);
    *VEC_ADD(&p->instances) = in;
    *ret = in;
    return 0;
}

/* Inspecting */

int plug_inspect_file(const char *path, struct plug_file_info *ret, struct err *err) {
    char *absolute = trust_absolute(path);
    struct plug_file_info info = {.path = absolute};
    int rc = load_inspect(absolute, &info.note, info.sha256, err);
    if (rc < 0) {
        mem_free(absolute);
        return rc;
    }
    *ret = info;
    return 0;
}

void plug_file_info_finish(struct plug_file_info *i) {
    mem_free(i->path);
    mem_free(i->note);
    *i = (struct plug_file_info){0};
}

void plug_list(struct plug *p,
               void (*fn)(void *arg, const struct plug_file_info *i, const char *err_text),
               void *arg) {
    registry_list(&p->registry, fn, arg);
}
