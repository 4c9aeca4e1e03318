/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the bytes of a value and of a credential are: in guarded memory while they are in use, and
 * then nowhere in the process, though its connection stays open. Over plain HTTP and over TLS with
 * client certificates. The server is another process; what is looked for is held masked, so that
 * the search does not find itself.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../tools/outside.h"
#include "../../unit/cmocka_all.h"
#include "../secrets/ask.h"
#include "base/mem.h"

#define MASK     0x5au
#define MARK_LEN 32u

/* Number i: letters and digits that occur nowhere else. */
enum { VALUE, TOKEN, SECRET_ID, WRITTEN, MARKS };

static unsigned char masked[MARKS][MARK_LEN];

static void make_marks(void) {
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    int fd = open("/dev/urandom", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, masked, sizeof(masked)), sizeof(masked));
    close(fd);
    for (size_t i = 0; i < MARKS; i++) {
        for (size_t k = 0; k < MARK_LEN; k++) {
            masked[i][k] = (unsigned char)(letters[masked[i][k] % 62] ^ MASK);
        }
    }
}

static void unmask(int i, char to[MARK_LEN + 1]) {
    for (size_t k = 0; k < MARK_LEN; k++) {
        to[k] = (char)(masked[i][k] ^ MASK);
    }
    to[MARK_LEN] = '\0';
}

/* The search */

#define WINDOW   (1u << 20)
#define HUGE_MAP (1ull << 31) /* shadow memory of sanitizers, not of the program */

static unsigned count_in(const unsigned char *p, size_t n, const unsigned char *mark, size_t len) {
    const unsigned char *end = p + n;
    unsigned found = 0;
    while (p && (size_t)(end - p) >= len) {
        p = memchr(p, mark[0] ^ MASK, (size_t)(end - p) - len + 1);
        size_t same = 1;
        while (p && same < len && (p[same] ^ MASK) == mark[same]) {
            same++;
        }
        found += p && same == len;
        p = p ? p + 1 : p;
    }
    return found;
}

/* How often half of mark i, any half, is in the memory of this process. */
static unsigned seek(int i) {
    unsigned char *window =
        mmap(NULL, WINDOW, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int mem = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[512];
    unsigned found = 0;
    assert_true(window != MAP_FAILED && mem >= 0 && maps);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long long from, to, own = (unsigned long long)(uintptr_t)window;
        if (sscanf(line, "%llx-%llx", &from, &to) != 2 || to - from > HUGE_MAP) {
            continue;
        }
        while (from < to) {
            size_t want = to - from < WINDOW ? (size_t)(to - from) : WINDOW;
            /* The window is searched around: what is in it was read just now. */
            if (from < own + WINDOW && from + want > own) {
                if (from >= own) {
                    from = own + WINDOW;
                    continue;
                }
                want = (size_t)(own - from);
            }
            ssize_t n = pread(mem, window, want, (off_t)from);
            if (n <= 0) {
                break;
            }
            found += count_in(window, (size_t)n, masked[i], MARK_LEN / 2);
            found += count_in(window, (size_t)n, masked[i] + MARK_LEN / 2, MARK_LEN / 2);
            size_t back = (size_t)n == want && from + want < to ? MARK_LEN : 0;
            from += (size_t)n > back ? (size_t)n - back : (size_t)n;
        }
    }
    fclose(maps);
    close(mem);
    munmap(window, WINDOW);
    return found;
}

/* The server, in a process of its own */

struct peer {
    int fd;
    SSL *ssl;
};

static ssize_t get(struct peer *p, char *to, size_t n) {
    return p->ssl ? SSL_read(p->ssl, to, (int)n) : recv(p->fd, to, n, 0);
}

static void put_all(struct peer *p, const char *s) {
    size_t n = strlen(s);
    if (p->ssl) {
        SSL_write(p->ssl, s, (int)n);
    } else {
        send(p->fd, s, n, MSG_NOSIGNAL);
    }
}

