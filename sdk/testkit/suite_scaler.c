/* SPDX-License-Identifier: Apache-2.0 */
#include "suite_scaler.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "suite_scaler_world.h"

#define ROUNDS   600 /* per sample */
#define LAST_WHY TRL_WHY_EXCLUDED
#define OWN_WHY  0x10000u
#define TEXT_MAX 4096u

struct scaler_suite {
    struct tk *tk;
    struct rng rng;
    const trl_scaler_v1 *t;
    trl_inst *in;
    const char *properties;
    trl_scaler_spec *spec;
};

static trl_scaler_spec *compile(struct scaler_suite *s, const char *text) {
    trl_scaler_spec *spec = NULL;
    trl_err err = {.struct_size = sizeof(err)};
    trl_status st = s->t->compile(s->in, trl_cstr(text), &spec, &err);
    TK_CHECK_F(s->tk, st == TRL_OK && spec, "compile %s: %.*s", text, (int)err.msg_len, err.msg);
    return spec;
}

/* What holds for every answer. */
static void check_answer(struct scaler_suite *s, const struct world *w) {
    uint64_t on_ready = 0;
    uint32_t n_ready = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct world_host *h = &w->hosts[i];
        if (h->flags & (TRL_HOST_STALE | TRL_HOST_SUSPECT)) {
            TK_CHECK_F(s->tk, h->wanted == h->current, "frozen %s: %u of %u", h->id, h->wanted,
                       h->current);
            continue;
        }
        if (h->flags & TRL_HOST_EXCLUDED) {
            TK_CHECK_F(s->tk, h->wanted == 0, "excluded %s gets %u", h->id, h->wanted);
        } else if (!(h->flags & TRL_HOST_READY) || (h->flags & TRL_HOST_CORDONED)) {
            TK_CHECK_F(s->tk, h->wanted <= h->current, "cordoned %s: %u of %u", h->id, h->wanted,
                       h->current);
        } else {
            on_ready += h->wanted;
            n_ready++;
        }
        TK_CHECK_F(s->tk, !w->single || h->wanted <= 1, "singleton: %s gets %u", h->id, h->wanted);
        TK_CHECK_F(s->tk, h->foreign == 0 || h->wanted == 0, "the id is taken on %s", h->id);
        TK_CHECK_F(s->tk, h->why <= LAST_WHY || h->why >= OWN_WHY, "reason %u", h->why);
        TK_CHECK_F(s->tk, h->wanted == 0 || h->group != TRL_NO_GROUP, "%s serves no group", h->id);
    }
    uint64_t total = s->t->total(s->in, s->spec, n_ready);
    TK_CHECK_F(s->tk, on_ready <= total, "%llu placed of %llu", (unsigned long long)on_ready,
               (unsigned long long)total);
    TK_CHECK(s->tk, memchr(w->out.message, '\0', sizeof(w->out.message)) != NULL);
    TK_CHECK(s->tk, !w->out.failed || w->out.message[0]);
    TK_CHECK(s->tk, w->out.unplaced == 0 || w->out.failed);
}

static void place(struct scaler_suite *s, struct world *w, const trl_scaler_spec *spec) {
    TK_CHECK_ST(s->tk, world_place(w, s->t, s->in, spec, true), TRL_OK);
}

/* The hosts of b are answered as in a; law names what is checked. */
static void check_same(struct scaler_suite *s, const struct world *a, const struct world *b,
                       const char *law) {
    for (uint32_t i = 0; i < b->n; i++) {
        const struct world_host *x = world_find(a, b->hosts[i].id), *y = &b->hosts[i];
        TK_CHECK_F(s->tk, x && x->wanted == y->wanted, "%s: %s wants %u, not %u: %s", law, y->id,
                   y->wanted, x ? x->wanted : 0, s->properties);
    }
}

