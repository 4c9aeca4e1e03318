/* SPDX-License-Identifier: Apache-2.0
 *
 * Reasons: what a rule says of a thing, where the rule stands, where the thing stands, what to do.
 */
#include <trellis/helper.h>

#include "eval.h"

#define PART_BYTES 120u /* of a text out of the subject */

static void part(struct text *t, const char *before, trl_str s, const char *after) {
    if (s.ptr) {
        text_c(t, before);
        text_cut(t, s, PART_BYTES);
        text_c(t, after);
    }
}

static void name_unit(const struct thing *x, struct text *t) {
    part(t, "", x->slot[U_VERB], " of ");
    text_c(t, "unit");
    part(t, " '", x->slot[U_NAME], "'");
    part(t, ", image ", x->slot[U_IMAGE], "");
    if (x->count >= 0) {
        text_f(t, ", %.0f instances", x->count);
    }
    part(t, ", on host ", x->slot[U_HOST], "");
}

static void name_link(const struct thing *x, struct text *t) {
    text_c(t, "link");
    part(t, " ", x->slot[L_SOURCE], "");
    part(t, " -> ", x->slot[L_TARGET], "");
    part(t, " (", x->slot[L_NAMESPACE], "");
    part(t, ":", x->slot[L_PACKAGE], ")");
}

static void name_secret(const struct thing *x, struct text *t) {
    text_c(t, "secret");
    part(t, " '", x->slot[S_NAME], "'");
    part(t, ", key ", x->slot[S_KEY], "");
    part(t, " of backend ", x->slot[S_BACKEND], "");
    part(t, ", in unit '", x->slot[S_UNIT], "'");
}

static void name_whole(const struct facts *f, struct text *t) {
    text_c(t, "app");
    part(t, " '", f->whole[W_APP], "'");
    part(t, ", ", f->whole[W_REQUEST], "");
    part(t, " ", f->whole[W_INTERFACE], "");
    part(t, " ", f->whole[W_FUNCTION], "");
    part(t, ", host ", f->whole[W_HOST_ID], "");
    part(t, ", caller ", f->whole[W_CALLER_ID], "");
}

static void name_thing(const struct facts *f, enum about about, const struct thing *x,
                       struct text *t) {
    switch (about) {
    case ABOUT_UNIT:
    case ABOUT_ACTION:
        name_unit(x, t);
        break;
    case ABOUT_LINK:
        name_link(x, t);
        break;
    case ABOUT_SECRET:
        name_secret(x, t);
        break;
    case ABOUT_CONFIG:
        text_c(t, "config");
        part(t, " '", x->slot[C_NAME], "'");
        break;
    default:
        name_whole(f, t);
    }
}

/* "/etc/trellis/rules.yaml:12", or the source alone. */
static void name_place(const struct ruleset *rs, const struct rule *r, struct text *t) {
    text_cut(t, trl_cstr(rs->source), 256);
    if (r->line) {
        text_f(t, ":%u", r->line);
    }
}

static void member(struct text *to, const char *name, trl_str value) {
    text_f(to, "%s\"%s\":", to->at[to->len - 1] == '{' ? "" : ",", name);
    text_json(to, value);
}

static void say_hit(const struct ruleset *rs, const struct facts *f, const struct hit *h,
                    struct text *line, struct text *to) {
    const struct rule *r = h->rule;
    text_c(to, "{");
    member(to, "code", trl_cstr(r->code));
    text_clear(line);
    if (r->message) {
        text_cut(line, trl_cstr(r->message), SAID_BYTES);
        text_c(line, ": ");
    } else if (r->verdict != TRL_V_ALLOW) {
        text_c(line, r->verdict == TRL_V_DENY ? "not allowed: " : "not advised: ");
    }
    name_thing(f, h->thing ? r->about : ABOUT_WHOLE, h->thing, line);
    text_c(line, " (");
    name_place(rs, r, line);
    text_c(line, ")");
    member(to, "text", text_str(line));
    member(to, "rule", trl_cstr(r->name));
    if (h->thing && h->thing->path.len && h->thing->path.len <= PART_BYTES * 2) {
        member(to, "path", h->thing->path);
    }
    if (r->remedy || r->verdict != TRL_V_ALLOW) {
        text_clear(line);
        if (r->remedy) {
            text_cut(line, trl_cstr(r->remedy), SAID_BYTES);
        } else {
            text_c(line, "change it so that the rule holds no more, or ask who keeps ");
            name_place(rs, r, line);
        }
        member(to, "remedy", text_str(line));
    }
    text_c(to, "}");
}

static void say_default(const struct ruleset *rs, const struct facts *f, struct text *line,
                        struct text *to) {
    text_clear(line);
    text_c(line, "no rule speaks of it, and such things are not ");
    text_c(line, rs->fallback == TRL_V_DENY ? "allowed: " : "advised: ");
    name_whole(f, line);
    text_c(line, " (default of ");
    text_cut(line, trl_cstr(rs->source), 256);
    text_c(line, ")");
    text_c(to, "{\"code\":\"default\"");
    member(to, "text", text_str(line));
    member(to, "remedy", trl_cstr("write a rule that allows it"));
    text_c(to, "}");
}

void say_reasons(const struct ruleset *rs, const struct facts *f, const struct outcome *o,
                 struct text *to) {
    struct text line = {0};
    if (o->n_hits == 0) {
        return;
    }
    text_c(to, "[");
    for (uint32_t i = 0; i < o->n_hits; i++) {
        if (i) {
            text_c(to, ",");
        }
        if (o->hits[i].rule) {
            say_hit(rs, f, &o->hits[i], &line, to);
        } else {
            say_default(rs, f, &line, to);
        }
    }
    if (o->n_more) {
        text_f(to, ",{\"code\":\"more\",\"text\":\"and %u more\"}", o->n_more);
    }
    text_c(to, "]");
    text_finish(&line);
}
