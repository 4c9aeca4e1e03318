/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>

void log_at(const struct log *l, int level, const char *fmt, ...) {
    if (!l || !l->sink || level > l->level) {
        return;
    }
    struct buf line = BUF_INIT;
    va_list ap;
    va_start(ap, fmt);
    buf_addv(&line, fmt, ap);
    va_end(ap);
    l->sink(l->arg, level, buf_str(&line), STR_NONE);
    buf_finish(&line);
}
