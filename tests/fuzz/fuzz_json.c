/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as JSON: what is read is written so that it reads the same; as a schema it is checked,
 * and used on itself.
 */
#include "base/mem.h"
#include "codec/json.h"
#include "codec/schema.h"
#include "fuzz.h"

static void write(const struct node *n, bool pretty, struct buf *out) {
    struct jw w;
    jw_init(&w, out, pretty);
    jw_node(&w, n);
}

static void use_as_schema(const struct node *n, struct arena *a) {
    struct schema_findings f = {NULL, 0, 0};
    if (schema_check(n, NULL) == 0) {
        schema_validate(n, n, a, &f);
        struct buf out = BUF_INIT;
        write(schema_fill(n, n, a), false, &out);
        buf_finish(&out);
    }
    mem_free(f.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct arena a = ARENA_INIT;
    struct node *n = NULL, *again = NULL;
    struct buf once = BUF_INIT, twice = BUF_INIT, pretty = BUF_INIT;
    struct text_pos pos = {0, 0};
    struct err err = ERR_INIT;
    int rc = json_parse_pos(str_n((const char *)data, size), &a, &n, &pos, &err);
    HOLDS(rc == 0 ? n != NULL : err.msg[0] && pos.line && pos.column);
    if (rc == 0) {
        write(n, false, &once);
        HOLDS(json_parse(buf_str(&once), &a, &again, &err) == 0);
        write(again, false, &twice);
        HOLDS(str_eq(buf_str(&once), buf_str(&twice)));
        write(n, true, &pretty);
        HOLDS(json_parse(buf_str(&pretty), &a, &again, &err) == 0);
        use_as_schema(n, &a);
    }
    buf_finish(&once);
    buf_finish(&twice);
    buf_finish(&pretty);
    arena_finish(&a);
    return 0;
}
