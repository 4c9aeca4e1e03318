/* SPDX-License-Identifier: Apache-2.0
 *
 * Immutable, shared lists of strings in one block. The same type serves as a list (config names,
 * interfaces) and, with an even number of strings in order of keys, as a map (labels, annotations,
 * configs). NULL is the empty one everywhere. Thousands of hosts and units share few of them.
 */
#ifndef TRELLIS_HOSTWIRE_STRS_H
#define TRELLIS_HOSTWIRE_STRS_H

#include "codec/json.h"

struct strs;

struct strs *strs_of(const str *at, uint32_t n);      /* shared; in the given order */
struct strs *strs_of_array(const struct node *array); /* shared; NODE_ARRAY of strings, or NULL */
struct strs *strs_ref(struct strs *s);
void strs_unref(struct strs *s);
uint32_t strs_n(const struct strs *s);
str strs_at(const struct strs *s, uint32_t i); /* borrowed */
bool strs_eq(const struct strs *a, const struct strs *b);
bool strs_common(const struct strs *a, const struct strs *b); /* at least one string in both */
void strs_write(const struct strs *s, struct jw *w);          /* a JSON array */

/* Maps: the keys are the even strings, sorted. */
struct strs *pairs_of_object(const struct node *object); /* shared; a repeated key: last wins */
struct strs *pairs_with(const struct strs *s, str key, str value); /* shared */
struct strs *pairs_without(const struct strs *s, str key);         /* shared */
uint32_t pairs_n(const struct strs *s);
bool pairs_get(const struct strs *s, str key, str *ret); /* ret may be NULL */
void pairs_write(const struct strs *s, struct jw *w);    /* a JSON object */

#endif
