/* SPDX-License-Identifier: Apache-2.0 */
#include "model/admit.h"

#include "api/api_priv.h"

bool op_admit(struct req *r, str *ret_refusal) {
    char *text = NULL;
    step_begin(r);
    bool ok =
        model_admit(r->body, r->content_type, r->api->max_payload, &r->m, &r->findings, &text) == 0;
    if (!ok) {
        *ret_refusal = arena_str(&r->arena, str_c(text));
    }
    step_end(r, "validate", ok ? STR_NONE : *ret_refusal);
    mem_free(text);
    return ok;
}
