/* SPDX-License-Identifier: Apache-2.0 — trellis secret ... */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "base/mem.h"
#include "cli/output.h"
#include "cli/reply.h"
#include "cli/secret_open.h"
#include "codec/json.h"
#include "xkey.h"

static trl_secret_ref reference(struct cli *c) {
    const char *field = cli_option(c, "field"), *version = cli_option(c, "version");
    return (trl_secret_ref){.struct_size = sizeof(trl_secret_ref),
                            .key = str_c(c->argv[1]),
                            .field = str_c(field),
                            .version = str_c(version)};
}

static void print_version(struct cli *c, str version) {
    struct arena a = ARENA_INIT;
    struct buf json = BUF_INIT;
    struct jw w;
    struct node *n = NULL;
    if (c->format == FORMAT_TABLE) {
        printf("%s: version %.*s\n", c->argv[1], PSTR(version));
        return;
    }
    jw_init(&w, &json, false);
    jw_object(&w);
    jw_kv(&w, "key", str_c(c->argv[1]));
    jw_kv(&w, "version", version);
    jw_end_object(&w);
    if (json_parse(buf_str(&json), &a, &n, NULL) == 0) {
        output_node(c->format, n);
    }
    buf_finish(&json);
    arena_finish(&a);
}

/* By the server, with its backends. */
static int check_there(struct cli *c) {
    struct reply r = REPLY_INIT;
    struct buf subject = BUF_INIT, body = BUF_INIT;
    trl_secret_ref ref = reference(c);
    struct jw w;
    buf_addf(&subject, "trellis.api.%s.secret.check", c->lattice);
    jw_init(&w, &body, false);
    jw_object(&w);
    jw_kv(&w, "backend", str_c(c->argv[0]));
    jw_kv(&w, "key", ref.key);
    jw_kv(&w, "field", ref.field);
    jw_kv(&w, "version", ref.version);
    jw_end_object(&w);
    int rc = reply_ask(c, buf_str(&subject), NULL, buf_str(&body), &r);
    if (rc == 0) {
        print_version(c, node_text(r.data, "version", STR("")));
    }
    buf_finish(&subject);
    buf_finish(&body);
    reply_finish(&r);
    return rc;
}

static int check(struct cli *c) {
    const char *config = cli_option(c, "config");
    struct secret_session *s = NULL;
    char *version = NULL;
    if (!config) {
        return check_there(c);
    }
    int rc = secret_open(c, config, c->argv[0], &s);
    if (rc == 0) {
        trl_secret_ref ref = reference(c);
        rc = secret_check(s, &ref, &version);
    }
    if (rc == 0) {
        print_version(c, str_c(version));
    }
    mem_free(version);
    secret_close(s);
    return rc;
}

/* Listing */

static int list_backends(struct cli *c) {
    static const char *const head[] = {"NAME", "PLUGIN", "VERSIONS", "WRITABLE"};
    struct reply r = REPLY_INIT;
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "trellis.api.%s.secret.backends", c->lattice);
    int rc = reply_ask(c, buf_str(&subject), NULL, STR_NONE, &r);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        const struct node *list = node_get(r.data, "backends");
        struct table t;
        table_init(&t, head, ARRAY_LEN(head));
        for (uint32_t i = 0; list && i < list->n; i++) {
            const struct node *b = list->items[i];
            table_cell(&t, node_text(b, "name", STR("")));
            table_cell(&t, node_text(b, "plugin", STR("")));
            table_cell(&t, node_bool_or(b, "versions", false) ? STR("kept") : STR("latest only"));
            table_cell(&t, node_bool_or(b, "writable", false) ? STR("yes") : STR("no"));
        }
        table_print(&t, c->colour);
    }
    buf_finish(&subject);
    reply_finish(&r);
    return rc;
}

struct names {
    struct buf json;
    struct jw w;
};

static void add_name(void *arg, str name) {
    jw_str(&((struct names *)arg)->w, name);
}

static int list(struct cli *c) {
    const char *config = cli_option(c, "config");
    struct secret_session *s = NULL;
    struct names names = {.json = BUF_INIT};
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    if (c->argc == 0) {
        return list_backends(c);
    }
    jw_init(&names.w, &names.json, false);
    jw_array(&names.w);
    int rc = secret_open(c, config, c->argv[0], &s);
    rc = rc ? rc : secret_each(s, c->argc > 1 ? str_c(c->argv[1]) : STR_NONE, add_name, &names);
    jw_end_array(&names.w);
    if (rc == 0 && json_parse(buf_str(&names.json), &a, &n, NULL) == 0) {
        for (uint32_t i = 0; c->format == FORMAT_TABLE && i < n->n; i++) {
            printf("%.*s\n", PSTR(n->items[i]->text));
        }
        if (c->format != FORMAT_TABLE) {
            output_node(c->format, n);
        }
    }
    buf_finish(&names.json);
    arena_finish(&a);
    secret_close(s);
    return rc;
}

/* Putting */

/* All of a descriptor into guarded memory. A terminal shows nothing of what is typed, and one line
 * is the value. NULL: told why. */
