/* SPDX-License-Identifier: Apache-2.0
 *
 * Text the way wadm treats it: Unicode trimming, quoting in messages, lower case for names.
 */
#ifndef TRELLIS_MODEL_TEXT_H
#define TRELLIS_MODEL_TEXT_H

#include "base/arena.h"

str text_trim(str s);                         /* Unicode white space off both ends; borrowed */
void text_add_quoted(struct buf *out, str s); /* "…" with escapes as in wadm's messages */
bool text_is_name(str s);                     /* [A-Za-z0-9_-]+ */
bool text_is_label_key(str s);                /* WA 4.2 */

#endif
