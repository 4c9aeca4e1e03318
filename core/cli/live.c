/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/live.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Lines on a screen so wide: long ones wrap, colours and continuation bytes take no room. */
static uint32_t screen_lines(str text, uint32_t columns) {
    uint32_t lines = 0, used = 0;
    bool escape = false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '\n') {
            lines += 1 + (used ? (used - 1) / columns : 0);
            used = 0;
        } else if (escape) {
            escape = c != 'm';
        } else if (c == 033) {
            escape = true;
        } else {
            used += (c & 0xc0) != 0x80;
        }
    }
    return lines;
}

/* 0: no screen that can be redrawn. */
static uint32_t screen(uint32_t *ret_rows) {
    struct winsize w;
    const char *term = getenv("TERM");
    if (!isatty(STDOUT_FILENO) || (term && strcmp(term, "dumb") == 0)) {
        return 0;
    }
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) < 0 || w.ws_col == 0) {
        w = (struct winsize){.ws_row = 24, .ws_col = 80};
    }
    *ret_rows = w.ws_row;
    return w.ws_col;
}

void live_draw(struct live *l, str text) {
    uint32_t rows = 0;
    if (str_eq(text, buf_str(&l->last))) {
        return;
    }
    uint32_t columns = screen(&rows);
    if (columns && l->lines && l->lines < rows) {
        printf("\033[%uA\033[J", l->lines);
    }
    fwrite(text.ptr, 1, text.len, stdout);
    fflush(stdout);
    l->lines = columns ? screen_lines(text, columns) : 0;
    buf_clear(&l->last);
    buf_add_str(&l->last, text);
}

bool live_hide(struct live *l) {
    uint32_t rows = 0;
    if (!l->lines || !screen(&rows) || l->lines >= rows) {
        return false;
    }
    printf("\033[%uA\033[J", l->lines);
    fflush(stdout);
    l->lines = 0;
    return true;
}

void live_show(struct live *l) {
    uint32_t rows = 0, columns = screen(&rows);
    fwrite(l->last.ptr, 1, l->last.len, stdout);
    fflush(stdout);
    l->lines = columns ? screen_lines(buf_str(&l->last), columns) : 0;
}

void live_leave(struct live *l) {
    l->lines = 0;
}

void live_finish(struct live *l) {
    buf_finish(&l->last);
}
