/* SPDX-License-Identifier: Apache-2.0
 *
 * A tree of rules made into rules, or a fault with its place.
 */
#include "compile.h"

#include <stdarg.h>
#include <stdio.h>

#include "../../plugins/common/xmem.h"

const char *const point_names[] = {"put", "deploy", "place", "command", "host", "secret", NULL};
static const char *const verdict_names[] = {"abstain", "allow", "warn", "deny", NULL};

bool wrong(struct text *err, const struct tree_node *at, const char *fmt, ...) {
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    tree_where(at, err);
    text_c(err, at->line ? ": " : at->parent ? " " : "");
    text_cut(err, (trl_str){text, n < 0 ? 0 : strlen(text)}, sizeof(text));
    return false;
}

bool only_members(const struct tree_node *map, const char *what, const char *const *names,
                  struct text *err) {
    if (map->type != TREE_MAP) {
        return wrong(err, map, "%s must be a map of names to values", what);
    }
    for (uint32_t i = 0; i < map->n; i++) {
        const char *const *name = names;
        while (*name && strcmp(*name, map->items[i]->key) != 0) {
            name++;
        }
        if (!*name) {
            struct text known = {0};
            for (name = names; *name; name++) {
                text_f(&known, "%s%s", name == names ? "" : ", ", *name);
            }
            wrong(err, map->items[i], "%s has no '%.60s': it has %s", what, map->items[i]->key,
                  known.at);
            text_finish(&known);
            return false;
        }
    }
    return true;
}

const struct tree_node *each(const struct tree_node *n, uint32_t nth) {
    if (n && n->type == TREE_LIST) {
        return nth < n->n ? n->items[nth] : NULL;
    }
    return nth == 0 ? n : NULL;
}

int one_of(const struct tree_node *n, const char *const *names, const char *what,
           struct text *err) {
    struct text known = {0};
    for (int i = 0; names[i]; i++) {
        if (n->type == TREE_SCALAR && strcmp(n->text, names[i]) == 0) {
            text_finish(&known);
            return i;
        }
        text_f(&known, "%s%s", i ? ", " : "", names[i]);
    }
    wrong(err, n, "%s '%.60s' is none of %s", what, n->type == TREE_SCALAR ? n->text : "...",
          known.at);
    text_finish(&known);
    return -1;
}

/* A scalar that is there, at most max bytes. NULL member: NULL, and true. */
static bool read_text(const struct tree_node *map, const char *key, size_t max, const char **ret,
                      struct text *err) {
    const struct tree_node *n = tree_get(map, key);
    *ret = NULL;
    if (!n) {
        return true;
    }
    if (n->type != TREE_SCALAR || n->is_null || !*n->text) {
        return wrong(err, n, "%s must be a text", key);
    }
    if (strlen(n->text) > max) {
        return wrong(err, n, "%s has more than %zu bytes", key, max);
    }
    *ret = n->text;
    return true;
}

static bool read_word(const struct tree_node *map, const char *key, const char **ret,
                      struct text *err) {
    if (!read_text(map, key, NAME_BYTES, ret, err)) {
        return false;
    }
    for (const char *p = *ret; p && *p; p++) {
        bool ok = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                  (*p >= '0' && *p <= '9') || strchr("._-/", *p);
        if (!ok) {
            return wrong(err, tree_get(map, key),
                         "%s '%.60s': letters, digits, '.', '_', '-' and '/' only", key, *ret);
        }
    }
    return true;
}

