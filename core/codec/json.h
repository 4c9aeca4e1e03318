/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON in and out. Reading gives nodes with positions; writing is a small stream onto a buffer.
 */
#ifndef TRELLIS_CODEC_JSON_H
#define TRELLIS_CODEC_JSON_H

#include "codec/node.h"

#define JSON_MAX_DEPTH 128u
#define JSON_MAX_NODES 100000u

/* Strict RFC 8259, UTF-8, one value, nothing behind it. Errors carry line:column. Limits above. */
int json_parse(str text, struct arena *a, struct node **ret, struct err *err);
/* The same, but nodes do not know their places: for what programs write to each other. */
int json_parse_blind(str text, struct arena *a, struct node **ret, struct err *err);
/* The same, but the place is given apart and not in the message. ret_pos is set on failure. */
int json_parse_pos(str text, struct arena *a, struct node **ret, struct text_pos *ret_pos,
                   struct err *err);

/* Writing. Commas, quotes and escapes are its business; nesting is the caller's. pretty: two blanks
 * per level. */
struct jw {
    struct buf *out; /* borrowed */
    uint32_t depth;
    bool pretty, comma, after_key;
};
void jw_init(struct jw *w, struct buf *out, bool pretty);
void jw_object(struct jw *w);
void jw_array(struct jw *w);
void jw_end_object(struct jw *w);
void jw_end_array(struct jw *w);
void jw_key(struct jw *w, const char *key); /* of plain ASCII, from the program: not escaped */
void jw_key_str(struct jw *w, str key);
void jw_str(struct jw *w, str s); /* invalid UTF-8 becomes U+FFFD */
void jw_cstr(struct jw *w, const char *s);
void jw_u64(struct jw *w, uint64_t v);
void jw_f64(struct jw *w, double v); /* shortest text that reads back the same */
void jw_bool(struct jw *w, bool v);
void jw_null(struct jw *w);
void jw_raw(struct jw *w, str json); /* finished JSON, inserted as is */
void jw_node(struct jw *w, const struct node *n);
/* key and string value in one: the commonest case */
void jw_kv(struct jw *w, const char *key, str value);
void jw_kv_u64(struct jw *w, const char *key, uint64_t v);
void jw_kv_bool(struct jw *w, const char *key, bool v);

#endif
