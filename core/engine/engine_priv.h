/* SPDX-License-Identifier: Apache-2.0
 *
 * Shared by the files of the engine: engine.c (life, apps, the pass), dispatch.c (actions out,
 * answers in), observe.c (reports in), hostlife.c (who is alive), inherit.c (what a former life
 * left open), preview.c (questions of the API).
 */
#ifndef TRELLIS_ENGINE_ENGINE_PRIV_H
#define TRELLIS_ENGINE_ENGINE_PRIV_H

#include "engine/engine.h"

#define NS_PER_S  1000000000ll
#define NS_PER_MS 1000000ll

struct probe;

struct engine {
    struct engine_env env;
    const trl_driver_v1 *driver;
    char *tenant, *lattice;
    char *id; /* the lattice as drivers name it: "name" or "account/name" */
    struct observed o;
    struct desired d;
    struct ledger l;
    struct plan plan; /* scratch of the pass */
    bool active, synced, first_read, syncing, resync_again, link_up, ever_host, closing;
    bool pass_posted;
    uint32_t pass_waited;
    struct map coming; /* app -> what is expanded of the version whose deploy is being written */
    struct loop_timer prepare;
    VEC(struct desired_app *) dirty;
    VEC(struct desired_app *) untold; /* details of their status are to be published */
    struct loop_timer tell;
    struct loop_timer wake; /* back-off ends, deadlines */
    int64_t wake_ns;
    struct loop_timer tick; /* host life, once a second */
    struct map unread;      /* config names to read */
    struct map notes;       /* "host unit" -> owned text of the last start that failed */
    bool reading;
    uint64_t seq;             /* of commands */
    int64_t doubted_ns;       /* when the last link or config request went unanswered */
    int64_t inherit_until_ns; /* no inherited version is forgotten before; 0: it is over */
    bool inheriting;          /* the resync under way decides about it */
    bool resolving;           /* the one under way is about doubts */
    int64_t wall_offset_ms;
    int64_t sync_begun_ns; /* the last one */
    int64_t host_news_ns;  /* when the last host was met; 0: never */
    bool loaded;           /* heads from now on are news */
    int64_t up_since_ns;   /* our own link */
    int64_t mass_until_ns; /* too many fell silent at once: nobody is given up before */
    int64_t guard_from_ns;
    uint32_t guard_used;
    VEC(struct sent *) sent; /* commands under way */
    VEC(struct probe *) probes;
    VEC(struct gate_ask *) asks; /* questions to policy under way */
    struct map denials;          /* unit id -> hosts that policy denies it: gate.c */
    uint32_t n_denials, sweep_denials;
    uint64_t policy_epoch;       /* counts changes of rules */
    int64_t planned_ns;          /* when the plan of this pass began */
    str told_by;                 /* traceparent of the report at hand; borrowed */
    trl_op *resync_op, *read_op; /* under way, else NULL */
};

/* engine.c */
void engine_dirty(struct engine *e, struct desired_app *a);
void engine_dirty_all(struct engine *e);
void engine_wake_at(struct engine *e, int64_t at_ns);
void engine_post_pass(struct engine *e);
void engine_drop_app(struct engine *e, struct desired_app *a);
void engine_plan_in(struct engine *e, struct plan_in *in);
int64_t engine_now(const struct engine *e);

/* apps.c */
void engine_prepare(void *engine);         /* expands what is coming */
void engine_drop_coming(struct engine *e); /* all of it */
/* Apps in an index of desired under this key are dirty. */
void engine_touch_users(struct engine *e, const struct map *index, str key);

/* preview.c: plans a version that is not deployed yet, for what is remembered of that: where its
 * units go. */
void engine_rehearse(struct engine *e, str app, struct app_spec *spec);

/* reading.c */
void engine_want_configs(struct engine *e, const struct app_spec *s);
void engine_doubt_config(struct engine *e, str name); /* a command for it failed: read it */
void engine_resolve_doubts(struct engine *e);
bool engine_all_heard(const struct engine *e); /* there are hosts, and none is silent */
void engine_reread_configs(struct engine *e);
void engine_read_configs(struct engine *e); /* asks for what is unknown and wanted */

/* inherit.c */
void inherit_head(struct engine *e, struct desired_app *a, const struct app *head);
/* Was all of it applied by this life, and just now? */
bool inherit_nothing(const struct desired_app *a);
void inherit_planned(struct engine *e, struct desired_app *a, const struct plan *p);
/* Which of the versions that are gone may be forgotten now; returns how many. */
uint32_t inherit_settled(const struct engine *e, const struct desired_app *a, const struct plan *p,
                         uint32_t *ret_gone);
void inherit_end(struct engine *e); /* once its time is over */

