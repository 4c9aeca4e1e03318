/* SPDX-License-Identifier: Apache-2.0
 *
 * From a path to a checked, mapped and negotiated library. Libraries stay mapped until the process
 * ends; what is freed here is only our description of them.
 */
#ifndef TRELLIS_PLUG_LOAD_H
#define TRELLIS_PLUG_LOAD_H

#include "plug/allow.h"

struct library {
    char *path;                /* owned, absolute */
    trl_plugin plugin;         /* normalised */
    trl_component *components; /* normalised, owned, [n] */
    uint32_t n;
    char sealed[32]; /* what it was mapped by; empty: its path */
};

/* The file checks and the note only; ret_note is owned. */
int load_inspect(const char *path, char **ret_note, char ret_sha256[65], struct err *err);
int load_library(const char *path, const struct allow *allow, const struct log *log,
                 struct library **ret, struct err *err);
void load_finish(struct library *l);
const trl_component *load_component(const struct library *l, const char *kind, const char *name);

#endif
