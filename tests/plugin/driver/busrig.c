/* SPDX-License-Identifier: Apache-2.0
 *
 * What fakehost.c needs of a core, over a real bus and loop instead of the scripted ones.
 */
#include "busrig.h"

#include "base/mem.h"

struct heard {
    struct heard *next;
    struct core *core;
    struct bus_sub *sub;
    core_msg_fn fn;
    void *arg;
};

struct later {
    struct later *next;
    struct core *core;
    struct loop_timer timer;
    void (*fn)(void *arg);
    void *arg;
};

struct core {
    struct bus *bus;
    struct loop *loop;
    struct heard *heard;
    struct later *later;
};

struct core *busrig_create(struct bus *bus, struct loop *loop) {
    struct core *c = mem_zalloc(sizeof(*c));
    c->bus = bus;
    c->loop = loop;
    return c;
}

static void run_later(void *arg);

/* What is still to come comes now: it owns memory. Hosts are silenced first. */
void busrig_destroy(struct core *c) {
    while (c->heard) {
        struct heard *h = c->heard;
        c->heard = h->next;
        bus_unsubscribe(h->sub);
        mem_free(h);
    }
    while (c->later) {
        loop_timer_stop(&c->later->timer);
        run_later(c->later);
    }
    mem_free(c);
}

static void on_msg(void *arg, const struct bus_msg *m) {
    const struct heard *h = arg;
    char *subject = str_dup(m->subject), *reply = str_dup(m->reply);
    h->fn(h->arg, subject, reply, m->body.ptr, m->body.len);
    mem_free(subject);
    mem_free(reply);
}

void core_subscribe(struct core *c, const char *subject, core_msg_fn fn, void *arg) {
    struct heard *h = mem_zalloc(sizeof(*h));
    *h = (struct heard){.next = c->heard, .core = c, .fn = fn, .arg = arg};
    c->heard = h;
    h->sub = bus_subscribe(c->bus, str_c(subject), STR_NONE, on_msg, h);
}

void core_publish(struct core *c, const char *subject, const char *body) {
    struct bus_msg m = {.subject = str_c(subject), .body = str_c(body)};
    bus_publish(c->bus, &m);
}

static void run_later(void *arg) {
    struct later *l = arg;
    struct later **at = &l->core->later;
    while (*at != l) {
        at = &(*at)->next;
    }
    *at = l->next;
    l->fn(l->arg);
    mem_free(l);
}

void core_after(struct core *c, int64_t ms, void (*fn)(void *arg), void *arg) {
    struct later *l = mem_zalloc(sizeof(*l));
    *l = (struct later){.next = c->later, .core = c, .fn = fn, .arg = arg};
    c->later = l;
    loop_timer_init(&l->timer, c->loop, run_later, l);
    loop_timer_start(&l->timer, ms * 1000000);
}

int64_t core_now_ms(const struct core *c) {
    return loop_now_ns(c->loop) / 1000000;
}

int text_match(const char *text, const char *part) {
    return strstr(text, part) != NULL;
}
