/* SPDX-License-Identifier: Apache-2.0
 *
 * The manifest corpus through the API over store-memory and transport-inproc, with an engine that
 * only says what it is told. Needs TRELLIS_FIXTURES.
 */
#include "../cmocka_all.h"

#include "corpus.h"
#include "harness.h"
#include "plugins.h"

static void forget_said(struct corpus *k) {
    harness_forget_said(k->arg);
}

static void test_corpus(void **state) {
    struct harness h = {0};
    struct plugins p;
    (void)state;
    if (!getenv("TRELLIS_FIXTURES")) {
        skip();
    }
    h.loop = loop_create_virtual(0, 1700000000000, 1);
    plugins_open(&p, h.loop);
    h.bus = p.bus;
    h.kv = p.kv;
    harness_open(&h, (struct api_env){0});
    struct corpus k = {.loop = h.loop, .api = h.api, .after_case = forget_said, .arg = &h};
    assert_true(corpus_run(&k));
    harness_close(&h);
    plugins_close(&p);
    loop_run(h.loop);
    loop_destroy(h.loop);
    assert_int_equal(k.failed, 0);
    assert_true(k.passed > 600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_corpus),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
