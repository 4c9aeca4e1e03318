/* SPDX-License-Identifier: Apache-2.0
 *
 * From an accepted request to the driver: what the unit needs is looked up and handed over first.
 */
#include "agent/agent_priv.h"

struct begin { /* a start, scale or update on its way */
    struct job job;
    uint32_t kind, count;
    uint64_t serial; /* of its request: a later one about the unit wins */
    char *id, *image, *settings;
    struct strs *annotations, *config;
    bool update;
};

static void begin_drop(struct job *j) {
    struct begin *b = (struct begin *)j;
    mem_free(b->id);
    mem_free(b->image);
    mem_free(b->settings);
    strs_unref(b->annotations);
    strs_unref(b->config);
    mem_free(b);
}

static struct entry *still(const struct begin *b) {
    struct entry *e = agent_entry(b->job.a, str_c(b->id));
    return e && e->serial == b->serial ? e : NULL;
}

static void failed(struct begin *b, str why) {
    struct entry *e = still(b);
    if (e) {
        e->updating = false;
        e->wanted = e->count > 0;
        log_warn(b->job.a->env.log, "%s: %.*s", b->id, PSTR(why));
        agent_say_failed(b->job.a, e, why);
        agent_tell(b->job.a, e);
    }
    job_end(&b->job);
}

static void on_applied(void *arg, trl_status st, const trl_err *err) {
    struct begin *b = arg;
    struct entry *e = still(b);
    if (st != TRL_OK) {
        failed(b, agent_err_text(st, err));
        return;
    }
    if (e) {
        e->updating = false;
        agent_tell(b->job.a, e);
    }
    job_end(&b->job);
}

static trl_str *texts(const struct strs *s, uint32_t *ret_n) {
    trl_str *at = mem_array(strs_n(s) + 1, sizeof(*at));
    *ret_n = strs_n(s);
    for (uint32_t i = 0; i < *ret_n; i++) {
        at[i] = strs_at(s, i);
    }
    return at;
}

/* An image is replaced in one step, with a way back, where the driver knows how. */
static uint32_t verb_of(const struct begin *b, const struct entry *e) {
    bool other = b->count && e->count && e->image && !str_is(str_c(e->image), b->image);
    return b->kind == TRL_RUN_PROVIDER                                 ? TRL_DO_PROVIDER_START
           : other && b->job.a->env.driver.verbs >> TRL_DO_UPDATE & 1u ? TRL_DO_UPDATE
                                                                       : TRL_DO_SCALE;
}

static void hand_over(struct begin *b, struct entry *e) {
    struct agent *a = b->job.a;
    trl_action x = {.verb = verb_of(b, e),
                    .unit_id = str_c(b->id),
                    .image = str_c(b->image),
                    .count = b->count,
                    .body = str_c(b->settings ? b->settings : ""),
                    .flags = e->count ? TRL_ACT_RUNNING : 0};
    trl_str *names = texts(b->config, &x.n_config_names);
    trl_label *marks = agent_marks(b->annotations, &x.n_annotations),
              *old = agent_marks(e->annotations, &x.n_annotations_old);
    trl_str *names_old = texts(e->config, &x.n_config_names_old);
    x.config_names = names;
    x.annotations = marks;
    if (x.verb == TRL_DO_UPDATE) {
        x.flags = 0;
        x.image_old = str_c(e->image);
        x.count_old = e->count;
        x.annotations_old = old;
        x.config_names_old = names_old;
        e->updating = true;
    } else {
        x.n_annotations_old = x.n_config_names_old = 0;
    }
    if (b->count) {
        agent_give_unit(a, str_c(b->id), b->config);
        agent_write_spec(a, str_c(b->id),
                         b->kind == TRL_RUN_PROVIDER ? wire_provider_image(x.image) : x.image);
    }
    agent_apply(a, &x, on_applied, b);
    mem_free(names);
    mem_free(names_old);
    mem_free(marks);
    mem_free(old);
}

static void on_fetched(void *arg, const struct strs *missing, str trouble) {
    struct begin *b = arg;
    struct entry *e = still(b);
    if (!e) {
        job_end(&b->job);
    } else if (missing || trouble.len) {
        struct buf why = BUF_INIT;
        buf_addf(&why, "Unable to fetch requested config: ");
        if (trouble.len) {
            buf_add_str(&why, trouble);
        } else {
            buf_addf(&why, "Config %.*s does not exist", PSTR(strs_at(missing, 0)));
        }
        failed(b, buf_str(&why));
        buf_finish(&why);
    } else {
        strs_unref(e->config);
        e->config = strs_ref(b->config);
        mem_free(e->settings);
        e->settings = b->settings ? mem_strdup(b->settings) : NULL;
        e->known = true;
        hand_over(b, e);
    }
}

static void go(struct agent *a, struct begin *b, struct entry *e) {
    job_join(a, &b->job, begin_drop);
    b->serial = e->serial = ++a->serial;
    e->wanted = b->count > 0;
    e->stopping = e->updating = false; /* an update that it overtakes ends unheard */
    if (b->count && !wire_key_ok(str_c(b->id))) {
        failed(b, STR("failed to get component spec: key cannot be empty or start/end with `.`"));
    } else if (b->count) {
        agent_fetch(a, b->config, on_fetched, b); /* with the references of secrets */
    } else {
        hand_over(b, e);
    }
}

static char *settings_of(const struct node *n) {
    struct buf out = BUF_INIT;
    struct jw w;
    if (!n || n->type == NODE_NULL) {
        return NULL;
    }
    jw_init(&w, &out, false);
    jw_node(&w, n);
    return buf_take(&out);
}

void agent_start(struct agent *a, const struct start *s) {
    struct entry *e = agent_entry_get(a, s->id, s->kind);
    bool taken = e->kind != s->kind && (e->count || e->wanted);
    if (taken) {
        struct entry other = {.id = e->id, .kind = s->kind};
        asked_set(&other.asked, s->image, s->host_id, s->count, pairs_of_object(s->annotations));
        agent_say_failed(a, &other,
                         s->kind == TRL_RUN_PROVIDER ? STR("a component of that ID runs here")
                                                     : STR("a provider of that ID runs here"));
        return;
    }
    e->kind = s->kind;
    struct begin *b = mem_zalloc(sizeof(*b));
    b->kind = s->kind;
    b->count = s->count;
    b->id = str_dup(s->id);
    b->image = str_dup(s->image);
    b->annotations = pairs_of_object(s->annotations);
    b->config = strs_of_array(s->config);
    b->settings = settings_of(s->settings);
    asked_set(&e->asked, s->image, s->host_id, s->count, strs_ref(b->annotations));
    go(a, b, e);
}

void agent_replace(struct agent *a, struct entry *e, str image, str host_id,
                   struct strs *annotations) {
    struct begin *b = mem_zalloc(sizeof(*b));
    b->kind = e->kind;
    b->count = e->count;
    b->id = mem_strdup(e->id);
    b->image = str_dup(image);
    b->annotations = annotations;
    b->config = strs_ref(e->config);
    b->settings = e->settings ? mem_strdup(e->settings) : NULL;
    asked_set(&e->asked, image, host_id, e->count, strs_ref(annotations));
    go(a, b, e);
}
