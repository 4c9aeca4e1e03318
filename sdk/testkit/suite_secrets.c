/* SPDX-License-Identifier: Apache-2.0 */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "suite_secrets_priv.h"

struct base { /* what is there when the cases begin */
    uint32_t text, two, big, field;
    size_t big_n;
};

static void plant_base(struct sx *x, struct base *b) {
    b->big_n = x->b->max_bytes ? x->b->max_bytes : TRL_SECRET_MAX_BYTES;
    b->text = sx_plant(x, "suite/text", "", 0, false);
    b->two = sx_plant(x, "suite/two", "", 0, false);
    b->big = sx_plant(x, "suite/big", "", b->big_n, !(x->b->flags & SX_TEXT));
    b->field = x->b->flags & SX_FIELDS ? sx_plant(x, "suite/fields", "user", 0, false) : UINT32_MAX;
    TK_CHECK_F(x->tk, b->text != UINT32_MAX && b->two != UINT32_MAX && b->big != UINT32_MAX,
               "values can be planted");
}

static void case_fetch(struct sx *x, const struct base *b) {
    char checked[1025], again[1025];
    sx_expect(x, "suite/text", "", "", b->text, 0, false);
    sx_expect(x, "suite/two", "", "", b->two, 0, false);
    sx_expect(x, "suite/big", "", "", b->big, b->big_n, !(x->b->flags & SX_TEXT));
    sx_expect(x, "suite/fields", "user", "", b->field, 0, false);
    TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/text", "", "", checked), TRL_OK);
    TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/text", "", "", again), TRL_OK);
    TK_CHECK_F(x->tk, checked[0] && strcmp(checked, again) == 0,
               "check and fetch tell one version: '%s', '%s'", checked, again);
    /* the version it told is one it takes */
    sx_expect(x, "suite/text", "", checked, b->text, 0, false);
}

static void case_errors(struct sx *x) {
    static const struct {
        const char *key;
        size_t n;
    } bad[] = {{"", 0},
               {"..", 2},
               {"../suite/text", 13},
               {"suite/../suite/text", 19},
               {"/etc/passwd", 11},
               {"suite//text", 11},
               {"suite/", 6},
               {"suite/text/x", 12},
               {"suite/te\0xt", 11},
               {"suite/text\0", 11},
               {"suite/t xt", 10},
               {"suite/*", 7},
               {"suite/>", 7},
               {"\n", 1},
               {"%2e%2e/x", 8},
               {"suite/\xff", 7},
               {"a'b\"c", 5}};
    char *huge = mem_alloc(70000);
    struct sx_call c;
    TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/none", "", "", NULL), TRL_E_NOTFOUND);
    TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/none", "", "", NULL), TRL_E_NOTFOUND);
    if (x->b->flags & SX_FIELDS) {
        TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/fields", "none", "", NULL), TRL_E_NOTFOUND);
        TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/fields", "none", "", NULL), TRL_E_NOTFOUND);
    }
    for (size_t i = 0; i <= ARRAY_LEN(bad); i++) {
        bool last = i == ARRAY_LEN(bad);
        memset(huge, 'k', 70000);
        for (int what = SX_FETCH; what <= SX_CHECK; what++) {
            sx_begin_n(x, &c, (enum sx_what)what, last ? huge : bad[i].key, last ? 70000 : bad[i].n,
                       "", "", NULL, SX_TIMEOUT);
            sx_wait(&c);
            TK_CHECK_F(x->tk,
                       c.st == TRL_E_INVALID || c.st == TRL_E_NOTFOUND || c.st == TRL_E_DENIED,
                       "key %zu of the bad ones: %s %s", i, err_name(c.st), c.msg);
            sx_free(&c);
        }
    }
    mem_free(huge);
    if (x->b->deny && sx_plant(x, "suite/denied", "", 0, false) != UINT32_MAX) {
        x->b->deny(x->b->ctx, "suite/denied");
        TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/denied", "", "", NULL), TRL_E_DENIED);
        TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/denied", "", "", NULL), TRL_E_DENIED);
    }
}

static void case_versions(struct sx *x) {
    static const char *const bad[] = {"no-such-version", "-1",  "0",    "18446744073709551616",
                                      "999999999",       "1.5", "../1", "\n"};
    char v1[1025], v2[1025];
    trl_status st;
    uint32_t i1, i2;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        st = sx_do(x, SX_FETCH, "suite/text", "", bad[i], NULL);
        TK_CHECK_F(x->tk, st == TRL_E_NOTFOUND || st == TRL_E_INVALID, "version '%s': %s", bad[i],
                   err_name(st));
    }
    if (x->b->flags & SX_FIXED) {
        return;
    }
    i1 = sx_plant(x, "suite/vers", "", 0, false);
    TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/vers", "", "", v1), TRL_OK);
    i2 = sx_plant(x, "suite/vers", "", 0, false);
    TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/vers", "", "", v2), TRL_OK);
    TK_CHECK_F(x->tk, strcmp(v1, v2) != 0, "another value has another version: %s", v1);
    sx_expect(x, "suite/vers", "", "", i2, 0, false);
    sx_expect(x, "suite/vers", "", v2, i2, 0, false);
    if (x->table->flags & TRL_SX_VERSIONS) {
        sx_expect(x, "suite/vers", "", v1, i1, 0, false);
    } else {
        TK_CHECK_ST(x->tk, sx_do(x, SX_FETCH, "suite/vers", "", v1, NULL), TRL_E_NOTFOUND);
    }
}

