/* SPDX-License-Identifier: Apache-2.0
 *
 * The store suite: reads and writes. Each case has keys of its own, so that the suite runs on a
 * store that is not empty.
 */
#include <stdio.h>

#include "base/mem.h"
#include "suite_store_priv.h"

static trl_put make_put(str key, str value, uint64_t expect_rev, uint32_t flags) {
    return (trl_put){.struct_size = sizeof(trl_put),
                     .flags = flags,
                     .key = key,
                     .value = {value.ptr, value.len},
                     .expect_rev = expect_rev};
}

void st_put_begin(struct suite *s, struct call *c, str key, str value, uint64_t expect_rev) {
    trl_put p = make_put(key, value, expect_rev, 0);
    store_of(s)->put(s->raw, call_begin(s, c, 0), &p);
}

void st_del_begin(struct suite *s, struct call *c, str key, uint64_t expect_rev) {
    store_of(s)->del(s->raw, call_begin(s, c, 0), key, expect_rev);
}

void st_batch_begin(struct suite *s, struct call *c, const trl_put *puts, uint32_t n) {
    store_of(s)->batch(s->raw, call_begin(s, c, 0), puts, n, sizeof(*puts));
}

void st_get_begin(struct suite *s, struct call *c, str key) {
    store_of(s)->get(s->raw, call_begin(s, c, 0), key);
}

void st_list_begin(struct suite *s, struct call *c, str prefix, str after, uint32_t limit) {
    store_of(s)->list(s->raw, call_begin(s, c, 0), prefix, after, limit);
}

void st_watch_begin(struct suite *s, struct call *c, str prefix, uint64_t from_rev) {
    store_of(s)->watch(s->raw, call_begin(s, c, 0), prefix, from_rev);
}

static trl_status finish(struct call *c, uint64_t *ret_rev) {
    trl_status st;
    call_wait(c);
    st = c->done ? c->st : TRL_E_TIMEOUT;
    if (ret_rev && st == TRL_OK) {
        *ret_rev = c->revision;
    }
    call_free(c);
    return st;
}

trl_status st_put(struct suite *s, const char *key, const char *value, uint64_t expect_rev,
                  uint64_t *ret_rev) {
    struct call c;
    st_put_begin(s, &c, str_c(key), str_c(value), expect_rev);
    return finish(&c, ret_rev);
}

trl_status st_del(struct suite *s, const char *key, uint64_t expect_rev, uint64_t *ret_rev) {
    struct call c;
    st_del_begin(s, &c, str_c(key), expect_rev);
    return finish(&c, ret_rev);
}

void st_expect(struct suite *s, const char *key, const char *value, uint64_t revision) {
    struct call c;
    st_get_begin(s, &c, str_c(key));
    call_wait(&c);
    if (!value) {
        CHECK(s, c.st == TRL_E_NOTFOUND, "%s: get says %s, not NOTFOUND", key, err_name(c.st));
        CHECK_N(s, c.n_got, 0);
    } else if (CHECK(s, c.st == TRL_OK && c.n_got == 1, "%s: get says %s", key, err_name(c.st))) {
        CHECK(s, str_is(c.got[0].value, value), "%s: value %.*s", key, PSTR(c.got[0].value));
        CHECK(s, str_is(c.got[0].key, key), "%s: key %.*s", key, PSTR(c.got[0].key));
        CHECK_N(s, c.got[0].flags, 0);
        CHECK(s, !revision || c.got[0].revision == revision, "%s: revision %llu, not %llu", key,
              (unsigned long long)c.got[0].revision, (unsigned long long)revision);
    }
    call_free(&c);
}

uint32_t st_count(struct suite *s, const char *prefix) {
    struct call c;
    uint32_t n;
    st_list_begin(s, &c, str_c(prefix), STR_NONE, 0);
    call_wait(&c);
    CHECK_ST(s, c.st, TRL_OK);
    n = c.n_got;
    call_free(&c);
    return n;
}