static void law_deterministic(struct scaler_suite *s, const struct world *w) {
    struct world again;
    trl_scaler_spec *spec = compile(s, s->properties);
    world_copy(&again, w);
    world_place(&again, s->t, s->in, spec, false);
    check_same(s, w, &again, "same input, same output");
    TK_CHECK(s->tk, strcmp(w->out.message, again.out.message) == 0);
    TK_CHECK(s->tk, w->out.failed == again.out.failed && w->out.unplaced == again.out.unplaced);
    for (uint32_t i = 0; i < w->n; i++) {
        TK_CHECK(s->tk, w->hosts[i].group == again.hosts[i].group);
    }
    s->t->release(s->in, spec);
    world_finish(&again);
}

static void law_permutation(struct scaler_suite *s, const struct world *w) {
    struct world other;
    world_copy(&other, w);
    world_shuffle(&other, &s->rng);
    place(s, &other, s->spec);
    check_same(s, w, &other, "permuting hosts permutes the answer");
    TK_CHECK(s->tk, strcmp(w->out.message, other.out.message) == 0);
    world_finish(&other);
}

static void law_rests(struct scaler_suite *s, const struct world *w) {
    struct world next;
    world_copy(&next, w);
    world_apply(&next);
    place(s, &next, s->spec);
    check_same(s, w, &next, "its own answer changes nothing");
    TK_CHECK(s->tk, w->out.unplaced == next.out.unplaced && w->out.failed == next.out.failed);
    check_answer(s, &next);
    world_finish(&next);
}

/* Hosts that have nothing and shall have nothing go: one of them, then all. */
static void law_unused_go(struct scaler_suite *s, const struct world *w) {
    for (int all = 0; all < 2; all++) {
        struct world less;
        world_copy(&less, w);
        for (uint32_t i = less.n; i-- > 0;) {
            const struct world_host *h = &less.hosts[i];
            if (h->current == 0 && h->wanted == 0 && h->foreign == 0) {
                world_drop(&less, i);
                if (!all) {
                    break;
                }
            }
        }
        place(s, &less, s->spec);
        check_same(s, w, &less, "a host that had none goes");
        world_finish(&less);
    }
}

/* Once everything runs as wanted, hosts that fall silent or are cordoned change nothing. */
static void law_silence(struct scaler_suite *s, const struct world *w) {
    static const uint32_t flags[] = {TRL_HOST_STALE, TRL_HOST_SUSPECT, TRL_HOST_CORDONED};
    struct world later;
    world_copy(&later, w);
    world_apply(&later);
    for (uint32_t i = 0; i < later.n; i++) {
        if (later.hosts[i].flags == TRL_HOST_READY && rng_chance(&s->rng, 0.3)) {
            later.hosts[i].flags = flags[rng_below(&s->rng, ARRAY_LEN(flags))];
        }
    }
    place(s, &later, s->spec);
    check_same(s, w, &later, "silence or cordon changes nothing");
    check_answer(s, &later);
    world_finish(&later);
}

/* Hosts come or go: what runs elsewhere stays; those that come leave all others as they are. */
static void law_neighbours(struct scaler_suite *s, const struct world *w) {
    struct world other;
    world_copy(&other, w);
    world_apply(&other);
    bool join = rng_chance(&s->rng, 0.5);
    uint32_t n = other.n;
    for (uint32_t i = 1 + (uint32_t)rng_below(&s->rng, 3); i > 0; i--) {
        if (join) {
            world_add(&other, &s->rng);
        } else if (other.n > 0) {
            world_drop(&other, (uint32_t)rng_below(&s->rng, other.n));
        }
    }
    place(s, &other, s->spec);
    check_answer(s, &other);
    for (uint32_t i = 0; i < n && i < other.n; i++) {
        const struct world_host *h = &other.hosts[i];
        TK_CHECK_F(s->tk, join ? h->wanted == h->current : h->wanted >= h->current,
                   "a host %s: %s has %u, gets %u: %s", join ? "joins" : "leaves", h->id,
                   h->current, h->wanted, s->properties);
    }
    world_finish(&other);
}