static void case_put(struct sx *x) {
    struct sx_call c;
    char version[1025];
    uint32_t i;
    if (!x->table->put) {
        return;
    }
    for (int round = 0; round < 2; round++) {
        struct guarded *g;
        uint8_t *value = guarded_alloc(100);
        i = x->n_planted++;
        sx_value(x, i, value, 100, false);
        g = guarded_create(value, 100);
        guarded_release(value);
        sx_begin_n(x, &c, SX_PUT, "suite/put", 9, "", "", g, SX_TIMEOUT);
        sx_wait(&c);
        TK_CHECK_F(x->tk, c.st == TRL_OK, "put: %s %s", err_name(c.st), c.msg);
        TK_CHECK_ST(x->tk, sx_do(x, SX_CHECK, "suite/put", "", "", version), TRL_OK);
        TK_CHECK_F(x->tk, strcmp(c.version, version) == 0, "put tells the version: '%s', not '%s'",
                   c.version, version);
        sx_free(&c);
        sx_expect(x, "suite/put", "", "", i, 100, false);
    }
    sx_begin_n(x, &c, SX_PUT, "../suite/put", 12, "", "", guarded_create("x", 1), SX_TIMEOUT);
    sx_wait(&c);
    TK_CHECK_ST(x->tk, c.st, TRL_E_INVALID);
    sx_free(&c);
}

static bool listed(const struct sx_call *c, const char *key) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < c->n_items; i++) {
        n += strcmp(c->items[i], key) == 0;
    }
    return n == 1;
}

static void case_list(struct sx *x) {
    struct sx_call c;
    if (!x->table->list) {
        return;
    }
    sx_begin(x, &c, SX_LIST, "suite/", "", "", SX_TIMEOUT);
    sx_wait(&c);
    TK_CHECK_F(x->tk, c.st == TRL_OK, "list: %s %s", err_name(c.st), c.msg);
    TK_CHECK_F(x->tk,
               listed(&c, "suite/text") && listed(&c, "suite/two") && listed(&c, "suite/big"),
               "the list has the keys that were planted, once (%u names)", c.n_items);
    for (uint32_t i = 0; i < c.n_items; i++) {
        TK_CHECK_F(x->tk, strncmp(c.items[i], "suite/", 6) == 0, "'%s' is listed", c.items[i]);
        TK_CHECK_F(x->tk, i == 0 || strcmp(c.items[i - 1], c.items[i]) < 0, "'%s' is in order",
                   c.items[i]);
    }
    sx_free(&c);
    sx_begin(x, &c, SX_LIST, "suite/nothing", "", "", SX_TIMEOUT);
    sx_wait(&c);
    TK_CHECK_F(x->tk, c.st == TRL_OK && c.n_items == 0, "a list of nothing: %s, %u names",
               err_name(c.st), c.n_items);
    sx_free(&c);
    sx_begin(x, &c, SX_LIST, "suite/t", "", "", SX_TIMEOUT);
    sx_wait(&c);
    TK_CHECK_F(x->tk, listed(&c, "suite/text") && !listed(&c, "suite/big"),
               "a prefix may end within a name");
    sx_free(&c);
}

static void case_info(struct sx *x) {
    struct sx_call c;
    size_t n;
    if (!x->table->info) {
        return;
    }
    sx_begin(x, &c, SX_INFO, "", "", "", SX_TIMEOUT);
    sx_wait(&c);
    n = strlen(c.version);
    TK_CHECK_F(x->tk, c.st == TRL_OK && n > 1 && c.version[0] == '{' && c.version[n - 1] == '}',
               "info is an object: %s %s", err_name(c.st), c.version);
    sx_free(&c);
}

static void run_cases(struct sx *x, const struct base *b) {
    TK_CHECK_F(x->tk, x->table->fetch && x->table->check && x->table->cancel,
               "fetch, check and cancel are there");
    case_fetch(x, b);
    case_info(x);
    case_list(x);
    sx_case_load(x);
    case_errors(x);
    case_versions(x);
    case_put(x);
    sx_case_cancel(x);
    sx_case_deadline(x);
    sx_case_watch(x);
    sx_case_outage(x);
    sx_case_stop(x);
}

int suite_secrets(const struct suite_secrets *b) {
    struct sx x = {.b = b, .tk = tk_create(false)};
    const struct plug_iface *ifaces = NULL;
    uint32_t n_ifaces = 0;
    struct base base;
    int failures;
    if (sodium_init() < 0) {
        return 1;
    }
    randombytes_buf(&x.nonce, sizeof(x.nonce));
    if (b->enter) {
        ifaces = b->enter(b->ctx, x.tk, &n_ifaces);
    }
    if (b->plant) {
        plant_base(&x, &base);
    }
    x.in = tk_open(x.tk, TRL_KIND_SECRETS, b->component, b->config, ifaces, n_ifaces);
    if (x.in) {
        x.table = plug_inst_table(x.in);
        if (!b->plant) {
            plant_base(&x, &base);
        }
        run_cases(&x, &base);
        tk_close(x.tk, x.in);
    }
    if (b->leave) {
        b->leave(b->ctx, x.tk);
    }
    sx_check_silence(&x);
    if (!(b->flags & SX_NO_SCAN)) {
        sx_check_memory(&x);
    }
    printf("secrets/1 %s: %u checks, %d failed; %u values\n", b->component, tk_checks(x.tk),
           tk_failures(x.tk), x.n_planted);
    buf_finish(&x.said);
    failures = tk_destroy(x.tk);
    return failures;
}
