/* SPDX-License-Identifier: Apache-2.0 */
#include "replay.h"

#include "../unit/api/recorded.h"

#define LOOKS 400 /* at a status that is on its way, a moment apart */

struct session {
    const struct carrier *c;
    struct replay_counts *n;
    const char *name;
    struct map asked;    /* recorded inbox -> the recorded request's line (owned) */
    struct map versions; /* generated version of the recording -> ours (owned string) */
    int line;
};

static char *request(struct session *s, const struct node *m) {
    struct buf body = BUF_INIT;
    char *subject = str_dup(node_text(m, "subject", STR("")));
    char *type = str_dup(node_text(node_get(m, "headers"), "Content-Type", STR("")));
    write_body(node_get(m, "data"), &body);
    translate(&s->versions, &body);
    char *reply = s->c->ask(s->c->arg, subject, type[0] ? type : NULL, buf_str(&body));
    buf_finish(&body);
    mem_free(type);
    mem_free(subject);
    return reply;
}

/* Members that tell of the state of hosts. */
static bool of_hosts(str key) {
    return str_is(key, "status") || str_is(key, "detailed_status") ||
           str_is(key, "status_message") || str_is(key, "scalers");
}

/* The same, but for what tells of hosts: there the same kinds of values. */
static bool same_shape(const struct node *a, const struct node *b) {
    if (!a || !b || a->type != b->type) {
        return false;
    }
    if (a->type == NODE_OBJECT) {
        for (uint32_t i = 0; i < a->n; i++) {
            str key = a->members[i].key;
            const struct node *x = a->members[i].value, *y = node_get_str(b, key);
            if (of_hosts(key) ? !y || y->type != x->type : !same_shape(x, y)) {
                return false;
            }
        }
        return a->n == b->n;
    }
    if (a->type == NODE_ARRAY) {
        for (uint32_t i = 0; i < a->n && a->n == b->n; i++) {
            if (!same_shape(a->items[i], b->items[i])) {
                return false;
            }
        }
        return a->n == b->n;
    }
    return same(a, b);
}

/* Everything but status must be there as in wadm's; each scaler has wadm's members. */
static bool scalers_ok(const struct node *status) {
    static const char *const want[] = {"id", "kind", "name", "status"};
    const struct node *list = node_get(status, "scalers");
    for (uint32_t i = 0; list && i < list->n; i++) {
        for (uint32_t k = 0; k < 4; k++) {
            if (!node_get(list->items[i], want[k])) {
                return false;
            }
        }
    }
    return !status || status->type != NODE_OBJECT ||
           (node_get(status, "status") && node_get(status, "version") &&
            node_get(status, "components"));
}

static str status_type(const struct node *reply) {
    return node_text(node_get(node_get(reply, "status"), "status"), "type", STR(""));
}

/* wadm says undeployed until its first status, and failed where its one host had no room or image;
 * ours must come to what is true with a hundred hosts. */
static bool type_fits(const struct node *theirs, const struct node *ours) {
    str a = status_type(theirs), b = status_type(ours);
    return str_eq(a, b) || (!str_is(a, "deployed") && b.len > 0);
}

enum verdict { WRONG, LATER, SHAPE, EQUAL };

static enum verdict judge(const struct node *theirs, const struct node *ours) {
    if (same(theirs, ours) || same_put_note(theirs, ours)) {
        return EQUAL;
    }
    if (!same_shape(theirs, ours) || !scalers_ok(node_get(ours, "status"))) {
        return WRONG;
    }
    bool listed = str_is(status_type(theirs), "deployed");
    if (!type_fits(theirs, ours) ||
        (listed && !node_get(node_get(theirs, "status"), "scalers") !=
                       !node_get(node_get(ours, "status"), "scalers"))) {
        return LATER;
    }
    return SHAPE;
}

static enum verdict ask_and_judge(struct session *s, const struct node *m,
                                  const struct node *question) {
    struct buf text = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct node *theirs = NULL, *ours = NULL;
    char *reply = request(s, question);
    enum verdict v = WRONG;
    if (reply && json_parse(str_c(reply), &a, &ours, NULL) == 0) {
        learn_version(&s->versions, node_get(m, "data"), ours);
        write_body(node_get(m, "data"), &text);
        translate(&s->versions, &text);
        v = json_parse(buf_str(&text), &a, &theirs, NULL) == 0 ? judge(theirs, ours) : WRONG;
    }
    if (v == WRONG) {
        fprintf(stderr, "%s line %d, %.*s\n  wadm: %s\n  ours: %s\n", s->name, s->line,
                PSTR(node_text(m, "in_reply_to", STR(""))), text.ptr ? text.ptr : "",
                reply ? reply : "(no reply)");
    }
    buf_finish(&text);
    arena_finish(&a);
    mem_free(reply);
    return v;
}

static void compare(struct session *s, const struct node *m) {
    char *asked = map_del(&s->asked, node_text(m, "subject", STR("")));
    struct arena a = ARENA_INIT;
    struct node *question = NULL;
    enum verdict v = WRONG;
    if (asked && json_parse(str_c(asked), &a, &question, NULL) == 0) {
        v = ask_and_judge(s, m, question);
        for (int i = 0; v == LATER && i < LOOKS; i++) {
            s->c->pass(s->c->arg);
            v = ask_and_judge(s, m, question);
        }
    }
    if (v == LATER) {
        fprintf(stderr, "%s line %d: wadm said deployed, we do not come to it\n", s->name, s->line);
    }
    s->n->replies++;
    s->n->equal += v == EQUAL;
    s->n->statuses += v == SHAPE;
    s->n->wrong += v == WRONG || v == LATER;
    arena_finish(&a);
    mem_free(asked);
}

static void step(void *arg, const struct node *m, str line) {
    struct session *s = arg;
    str subject = node_text(m, "subject", STR("")), to = node_text(m, "in_reply_to", STR(""));
    bool by_wadm = str_is(node_text(m, "from", STR("")), "wadm");
    s->line++;
    if (str_starts(subject, STR("wadm.api."))) {
        mem_free(map_set(&s->asked, node_text(m, "reply", STR("")), str_dup(line)));
    } else if (str_starts(to, STR("wadm.api.")) && by_wadm) {
        compare(s, m);
    } else if (str_starts(to, STR("wadm.api."))) { /* no responders: nobody was there */
        mem_free(map_del(&s->asked, subject));
    }
}

bool replay_session(const char *name, const struct carrier *c, struct replay_counts *ret) {
    struct session s = {.c = c, .n = ret, .name = name};
    *ret = (struct replay_counts){0};
    bool there = recorded_each(name, step, &s);
    for (uint32_t i = 0; i < s.asked.n; i++) {
        mem_free(s.asked.at[i].value);
    }
    for (uint32_t i = 0; i < s.versions.n; i++) {
        mem_free(s.versions.at[i].value);
    }
    map_finish(&s.asked);
    map_finish(&s.versions);
    return there;
}
