/* SPDX-License-Identifier: Apache-2.0
 *
 * Points in time as text, without the C library's locale and time zones.
 */
#ifndef TRELLIS_BASE_UTC_H
#define TRELLIS_BASE_UTC_H

#include <stdint.h>

#define UTC_TEXT 20
/* "2026-01-31T10:00:00", years 0 to 9999; what is outside is cut there. */
void utc_text(int64_t unix_s, char ret[UTC_TEXT]);

#endif
