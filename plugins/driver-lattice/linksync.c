/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading all links. link.get answers from memory that follows the puts with a delay, so it is no
 * evidence within a second of one; a read during which links moved is read again.
 */
#include "call.h"
#include "linkset.h"
#include "text.h"

#define QUIET_NS        NS_PER_S
#define READS_AT_MOST   4u
#define RETRIES_AT_MOST 6u

static struct lattice *lattice_of(struct poll *p) {
    return (struct lattice *)(void *)((char *)p - offsetof(struct lattice, links.poll));
}

void links_moved(struct lattice *l) {
    l->links.moves++;
    l->links.moved_ns = now_ns(l->d);
}

static void read_links(void *arg);

static void on_retry(void *arg) {
    struct lattice *l = arg;
    linksync_ask(l, NULL, NULL);
}

static void wait_and_read(struct lattice *l) {
    struct link_state *ls = &l->links;
    int64_t now = now_ns(l->d), quiet = now - QUIET_NS;
    if (ls->tries < READS_AT_MOST && (ls->jobs || ls->moved_ns > quiet)) {
        ls->tries++;
        wake_start(&ls->wake, &l->d->desk, ls->jobs ? QUIET_NS : ls->moved_ns - quiet, read_links,
                   l);
        return;
    }
    read_links(l);
}

static void on_links(void *arg, const struct answer *a) {
    struct lattice *l = arg;
    struct link_state *ls = &l->links;
    struct answer seen = *a;
    char text[256];
    ls->call = NULL;
    if (answer_ok(a) && ls->moves != ls->moves_at_read && ls->tries < READS_AT_MOST) {
        wait_and_read(l);
        return;
    }
    ls->tries = 0;
    if (answer_ok(a) && linkset_replace(l, a->b_response) < 0) {
        driver_garbage(l->d, lattice_id(l), "list of links");
        seen.st = TRL_E_INTERNAL;
    }
    if (answer_ok(&seen)) {
        ls->known = 1;
        ls->fails = 0;
        poll_settle(&ls->poll, TRL_OK, NULL, NULL);
        return;
    }
    answer_text(&seen, l, "link.get", text, sizeof(text));
    poll_settle(&ls->poll, answer_status(&seen), text, NULL);
    /* Without hosts there is nobody to ask: the first one that appears makes us ask again. */
    if (l->n_known_hosts && ls->fails < RETRIES_AT_MOST && !poll_busy(&ls->poll)) {
        wake_start(&ls->wake, &l->d->desk, NS_PER_S << ls->fails++, on_retry, l);
    }
}

static void read_links(void *arg) {
    struct lattice *l = arg;
    l->links.moves_at_read = l->links.moves;
    l->links.call =
        call_start(l, text_dup(STR_LIT("link.get")), NULL, l->d->set.timeout_ns, on_links, l);
}

static void begin(struct poll *p) {
    lattice_of(p)->links.tries = 0;
    wait_and_read(lattice_of(p));
}

void linksync_init(struct lattice *l) {
    l->links.moved_ns = INT64_MIN / 2;
    poll_init(&l->links.poll, &l->link_lane, begin);
}

void linksync_finish(struct lattice *l) {
    call_cancel(&l->links.call);
    wake_stop(&l->links.wake);
    poll_finish(&l->links.poll);
}

void linksync_ask(struct lattice *l, poll_fn fn, void *arg) {
    if (!poll_busy(&l->links.poll)) {
        wake_stop(&l->links.wake);
    }
    poll_ask(&l->links.poll, fn, arg);
}
