/* SPDX-License-Identifier: Apache-2.0 */
#include "curl_request.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "xmem.h"

#define VALUE_MAX 16384

/* Headers */

static int is_value_char(char c, int spaces) {
    return (c > ' ' && c < 0x7f) || (spaces && c == ' ');
}

/* Reads the file; *n is the length without space at the end. Never more than cap. */
static trl_status read_value(const struct http_header *h, char *to, size_t cap, size_t *n,
                             trl_err *err) {
    ssize_t got = 0;
    int fd = open(h->file, O_RDONLY | O_CLOEXEC);
    *n = 0;
    if (fd < 0) {
        return trl_errf(err, TRL_E_INVALID, "%s %s: %s", h->option, h->file, strerror(errno));
    }
    while (*n < cap && (got = read(fd, to + *n, cap - *n)) > 0) {
        *n += (size_t)got;
    }
    if (got < 0) {
        trl_errf(err, TRL_E_INVALID, "%s %s: %s", h->option, h->file, strerror(errno));
        close(fd);
        return TRL_E_INVALID;
    }
    close(fd);
    if (*n == cap) {
        return trl_errf(err, TRL_E_INVALID, "%s %s: longer than a token can be", h->option,
                        h->file);
    }
    while (*n > 0 && (to[*n - 1] == '\n' || to[*n - 1] == '\r' || to[*n - 1] == ' ')) {
        --*n;
    }
    for (size_t i = 0; i < *n; i++) {
        if (!is_value_char(to[i], h->spaces)) {
            return trl_errf(err, TRL_E_INVALID,
                            "%s %s: more than one line, or characters no token has", h->option,
                            h->file);
        }
    }
    return *n ? TRL_OK : trl_errf(err, TRL_E_INVALID, "%s %s: it is empty", h->option, h->file);
}

static struct curl_slist *add_header(struct curl_slist *list, const char *line) {
    return x_checked(curl_slist_append(list, line));
}

static trl_status add_configured(const struct http_header *h, struct curl_slist **list,
                                 trl_err *err) {
    size_t k = strlen(h->before), n = h->value ? strlen(h->value) : VALUE_MAX;
    char *line = x_alloc(k + n + 1);
    trl_status st = TRL_OK;
    memcpy(line, h->before, k);
    if (h->value) {
        memcpy(line + k, h->value, n);
    } else {
        st = read_value(h, line + k, VALUE_MAX, &n, err);
    }
    if (st == TRL_OK) {
        line[k + n] = '\0';
        *list = add_header(*list, line);
    }
    explicit_bzero(line, k + n);
    free(line);
    return st;
}

static trl_status add_all_configured(const struct http_conf *c, struct curl_slist **list,
                                     trl_err *err) {
    trl_status st = TRL_OK;
    for (uint32_t i = 0; st == TRL_OK && i < c->n_headers; i++) {
        st = add_configured(&c->headers[i], list, err);
    }
    return st;
}

void http_headers_free(void *headers) {
    struct curl_slist *list = headers;
    for (struct curl_slist *at = list; at; at = at->next) {
        explicit_bzero(at->data, strlen(at->data));
    }
    curl_slist_free_all(list);
}

/* Requests */

static size_t on_bytes(char *p, size_t size, size_t n, void *arg) {
    struct http_req *r = arg;
    size_t more = size * n;
    if (more > r->limit - r->n_got) {
        return CURL_WRITEFUNC_ERROR;
    }
    if (r->n_got + more > r->cap) {
        r->cap = r->n_got + more > 2 * r->cap ? r->n_got + more : 2 * r->cap;
        r->got = x_realloc_n(r->got, r->cap, 1);
    }
    memcpy(r->got + r->n_got, p, more);
    r->n_got += more;
    return more;
}

static void set_tls(CURL *easy, const struct http_conf *c) {
    if (c->ca) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, c->ca);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }
    if (c->cert) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, c->cert);
        curl_easy_setopt(easy, CURLOPT_SSLKEY, c->key);
    }
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

/* What keeps a request to this server and to this protocol, whatever it answers. */
static void set_limits(CURL *easy, const struct http_conf *c, const struct http_req *r,
                       int64_t timeout_ms) {
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "*"); /* whatever the environment says */
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)r->limit);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    /* A name server that does not answer holds up nobody but who asked it. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS,
                     (long)(timeout_ms < c->timeout_ms ? timeout_ms : c->timeout_ms));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)c->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
}

trl_status http_prepare(CURL *easy, const struct http_conf *c, struct http_req *r,
                        int64_t timeout_ms, trl_err *err) {
    struct curl_slist *list = add_header(NULL, "Accept: application/json");
    size_t n = strlen(c->url) + strlen(r->path) + 1;
    trl_status st = add_all_configured(c, &list, err);
    char *url;
    if (r->header) {
        list = add_header(list, r->header);
    }
    r->headers = list;
    if (st != TRL_OK) {
        return st;
    }
    url = x_alloc(n);
    snprintf(url, n, "%s%s", c->url, r->path);
    curl_easy_setopt(easy, CURLOPT_URL, url); /* copied */
    free(url);
    set_limits(easy, c, r, timeout_ms);
    set_tls(easy, c);
    if (c->unix_socket) {
        curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, c->unix_socket);
    }
    if (r->body) {
        list = add_header(add_header(list, "Content-Type: application/json"), "Expect:");
        if (r->encoding) {
            char line[64];
            snprintf(line, sizeof(line), "Content-Encoding: %s", r->encoding);
            list = add_header(list, line);
        }
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, r->body);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    }
    r->trouble[0] = '\0';
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, list);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, c->agent);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_bytes);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, r);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, r->trouble);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)r);
    return TRL_OK;
}