/* The sample with another number of instances. False: it has none. */
static bool with_instances(const char *text, uint64_t instances, char to[TEXT_MAX]) {
    static const char key[] = "\"instances\":";
    const char *at = strstr(text, key);
    if (!at) {
        return false;
    }
    const char *rest = at + strlen(key);
    size_t digits = strspn(rest, "0123456789");
    int n = snprintf(to, TEXT_MAX, "%.*s%llu%s", (int)(rest - text), text,
                     (unsigned long long)instances, rest + digits);
    return digits > 0 && n > 0 && (uint32_t)n < TEXT_MAX;
}

/* With unequal weights one instance more may round to two more for one group and one less for
 * another: at most so many do. */
static uint64_t rounded(const char *text) {
    static const char key[] = "\"weight\":";
    uint64_t n = 0;
    for (const char *at = strstr(text, key); at; at = strstr(at + 1, key)) {
        n++;
    }
    return n;
}

/* From what runs to another number: more takes nothing away, fewer adds nothing. */
static void law_growth(struct scaler_suite *s, const struct world *w) {
    char text[TEXT_MAX];
    struct world a, b;
    uint64_t from = rng_below(&s->rng, 60), to = rng_below(&s->rng, 60), taken = 0, added = 0;
    if (!with_instances(s->properties, from, text)) {
        return;
    }
    trl_scaler_spec *before = compile(s, text);
    with_instances(s->properties, to, text);
    trl_scaler_spec *after = compile(s, text);
    world_copy(&a, w);
    place(s, &a, before);
    world_copy(&b, &a);
    world_apply(&b);
    place(s, &b, after);
    for (uint32_t i = 0; i < b.n; i++) {
        const struct world_host *h = &b.hosts[i];
        taken += h->wanted < h->current ? h->current - h->wanted : 0;
        added += h->wanted > h->current ? h->wanted - h->current : 0;
    }
    TK_CHECK_F(s->tk, to < from || taken <= rounded(text), "from %llu to %llu takes %llu: %s",
               (unsigned long long)from, (unsigned long long)to, (unsigned long long)taken,
               s->properties);
    TK_CHECK_F(s->tk, to > from || added <= rounded(text), "from %llu to %llu adds %llu: %s",
               (unsigned long long)from, (unsigned long long)to, (unsigned long long)added,
               s->properties);
    s->t->release(s->in, before);
    s->t->release(s->in, after);
    world_finish(&a);
    world_finish(&b);
}

static void check_laws(struct scaler_suite *s) {
    for (uint32_t round = 0; round < ROUNDS; round++) {
        struct world w;
        uint32_t n = (uint32_t)rng_below(&s->rng, round % 10 == 0 ? 150 : 16);
        world_make(&w, &s->rng, n, rng_chance(&s->rng, 0.4), rng_chance(&s->rng, 0.3));
        place(s, &w, s->spec);
        check_answer(s, &w);
        law_deterministic(s, &w);
        law_permutation(s, &w);
        law_rests(s, &w);
        law_unused_go(s, &w);
        law_silence(s, &w);
        law_neighbours(s, &w);
        law_growth(s, &w);
        world_finish(&w);
    }
}

/* Every reason says something, in any room; groups that are none are nothing to fear. */
static void check_words(struct scaler_suite *s) {
    struct world w;
    world_make(&w, &s->rng, 1, false, true);
    place(s, &w, s->spec);
    for (uint32_t why = 0; s->t->describe && why <= LAST_WHY + 1; why++) {
        for (size_t cap = 1; cap <= 128; cap *= 8) {
            char text[130];
            memset(text, '#', sizeof(text));
            text[0] = '\0';
            s->t->describe(s->in, s->spec, why, &w.hosts[0].view, text, cap);
            TK_CHECK_F(s->tk, memchr(text, '\0', cap) != NULL, "reason %u does not end", why);
            TK_CHECK_F(s->tk, text[cap] == '#', "reason %u writes beyond %zu", why, cap);
            TK_CHECK_F(s->tk, cap < 128 || why > LAST_WHY || text[0], "reason %u is mute", why);
        }
    }
    if (s->t->group_name) {
        s->t->group_name(s->in, s->spec, 0);
        s->t->group_name(s->in, s->spec, UINT32_MAX - 1);
        s->t->group_name(s->in, s->spec, TRL_NO_GROUP);
    }
    world_finish(&w);
}

