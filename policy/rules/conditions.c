/* SPDX-License-Identifier: Apache-2.0
 *
 * `match` and `unless`: the table of what a rule can look at, and how it is read.
 */
#include <math.h>
#include <trellis/helper.h>

#include "../../plugins/common/xmem.h"
#include "compile.h"

#define PATTERN_BYTES 512u

#define PUT     AT(TRL_POINT_PUT)
#define DEPLOY  AT(TRL_POINT_DEPLOY)
#define PLACE   AT(TRL_POINT_PLACE)
#define COMMAND AT(TRL_POINT_COMMAND)
#define HOST    AT(TRL_POINT_HOST)
#define SECRET  AT(TRL_POINT_SECRET)
#define UNITS   (PUT | DEPLOY | PLACE | COMMAND | HOST)
#define STORED  (PUT | DEPLOY)
#define ASKED   (PUT | DEPLOY | HOST | SECRET) /* by somebody */

struct field {
    const char *group, *member; /* member NULL: what stands right behind the group's name */
    enum cond_type type;
    uint32_t slot;
    enum about about;
    uint32_t points; /* where it can be there */
    bool image, any_case, may_lack;
    const char *const *words; /* all there are; NULL: any text */
};

static const char *const vias[] = {"nats", "socket", "http", "host", "self", NULL};
static const char *const kinds[] = {"component", "provider", NULL};
static const char *const requests[] = {"startComponent", "startProvider", "performInvocation",
                                       NULL};
static const char *const entities[] = {"component", "provider", "trellis", NULL};
static const char *const verbs[] = {"scale",      "update",   "provider_start", "provider_stop",
                                    "link_put",   "link_del", "link_renew",     "config_put",
                                    "config_del", NULL};