/* Outcomes */

struct outcome {
    CURLcode code;
    trl_status st;
    const char *what, *remedy;
};

#define LIMIT NULL /* the option that names the limit */

static const struct outcome outcomes[] = {
    {CURLE_COULDNT_RESOLVE_HOST, TRL_E_UNAVAIL, "its host name has no address", ""},
    {CURLE_COULDNT_CONNECT, TRL_E_UNAVAIL, "no connection", ""},
    {CURLE_GOT_NOTHING, TRL_E_UNAVAIL, "it closed the connection without an answer", ""},
    {CURLE_SEND_ERROR, TRL_E_UNAVAIL, "the connection broke", ""},
    {CURLE_RECV_ERROR, TRL_E_UNAVAIL, "the connection broke", ""},
    {CURLE_PARTIAL_FILE, TRL_E_UNAVAIL, "the connection ended within the answer", ""},
    {CURLE_OPERATION_TIMEDOUT, TRL_E_TIMEOUT, "no answer in time", ""},
    {CURLE_WRITE_ERROR, TRL_E_INTERNAL, "the answer is longer than allowed", LIMIT},
    {CURLE_FILESIZE_EXCEEDED, TRL_E_INTERNAL, "the answer is longer than allowed", LIMIT},
    {CURLE_PEER_FAILED_VERIFICATION, TRL_E_DENIED, "its certificate is not trusted",
     "; check tls.ca and the host in url"},
    {CURLE_SSL_CONNECT_ERROR, TRL_E_UNAVAIL, "TLS cannot be agreed on",
     "; does it speak TLS, and want a client certificate (tls.cert)?"},
    {CURLE_SSL_CERTPROBLEM, TRL_E_INVALID, "tls.cert or tls.key cannot be used", ""},
    {CURLE_SSL_CACERT_BADFILE, TRL_E_INVALID, "tls.ca cannot be used", ""},
    {CURLE_UNSUPPORTED_PROTOCOL, TRL_E_INTERNAL, "it answers in a protocol older than HTTP/1.0",
     ""},
    {CURLE_WEIRD_SERVER_REPLY, TRL_E_INTERNAL, "it does not answer in HTTP", ""},
};

static const struct outcome *find_outcome(CURLcode code) {
    for (size_t i = 0; i < sizeof(outcomes) / sizeof(outcomes[0]); i++) {
        if (outcomes[i].code == code) {
            return &outcomes[i];
        }
    }
    return NULL;
}

/* Text of libraries and servers, fit for one line. */
static void tame(char *s) {
    for (; *s; s++) {
        if ((unsigned char)*s < ' ' || *s == 0x7f) {
            *s = ' ';
        }
    }
}

void http_outcome(const struct http_conf *c, struct http_req *r, CURLcode code,
                  struct http_answer *a, char *why, size_t cap) {
    const struct outcome *known = find_outcome(code);
    const char *own = r->trouble[0] ? r->trouble : curl_easy_strerror(code);
    char limit[64];
    curl_off_t after_s = 0;
    curl_easy_getinfo((CURL *)r->easy, CURLINFO_RESPONSE_CODE, &a->status);
    if (code == CURLE_OK) {
        curl_easy_getinfo((CURL *)r->easy, CURLINFO_RETRY_AFTER, &after_s);
        a->retry_after_ms = after_s > 0 && after_s < 86400 ? (uint32_t)after_s * 1000 : 0;
        a->body = r->got ? r->got : "";
        a->len = r->n_got;
        return;
    }
    a->st = known ? known->st : TRL_E_UNAVAIL;
    snprintf(limit, sizeof(limit), " (%s)", c->limit_option);
    snprintf(why, cap, "%s: %s%s: %s", c->url, known ? known->what : "the request failed",
             !known          ? ""
             : known->remedy ? known->remedy
                             : limit,
             own);
    tame(why);
    a->why = why;
}

static trl_status check_file(const char *what, const char *path, trl_err *err) {
    if (path && access(path, R_OK) != 0) {
        return trl_errf(err, TRL_E_INVALID, "%s %s: %s", what, path, strerror(errno));
    }
    return TRL_OK;
}

trl_status http_check_files(const struct http_conf *c, trl_err *err) {
    trl_status st = check_file("tls.ca", c->ca, err);
    st = st == TRL_OK ? check_file("tls.cert", c->cert, err) : st;
    st = st == TRL_OK ? check_file("tls.key", c->key, err) : st;
    for (uint32_t i = 0; st == TRL_OK && i < c->n_headers; i++) {
        st = check_file(c->headers[i].option, c->headers[i].file, err);
    }
    return st;
}
