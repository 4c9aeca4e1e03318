/* SPDX-License-Identifier: Apache-2.0 */
#include "fakelog.h"

#include <assert.h>
#include <stdlib.h>

#include "fakecore.h"

struct line {
    struct line *next;
    char *text;
};

int text_match(const char *text, const char *part) {
    const char *star = strchr(part, '*');
    if (!star) {
        return strstr(text, part) != NULL;
    }
    char head[512];
    snprintf(head, sizeof(head), "%.*s", (int)(star - part), part);
    for (const char *at = strstr(text, head); at; at = strstr(at + 1, head)) {
        if (text_match(at + strlen(head), star + 1)) {
            return 1;
        }
    }
    return 0;
}

void lines_say(struct lines *l, const char *fmt, ...) {
    char *text = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&text, fmt, ap);
    va_end(ap);
    assert(n >= 0);
    struct line *one = calloc(1, sizeof(*one));
    assert(one);
    one->text = text;
    *l->tail = one;
    l->tail = &one->next;
}

uint32_t lines_count(const struct lines *l, const char *part) {
    uint32_t n = 0;
    for (const struct line *one = l->first; one; one = one->next) {
        n += text_match(one->text, part) ? 1 : 0;
    }
    return n;
}

void lines_clear(struct lines *l) {
    while (l->first) {
        struct line *one = l->first;
        l->first = one->next;
        free(one->text);
        free(one);
    }
    l->tail = &l->first;
}

void lines_print(const struct lines *l) {
    for (const struct line *one = l->first; one; one = one->next) {
        fprintf(stderr, "  | %s\n", one->text);
    }
}

uint32_t core_count(const struct core *c, const char *part) {
    return lines_count(core_log((void *)(uintptr_t)c), part);
}

void core_forget(struct core *c) {
    lines_clear(core_log((void *)(uintptr_t)c));
}

void core_print(const struct core *c) {
    lines_print(core_log((void *)(uintptr_t)c));
}

size_t core_log_lines(const struct core *c) {
    return lines_count(core_log((void *)(uintptr_t)c), "");
}

#define S(s) (int)(s).len, ((s).ptr ? (s).ptr : "")

__attribute__((format(printf, 3, 4))) static void put(char *text, size_t cap, const char *fmt,
                                                      ...) {
    size_t n = strlen(text);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text + n, cap - n, fmt, ap);
    va_end(ap);
}

static void o_report(void *ctx, const trl_report *r) {
    char *t = calloc(1, 65536);
    assert(t && r->struct_size == sizeof(*r));
    put(t, 65536, "report %.*s %.*s%s%s%s%s%s", S(r->lattice), S(r->host_id),
        r->flags & TRL_REPORT_FULL ? " FULL" : " DELTA",
        r->flags & TRL_REPORT_STARTED ? " STARTED" : "",
        r->flags & TRL_REPORT_LABELS ? " LABELS" : "", r->flags & TRL_REPORT_BEAT ? " BEAT" : "",
        "");
    put(t, 65536, " name=%.*s version=%.*s up=%llu {", S(r->host_name), S(r->version),
        (unsigned long long)r->uptime_s);
    for (uint32_t i = 0; i < r->n_labels; i++) {
        assert(i == 0 || trl_str_cmp(r->labels[i - 1].key, r->labels[i].key) < 0);
        put(t, 65536, " %.*s=%.*s", S(r->labels[i].key), S(r->labels[i].value));
    }
    put(t, 65536, " }");
    for (uint32_t i = 0; i < r->n_entries; i++) {
        const trl_running *e = trl_at(r->entries, r->entry_stride, i);
        put(t, 65536, " [%s %.*s %.*s x%u%s h%u", e->kind == TRL_RUN_PROVIDER ? "prov" : "comp",
            S(e->unit_id), S(e->image), e->count,
            e->flags & TRL_RUNNING_HEALTH_ONLY ? " HEALTH" : "", e->health);
        for (uint32_t k = 0; k < e->n_annotations; k++) {
            put(t, 65536, " %.*s=%.*s", S(e->annotations[k].key), S(e->annotations[k].value));
        }
        put(t, 65536, "]");
    }
    lines_say(core_log(ctx), "%s", t);
    seen_report(&core_log(ctx)->seen, r);
    free(t);
}

