/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/app_show.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "cli/live.h"
#include "cli/output.h"
#include "cli/policy_show.h"
#include "codec/json.h"
#include "codec/utf8.h"

static str text(const struct node *n, const char *key) {
    return node_text(n, key, STR(""));
}

/* Deleted and nothing of it is left: the entry stays for a while after a start of the plane, until
 * hosts that were silent so far had their time to show up. */
static bool is_gone(const struct node *a) {
    return node_bool_or(a, "deleting", false) && str_is(text(a, "type"), "undeployed");
}

int app_list(struct cli *c) {
    static const char *const head[] = {"NAME",   "STATE",    "DEPLOYED",
                                       "NEWEST", "VERSIONS", "MESSAGE"};
    struct reply r = REPLY_INIT;
    struct buf subject = BUF_INIT;
    buf_addf(&subject, "trellis.api.%s.app.list", c->lattice);
    int rc = reply_ask(c, buf_str(&subject), NULL, STR_NONE, &r);
    if (rc == 0 && c->format != FORMAT_TABLE) {
        output_node(c->format, r.data);
    } else if (rc == 0) {
        struct table t;
        table_init(&t, head, ARRAY_LEN(head));
        for (uint32_t i = 0; i < r.data->n; i++) {
            const struct node *a = r.data->items[i];
            if (is_gone(a)) {
                continue;
            }
            table_cell(&t, text(a, "name"));
            table_cell(&t, text(a, "type"));
            table_cell(&t, text(a, "deployed_version"));
            table_cell(&t, text(a, "version"));
            table_cellf(&t, "%llu", (unsigned long long)node_u64_or(a, "versions", 0));
            table_cell(&t, text(a, "message"));
        }
        table_print(&t, c->colour);
    }
    buf_finish(&subject);
    reply_finish(&r);
    return rc;
}

static bool same_secret(const struct node *a, const struct node *b) {
    return str_eq(text(a, "name"), text(b, "name")) &&
           str_eq(text(a, "version"), text(b, "version")) &&
           node_bool_or(a, "fixed", false) == node_bool_or(b, "fixed", false);
}

/* "db 4f0c91d2a7b3, token 7 (fixed)"; digests are cut, and what several units use is told once. */
static void add_secrets(const struct node *of, struct buf *out) {
    const struct node *list = node_get(of, "secrets");
    for (uint32_t i = 0; list && i < list->n; i++) {
        const struct node *s = list->items[i];
        str v = text(s, "version");
        uint32_t k = 0;
        while (k < i && !same_secret(list->items[k], s)) {
            k++;
        }
        if (k < i) {
            continue;
        }
        buf_addf(out, "%s%.*s %.*s%s", i ? ", " : "", PSTR(text(s, "name")),
                 (int)(v.len > 12 ? 12 : v.len), v.ptr,
                 node_bool_or(s, "fixed", false) ? " (fixed)" : "");
    }
}

void app_tree(const struct node *status, bool colour, struct buf *out) {
    str type = text(status, "type"), version = text(status, "deployed_version"),
        message = text(status, "message");
    const struct node *s = node_get(status, "scalers");
    const char *on = output_colour(colour, type);
    bool told = false; /* by a line of the tree */
    buf_addf(out, "%.*s%s%.*s  %s%.*s%s\n", PSTR(text(status, "name")), version.len ? "@" : "",
             PSTR(version), on, PSTR(type), COLOUR_OFF(*on));
    for (uint32_t i = 0; s && i < s->n; i++) {
        const struct node *x = s->items[i];
        str xt = text(x, "type"), m = text(x, "message");
        told = told || m.len > 0;
        on = output_colour(colour, xt);
        buf_addf(out, "%s %-12.*s  %s%-11.*s%s  %llu/%llu  %.*s%s%.*s\n",
                 i + 1 == s->n ? "└─" : "├─", PSTR(text(x, "kind")), on, PSTR(xt), COLOUR_OFF(*on),
                 (unsigned long long)node_u64_or(x, "running", 0),
                 (unsigned long long)node_u64_or(x, "wanted", 0), PSTR(text(x, "name")),
                 m.len ? "  — " : "", PSTR(m));
    }
    if (message.len && !told) { /* that of an application that runs: a policy denies it now */
        buf_addf(out, "   %.*s\n", PSTR(message));
    }
    if (node_get(status, "secrets")) {
        buf_addf(out, "   secrets: ");
        add_secrets(status, out);
        buf_addf(out, "\n");
    }
}

