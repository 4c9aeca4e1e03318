/* SPDX-License-Identifier: Apache-2.0
 *
 * The plane's extensions: created and started when it serves, stopped before anything else. Behind
 * them host.api/1 and host.events/1; health and metrics have files of their own.
 */
#ifndef TRELLIS_PLANE_EXTENSIONS_H
#define TRELLIS_PLANE_EXTENSIONS_H

#include "plane/plane.h"

struct extensions;

/* Creates and starts those of the configuration; NULL when there are none. Then, in a later turn,
 * one of: on_ready: all of them run (but defaults nobody asked for, which may be missing);
 * on_failed: one of them cannot be had, text is one line. */
struct extensions *
extensions_start(struct plane *p, void (*on_ready)(void *arg),
                 void (*on_failed)(void *arg, const char *what, const char *text), void *arg);
/* done runs when none of them runs any more. */
void extensions_stop(struct extensions *x, void (*done)(void *arg), void *arg);
/* After the api is gone. NULL is fine. */
void extensions_finish(struct extensions *x);
/* Each with its name: for `info`. */

#endif