static struct guarded *read_value(int fd) {
    struct termios shown, hidden;
    bool terminal = tcgetattr(fd, &shown) == 0;
    char *room = guarded_alloc(TRL_SECRET_MAX_BYTES + 1);
    size_t n = 0;
    ssize_t got = 0;
    if (!room) {
        cli_fail(EXIT_FAILED, "no memory can be locked: raise the limit (ulimit -l)");
        return NULL;
    }
    if (terminal) {
        hidden = shown;
        hidden.c_lflag &= ~(tcflag_t)ECHO;
        tcsetattr(fd, TCSAFLUSH, &hidden);
        fputs("Value: ", stderr);
    }
    while (n <= TRL_SECRET_MAX_BYTES && !(terminal && n && room[n - 1] == '\n') &&
           (got = read(fd, room + n, TRL_SECRET_MAX_BYTES + 1 - n)) > 0) {
        n += (size_t)got;
    }
    if (terminal) {
        tcsetattr(fd, TCSAFLUSH, &shown);
        fputc('\n', stderr);
        n -= n && room[n - 1] == '\n';
    }
    struct guarded *value = NULL;
    if (got < 0) {
        cli_fail(EXIT_INPUT, "the value cannot be read: %s", strerror(errno));
    } else if (n > TRL_SECRET_MAX_BYTES) {
        cli_fail(EXIT_INPUT, "the value is larger than 1 MiB");
    } else if (n == 0) {
        cli_fail(EXIT_INPUT, "the value is empty");
    } else {
        value = guarded_create(room, n);
    }
    guarded_release(room);
    return value;
}

static int put(struct cli *c) {
    const char *config = cli_option(c, "config"), *file = cli_option(c, "file");
    struct secret_session *s = NULL;
    char *version = NULL;
    int fd = file ? open(file, O_RDONLY | O_CLOEXEC) : STDIN_FILENO;
    if (fd < 0) {
        return cli_fail(EXIT_INPUT, "%s: %s", file, strerror(errno));
    }
    int rc = secret_open(c, config, c->argv[0], &s);
    if (rc == 0 && !secrets_can_put(secret_instance(s))) {
        rc = cli_fail(EXIT_NO, "backend '%s' cannot be written to", c->argv[0]);
    }
    struct guarded *value = rc == 0 ? read_value(fd) : NULL;
    rc = rc == 0 && !value ? EXIT_INPUT : rc;
    if (rc == 0) {
        trl_secret_ref ref = reference(c);
        rc = secret_put(s, &ref, value, &version);
    }
    if (rc == 0) {
        print_version(c, str_c(version));
    }
    if (file) {
        close(fd);
    }
    guarded_free(value);
    mem_free(version);
    secret_close(s);
    return rc;
}

/* A transit key */

static int keygen(struct cli *c) {
    const char *path = cli_option(c, "out");
    char seed[NKEY_SEED_LEN + 2], public_text[NKEY_PUBLIC_LEN + 1];
    struct xkey *k = guarded_alloc(sizeof(*k));
    if (!path || !k) {
        guarded_release(k);
        return !path
                   ? cli_fail(EXIT_USAGE, "say with --out FILE where the seed goes")
                   : cli_fail(EXIT_FAILED, "no memory can be locked: raise the limit (ulimit -l)");
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        guarded_release(k);
        return cli_fail(EXIT_INPUT, "%s: %s", path,
                        errno == EEXIST ? "is there already: a transit key is kept for ever"
                                        : strerror(errno));
    }
    xkey_generate(k);
    nkey_encode_seed(NKEY_CURVE, k->secret, seed);
    xkey_public_text(k->pub, public_text);
    seed[NKEY_SEED_LEN] = '\n';
    bool ok = write(fd, seed, NKEY_SEED_LEN + 1) == (ssize_t)NKEY_SEED_LEN + 1 && fsync(fd) == 0;
    sodium_memzero(seed, sizeof(seed));
    guarded_release(k);
    close(fd);
    if (!ok) {
        unlink(path);
        return cli_fail(EXIT_FAILED, "%s: cannot be written", path);
    }
    printf("%s\n", public_text);
    return 0;
}

static const struct cli_opt for_check[] = {
    {"config", 'c', "FILE", false, "ask the backend of this configuration instead of the server"},
    {"field", 0, "NAME", false, "a field of it"},
    {"version", 0, "VERSION", false, "an older version"},
    {NULL, 0, NULL, false, NULL}};
static const struct cli_opt for_list[] = {
    {"config", 'c', "FILE", false, "where the backend is configured; `local` needs none"},
    {"data", 0, "DIR", false, "of `local`: what was said to `up`"},
    {NULL, 0, NULL, false, NULL}};
static const struct cli_opt for_put[] = {
    {"config", 'c', "FILE", false, "where the backend is configured; `local` needs none"},
    {"data", 0, "DIR", false, "of `local`: what was said to `up`"},
    {"field", 0, "NAME", false, "a field of it"},
    {"file", 'f', "FILE", false, "the value; else standard input"},
    {NULL, 0, NULL, false, NULL}};
static const struct cli_opt for_keygen[] = {{"out", 0, "FILE", false, "where the seed goes (0600)"},
                                            {NULL, 0, NULL, false, NULL}};

const struct command cli_secret_commands[] = {
    {"secret", "check", "BACKEND KEY", 2, 2, "is it there, and which version is it",
     "Nothing is read but that. Exit 1 when it is not there, or may not be read.\n", for_check,
     check},
    {"secret", "list", "[BACKEND [PREFIX]]", 0, 2, "the backends; names of what one of them has",
     "Names only, never values.\n", for_list, list},
    {"secret", "put", "BACKEND KEY", 2, 2, "write a secret into a backend that can",
     "The value comes from a file, a pipe or the terminal (not shown), and goes straight to the\n"
     "backend: it passes no server and no bus but the backend's own. `local` is the directory\n"
     "that `trellis up` without a configuration reads.\n",
     for_put, put},
    {"secret", "keygen", "", 0, 0, "a transit key for the secrets service",
     "Prints the public key. All instances need the same file, for ever: hosts keep the public\n"
     "key for their whole life.\n",
     for_keygen, keygen},
    {NULL, NULL, NULL, 0, 0, NULL, NULL, NULL, NULL},
};
