/* SPDX-License-Identifier: Apache-2.0
 *
 * What there is to say about the server: facts the connection knows, the greeting a server sends to
 * whoever connects (the library does not pass it on), the round trip, and JetStream's account.
 */
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "peer.h"
#include "text.h"

#define GREETING_MAX     16384u
#define GREETING_WAIT_MS 500

struct info {
    struct box_item item;
    struct info *prev, *next;
    struct peer *peer; /* NULL: ended */
    struct box *box;
    trl_op *op;
    json_t *j;
    char *url;      /* to greet; worker reads it */
    char *greeting; /* from the worker: the JSON text */
    int64_t sent_ns;
};

/* [worker] */
static int dial(const char *host, const char *port) {
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *list = NULL;
    int fd = -1;
    if (getaddrinfo(host, port, &hints, &list) != 0) {
        return -1;
    }
    for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
        struct pollfd p = {.events = POLLOUT};
        int err = 0;
        socklen_t len = sizeof(err);
        fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
        if (fd < 0) {
            continue;
        }
        p.fd = fd;
        if ((connect(fd, a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) ||
            poll(&p, 1, GREETING_WAIT_MS) != 1 ||
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) != 0 || err != 0) {
            close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* [worker] The JSON of "INFO {...}\r\n", or NULL. */
static char *greeting_of(const char *url) {
    struct opts_url u;
    const char *port = strrchr(url, ':');
    char *text = NULL;
    size_t n = 0;
    int fd;
    if (!opts_url_parse(url, 0, &u)) {
        return NULL;
    }
    fd = dial(u.host, port + 1);
    free(u.url);
    free(u.host);
    if (fd < 0) {
        return NULL;
    }
    text = x_zalloc(GREETING_MAX + 1);
    while (n < GREETING_MAX && !strstr(text, "\r\n")) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&p, 1, GREETING_WAIT_MS) == 1 ? read(fd, text + n, GREETING_MAX - n) : 0;
        if (got <= 0) {
            break;
        }
        n += (size_t)got;
    }
    close(fd);
    if (strncmp(text, "INFO ", 5) != 0 || !strstr(text, "\r\n")) {
        free(text);
        return NULL;
    }
    *strstr(text, "\r\n") = '\0';
    memmove(text, text + 5, strlen(text + 5) + 1);
    return text;
}

static void info_free(struct info *i) {
    json_decref(i->j);
    box_unref(i->box);
    free(i->url);
    free(i->greeting);
    free(i);
}

/* Takes it off the list; whoever still has it in hand frees it. */
static void info_unlink(struct info *i) {
    *(i->prev ? &i->prev->next : &i->peer->infos) = i->next;
    if (i->next) {
        i->next->prev = i->prev;
    }
    i->peer = NULL;
}

static void info_done(struct info *i, trl_status st, trl_bytes out) {
    const trl_host *h = i->peer->host;
    info_unlink(i);
    h->op_done(i->op, st, out, NULL);
}

static void on_account(void *arg, trl_status st, natsMsg *m) {
    struct info *i = arg;
    trl_err err = {.struct_size = sizeof(err)};
    trl_bytes out = {NULL, 0};
    json_t *j_account, *b_domain;
    char *text = NULL;
    int code;
    if (st != TRL_E_CANCELLED) {
        if (st != TRL_E_TIMEOUT) { /* also that there is no JetStream is an answer of the server */
            json_object_set_new(i->j, "rtt_us", json_integer((conn_now_ns() - i->sent_ns) / 1000));
        }
        j_account = js_answer(i->peer, st, m, "looking at the account", &code, &err);
        json_object_set_new(i->j, "jetstream", json_boolean(j_account != NULL));
        b_domain = json_object_get(j_account, "domain");
        if (b_domain) {
            json_object_set(i->j, "domain", b_domain);
        }
        if (!j_account) {
            json_object_set_new(i->j, "jetstream_error", json_string(err.msg));
        }
        json_decref(j_account);
        text = x_checked(json_dumps(i->j, JSON_COMPACT));
        out.ptr = text;
        out.len = strlen(text);
        st = TRL_OK;
    }
    info_done(i, st, out);
    free(text);
    info_free(i);
}

static void take_greeting(json_t *j, const char *text) {
    static const char *const fields[][2] = {{"server_name", "server_name"},
                                            {"version", "version"},
                                            {"cluster", "cluster"},
                                            {"tls_required", "tls"},
                                            {"auth_required", "login"}};
    json_t *j_info = text ? json_loads(text, 0, NULL) : NULL;
    for (size_t k = 0; k < sizeof(fields) / sizeof(fields[0]); k++) {
        json_t *b_v = json_object_get(j_info, fields[k][0]);
        if (b_v) {
            json_object_set(j, fields[k][1], b_v);
        }
    }
    json_decref(j_info);
}

static struct info *of_item(struct box_item *it) {
    return (struct info *)((char *)it - offsetof(struct info, item));
}

static void greeted(struct box_item *it) {
    struct info *i = of_item(it);
    if (!i->peer) {
        info_free(i);
        return;
    }
    take_greeting(i->j, i->greeting);
    i->sent_ns = conn_now_ns();
    js_api(i->peer, "INFO", NULL, on_account, i);
}

static void greeted_drop(struct box_item *it) {
    info_free(of_item(it));
}

/* [worker] */
static void greet(natsConnection *nc, void *arg) {
    struct info *i = arg;
    i->greeting = nc ? greeting_of(i->url) : NULL;
    box_put(i->box, &i->item);
}

void peer_info_end(struct peer *p) {
    trl_bytes none = {NULL, 0};
    while (p->infos) { /* freed when the worker has handed them back */
        info_done(p->infos, TRL_E_CANCELLED, none);
    }
}

static json_t *facts_json(struct peer *p) {
    struct conn_facts f;
    conn_facts(p->conn, &f);
    return json_pack("{s:s,s:b,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:I}", "server", "nats", "up",
                     conn_up(p->conn), "url", f.url, "server_id", f.server_id, "max_payload",
                     (json_int_t)conn_max_payload(p->conn), "connects", (json_int_t)f.links,
                     "refused_messages", (json_int_t)f.dropped, "slow_consumers",
                     (json_int_t)f.slow, "pending_bytes", (json_int_t)f.pending_bytes, "instances",
                     (json_int_t)f.users);
}

void peer_info(struct peer *p, trl_op *op, json_t *j_extra) {
    struct info *i = x_zalloc(sizeof(*i));
    struct conn_facts f;
    conn_facts(p->conn, &f);
    i->item.run = greeted;
    i->item.drop = greeted_drop;
    i->peer = p;
    i->box = box_ref(p->box);
    i->op = op;
    i->url = text_dup(f.url);
    i->j = facts_json(p);
    json_object_update(i->j, j_extra);
    json_decref(j_extra);
    i->next = p->infos;
    if (i->next) {
        i->next->prev = i;
    }
    p->infos = i;
    conn_call(p->conn, greet, i);
}