/* Refused with a place and a reason, or accepted and then usable. */
static void check_text(struct scaler_suite *s, const char *text, size_t len) {
    char *exact = mem_dup(len ? text : "", len ? len : 1); /* a sanitizer sees one byte too many */
    trl_scaler_spec *spec = NULL, *kept = s->spec;
    trl_err err = {.struct_size = sizeof(err)};
    trl_status st = s->t->compile(s->in, trl_strn(exact, len), &spec, &err);
    mem_free(exact); /* the spec keeps nothing of it */
    if (st == TRL_OK) {
        struct world w;
        TK_CHECK(s->tk, spec != NULL);
        s->spec = spec;
        world_make(&w, &s->rng, 6, false, true);
        place(s, &w, spec);
        check_answer(s, &w);
        world_finish(&w);
        s->spec = kept;
        s->t->release(s->in, spec);
        return;
    }
    TK_CHECK_ST(s->tk, st, TRL_E_INVALID);
    TK_CHECK(s->tk, spec == NULL);
    TK_CHECK_F(s->tk, err.msg_len > 1 && err.msg_len < sizeof(err.msg), "error of %u bytes",
               err.msg_len);
    TK_CHECK_F(s->tk, err.msg[0] == '/' || err.msg[0] == ' ', "no JSON pointer: %s", err.msg);
    TK_CHECK_F(s->tk, memchr(err.msg, ' ', err.msg_len) != NULL, "no text: %s", err.msg);
    for (uint32_t i = 0; i < err.msg_len; i++) {
        TK_CHECK_F(s->tk, (unsigned char)err.msg[i] >= 0x20, "a control character in: %s", err.msg);
    }
}

static void check_garbage(struct scaler_suite *s) {
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "null",
                                        "true",
                                        "7",
                                        "\"x\"",
                                        "[]",
                                        "[{}",
                                        "{\"a\"}",
                                        "{\"a\":1}",
                                        "{{}}",
                                        "\xff\xfe",
                                        "{}x",
                                        "{},{}",
                                        "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["};
    static const char bytes[] = "\"\\{}[],:0-9.eE nulltrue\x01\x80\xff";
    size_t len = strlen(s->properties);
    char text[TEXT_MAX];
    struct rng before = s->rng; /* the lattices that follow do not depend on what was taken here */
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        check_text(s, texts[i], strlen(texts[i]));
    }
    for (uint32_t i = 0; i < 2000 && len < sizeof(text); i++) {
        memcpy(text, s->properties, len);
        for (uint64_t n = rng_below(&s->rng, 3); n > 0 && len > 0; n--) {
            text[rng_below(&s->rng, len)] = bytes[rng_below(&s->rng, sizeof(bytes) - 1)];
        }
        check_text(s, text, i % 2 ? len : rng_below(&s->rng, len + 1));
    }
    s->rng = before;
}

int suite_scaler(const char *component, const char *const properties[], uint32_t n) {
    struct scaler_suite s = {.tk = tk_create(true)};
    struct plug_inst *in = tk_open(s.tk, TRL_KIND_SCALER, component, NULL, NULL, 0);
    rng_seed(&s.rng, 20240522);
    if (in) {
        s.t = plug_inst_table(in);
        s.in = plug_inst_raw(in);
        for (uint32_t i = 0; i < n; i++) {
            s.properties = properties[i];
            s.spec = compile(&s, properties[i]);
            if (s.spec) {
                check_laws(&s);
                check_words(&s);
                check_garbage(&s);
                s.t->release(s.in, s.spec);
            }
        }
        tk_close(s.tk, in);
    }
    uint32_t checks = tk_checks(s.tk);
    int failures = tk_destroy(s.tk);
    printf("scaler/1 %s: %u checks, %d failed\n", component, checks, failures);
    return failures;
}