static const struct field fields[] = {
    {"app", NULL, COND_WHOLE, W_APP, ABOUT_WHOLE, AT_ALL, 0, 0, 0, NULL},
    {"lattice", NULL, COND_WHOLE, W_LATTICE, ABOUT_WHOLE, AT_ALL & ~SECRET, 0, 0, 0, NULL},
    {"tenant", NULL, COND_WHOLE, W_TENANT, ABOUT_WHOLE, STORED | PLACE | COMMAND, 0, 0, 0, NULL},
    {"version", NULL, COND_WHOLE, W_VERSION, ABOUT_WHOLE, STORED, 0, 0, 0, NULL},
    {"caller", "id", COND_WHOLE, W_CALLER_ID, ABOUT_WHOLE, ASKED, 0, 0, 0, NULL},
    {"caller", "via", COND_WHOLE, W_CALLER_VIA, ABOUT_WHOLE, ASKED, 0, 0, 0, vias},
    {"host", "id", COND_WHOLE, W_HOST_ID, ABOUT_WHOLE, PLACE | COMMAND | HOST | SECRET, 0, 0, 0,
     NULL},
    {"host", "name", COND_WHOLE, W_HOST_NAME, ABOUT_WHOLE, PLACE | COMMAND, 0, 0, 0, NULL},
    {"host", "issuer", COND_WHOLE, W_HOST_ISSUER, ABOUT_WHOLE, SECRET, 0, 0, 0, NULL},
    {"host", "labels", COND_MAP, M_LABELS, ABOUT_WHOLE, PLACE | COMMAND | HOST, 0, 0, 0, NULL},
    {"annotations", NULL, COND_MAP, M_ANNOTATIONS, ABOUT_WHOLE, HOST, 0, 0, 0, NULL},
    {"claims", NULL, COND_MAP, M_CLAIMS, ABOUT_WHOLE, HOST, 0, 0, 0, NULL},
    {"request", NULL, COND_WHOLE, W_REQUEST, ABOUT_WHOLE, HOST, 0, 0, 0, requests},
    {"interface", NULL, COND_WHOLE, W_INTERFACE, ABOUT_WHOLE, HOST, 0, 0, 0, NULL},
    {"function", NULL, COND_WHOLE, W_FUNCTION, ABOUT_WHOLE, HOST, 0, 0, 0, NULL},
    {"entity", "kind", COND_WHOLE, W_ENTITY_KIND, ABOUT_WHOLE, SECRET, 0, 0, 0, entities},
    {"entity", "subject", COND_WHOLE, W_ENTITY_SUBJECT, ABOUT_WHOLE, SECRET, 0, 0, 0, NULL},
    {"entity", "issuer", COND_WHOLE, W_ENTITY_ISSUER, ABOUT_WHOLE, SECRET, 0, 0, 0, NULL},
    {"entity", "name", COND_WHOLE, W_ENTITY_NAME, ABOUT_WHOLE, SECRET, 0, 0, 0, NULL},
    {"plan", "start", COND_PLAN, P_START, ABOUT_WHOLE, DEPLOY, 0, 0, 0, NULL},
    {"plan", "stop", COND_PLAN, P_STOP, ABOUT_WHOLE, DEPLOY, 0, 0, 0, NULL},
    {"plan", "update", COND_PLAN, P_UPDATE, ABOUT_WHOLE, DEPLOY, 0, 0, 0, NULL},
    {"plan", "link", COND_PLAN, P_LINK, ABOUT_WHOLE, DEPLOY, 0, 0, 0, NULL},
    {"plan", "config", COND_PLAN, P_CONFIG, ABOUT_WHOLE, DEPLOY, 0, 0, 0, NULL},
    {"unit", NULL, COND_THING, U_NAME, ABOUT_UNIT, UNITS, 0, 0, 0, NULL},
    {"unit", "name", COND_THING, U_NAME, ABOUT_UNIT, UNITS, 0, 0, 0, NULL},
    {"unit", "kind", COND_THING, U_KIND, ABOUT_UNIT, UNITS & ~COMMAND, 0, 0, 0, kinds},
    {"image", NULL, COND_THING, U_IMAGE, ABOUT_UNIT, UNITS, true, 0, 0, NULL},
    {"image", "registry", COND_THING, U_REGISTRY, ABOUT_UNIT, UNITS, true, true, 0, NULL},
    {"image", "repository", COND_THING, U_REPOSITORY, ABOUT_UNIT, UNITS, true, 0, 0, NULL},
    {"image", "tag", COND_THING, U_TAG, ABOUT_UNIT, UNITS, true, 0, true, NULL},
    {"image", "digest", COND_THING, U_DIGEST, ABOUT_UNIT, UNITS, true, 0, true, NULL},
    {"instances", NULL, COND_COUNT, 0, ABOUT_UNIT, UNITS & ~PLACE, 0, 0, 0, NULL},
    {"verb", NULL, COND_THING, U_VERB, ABOUT_ACTION, DEPLOY | COMMAND, 0, 0, 0, verbs},
    {"link", "name", COND_THING, L_NAME, ABOUT_LINK, STORED, 0, 0, 0, NULL},
    {"link", "source", COND_THING, L_SOURCE, ABOUT_LINK, STORED, 0, 0, 0, NULL},
    {"link", "target", COND_THING, L_TARGET, ABOUT_LINK, STORED, 0, 0, 0, NULL},
    {"link", "namespace", COND_THING, L_NAMESPACE, ABOUT_LINK, STORED, 0, 0, 0, NULL},
    {"link", "package", COND_THING, L_PACKAGE, ABOUT_LINK, STORED, 0, 0, 0, NULL},
    {"link", "interface", COND_LIST, 0, ABOUT_LINK, STORED, 0, 0, 0, NULL},
    {"secret", NULL, COND_THING, S_NAME, ABOUT_SECRET, STORED, 0, 0, 0, NULL},
    {"secret", "name", COND_THING, S_NAME, ABOUT_SECRET, STORED, 0, 0, 0, NULL},
    {"secret", "backend", COND_THING, S_BACKEND, ABOUT_SECRET, STORED | SECRET, 0, 0, 0, NULL},
    {"secret", "key", COND_THING, S_KEY, ABOUT_SECRET, STORED | SECRET, 0, 0, 0, NULL},
    {"secret", "field", COND_THING, S_FIELD, ABOUT_SECRET, STORED | SECRET, 0, 0, 0, NULL},
    {"secret", "version", COND_THING, S_VERSION, ABOUT_SECRET, STORED | SECRET, 0, 0, 0, NULL},
    {"secret", "unit", COND_THING, S_UNIT, ABOUT_SECRET, STORED, 0, 0, 0, NULL},
    {"secret", "properties", COND_MAP, M_PROPERTIES, ABOUT_SECRET, STORED | SECRET, 0, 0, 0, NULL},
    {"config", NULL, COND_THING, C_NAME, ABOUT_CONFIG, STORED, 0, 0, 0, NULL},
    {"config", "name", COND_THING, C_NAME, ABOUT_CONFIG, STORED, 0, 0, 0, NULL},
    {"config", "unit", COND_THING, C_UNIT, ABOUT_CONFIG, STORED, 0, 0, 0, NULL},
};
#define N_FIELDS (sizeof(fields) / sizeof(*fields))