int app_show_status(struct cli *c, const struct reply *r) {
    if (c->format != FORMAT_TABLE) {
        output_node(c->format, r->data);
    } else {
        struct buf out = BUF_INIT;
        app_tree(r->data, c->colour, &out);
        fwrite(out.ptr, 1, out.len, stdout);
        buf_finish(&out);
    }
    return str_is(text(r->data, "type"), "deployed") ? EXIT_DONE : EXIT_NO;
}

void app_show_history(struct cli *c, const struct reply *r) {
    static const char *const head[] = {"VERSION", "DEPLOYED", "AGE", "CONTENT", "SECRETS"};
    bool secrets = false;
    if (c->format != FORMAT_TABLE) {
        output_node(c->format, r->data);
        return;
    }
    for (uint32_t i = 0; i < r->data->n; i++) {
        secrets |= node_get(r->data->items[i], "secrets") != NULL;
    }
    struct table t;
    table_init(&t, head, ARRAY_LEN(head) - !secrets);
    for (uint32_t i = 0; i < r->data->n; i++) {
        const struct node *v = r->data->items[i];
        struct buf age = BUF_INIT, used = BUF_INIT;
        str hash = text(v, "hash");
        output_age(&age, (int64_t)node_u64_or(v, "created_ms", 0));
        table_cell(&t, text(v, "version"));
        table_cell(&t, node_bool_or(v, "deployed", false) ? STR("yes") : STR(""));
        table_cell(&t, buf_str(&age));
        table_cell(&t, str_n(hash.ptr, hash.len < 12 ? hash.len : 12));
        if (secrets) {
            add_secrets(v, &used);
            table_cell(&t, buf_str(&used));
        }
        buf_finish(&age);
        buf_finish(&used);
    }
    table_print(&t, c->colour);
}

/* The version that the store gave, where the file names none. */
static bool given_version(const struct finding *x) {
    return str_is(x->path, "metadata.annotations.version") && strcmp(x->code, "removed") == 0;
}

static void print_diff(const struct manifest *old, const struct manifest *new_) {
    struct findings out;
    uint32_t n = 0;
    findings_init(&out);
    model_diff(old, new_, &out);
    for (uint32_t i = 0; i < out.n; i++) {
        if (!given_version(&out.at[i])) {
            struct buf line = BUF_INIT;
            utf8_add_visible(&line, out.at[i].message, "");
            printf("  %s\n", line.ptr);
            buf_finish(&line);
            n++;
        }
    }
    if (n == 0) {
        printf("no field differs from the newest version\n");
    }
    findings_finish(&out);
}

/* What the file changes against the newest version. */
static void field_diff(struct cli *c, str manifest) {
    struct findings f;
    struct manifest *mine = NULL, *theirs = NULL;
    struct reply r = REPLY_INIT;
    struct client *cl = NULL;
    struct err e = ERR_INIT;
    struct buf subject = BUF_INIT, json = BUF_INIT;
    r.verbatim = true;
    findings_init(&f);
    if (manifest_parse(manifest, MANIFEST_ANY, &mine, &f) < 0 ||
        client_open(&c->connect, &cl, &e) < 0) {
        goto out;
    }
    str name = str_trim(mine->name);
    buf_addf(&subject, "trellis.api.%s.app.get.%.*s", c->lattice, PSTR(name));
    if (reply_ask_on(cl, buf_str(&subject), NULL, STR_NONE, &r, &e)) {
        printf("new application %.*s\n", PSTR(name));
        goto out;
    }
    struct jw w;
    jw_init(&w, &json, false);
    jw_node(&w, node_get(r.data, "manifest"));
    if (manifest_parse(buf_str(&json), MANIFEST_JSON, &theirs, &f) == 0) {
        print_diff(theirs, mine);
    }
out:
    client_close(cl);
    manifest_destroy(mine);
    manifest_destroy(theirs);
    findings_finish(&f);
    reply_finish(&r);
    buf_finish(&subject);
    buf_finish(&json);
}