/* "30s", "5m", "2h", "500ms", "none" (ask every time) or "rules" (until the rules change). */
static bool read_ttl(const struct tree_node *n, uint32_t *ret, struct text *err) {
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}};
    uint64_t v = 0;
    *ret = TRL_TTL_RULES;
    if (!n || (n->type == TREE_SCALAR && strcmp(n->text, "rules") == 0)) {
        return true;
    }
    const char *p = n->type == TREE_SCALAR ? n->text : "";
    if (strcmp(p, "none") == 0) {
        *ret = TRL_TTL_NONE;
        return true;
    }
    for (; *p >= '0' && *p <= '9' && v < UINT32_MAX; p++) {
        v = v * 10 + (uint64_t)(*p - '0');
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        if (v > 0 && strcmp(p, units[i].unit) == 0 && v * units[i].ms <= 7 * 86400000ull) {
            *ret = (uint32_t)(v * units[i].ms);
            return true;
        }
    }
    return wrong(err, n, "ttl '%.60s': write 30s, 5m, 2h (at most 168h), none or rules",
                 n->type == TREE_SCALAR ? n->text : "...");
}

static bool read_points(const struct tree_node *n, uint32_t *ret, struct text *err) {
    const struct tree_node *item;
    *ret = 0;
    for (uint32_t i = 0; (item = each(n, i)) != NULL; i++) {
        int point = one_of(item, point_names, "point", err);
        if (point < 0) {
            return false;
        }
        *ret |= AT((uint32_t)point);
    }
    return *ret || wrong(err, n, "no point: leave it out for all that fit");
}

static bool read_verdict(struct rule *r, const struct tree_node *n, struct text *err) {
    static const char *const enforcements[] = {"start", "stop", NULL};
    const struct tree_node *verdict = tree_get(n, "verdict"), *enforce = tree_get(n, "enforce");
    if (!verdict) {
        return wrong(err, n, "rule '%s' has no verdict: allow, warn or deny", r->name);
    }
    int v = one_of(verdict, verdict_names + 1, "verdict", err);
    if (v < 0) {
        return false;
    }
    r->verdict = v + 1;
    if (enforce) {
        int e = one_of(enforce, enforcements, "enforce", err);
        if (e < 0) {
            return false;
        }
        r->stop = e == 1;
        if (r->stop && r->verdict != TRL_V_DENY) {
            return wrong(err, enforce, "enforce: stop goes with verdict: deny");
        }
    }
    return true;
}

/* Where it is asked: as said, or wherever everything it looks at can be there. */
static bool settle_points(struct rule *r, const struct tree_node *n, uint32_t possible,
                          struct text *err) {
    const struct tree_node *points = tree_get(n, "points"), *match = tree_get(n, "match"),
                           *unless = tree_get(n, "unless");
    if (!points) {
        if (!match && !unless) {
            return wrong(err, n, "rule '%s' looks at nothing: say at which points it holds",
                         r->name);
        }
        r->points = possible;
        return possible || wrong(err, n, "rule '%s': no point has all that it looks at", r->name);
    }
    if (!read_points(points, &r->points, err)) {
        return false;
    }
    for (uint32_t p = 0; p < TRL_POINTS; p++) {
        const struct tree_node *at = NULL;
        if (r->points & AT(p) & ~possible) {
            const char *missing = conditions_missing(match, unless, r->about, p, &at);
            return wrong(err, at ? at : points,
                         "%s is never there at point %s: write another rule"
                         " for it, or leave the point out",
                         missing ? missing : "what it looks at", point_names[p]);
        }
    }
    return true;
}

static bool read_rule(struct rule *r, const struct tree_node *n, struct text *err) {
    static const char *const members[] = {"name",    "points",  "match",   "unless",
                                          "verdict", "enforce", "message", "remedy",
                                          "code",    "ttl",     NULL};
    uint32_t possible = 0;
    if (!only_members(n, "a rule", members, err) || !read_word(n, "name", &r->name, err)) {
        return false;
    }
    if (!r->name) {
        return wrong(err, n, "a rule without a name");
    }
    r->line = n->line;
    if (!read_verdict(r, n, err) || !read_word(n, "code", &r->code, err) ||
        !read_text(n, "message", SAID_BYTES, &r->message, err) ||
        !read_text(n, "remedy", SAID_BYTES, &r->remedy, err) ||
        !read_ttl(tree_get(n, "ttl"), &r->ttl_ms, err)) {
        return false;
    }
    r->code = r->code ? r->code : r->name;
    return conditions_read(r, tree_get(n, "match"), tree_get(n, "unless"), &possible, err) &&
           settle_points(r, n, possible, err);
}

