/* SPDX-License-Identifier: Apache-2.0 */
#include "call.h"

#include "../common/xmem.h"
#include "text.h"

struct call {
    struct trl_inst *d;
    struct lattice *l;
    struct call **link, *next;
    uint64_t id;
    answer_fn fn;
    void *arg;
    int many;
};

static void call_unlink(struct call *c) {
    *c->link = c->next;
    if (c->next) {
        c->next->link = c->link;
    }
}

static void on_reply(void *arg, trl_status st, const trl_msg *m) {
    struct call *c = arg;
    struct call kept = *c;
    struct answer a = {.st = st};
    struct reply r;
    struct jtree tree = jtree_take(&kept.d->tree);
    if (st == TRL_OK && m && decode_reply(&tree, m->payload, &r) == 0) {
        a.success = r.success;
        a.message = r.message;
        a.b_response = r.b_response;
    } else if (st == TRL_OK && m) {
        driver_garbage(c->l->d, m->subject, "reply");
        if (c->many) {
            jtree_give(&kept.d->tree, &tree);
            return; /* one bad answer must not hide the others */
        }
        a.st = TRL_E_INTERNAL;
        a.message = STR_LIT("the reply is not understood");
    } else if (st == TRL_OK) {
        a.st = TRL_E_INTERNAL;
    }
    if (!c->many || a.st != TRL_OK) {
        call_unlink(c);
        free(c);
    }
    kept.fn(kept.arg, &a);
    jtree_give(&kept.d->tree, &tree);
}

static struct call *start(struct lattice *l, const char *traceparent, char *operation, char *body,
                          int64_t timeout_ns, answer_fn fn, void *arg, int many) {
    struct trl_inst *d = l->d;
    struct call *c = x_zalloc(sizeof(*c));
    char *subject = text_dotted(trl_cstr(l->ctl), trl_cstr(operation));
    trl_label header = {STR_LIT("traceparent"), trl_cstr(traceparent)};
    trl_msg m = {.struct_size = sizeof(m), .subject = trl_cstr(subject)};
    m.headers = header.value.len ? &header : NULL;
    m.n_headers = header.value.len ? 1 : 0;
    m.payload.ptr = body;
    m.payload.len = body ? strlen(body) : 0;
    *c = (struct call){.d = d, .l = l, .fn = fn, .arg = arg, .many = many, .next = d->calls};
    c->link = &d->calls;
    if (c->next) {
        c->next->link = &c->next;
    }
    d->calls = c;
    c->id = many ? d->bus->request_many(d->host->ctx, &m, timeout_ns, on_reply, c)
                 : d->bus->request(d->host->ctx, &m, timeout_ns, on_reply, c);
    free(subject);
    free(operation);
    free(body);
    return c;
}

struct call *call_start(struct lattice *l, char *operation, char *body, int64_t timeout_ns,
                        answer_fn fn, void *arg) {
    return start(l, "", operation, body, timeout_ns, fn, arg, 0);
}

struct call *call_traced(struct lattice *l, const char *traceparent, char *operation, char *body,
                         int64_t timeout_ns, answer_fn fn, void *arg) {
    return start(l, traceparent, operation, body, timeout_ns, fn, arg, 0);
}

struct call *call_many(struct lattice *l, char *operation, int64_t window_ns, answer_fn fn,
                       void *arg) {
    return start(l, "", operation, NULL, window_ns, fn, arg, 1);
}

void call_cancel(struct call **c) {
    struct call *gone = *c;
    if (gone) {
        *c = NULL;
        gone->d->bus->cancel(gone->d->host->ctx, gone->id);
        call_unlink(gone);
        free(gone);
    }
}

void calls_cancel(struct trl_inst *d) {
    while (d->calls) {
        struct call *c = d->calls;
        call_cancel(&c);
    }
}

trl_status answer_status(const struct answer *a) {
    return a->st != TRL_OK ? a->st : a->success ? TRL_OK : TRL_E_DENIED;
}

void answer_text(const struct answer *a, const struct lattice *l, const char *subject, char *text,
                 size_t cap) {
    char line[512];
    switch (a->st) {
    case TRL_OK:
        snprintf(line, sizeof(line), "%.*s", STR_ARG(a->message));
        break;
    case TRL_E_TIMEOUT:
        snprintf(line, sizeof(line),
                 "no answer to %s in lattice %s: the host is busy or frozen; retried later",
                 subject, l->id);
        break;
    case TRL_E_NORESPONDER:
        snprintf(line, sizeof(line),
                 "nobody listens for %s in lattice %s: the host is gone, or the control prefix or "
                 "account differs",
                 subject, l->id);
        break;
    default:
        snprintf(line, sizeof(line), "%s in lattice %s failed%s%.*s", subject, l->id,
                 a->message.len ? ": " : " on the way (transport)", STR_ARG(a->message));
        break;
    }
    text_line(text, cap, trl_cstr(line));
}
