/* SPDX-License-Identifier: Apache-2.0
 *
 * What runs, judged again: at start and whenever rules changed. A denial is shown with the app's
 * status and touches nothing, unless the rule says `enforce: stop`: then the app is undeployed, and
 * the events say why.
 */
#ifndef TRELLIS_API_REJUDGE_H
#define TRELLIS_API_REJUDGE_H

#include "api/api_priv.h"

struct rejudge;

struct rejudge *rejudge_create(struct api *a);
void rejudge_destroy(struct rejudge *j); /* NULL is fine */
/* Every deployed app is asked about at TRL_POINT_DEPLOY; soon, and once for many calls. */
void rejudge_all(struct rejudge *j);

#endif