static void o_host_gone(void *ctx, trl_str lattice, trl_str id, int32_t why) {
    seen_host_gone(&core_log(ctx)->seen, id);
    lines_say(core_log(ctx), "gone %.*s %.*s %d", S(lattice), S(id), why);
}

static void link_text(char *t, size_t cap, const trl_link *l) {
    put(t, cap, "%.*s -> %.*s %.*s %.*s:%.*s [", S(l->source), S(l->target), S(l->name), S(l->ns),
        S(l->package));
    for (uint32_t i = 0; i < l->n_interfaces; i++) {
        put(t, cap, "%s%.*s", i ? "," : "", S(l->interfaces[i]));
    }
    put(t, cap, "] s(");
    for (uint32_t i = 0; i < l->n_source_config; i++) {
        put(t, cap, "%s%.*s", i ? "," : "", S(l->source_config[i]));
    }
    put(t, cap, ") t(");
    for (uint32_t i = 0; i < l->n_target_config; i++) {
        put(t, cap, "%s%.*s", i ? "," : "", S(l->target_config[i]));
    }
    put(t, cap, ")");
}

static void o_links(void *ctx, trl_str lattice, const trl_link *links, uint32_t n, uint32_t stride,
                    int32_t full) {
    seen_links(&core_log(ctx)->seen, links, n, stride, full);
    if (full) {
        lines_say(core_log(ctx), "links %.*s full n=%u", S(lattice), n);
    }
    for (uint32_t i = 0; i < n; i++) {
        char t[2048] = "";
        link_text(t, sizeof(t), trl_at(links, stride, i));
        lines_say(core_log(ctx), "link %.*s %s %s", S(lattice), full ? "full" : "delta", t);
    }
}

static void o_link_gone(void *ctx, trl_str lattice, const trl_link *key) {
    char t[2048] = "";
    seen_link_gone(&core_log(ctx)->seen, key);
    link_text(t, sizeof(t), key);
    lines_say(core_log(ctx), "linkgone %.*s %s", S(lattice), t);
}

static void o_configs(void *ctx, trl_str lattice, const trl_config_seen *configs, uint32_t n,
                      uint32_t stride) {
    for (uint32_t i = 0; i < n; i++) {
        const trl_config_seen *s = trl_at(configs, stride, i);
        seen_config(&core_log(ctx)->seen, s);
        if (s->flags & TRL_CONFIG_ABSENT) {
            lines_say(core_log(ctx), "config %.*s %.*s ABSENT", S(lattice), S(s->name));
        } else {
            lines_say(core_log(ctx), "config %.*s %.*s hash=%016llx", S(lattice), S(s->name),
                      (unsigned long long)s->hash);
        }
    }
}

static void o_note(void *ctx, trl_str lattice, trl_str host, trl_str unit, int32_t code,
                   trl_str text) {
    lines_say(core_log(ctx), "note %.*s %.*s %.*s code=%d %.*s", S(lattice), S(host), S(unit), code,
              S(text));
}

static void o_lattice_seen(void *ctx, trl_str lattice) {
    lines_say(core_log(ctx), "seen %.*s", S(lattice));
}

static void o_link_state(void *ctx, int32_t up) {
    lines_say(core_log(ctx), "up %d", up);
}

const trl_host_observe_v1 log_observe = {.struct_size = sizeof(log_observe),
                                         .report = o_report,
                                         .host_gone = o_host_gone,
                                         .links = o_links,
                                         .link_gone = o_link_gone,
                                         .configs = o_configs,
                                         .note = o_note,
                                         .lattice_seen = o_lattice_seen,
                                         .link_state = o_link_state};
