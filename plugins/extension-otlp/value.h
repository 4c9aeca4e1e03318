/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts, attributes and values of OTLP in JSON. Pure. Bytes that are no UTF-8 become U+FFFD.
 */
#ifndef OTLP_VALUE_H
#define OTLP_VALUE_H

#include <trellis/helper.h>

#include "../common/jtree.h"
#include "../common/jwrite.h"

void value_text(struct jwrite *w, trl_str s);
void value_number(struct jwrite *w, double v); /* a string where JSON has no such number */
void value_u64(struct jwrite *w, uint64_t v);  /* a string, as protobuf's JSON has it */
void value_hex(struct jwrite *w, const uint8_t *id, size_t n);
/* One of OTLP's AnyValue. */
void value_any(struct jwrite *w, const struct jnode *v);
/* One KeyValue. Names without a '.' are Trellis' own: "app" becomes "trellis.app". */
void value_attribute(struct jwrite *w, trl_str key, trl_str text);
void value_attribute_any(struct jwrite *w, trl_str key, const struct jnode *v);
/* The id of a trace (n 16) or a span (n 8) in hexadecimal digits, as trace_id of logs and events.
 * 0: it is none. */
int value_id(trl_str hex, uint8_t *id, size_t n);

#endif