static void case_put_get(struct suite *s) {
    uint64_t r1 = 0, r2 = 0, r3 = 0;
    st_expect(s, "pg.a", NULL, 0);
    CHECK_ST(s, st_put(s, "pg.a", "one", TRL_REV_ANY, &r1), TRL_OK);
    CHECK(s, r1 > 0, "a revision is above 0");
    st_expect(s, "pg.a", "one", r1);
    CHECK_ST(s, st_put(s, "pg.b", "x", TRL_REV_ANY, &r2), TRL_OK);
    CHECK_ST(s, st_put(s, "pg.a", "two", TRL_REV_ANY, &r3), TRL_OK);
    CHECK(s, r1 < r2 && r2 < r3, "revisions grow with every write in the store");
    st_expect(s, "pg.a", "two", r3);
    st_expect(s, "pg.b", "x", r2);
    st_expect(s, "pg", NULL, 0);
    st_expect(s, "pg.a.a", NULL, 0);
}

static void case_cas(struct suite *s) {
    uint64_t r1 = 0, r2 = 0;
    CHECK_ST(s, st_put(s, "cas.k", "1", TRL_REV_ABSENT, &r1), TRL_OK);
    CHECK_ST(s, st_put(s, "cas.k", "no", TRL_REV_ABSENT, NULL), TRL_E_CONFLICT);
    st_expect(s, "cas.k", "1", r1);
    CHECK_ST(s, st_put(s, "cas.k", "2", r1, &r2), TRL_OK);
    CHECK_ST(s, st_put(s, "cas.k", "no", r1, NULL), TRL_E_CONFLICT);
    CHECK_ST(s, st_put(s, "cas.k", "no", r2 + 1000, NULL), TRL_E_CONFLICT);
    CHECK_ST(s, st_del(s, "cas.k", r1, NULL), TRL_E_CONFLICT);
    st_expect(s, "cas.k", "2", r2);
    CHECK_ST(s, st_put(s, "cas.never", "no", r2, NULL), TRL_E_CONFLICT);
    st_expect(s, "cas.never", NULL, 0);
    CHECK_ST(s, st_del(s, "cas.k", r2, NULL), TRL_OK);
    st_expect(s, "cas.k", NULL, 0);
}

/* Eight writers with one expectation: one wins, and its value is there. */
static void case_cas_race(struct suite *s) {
    uint64_t expect = TRL_REV_ABSENT;
    for (int round = 0; round < 20; round++) {
        struct call c[8];
        char value[8][32];
        uint64_t won = 0;
        int n_won = 0, winner = -1, n_lost = 0;
        for (int i = 0; i < 8; i++) {
            snprintf(value[i], sizeof(value[i]), "%d.%d", round, i);
            st_put_begin(s, &c[i], STR("race.k"), str_c(value[i]), expect);
        }
        for (int i = 0; i < 8; i++) {
            call_wait(&c[i]);
            n_lost += c[i].st == TRL_E_CONFLICT;
            if (c[i].st == TRL_OK) {
                n_won++;
                winner = i;
                won = c[i].revision;
            }
            call_free(&c[i]);
        }
        CHECK_N(s, n_won, 1);
        CHECK_N(s, n_lost, 7);
        if (winner >= 0) {
            st_expect(s, "race.k", value[winner], won);
        }
        expect = won;
    }
}

static void case_tombstone(struct suite *s) {
    uint64_t r1 = 0, r2 = 0, r3 = 0, r4 = 0;
    CHECK_ST(s, st_put(s, "tomb.k", "1", TRL_REV_ABSENT, &r1), TRL_OK);
    CHECK_ST(s, st_del(s, "tomb.k", TRL_REV_ANY, &r2), TRL_OK);
    CHECK(s, r2 > r1, "a deletion has a revision of its own");
    st_expect(s, "tomb.k", NULL, 0);
    CHECK_N(s, st_count(s, "tomb."), 0);
    CHECK_ST(s, st_put(s, "tomb.k", "no", r1, NULL), TRL_E_CONFLICT);
    CHECK_ST(s, st_put(s, "tomb.k", "2", TRL_REV_ABSENT, &r3), TRL_OK);
    CHECK(s, r3 > r2, "revisions go on over a tombstone");
    CHECK_ST(s, st_put(s, "tomb.k", "no", TRL_REV_ABSENT, NULL), TRL_E_CONFLICT);
    st_expect(s, "tomb.k", "2", r3);
    CHECK_ST(s, st_del(s, "tomb.k", r3, &r4), TRL_OK);
    CHECK_ST(s, st_put(s, "tomb.k", "3", r4, NULL), TRL_OK);
    st_expect(s, "tomb.k", "3", 0);
    CHECK_ST(s, st_del(s, "tomb.never", TRL_REV_ANY, &r4), TRL_OK);
    st_expect(s, "tomb.never", NULL, 0);
    CHECK_ST(s, st_put(s, "tomb.never", "now", TRL_REV_ABSENT, NULL), TRL_OK);
}

