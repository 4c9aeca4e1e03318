/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/reply.h"

#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "codec/json.h"
#include "codec/utf8.h"

void reply_finish(struct reply *r) {
    buf_finish(&r->text);
    arena_finish(&r->arena);
    memset(r, 0, sizeof(*r));
}

int reply_ask_on(struct client *cl, str subject, const char *content_type, str body,
                 struct reply *r, struct err *err) {
    arena_reset(&r->arena);
    r->root = NULL;
    r->data = NULL;
    int rc = client_request(cl, subject, content_type, body, &r->text, err);
    if (rc < 0) {
        return EXIT_UNREACHABLE;
    }
    if (json_parse(buf_str(&r->text), &r->arena, &r->root, err) < 0) {
        err_wrap(err, "the answer is no JSON");
        return EXIT_FAILED;
    }
    if (!r->verbatim) {
        output_make_visible(r->root, &r->arena);
    }
    if (str_is(node_text(r->root, "result", STR_NONE), "ok")) {
        r->data = node_get(r->root, "data");
        return 0;
    }
    str code = node_text(r->root, "code", STR("")), text = node_text(r->root, "message", STR(""));
    struct buf visible = BUF_INIT;
    utf8_add_visible(&visible, text, "\n\t");
    err_set(err, TRL_E_DENIED, "%s", visible.len ? visible.ptr : "");
    buf_finish(&visible);
    return str_is(code, "NOT_FOUND") || str_is(code, "NO_VERSION") || str_is(code, "REFUSED") ||
                   str_is(code, "EXISTS") || str_is(code, "NO_LATTICE")
               ? EXIT_NO
           : str_is(code, "DENIED")           ? EXIT_DENIED
           : str_starts(code, STR("INVALID")) ? EXIT_INPUT
                                              : EXIT_FAILED;
}

int reply_ask(struct cli *c, str subject, const char *content_type, str body, struct reply *r) {
    struct client *cl = NULL;
    struct err e = ERR_INIT;
    r->verbatim |= c->format != FORMAT_TABLE;
    int rc = client_open(&c->connect, &cl, &e) < 0 ? EXIT_UNREACHABLE : 0;
    if (rc == 0) {
        rc = reply_ask_on(cl, subject, content_type, body, r, &e);
    }
    client_close(cl);
    if (rc && c->format != FORMAT_TABLE && r->root) {
        fwrite(r->text.ptr, 1, r->text.len, stdout);
        putchar('\n');
    }
    return rc ? cli_fail(rc, "%s", e.msg) : 0;
}

void reply_findings(const struct reply *r, const char *file) {
    const struct node *f = node_get(r->root, "findings");
    for (uint32_t i = 0; f && i < f->n; i++) {
        const struct node *x = f->items[i];
        uint64_t line = node_u64_or(x, "line", 0);
        fprintf(stderr, "%s", file);
        if (line) {
            fprintf(stderr, ":%llu:%llu", (unsigned long long)line,
                    (unsigned long long)node_u64_or(x, "column", 0));
        }
        str fix = node_text(x, "fix", STR(""));
        struct buf text = BUF_INIT;
        utf8_add_visible(&text, node_text(x, "message", STR("")), "");
        if (fix.len) {
            buf_addf(&text, " (%.*s)", PSTR(fix));
        }
        fprintf(stderr, ": %.*s: %s\n", PSTR(node_text(x, "level", STR("error"))), text.ptr);
        buf_finish(&text);
    }
}
