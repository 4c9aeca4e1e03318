/* SPDX-License-Identifier: Apache-2.0
 *
 * Where libraries are looked for, and which are loaded. A library enters the list only when
 * everything that can fail has succeeded.
 */
#ifndef TRELLIS_PLUG_REGISTRY_H
#define TRELLIS_PLUG_REGISTRY_H

#include "base/mem.h"
#include "plug/allow.h"
#include "plug/load.h"

struct registry {
    VEC(char *) dirs; /* absolute, in search order, owned */
    VEC(struct library *) libs;
    struct allow allow;
    const struct log *log;
};

void registry_init(struct registry *r, const struct log *log, const char *const *dirs,
                   uint32_t n_dirs);
void registry_finish(struct registry *r);
/* Finds, and loads if need be. */
int registry_find(struct registry *r, const char *kind, const char *name,
                  const struct library **ret_lib, const trl_component **ret, struct err *err);
void registry_list(struct registry *r,
                   void (*fn)(void *arg, const struct plug_file_info *i, const char *err_text),
                   void *arg);

#endif