static void case_values(struct suite *s) {
    static const size_t sizes[] = {0, 1, 511, 4096, 65537, 1 << 20};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        size_t n = sizes[i] - (s->flags & SUITE_SMALL_VALUES && i == 5 ? 4096 : 0);
        char *value = mem_alloc(n + 1);
        struct call c;
        for (size_t k = 0; k < n; k++) {
            value[k] = (char)(k * 131 + k / 251); /* every byte value, NUL too */
        }
        st_put_begin(s, &c, STR("val.k"), str_n(value, n), TRL_REV_ANY);
        call_wait(&c);
        CHECK(s, c.st == TRL_OK, "put of %zu bytes: %s %s", n, err_name(c.st), c.msg);
        call_free(&c);
        st_get_begin(s, &c, STR("val.k"));
        call_wait(&c);
        CHECK(s,
              c.n_got == 1 && c.got[0].value.len == n &&
                  (n == 0 || memcmp(c.got[0].value.ptr, value, n) == 0),
              "value of %zu bytes comes back as it was", n);
        call_free(&c);
        mem_free(value);
    }
}

static void case_too_large(struct suite *s) {
    size_t n = (2u << 20) + 1;
    char *value = mem_zalloc(n);
    struct call c;
    st_put_begin(s, &c, STR("val.large"), str_n(value, n), TRL_REV_ANY);
    call_wait(&c);
    CHECK_ST(s, c.st, TRL_E_INVALID);
    CHECK(s, c.msg[0] != '\0', "the refusal says why");
    call_free(&c);
    mem_free(value);
    st_expect(s, "val.large", NULL, 0);
}

static void case_keys(struct suite *s) {
    char long_key[252], all[80] = "keys.";
    static const char *const good[] = {"k", "a.b.c.d.e.f.g.h", "A-z_0=9/x", "=", "-", "_", "/a"};
    static const char *const bad[] = {"",    ".",    ".a",  "a.",       "a..b", "a b", "a*", ">",
                                      "a\n", "a\\b", "a:b", "\xc3\xa4", "a>",   "a,b", "{}"};
    size_t n = strlen(all);
    for (int c = 33; c < 127; c++) {
        if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
            strchr("_=/-", c)) {
            all[n++] = (char)c;
        }
    }
    memset(long_key, 'k', sizeof(long_key));
    long_key[250] = '\0';
    CHECK_ST(s, st_put(s, long_key, "long", TRL_REV_ANY, NULL), TRL_OK);
    st_expect(s, long_key, "long", 0);
    CHECK_ST(s, st_put(s, all, "all", TRL_REV_ANY, NULL), TRL_OK);
    st_expect(s, all, "all", 0);
    for (size_t i = 0; i < ARRAY_LEN(good); i++) {
        CHECK(s, st_put(s, good[i], good[i], TRL_REV_ANY, NULL) == TRL_OK, "key %s", good[i]);
        st_expect(s, good[i], good[i], 0);
        CHECK(s, st_del(s, good[i], TRL_REV_ANY, NULL) == TRL_OK, "key %s", good[i]);
    }
    long_key[250] = 'k';
    long_key[251] = '\0';
    for (size_t i = 0; i <= ARRAY_LEN(bad); i++) {
        const char *k = i < ARRAY_LEN(bad) ? bad[i] : long_key;
        struct call c;
        CHECK(s, st_put(s, k, "no", TRL_REV_ANY, NULL) == TRL_E_INVALID, "put of key '%s'", k);
        CHECK(s, st_del(s, k, TRL_REV_ANY, NULL) == TRL_E_INVALID, "del of key '%s'", k);
        st_get_begin(s, &c, str_c(k));
        call_wait(&c);
        CHECK(s, c.st == TRL_E_INVALID, "get of key '%s': %s", k, err_name(c.st));
        call_free(&c);
    }
}

/* The keys of a list in one string. */
static void expect_list(struct suite *s, const char *prefix, const char *after, uint32_t limit,
                        const char *want) {
    struct buf have = BUF_INIT;
    struct call c;
    st_list_begin(s, &c, str_c(prefix), str_c(after), limit);
    call_wait(&c);
    CHECK_ST(s, c.st, TRL_OK);
    for (uint32_t i = 0; i < c.n_got; i++) {
        buf_addf(&have, "%s%.*s", i ? " " : "", PSTR(c.got[i].key));
        CHECK_N(s, c.got[i].flags, 0);
    }
    CHECK(s, str_is(buf_str(&have), want), "list of '%s' after '%s' at most %u: '%.*s', not '%s'",
          prefix, after, limit, PSTR(buf_str(&have)), want);
    buf_finish(&have);
    call_free(&c);
}