static const char *const about_names[] = {"the whole", "units and images", "actions",
                                          "links",     "secrets",          "configs"};

struct reading {
    struct rule *rule;
    uint32_t points;
    struct text *err;
};

static bool same(const char *a, const char *b) {
    return a == b || (a && b && strcmp(a, b) == 0);
}

static const struct field *find(const char *group, const char *member) {
    for (size_t i = 0; i < N_FIELDS; i++) {
        if (same(fields[i].group, group) && same(fields[i].member, member)) {
            return &fields[i];
        }
    }
    return NULL;
}

/* An action of a plan names its host. */
static uint32_t points_of(const struct field *f, enum about about) {
    bool host_id = f->type == COND_WHOLE && f->slot == W_HOST_ID;
    return f->points | (host_id && about == ABOUT_ACTION ? DEPLOY : 0);
}

/* "app, lattice, host" or, of a group, its members. */
static void known_names(const char *group, struct text *to) {
    const char *last = "";
    for (size_t i = 0; i < N_FIELDS; i++) {
        const char *name = group ? fields[i].member : fields[i].group;
        if (name && (!group || same(fields[i].group, group)) && strcmp(last, name) != 0) {
            text_f(to, "%s%s", to->len ? ", " : "", name);
            last = name;
        }
    }
}

static bool unknown(struct reading *rd, const struct tree_node *n, const char *group) {
    struct text names = {0};
    known_names(group, &names);
    wrong(rd->err, n, "%s%s%.60s is nothing that a rule can look at: there is %s",
          group ? group : "", group ? "." : "", n->key ? n->key : "", names.at ? names.at : "none");
    text_finish(&names);
    return false;
}

static struct cond *add_cond(struct block *b, const struct field *f) {
    if (b->n == b->cap) {
        b->cap = b->cap ? b->cap * 2 : 4;
        b->conds = x_realloc_n(b->conds, b->cap, sizeof(*b->conds));
    }
    struct cond *c = &b->conds[b->n++];
    *c = (struct cond){.type = f->type, .slot = f->slot, .max = INFINITY};
    return c;
}

/* What the rule is about follows from what it looks at. */
static bool note_field(struct reading *rd, const struct field *f, const struct tree_node *n) {
    enum about *about = &rd->rule->about;
    bool units = (*about == ABOUT_UNIT || *about == ABOUT_ACTION) &&
                 (f->about == ABOUT_UNIT || f->about == ABOUT_ACTION);
    rd->rule->needs_image |= f->image;
    rd->rule->of_verbs |= f->about == ABOUT_ACTION;
    rd->rule->of_plan |= f->about == ABOUT_ACTION || f->type == COND_PLAN;
    rd->rule->of_hosts |=
        f->type == COND_WHOLE &&
        (f->slot == W_HOST_ID || f->slot == W_HOST_NAME || f->slot == W_HOST_ISSUER);
    rd->rule->of_labels |= f->type == COND_MAP && f->slot == M_LABELS;
    rd->rule->of_callers |= f->type == COND_WHOLE && f->slot == W_CALLER_ID;
    if (*about == ABOUT_WHOLE || (units && f->about == ABOUT_ACTION)) {
        *about = f->about;
    } else if (f->about != ABOUT_WHOLE && f->about != *about && !units) {
        return wrong(rd->err, n, "rule '%s' looks at %s and at %s: write two rules", rd->rule->name,
                     about_names[*about], about_names[f->about]);
    }
    return true;
}