/* observe.c */
str engine_note_of(const struct engine *e, str host, str unit); /* borrowed; ptr NULL: none */
void engine_drop_notes(struct engine *e);

/* dispatch.c */
void dispatch_plan(struct engine *e, struct desired_app *a, const struct plan *p);
/* An observation of (slot, unit): settles what it fulfils. */
void dispatch_observed(struct engine *e, uint32_t slot, uint32_t unit);
/* What is in flight failed. It is forgotten when its app is gone: nobody tries again. */
void dispatch_fail(struct engine *e, struct ledger_item *i, str text);
void dispatch_failed(struct engine *e, uint32_t slot, uint32_t unit, str text);
void dispatch_goes_on(struct engine *e, uint32_t slot, uint32_t unit); /* it takes long */
void dispatch_deadlines(struct engine *e); /* what was accepted and never seen */
void dispatch_cancel(struct engine *e);    /* forgets everything under way */

const char *dispatch_verb(uint32_t verb);
/* Not sent: a failure with that text, as if the host had refused. */
void dispatch_refuse(struct engine *e, const struct plan_action *a, str text);

/* gate.c: the policy chains before a command goes out. One pass of one app: begin, one question
 * per action, end (which asks for what was not known). */
struct gate_ask;
struct gate_seen { /* a command of this pass; its question was answered, or is being asked */
    const struct plan_action *x;
    uint64_t mark;
    bool allowed;
};
#define GATE_SEEN 16u
struct gate_pass {
    struct engine *e;
    struct desired_app *app;
    struct gate_ask *place, *command; /* NULL: nobody is asked */
    struct gate_seen seen[GATE_SEEN];
    uint32_t n_seen; /* the last GATE_SEEN of them are kept */
};
void gate_begin(struct gate_pass *g, struct engine *e, struct desired_app *a);
void gate_learn(struct gate_pass *g, const struct plan *p); /* before the first action goes out */
bool gate_allows(struct gate_pass *g, const struct plan_action *x);
void gate_end(struct gate_pass *g);
/* Hosts that a policy denies to the unit: for plan_in.denied. */
void gate_each_denial(void *arg, const struct want_unit *u,
                      void (*fn)(void *fn_arg, str host, bool stop, str text), void *fn_arg);
void gate_cancel(struct engine *e); /* forgets everything under way */

/* gate_subject.c */
void gate_command_subject(struct engine *e, const struct plan_action *x, struct buf *out);
void gate_place_subject(struct engine *e, str app, const struct want_unit *u, uint32_t slot,
                        struct buf *out);
/* What gate_place_subject() tells of them, in short. */
uint64_t gate_place_mark(const struct engine *e, const struct want_unit *u, uint32_t slot);
/* A command whose subject is that of x to the letter, among those seen lately; NULL: none. In a
 * large plan most are: so their subjects need not be written. */
const struct gate_seen *gate_alike(const struct gate_pass *g, const struct plan_action *x);
void gate_remember(struct gate_pass *g, const struct plan_action *x, bool allowed);

/* follow.c: spans. Without a tracer they cost next to nothing. */
struct followed {                            /* a command; borrowed */
    str app, verb, kind, name, host, reason; /* kind: "unit", "link", "config"; static */
};
/* A new generation; news: it came just now. */
void follow_head(struct engine *e, struct desired_app *a, const struct app *head, bool news);
/* Of what is done for the app; begins if nothing is under way. */
const struct trace_ctx *follow_work(struct engine *e, struct desired_app *a);
/* After the status was told; gone: nothing of the app is left. */
void follow_status(struct engine *e, struct desired_app *a, bool gone);
void follow_drop(struct engine *e, struct desired_app *a, str why);
/* A plan that leads to commands is over; *ret: what they are below. */
void follow_plan(struct engine *e, struct desired_app *a, int64_t begun_ns, struct trace_ctx *ret);
void follow_answer(struct engine *e, struct span *s, const struct followed *f, trl_status st,
                   str text);
/* From the acknowledgement to the report that proves it, or to what went wrong. */
void follow_await(struct engine *e, struct ledger_item *i, const struct trace_ctx *of,
                  uint32_t unit);
void follow_seen(struct engine *e, struct ledger_item *i, str fault);
void follow_host_gone(struct engine *e, uint32_t slot); /* before its items are dropped */
void follow_asked(struct engine *e, struct span *s, str app, uint32_t point, uint32_t n,
                  struct ruling *const *rulings);

/* hostlife.c */
void hostlife_tick(struct engine *e);
bool hostlife_probe(struct engine *e, uint32_t slot); /* false: not now */
void hostlife_cancel(struct engine *e);

/* preview.c */
void engine_expand_env(struct engine *e, struct expand_env *env);

#endif