static bool read_fallback(struct ruleset *rs, const struct tree_node *root, struct text *err) {
    const struct tree_node *verdict = tree_get(root, "default"),
                           *points = tree_get(root, "default_points");
    rs->fallback_points = AT_ALL;
    if (verdict) {
        int v = one_of(verdict, verdict_names, "default", err);
        if (v < 0) {
            return false;
        }
        rs->fallback = v;
    }
    if (points && !verdict) {
        return wrong(err, points, "default_points without default");
    }
    return !points || read_points(points, &rs->fallback_points, err);
}

static bool read_rules(struct ruleset *rs, const struct tree_node *list, struct text *err) {
    if (!list || list->type != TREE_LIST) {
        return wrong(err, list ? list : rs->tree, "rules must be a list");
    }
    if (list->n > RULES_MAX) {
        return wrong(err, list, "more than %u rules", RULES_MAX);
    }
    rs->rules = x_zalloc_n(list->n, sizeof(*rs->rules));
    for (uint32_t i = 0; i < list->n; i++) {
        rs->n = i + 1; /* a half-read rule is freed too */
        if (!read_rule(&rs->rules[i], list->items[i], err)) {
            return false;
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(rs->rules[k].name, rs->rules[i].name) == 0) {
                return wrong(err, list->items[i], "a second rule '%s'", rs->rules[i].name);
            }
        }
    }
    return true;
}

static void settle_set(struct ruleset *rs) {
    rs->points = rs->fallback == TRL_V_ABSTAIN ? 0 : rs->fallback_points;
    for (uint32_t i = 0; i < rs->n; i++) {
        rs->points |= rs->rules[i].points;
        for (uint32_t p = 0; p < TRL_POINTS; p++) {
            rs->n_at[p] += (rs->rules[i].points & AT(p)) != 0;
            rs->hosts_at |= rs->rules[i].of_hosts ? rs->rules[i].points & AT(p) : 0;
            rs->labels_at |= rs->rules[i].of_labels ? rs->rules[i].points & AT(p) : 0;
            rs->plans_at |= rs->rules[i].of_plan ? rs->rules[i].points & AT(p) : 0;
            rs->abouts[p] |= rs->rules[i].points & AT(p) ? 1u << rs->rules[i].about : 0;
        }
    }
}

struct ruleset *rules_compile(struct tree_node *tree, const char *source, struct text *err) {
    static const char *const members[] = {"rules", "default", "default_points", NULL};
    struct ruleset *rs = x_zalloc(sizeof(*rs));
    rs->refs = 1;
    rs->tree = tree;
    rs->source = source;
    if (!only_members(tree, "a file of rules", members, err) || !read_fallback(rs, tree, err) ||
        !read_rules(rs, tree_get(tree, "rules"), err)) {
        rules_free(rs);
        return NULL;
    }
    settle_set(rs);
    return rs;
}

void blocks_finish(struct blocks *b) {
    for (uint32_t i = 0; i < b->n; i++) {
        for (uint32_t k = 0; k < b->at[i].n; k++) {
            free(b->at[i].conds[k].globs);
        }
        free(b->at[i].conds);
    }
    free(b->at);
}

struct ruleset *rules_ref(struct ruleset *rs) {
    rs->refs++;
    return rs;
}

void rules_free(struct ruleset *rs) {
    if (!rs || --rs->refs > 0) {
        return;
    }
    for (uint32_t i = 0; i < rs->n; i++) {
        blocks_finish(&rs->rules[i].match);
        blocks_finish(&rs->rules[i].unless);
    }
    free(rs->rules);
    tree_free(rs->tree);
    free(rs);
}