/* One pattern or a list of them. */
static bool read_globs(struct reading *rd, struct cond *c, const struct field *f,
                       const struct tree_node *n) {
    const struct tree_node *item;
    uint32_t count = n->type == TREE_LIST ? n->n : 1;
    if (count == 0) {
        return wrong(rd->err, n, "an empty list fits nothing: leave it out");
    }
    c->globs = x_zalloc_n(count, sizeof(*c->globs));
    for (uint32_t i = 0; i < count && (item = each(n, i)) != NULL; i++) {
        if (item->type != TREE_SCALAR || item->is_null) {
            return wrong(rd->err, item, "a pattern must be a text");
        }
        if (strlen(item->text) > PATTERN_BYTES) {
            return wrong(rd->err, item, "a pattern of more than %u bytes", PATTERN_BYTES);
        }
        struct glob *g = &c->globs[c->n++];
        *g = glob_make(trl_strn(item->text, strlen(item->text)), f->any_case);
        if (f->words && g->form == GLOB_EXACT &&
            one_of(item, f->words, f->member ? f->member : f->group, rd->err) < 0) {
            return false;
        }
    }
    return true;
}

static bool read_number(struct reading *rd, const struct tree_node *n, double *ret) {
    char *end = NULL;
    const char *text = n->type == TREE_SCALAR ? n->text : "";
    bool digits = *text && strlen(text) <= 15;
    for (const char *p = text; *p; p++) {
        digits = digits && *p >= '0' && *p <= '9';
    }
    if (!digits) {
        return wrong(rd->err, n, "'%.40s' is no whole number", *text ? text : "...");
    }
    *ret = strtod(text, &end);
    return true;
}

/* A number, or bounds: min and max hold for themselves, over and under do not. */
static bool read_range(struct reading *rd, struct cond *c, const struct tree_node *n) {
    static const char *const members[] = {"min", "max", "over", "under", NULL};
    if (n->type == TREE_SCALAR) {
        c->max = 0;
        bool ok = read_number(rd, n, &c->min);
        c->max = c->min;
        return ok;
    }
    if (!only_members(n, "a number", members, rd->err)) {
        return false;
    }
    for (uint32_t i = 0; i < n->n; i++) {
        double v = 0;
        const char *key = n->items[i]->key;
        if (!read_number(rd, n->items[i], &v)) {
            return false;
        }
        if (strcmp(key, "min") == 0 || strcmp(key, "over") == 0) {
            v += *key == 'o' ? 1 : 0;
            c->min = v > c->min ? v : c->min;
        } else {
            v -= *key == 'u' ? 1 : 0;
            c->max = v < c->max ? v : c->max;
        }
    }
    return (n->n && c->min <= c->max) || wrong(rd->err, n, "no number is within these bounds");
}

static bool read_field(struct reading *rd, struct block *b, const struct field *f,
                       const struct tree_node *n) {
    if (!note_field(rd, f, n)) {
        return false;
    }
    if (f->type == COND_MAP) {
        if (n->type != TREE_MAP || n->n == 0) {
            return wrong(rd->err, n, "%s must be a map of names to patterns", n->key);
        }
        for (uint32_t i = 0; i < n->n; i++) {
            struct cond *c = add_cond(b, f);
            c->key = n->items[i]->key;
            if (!read_globs(rd, c, f, n->items[i])) {
                return false;
            }
        }
        return true;
    }
    struct cond *c = add_cond(b, f);
    if (f->type == COND_COUNT || f->type == COND_PLAN) {
        return read_range(rd, c, n);
    }
    if (f->may_lack && n->type == TREE_SCALAR && strcmp(n->text, "required") == 0) {
        c->type = COND_HAS;
        return true;
    }
    if (f->may_lack && n->type == TREE_SCALAR && strcmp(n->text, "none") == 0) {
        c->type = COND_LACKS;
        return true;
    }
    return read_globs(rd, c, f, n);
}

