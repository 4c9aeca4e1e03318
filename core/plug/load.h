/* SPDX-License-Identifier: Apache-2.0
 *
 * From a path to a checked, mapped and negotiated library. Libraries stay mapped until the process
 * ends; what is freed here is only our description of them.
 */
#ifndef TRELLIS_PLUG_LOAD_H
#define TRELLIS_PLUG_LOAD_H

#include "base/log.h"
#include "plug/plug.h"

struct library {
    char *path;                /* owned, absolute */
    trl_plugin plugin;         /* normalised */
    trl_component *components; /* normalised, owned, [n] */
    uint32_t n;
};

/* The file checks and the note only; ret_note is owned. */
int load_inspect(const char *path, char **ret_note, struct err *err);
int load_library(const char *path, struct library **ret, struct err *err);
void load_finish(struct library *l);
const trl_component *load_component(const struct library *l, const char *kind, const char *name);

#endif