static void print_actions(struct cli *c, const struct node *actions) {
    static const char *const head[] = {"", "ACTION", "WHAT", "HOST", "COUNT", "WHY"};
    struct table t;
    table_init(&t, head, ARRAY_LEN(head));
    for (uint32_t i = 0; i < actions->n; i++) {
        const struct node *x = actions->items[i];
        bool unit = str_is(text(x, "target"), "unit");
        str host = text(x, "host");
        table_cell(&t, node_bool_or(x, "removal", false) ? STR("-") : STR("+"));
        table_cell(&t, text(x, "verb"));
        table_cell(&t, text(x, "name"));
        table_cell(&t, str_n(host.ptr, host.len > 8 ? 8 : host.len));
        if (unit) {
            table_cellf(&t, "%llu>%llu", (unsigned long long)node_u64_or(x, "count_old", 0),
                        (unsigned long long)node_u64_or(x, "count", 0));
        } else {
            table_cell(&t, STR_NONE);
        }
        table_cell(&t, text(x, "reason"));
    }
    table_print(&t, c->colour);
}

static void print_places(struct cli *c, const struct node *places) {
    static const char *const head[] = {"UNIT", "HOST", "SPREAD", "NOW", "WANTED", "WHY"};
    struct table t;
    table_init(&t, head, ARRAY_LEN(head));
    for (uint32_t i = 0; i < places->n; i++) {
        const struct node *x = places->items[i];
        uint64_t now = node_u64_or(x, "now", 0), wanted = node_u64_or(x, "wanted", 0);
        if (now == 0 && wanted == 0) {
            continue; /* the JSON has every host */
        }
        str name = text(x, "host_name");
        table_cell(&t, text(x, "unit"));
        table_cell(&t, name.len ? name : text(x, "host"));
        table_cell(&t, text(x, "spread"));
        table_cellf(&t, "%llu", (unsigned long long)now);
        table_cellf(&t, "%llu", (unsigned long long)wanted);
        table_cell(&t, text(x, "why"));
    }
    table_print(&t, c->colour);
}

int app_show_plan(struct cli *c, const struct reply *r, str manifest) {
    const struct node *actions = node_get(r->data, "actions"),
                      *places = node_get(r->data, "places");
    const struct node *policy = node_get(r->data, "policy");
    bool changes = (actions && actions->n > 0) || node_bool_or(r->data, "pending", false);
    bool denied = str_is(node_text(policy, "verdict", STR_NONE), "deny");
    int rc = denied ? EXIT_DENIED : changes ? EXIT_NO : EXIT_DONE;
    if (c->format != FORMAT_TABLE) {
        output_node(c->format, r->data);
        return rc;
    }
    if (manifest.ptr) {
        field_diff(c, manifest);
    }
    if (policy) {
        policy_print(c, policy);
    }
    if (!changes) {
        printf("nothing to do: what runs is what is wanted\n");
        return rc;
    }
    printf("\nfirst steps (what depends on them follows):\n");
    print_actions(c, actions);
    if (places && places->n) {
        printf("\nplacement:\n");
        print_places(c, places);
    }
    return rc;
}