/* One member of a block: a field, or a group of fields. */
static bool read_group(struct reading *rd, struct block *b, const struct tree_node *n) {
    const struct field *own = find(n->key, NULL);
    struct text names = {0};
    if (own && (n->type != TREE_MAP || own->type == COND_MAP || own->type == COND_COUNT)) {
        return read_field(rd, b, own, n);
    }
    known_names(n->key, &names);
    bool group = names.len > 0;
    if (!group && !own) {
        text_finish(&names);
        return unknown(rd, n, NULL);
    }
    if (n->type != TREE_MAP || n->n == 0 || !group) {
        wrong(rd->err, n, group ? "%s must be a map with some of: %s" : "%s must be a pattern%s",
              n->key, group ? names.at : "");
        text_finish(&names);
        return false;
    }
    text_finish(&names);
    for (uint32_t i = 0; i < n->n; i++) {
        const struct field *f = find(n->key, n->items[i]->key);
        if (!f) {
            return unknown(rd, n->items[i], n->key);
        }
        if (f->type != COND_MAP && f->type != COND_PLAN && n->items[i]->type == TREE_MAP) {
            return wrong(rd->err, n->items[i], "%s must be a pattern or a list of them",
                         n->items[i]->key);
        }
        if (!read_field(rd, b, f, n->items[i])) {
            return false;
        }
    }
    return true;
}

static bool read_blocks(struct reading *rd, struct blocks *to, const struct tree_node *n,
                        const char *what) {
    const struct tree_node *item;
    uint32_t count = n ? n->type == TREE_LIST ? n->n : 1 : 0;
    if (n && count == 0) {
        return wrong(rd->err, n, "%s is empty: leave it out", what);
    }
    to->at = x_zalloc_n(count, sizeof(*to->at));
    for (uint32_t i = 0; i < count && (item = each(n, i)) != NULL; i++) {
        struct block *b = &to->at[to->n++];
        if (item->type != TREE_MAP || item->n == 0) {
            return wrong(rd->err, item, "%s must say what to look at, as in {app: 'shop-*'}", what);
        }
        for (uint32_t k = 0; k < item->n; k++) {
            if (!read_group(rd, b, item->items[k])) {
                return false;
            }
        }
    }
    return true;
}

/* The first field that is never there at any of the points. */
static const struct field *first_missing(const struct tree_node *blocks, enum about about,
                                         uint32_t points, const struct tree_node **ret_at) {
    const struct tree_node *block;
    for (uint32_t i = 0; (block = each(blocks, i)) != NULL; i++) {
        for (uint32_t k = 0; k < block->n; k++) {
            const struct tree_node *group = block->items[k];
            const struct field *own = find(group->key, NULL);
            bool parts = group->type == TREE_MAP &&
                         (!own || find(group->key, "name") || find(group->key, "tag"));
            for (uint32_t m = 0; m < (parts ? group->n : 1); m++) {
                const struct tree_node *n = parts ? group->items[m] : group;
                const struct field *f = find(group->key, parts ? n->key : NULL);
                if (f && !(points_of(f, about) & points)) {
                    *ret_at = n;
                    return f;
                }
            }
        }
    }
    return NULL;
}

const char *conditions_missing(const struct tree_node *match, const struct tree_node *unless,
                               enum about about, uint32_t point, const struct tree_node **ret_at) {
    const struct field *f = first_missing(match, about, AT(point), ret_at);
    f = f ? f : first_missing(unless, about, AT(point), ret_at);
    return !f ? NULL : f->member ? f->member : f->group;
}

bool conditions_read(struct rule *r, const struct tree_node *match, const struct tree_node *unless,
                     uint32_t *ret_points, struct text *err) {
    struct reading rd = {r, 0, err};
    const struct tree_node *at = NULL;
    if (!read_blocks(&rd, &r->match, match, "match") ||
        !read_blocks(&rd, &r->unless, unless, "unless")) {
        return false;
    }
    *ret_points = 0;
    for (uint32_t p = 0; p < TRL_POINTS; p++) {
        if (!conditions_missing(match, unless, r->about, p, &at)) {
            *ret_points |= AT(p);
        }
    }
    return true;
}