static void reply(struct peer *p, const char *request) {
    char value[MARK_LEN + 1], token[MARK_LEN + 1], body[600], all[900];
    unmask(VALUE, value);
    unmask(TOKEN, token);
    if (strstr(request, "/login ")) {
        snprintf(body, sizeof(body),
                 "{\"auth\":{\"client_token\":\"%s\",\"lease_duration\":0,\"renewable\":false}}",
                 token);
    } else if (strncmp(request, "POST", 4) == 0) {
        snprintf(body, sizeof(body), "{\"data\":{\"version\":2}}");
    } else if (!strstr(request, token)) {
        snprintf(all, sizeof(all), "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        put_all(p, all);
        return;
    } else {
        snprintf(body, sizeof(body),
                 "{\"data\":{\"data\":{\"value\":\"%s\"},\"metadata\":{\"version\":1}}}", value);
    }
    snprintf(all, sizeof(all), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    put_all(p, all);
}

static void *serve(void *arg) {
    struct peer *p = arg;
    char text[4096];
    size_t n = 0;
    ssize_t got;
    if (p->ssl && SSL_accept(p->ssl) != 1) {
        close(p->fd);
        return NULL;
    }
    while ((got = get(p, text + n, sizeof(text) - 1 - n)) > 0) {
        n += (size_t)got;
        text[n] = '\0';
        char *end = strstr(text, "\r\n\r\n"), *length = strstr(text, "Content-Length: ");
        size_t body = length ? strtoul(length + 16, NULL, 10) : 0;
        if (end && n >= (size_t)(end + 4 - text) + body) {
            reply(p, text);
            n = 0;
        }
    }
    if (p->ssl) {
        SSL_shutdown(p->ssl);
    }
    close(p->fd);
    return NULL;
}

static void server_main(int listener, const char *pem) {
    SSL_CTX *ctx = NULL;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pem) {
        ctx = SSL_CTX_new(TLS_server_method());
        if (SSL_CTX_use_certificate_file(ctx, pem, SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_use_PrivateKey_file(ctx, pem, SSL_FILETYPE_PEM) != 1 ||
            SSL_CTX_load_verify_locations(ctx, pem, NULL) != 1) {
            _exit(1);
        }
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    for (;;) {
        pthread_t t;
        struct peer *p = calloc(1, sizeof(*p));
        p->fd = accept(listener, NULL, NULL);
        if (p->fd < 0) {
            _exit(0);
        }
        if (ctx) {
            p->ssl = SSL_new(ctx);
            SSL_set_fd(p->ssl, p->fd);
        }
        if (pthread_create(&t, NULL, serve, p) != 0) {
            _exit(1);
        }
        pthread_detach(t);
    }
}

struct bed {
    char dir[64], pem[128], sid[128], url[64];
    pid_t pid;
};

static void make_certificate(struct bed *b) {
    char command[700];
    snprintf(command, sizeof(command),
             "cd %s && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "
             "-keyout k -out c -days 2 -subj /CN=test -addext subjectAltName=IP:127.0.0.1 "
             "2>/dev/null && cat c k > both.pem",
             b->dir);
    assert_int_equal(system(command), 0);
    snprintf(b->pem, sizeof(b->pem), "%s/both.pem", b->dir);
}

/* Written by the child: the parent never has it in plain. */
static void write_secret_id(struct bed *b) {
    snprintf(b->sid, sizeof(b->sid), "%s/sid", b->dir);
    pid_t pid = fork();
    if (pid == 0) {
        char mark[MARK_LEN + 1];
        int fd = open(b->sid, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        unmask(SECRET_ID, mark);
        _exit(write(fd, mark, MARK_LEN) == MARK_LEN ? 0 : 1);
    }
    int status;
    assert_true(waitpid(pid, &status, 0) == pid && status == 0);
}

static void bed_start(struct bed *b, int tls) {
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t n = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(b, 0, sizeof(*b));
    snprintf(b->dir, sizeof(b->dir), "/tmp/trellis-vmem-XXXXXX");
    assert_non_null(mkdtemp(b->dir));
    assert_true(bind(fd, (struct sockaddr *)&at, n) == 0 && listen(fd, 16) == 0 &&
                getsockname(fd, (struct sockaddr *)&at, &n) == 0);
    make_marks();
    write_secret_id(b);
    if (tls) {
        make_certificate(b);
    }
    b->pid = fork();
    if (b->pid == 0) {
        server_main(fd, tls ? b->pem : NULL);
    }
    close(fd);
    snprintf(b->url, sizeof(b->url), "http%s://127.0.0.1:%d", tls ? "s" : "", ntohs(at.sin_port));
}

static void bed_end(struct bed *b) {
    kill(b->pid, SIGKILL);
    waitpid(b->pid, NULL, 0);
    outside_remove(b->dir);
}

struct got {
    bool done;
    trl_status st;
    char why[256];
    struct guarded *value;
};

static void on_found(void *arg, trl_status st, const struct secret_found *f, const trl_err *e) {
    struct got *g = arg;
    g->done = true;
    g->st = st;
    g->value = f ? f->value : NULL;
    if (e) {
        snprintf(g->why, sizeof(g->why), "%s", e->msg);
    }
}

static void on_put(void *arg, trl_status st, str text, const trl_err *e) {
    struct got *g = arg;
    (void)text, (void)e;
    g->done = true;
    g->st = st;
}

static void expect_gone(struct tk *tk, int i, const char *what) {
    unsigned n = seek(i);
    TK_CHECK_F(tk, n == 0, "%s is in memory %u times", what, n);
}

static void use(struct tk *tk, struct plug_inst *in) {
    trl_secret_ref ref = {.struct_size = sizeof(ref), .key = trl_cstr("a")};
    struct got g = {0}, p = {0};
    secrets_fetch(in, &ref, TK_PATIENCE, on_found, &g);
    tk_until_set(tk, &g.done);
    TK_CHECK_F(tk, g.st == TRL_OK, "%s %s", err_name(g.st), g.why);
    if (g.value) {
        TK_CHECK_F(tk, seek(VALUE) == 2, "while it is held, both its halves are there, once");
        guarded_free(g.value);
    }
    expect_gone(tk, VALUE, "the value");
    TK_CHECK_F(tk, seek(TOKEN) == 2, "the token is where it is kept and nowhere else");
    expect_gone(tk, SECRET_ID, "the secret id");
    char *mark = guarded_alloc(MARK_LEN + 1);
    unmask(WRITTEN, mark);
    struct guarded *value = guarded_create(mark, MARK_LEN);
    guarded_release(mark);
    secrets_put(in, &ref, value, 0, TK_PATIENCE, on_put, &p);
    tk_until_set(tk, &p.done);
    guarded_free(value);
    TK_CHECK_ST(tk, p.st, TRL_OK);
    expect_gone(tk, WRITTEN, "the value that was written");
    expect_gone(tk, VALUE, "the value that it replaced");
}

static void run(int tls) {
    struct bed b;
    char config[1200], more[500] = "";
    bed_start(&b, tls);
    if (tls) {
        snprintf(more, sizeof(more), ",\"tls\":{\"ca\":\"%s\",\"cert\":\"%s\",\"key\":\"%s\"}",
                 b.pem, b.pem, b.pem);
    }
    snprintf(config, sizeof(config),
             "{\"address\":\"%s\",\"auth\":{\"method\":\"approle\",\"role_id\":\"r\","
             "\"secret_id_file\":\"%s\"}%s}",
             b.url, b.sid, more);
    struct tk *tk = tk_create(false);
    struct plug_inst *in = tk_open(tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    use(tk, in);
    tk_close(tk, in);
    expect_gone(tk, TOKEN, "the token");
    int failed = tk_destroy(tk);
    bed_end(&b);
    assert_int_equal(failed, 0);
}

static void test_plain(void **state) {
    (void)state;
    run(0);
}

static void test_tls(void **state) {
    (void)state;
    run(1);
}

/* The server wants a certificate, and none is configured. */
static void test_no_certificate(void **state) {
    struct bed b;
    struct got g = {0};
    char config[600];
    trl_secret_ref ref = {.struct_size = sizeof(ref), .key = trl_cstr("a")};
    (void)state;
    bed_start(&b, 1);
    snprintf(config, sizeof(config),
             "{\"address\":\"%s\",\"auth\":{\"method\":\"approle\",\"role_id\":\"r\","
             "\"secret_id_file\":\"%s\"},\"tls\":{\"ca\":\"%s\"}}",
             b.url, b.sid, b.pem);
    struct tk *tk = tk_create(false);
    struct plug_inst *in = tk_open(tk, TRL_KIND_SECRETS, "vault", config, NULL, 0);
    secrets_fetch(in, &ref, TK_PATIENCE, on_found, &g);
    tk_until_set(tk, &g.done);
    TK_CHECK_F(tk, g.st == TRL_E_UNAVAIL, "%s %s", err_name(g.st), g.why);
    tk_close(tk, in);
    int failed = tk_destroy(tk);
    bed_end(&b);
    assert_int_equal(failed, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_no_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
