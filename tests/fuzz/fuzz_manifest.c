/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a put: no crash, a reason for each refusal, and what is admitted reads back as
 * itself.
 */
#include "base/mem.h"
#include "fuzz.h"
#include "model/admit.h"

static void check_round_trip(const struct manifest *m) {
    struct buf once = BUF_INIT, twice = BUF_INIT;
    struct findings f;
    struct manifest *back = NULL;
    char a[65], b[65];
    findings_init(&f);
    manifest_write(m, STR_NONE, &once);
    HOLDS(manifest_parse(buf_str(&once), MANIFEST_JSON, &back, &f) == 0);
    manifest_write(back, STR_NONE, &twice);
    HOLDS(str_eq(buf_str(&once), buf_str(&twice)));
    manifest_hash(m, a);
    manifest_hash(back, b);
    HOLDS(str_eq(str_c(a), str_c(b)));
    model_diff(m, back, &f);
    manifest_destroy(back);
    findings_finish(&f);
    buf_finish(&once);
    buf_finish(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const str types[] = {{NULL, 0}, {"application/yaml", 16}, {"application/json", 16}};
    str body = str_n((const char *)data, size);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        struct findings f;
        struct manifest *m = NULL;
        char *message = NULL;
        findings_init(&f);
        int rc = model_admit(body, types[i], 1048576, &m, &f, &message);
        HOLDS((rc == 0) == (f.errors == 0));
        HOLDS(rc == 0 ? m && !message : message && message[0] && findings_first_error(&f));
        HOLDS(f.n <= FINDINGS_MAX + 2);
        if (rc == 0) {
            check_round_trip(m);
        }
        for (uint32_t k = 0; k < f.n; k++) {
            struct buf line = BUF_INIT;
            finding_format(&f.at[k], STR("x"), &line);
            buf_finish(&line);
        }
        manifest_destroy(m);
        findings_finish(&f);
        mem_free(message);
    }
    return 0;
}