static void case_list(struct suite *s) {
    static const char *const keys[] = {"ls.b.2", "ls.a", "ls.b.10", "lsx",
                                       "ls.c",   "ls.b", "ls.b.1"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        CHECK_ST(s, st_put(s, keys[i], keys[i], TRL_REV_ANY, NULL), TRL_OK);
    }
    CHECK_ST(s, st_put(s, "ls.gone", "x", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_del(s, "ls.gone", TRL_REV_ANY, NULL), TRL_OK);
    expect_list(s, "ls.", "", 0, "ls.a ls.b ls.b.1 ls.b.10 ls.b.2 ls.c");
    expect_list(s, "ls.b.", "", 0, "ls.b.1 ls.b.10 ls.b.2");
    expect_list(s, "ls.b.1", "", 0, "ls.b.1 ls.b.10");
    expect_list(s, "ls", "ls.b.2", 0, "ls.c lsx");
    expect_list(s, "ls.", "", 2, "ls.a ls.b");
    expect_list(s, "ls.", "ls.b", 2, "ls.b.1 ls.b.10");
    expect_list(s, "ls.", "ls.b.15", 2, "ls.b.2 ls.c");
    expect_list(s, "ls.", "ls.c", 2, "");
    expect_list(s, "ls.b.", "ls.a", 0, "ls.b.1 ls.b.10 ls.b.2");
    expect_list(s, "ls.", "zzz", 0, "");
    expect_list(s, "nothing.", "", 0, "");
}

/* Many more entries than any buffer: all come, in order, once; also page by page. */
static void case_list_many(struct suite *s) {
    enum { MANY = 3000 };
    struct call *puts = mem_array(MANY, sizeof(*puts)), c;
    char key[32], after[32] = "";
    uint64_t last = 0;
    uint32_t n = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(key, sizeof(key), "many.%05d", (i * 7919) % MANY);
        st_put_begin(s, &puts[i], str_c(key), STR("0123456789012345678901234567890123456789"),
                     TRL_REV_ANY);
    }
    for (int i = 0; i < MANY; i++) {
        call_wait(&puts[i]);
        CHECK(s, puts[i].st == TRL_OK && puts[i].revision > last, "put %d: %s, revision %llu", i,
              err_name(puts[i].st), (unsigned long long)puts[i].revision);
        last = puts[i].revision;
        call_free(&puts[i]);
    }
    mem_free(puts);
    st_list_begin(s, &c, STR("many."), STR_NONE, 0);
    call_wait(&c);
    CHECK_N(s, c.n_got, MANY);
    for (uint32_t i = 0; i < c.n_got; i++) {
        snprintf(key, sizeof(key), "many.%05u", i);
        if (!str_is(c.got[i].key, key)) {
            CHECK(s, 0, "entry %u is %.*s", i, PSTR(c.got[i].key));
            break;
        }
    }
    call_free(&c);
    for (int page = 0; page < MANY / 700 + 2; page++) {
        st_list_begin(s, &c, STR("many."), str_c(after), 700);
        call_wait(&c);
        n += c.n_got;
        if (c.n_got) {
            snprintf(after, sizeof(after), "%.*s", PSTR(c.got[c.n_got - 1].key));
        }
        call_free(&c);
    }
    CHECK_N(s, n, MANY);
}

static trl_status run_batch(struct suite *s, const trl_put *puts, uint32_t n, uint64_t *ret_rev) {
    struct call c;
    st_batch_begin(s, &c, puts, n);
    return finish(&c, ret_rev);
}