int app_show_findings(struct cli *c, const struct findings *f, const struct manifest *m,
                      const char *path) {
    if (c->format == FORMAT_TABLE) {
        struct buf line = BUF_INIT;
        for (uint32_t i = 0; i < f->n; i++) {
            buf_clear(&line);
            finding_format(&f->at[i], str_c(path), &line);
            printf("%s\n", line.ptr);
        }
        uint32_t warnings = f->n - f->errors;
        printf("%s: %s (%u error%s, %u warning%s)\n", path, f->errors ? "invalid" : "valid",
               f->errors, f->errors == 1 ? "" : "s", warnings, warnings == 1 ? "" : "s");
        buf_finish(&line);
        return f->errors ? EXIT_INPUT : EXIT_DONE;
    }
    struct buf json = BUF_INIT;
    struct arena a = ARENA_INIT;
    struct node *n = NULL;
    struct jw w;
    jw_init(&w, &json, false);
    jw_object(&w);
    jw_kv_bool(&w, "valid", f->errors == 0);
    jw_kv(&w, "name", m ? m->name : STR(""));
    jw_key(&w, "findings");
    jw_array(&w);
    for (uint32_t i = 0; i < f->n; i++) {
        const struct finding *x = &f->at[i];
        jw_object(&w);
        jw_kv(&w, "level", x->level == FINDING_ERROR ? STR("error") : STR("warning"));
        jw_kv(&w, "code", str_c(x->code));
        jw_kv(&w, "path", x->path);
        jw_kv_u64(&w, "line", x->line);
        jw_kv_u64(&w, "column", x->column);
        jw_kv(&w, "message", x->message);
        jw_kv(&w, "fix", x->fix);
        jw_end_object(&w);
    }
    jw_end_array(&w);
    jw_end_object(&w);
    if (json_parse(buf_str(&json), &a, &n, NULL) == 0) {
        output_node(c->format, n);
    }
    arena_finish(&a);
    buf_finish(&json);
    return f->errors ? EXIT_INPUT : EXIT_DONE;
}

static int64_t now_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* One look. Returns < 0 to look again, else the exit code. */
static int look(struct cli *c, struct client *cl, str ask, const char *until, uint64_t generation,
                struct reply *r, struct live *live) {
    struct err e = ERR_INIT;
    struct buf tree = BUF_INIT;
    r->verbatim = c->format != FORMAT_TABLE;
    int rc = reply_ask_on(cl, ask, NULL, STR_NONE, r, &e);
    if (rc == EXIT_NO && strcmp(until, "gone") == 0) {
        return EXIT_DONE;
    }
    if (rc) {
        return cli_fail(rc, "%s", e.msg);
    }
    if (strcmp(until, "gone") == 0 && is_gone(r->data)) {
        return EXIT_DONE;
    }
    if (c->format == FORMAT_TABLE) {
        app_tree(r->data, c->colour, &tree);
        live_draw(live, buf_str(&tree));
        buf_finish(&tree);
    }
    return str_is(text(r->data, "type"), until) &&
                   node_u64_or(r->data, "generation", 0) >= generation
               ? EXIT_DONE
               : -1;
}

int app_wait(struct cli *c, str name, uint64_t generation, const char *until) {
    struct client *cl = NULL;
    struct err e = ERR_INIT;
    struct buf ask = BUF_INIT, topic = BUF_INIT, sub = BUF_INIT, body = BUF_INIT;
    struct reply r = REPLY_INIT;
    struct live live = LIVE_INIT;
    int64_t end = now_ms() + c->wait_ms;
    int rc = -1;
    if (client_open(&c->connect, &cl, &e) < 0) {
        return cli_fail(EXIT_UNREACHABLE, "%s", e.msg);
    }
    buf_addf(&ask, "trellis.api.%s.app.status.%.*s", c->lattice, PSTR(name));
    buf_addf(&topic, "wadm.status.%s.%.*s", c->lattice, PSTR(name));
    client_subscribe(cl, buf_str(&topic), &e);
    while (rc < 0 && now_ms() < end) {
        rc = look(c, cl, buf_str(&ask), until, generation, &r, &live);
        if (rc < 0) {
            int64_t left = end - now_ms();
            client_next(cl, left < 500 ? left : 500, &sub, &body, &e); /* or look again */
        }
    }
    if (c->format != FORMAT_TABLE && r.data && strcmp(until, "gone") != 0) {
        output_node(c->format, r.data);
    }
    if (rc < 0) {
        str why = text(r.data, "message");
        rc = cli_fail(EXIT_NO, "%.*s is not %s after %lld s%s%.*s", PSTR(name), until,
                      (long long)c->wait_ms / 1000, why.len ? ": " : "", PSTR(why));
    }
    client_close(cl);
    reply_finish(&r);
    live_finish(&live);
    struct buf *all[] = {&ask, &topic, &sub, &body};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buf_finish(all[i]);
    }
    return rc;
}
