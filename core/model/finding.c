/* SPDX-License-Identifier: Apache-2.0 */
#include "model/finding.h"

#include "base/mem.h"
#include "codec/utf8.h"

void findings_init(struct findings *f) {
    *f = (struct findings){.arena = ARENA_INIT};
}

void findings_finish(struct findings *f) {
    arena_finish(&f->arena);
    mem_free(f->at);
    *f = (struct findings){.arena = ARENA_INIT};
}

/* One line instead of all that follow. */
static bool is_full(struct findings *f, enum finding_level level) {
    if (f->n < FINDINGS_MAX || (level == FINDING_ERROR && f->errors == 0)) {
        return false;
    }
    if (f->n == FINDINGS_MAX ||
        (f->n == FINDINGS_MAX + 1 && f->at[FINDINGS_MAX].level == FINDING_ERROR)) {
        f->at = mem_grow(f->at, &f->cap, f->n + 1, sizeof(*f->at));
        f->at[f->n++] = (struct finding){.level = FINDING_WARNING,
                                         .code = "too-many",
                                         .path = STR(""),
                                         .message = STR("more was found than is told here"),
                                         .fix = STR("correct the first, then ask again")};
    }
    f->errors += level == FINDING_ERROR;
    return true;
}

void findings_add(struct findings *f, enum finding_level level, const char *code, str path,
                  uint32_t line, uint32_t column, str message, str fix) {
    if (is_full(f, level)) {
        return;
    }
    f->at = mem_grow(f->at, &f->cap, f->n + 1, sizeof(*f->at));
    f->at[f->n++] = (struct finding){.level = level,
                                     .code = code,
                                     .path = arena_str(&f->arena, path),
                                     .line = line,
                                     .column = column,
                                     .message = arena_str(&f->arena, message),
                                     .fix = arena_str(&f->arena, fix)};
    f->errors += level == FINDING_ERROR;
}

const struct finding *findings_first_error(const struct findings *f) {
    for (uint32_t i = 0; i < f->n; i++) {
        if (f->at[i].level == FINDING_ERROR) {
            return &f->at[i];
        }
    }
    return NULL;
}

void finding_format(const struct finding *x, str name, struct buf *out) {
    if (name.len) {
        utf8_add_visible(out, name, "");
        buf_add_c(out, ':');
    }
    if (x->line) {
        buf_addf(out, "%u:%u:", x->line, x->column);
    }
    buf_addf(out, "%s%s: ", name.len || x->line ? " " : "",
             x->level == FINDING_ERROR ? "error" : "warning");
    utf8_add_visible(out, x->message, "");
    if (x->fix.len) {
        buf_add(out, " (", 2);
        utf8_add_visible(out, x->fix, "");
        buf_add_c(out, ')');
    }
}