static void case_batch(struct suite *s) {
    int atomic = (store_of(s)->flags & TRL_S_ATOMIC) != 0;
    uint64_t r0 = 0, r1 = 0;
    trl_put puts[4];
    CHECK_ST(s, st_put(s, "bt.a", "a0", TRL_REV_ANY, &r0), TRL_OK);
    puts[0] = make_put(STR("bt.b"), STR("b1"), TRL_REV_ABSENT, 0);
    puts[1] = make_put(STR("bt.a"), STR("a1"), r0, 0);
    puts[2] = make_put(STR("bt.c"), STR("c1"), TRL_REV_ANY, 0);
    CHECK_ST(s, run_batch(s, puts, 3, &r1), TRL_OK);
    CHECK(s, r1 >= r0 + 3, "the revision of the last one");
    st_expect(s, "bt.a", "a1", 0);
    st_expect(s, "bt.b", "b1", 0);
    st_expect(s, "bt.c", "c1", r1);
    /* the third fails */
    puts[0] = make_put(STR("bt.d"), STR("d2"), TRL_REV_ABSENT, 0);
    puts[1] = make_put(STR("bt.a"), STR_NONE, TRL_REV_ANY, TRL_PUT_DELETE);
    puts[2] = make_put(STR("bt.c"), STR("c2"), r0, 0);
    puts[3] = make_put(STR("bt.e"), STR("e2"), TRL_REV_ANY, 0);
    CHECK_ST(s, run_batch(s, puts, 4, NULL), TRL_E_CONFLICT);
    st_expect(s, "bt.c", "c1", r1);
    if (atomic) {
        st_expect(s, "bt.d", NULL, 0);
        st_expect(s, "bt.a", "a1", 0);
        st_expect(s, "bt.e", NULL, 0);
    }
    /* a deletion in it, and an illegal key */
    puts[0] = make_put(STR("bt.b"), STR_NONE, TRL_REV_ANY, TRL_PUT_DELETE);
    puts[1] = make_put(STR("bt.f"), STR("f3"), TRL_REV_ABSENT, 0);
    CHECK_ST(s, run_batch(s, puts, 2, &r1), TRL_OK);
    st_expect(s, "bt.b", NULL, 0);
    st_expect(s, "bt.f", "f3", r1);
    puts[0] = make_put(STR("bt.g"), STR("g4"), TRL_REV_ANY, 0);
    puts[1] = make_put(STR("bt..g"), STR("g4"), TRL_REV_ANY, 0);
    CHECK_ST(s, run_batch(s, puts, 2, NULL), TRL_E_INVALID);
    if (atomic) {
        st_expect(s, "bt.g", NULL, 0);
    }
}

static void case_info(struct suite *s) {
    struct call c;
    if (!store_of(s)->info) {
        return;
    }
    store_of(s)->info(s->raw, call_begin(s, &c, 0));
    call_wait(&c);
    CHECK_ST(s, c.st, TRL_OK);
    CHECK(s, c.text.len > 2 && c.text.ptr[0] == '{' && c.text.ptr[c.text.len - 1] == '}',
          "info is an object: %.*s", PSTR(c.text));
    call_free(&c);
}

/* Opened again, it is the same, and revisions go on. */
static void case_durable(struct suite *s) {
    uint64_t r1 = 0, r2 = 0, r3 = 0;
    if (!(s->flags & SUITE_DURABLE)) {
        return;
    }
    CHECK_ST(s, st_put(s, "dur.a", "stays", TRL_REV_ANY, &r1), TRL_OK);
    CHECK_ST(s, st_put(s, "dur.b", "goes", TRL_REV_ANY, NULL), TRL_OK);
    CHECK_ST(s, st_del(s, "dur.b", TRL_REV_ANY, &r2), TRL_OK);
    suite_close(s);
    if (suite_open(s) < 0) {
        return;
    }
    st_expect(s, "dur.a", "stays", r1);
    st_expect(s, "dur.b", NULL, 0);
    CHECK_N(s, st_count(s, "many."), 3000);
    CHECK_ST(s, st_put(s, "dur.b", "again", TRL_REV_ABSENT, &r3), TRL_OK);
    CHECK(s, r3 > r2, "revisions go on after a restart");
    CHECK_ST(s, st_put(s, "dur.a", "no", TRL_REV_ABSENT, NULL), TRL_E_CONFLICT);
}

int suite_store(const char *component, const char *config_json, uint32_t flags) {
    static void (*const cases[])(struct suite * s) = {
        case_put_get,   case_cas,       case_cas_race,   case_tombstone,  case_values,
        case_too_large, case_keys,      case_list,       case_list_many,  case_batch,
        case_info,      case_watch,     case_watch_from, case_watch_many, case_watch_cancel,
        case_durable,   case_stop_busy,
    };
    struct suite s = {
        .kind = TRL_KIND_STORE, .component = component, .config = config_json, .flags = flags};
    return suite_run(&s, cases, ARRAY_LEN(cases));
}
