/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks for secrets: the host, and what runs on it. Processes have no keys and no signed tokens
 * of their own, so an account of the agent's signs for them; the same account gives the same unit
 * of a lattice the same key, whichever machine it runs on. Seeds stay in guarded memory. Opened
 * before the loop runs; the rest is pure.
 */
#ifndef TRELLIS_AGENT_IDENTITY_H
#define TRELLIS_AGENT_IDENTITY_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "nkey.h"

struct identity;

/* dir: the state directory, made when missing; account_file: NULL: made and kept there. */
int identity_open(const char *dir, const char *account_file, struct identity **ret,
                  struct err *err);
void identity_close(struct identity *x); /* wipes; NULL is fine */

const char *identity_host(const struct identity *x);    /* "N..." */
const char *identity_account(const struct identity *x); /* "A..." */
/* The key that stands for a unit: "M...", of a provider "V...". */
void identity_unit(const struct identity *x, bool provider, str lattice, str unit,
                   char ret[NKEY_PUBLIC_LEN + 1]);

/* Tokens, owned (mem_free), NULL when a name is no UTF-8. The host signs for itself; its account
 * for the unit. */
char *identity_host_token(const struct identity *x, str name, int64_t now_s);
char *identity_unit_token(const struct identity *x, bool provider, str lattice, str unit,
                          int64_t now_s);

#endif
