/* SPDX-License-Identifier: Apache-2.0
 *
 * A buffer in guarded memory (host.secret/1) that grows: requests, answers and whatever else holds
 * a token or a value. Each growth wipes the old block. Failure (no memory can be locked) sticks, so
 * that a caller may add many times and look once. Not shared between threads.
 */
#ifndef VAULT_SBUF_H
#define VAULT_SBUF_H

#include <stdbool.h>
#include <trellis/trellis.h>

struct sbuf_mem {
    const trl_host_secret_v1 *table;
    void *ctx;
};

struct sbuf {
    const struct sbuf_mem *mem; /* borrowed */
    char *at;
    size_t n, cap;
    bool failed;
};

void sbuf_init(struct sbuf *b, const struct sbuf_mem *mem);
void sbuf_finish(struct sbuf *b); /* wipes; usable again */
void sbuf_clear(struct sbuf *b);  /* wipes what is in it, keeps the room */
/* Room for so many bytes behind n. */
bool sbuf_room(struct sbuf *b, size_t more);
bool sbuf_add(struct sbuf *b, const void *p, size_t n);
bool sbuf_text(struct sbuf *b, const char *text);
/* As a JSON string, with its quotes. */
bool sbuf_quote(struct sbuf *b, const char *p, size_t n);
trl_str sbuf_str(const struct sbuf *b);
/* The file's bytes without blanks at its ends; a file larger than max is refused. err names the
 * path. who: begins the text ("auth.secret_id_file"). */
trl_status sbuf_read_file(struct sbuf *b, const char *path, size_t max, const char *who,
                          trl_err *err);

#endif
