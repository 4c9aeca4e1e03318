/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include "engine/ledger.h"
#include "engine/status.h"

static void back_off_doubles_up_to_five_minutes(void **state) {
    (void)state;
    struct ledger l;
    struct rng r;
    ledger_init(&l);
    rng_seed(&r, 3);
    struct ledger_item *i = ledger_unit_get(&l, 4, 9);
    int64_t expect = LEDGER_BACKOFF_MIN_NS;
    for (int k = 0; k < 12; k++) {
        ledger_send(&l, i, STR("app"), 1, 1, 1, 7, 0, 0);
        assert_int_equal(l.n_inflight, 1);
        ledger_fail(&l, i, STR("no"), 1000, 5000, &r);
        int64_t delay = i->next_ns - 1000;
        assert_in_range(delay, expect * 8 / 10, expect * 12 / 10);
        assert_int_equal(i->next_wall_ms, 5000 + delay / 1000000);
        expect = expect * 2 > LEDGER_BACKOFF_MAX_NS ? LEDGER_BACKOFF_MAX_NS : expect * 2;
    }
    assert_int_equal(i->fails, 12);
    ledger_settle(&l, i);
    assert_null(ledger_unit(&l, 4, 9));
    assert_int_equal(l.n_failed, 0);
    assert_int_equal(l.n_inflight, 0);
    ledger_finish(&l);
}

static void instances_on_their_way_count_for_the_host(void **state) {
    (void)state;
    struct ledger l;
    ledger_init(&l);
    ledger_send(&l, ledger_unit_get(&l, 2, 1), STR("app"), 1, 5, 5, 0, 0, 0);
    ledger_send(&l, ledger_unit_get(&l, 2, 3), STR("app"), 1, 2, 2, 0, 0, 0);
    assert_int_equal(l.pending.at[2], 7);
    ledger_settle(&l, ledger_unit(&l, 2, 1));
    assert_int_equal(l.pending.at[2], 2);
    ledger_drop_host(&l, 2);
    assert_int_equal(l.pending.at[2], 0);
    assert_int_equal(l.n_inflight, 0);
    assert_null(ledger_unit(&l, 2, 3));
    assert_int_equal(l.by_unit.at[3].slots.n, 0);
    ledger_finish(&l);
}

static void a_new_generation_forgives(void **state) {
    (void)state;
    struct ledger l;
    struct rng r;
    ledger_init(&l);
    rng_seed(&r, 3);
    struct ledger_item *mine = ledger_text_get(&l, 'c', STR("cfg"));
    struct ledger_item *theirs = ledger_text_get(&l, 'l', STR("cfg"));
    ledger_send(&l, mine, STR("shop"), 1, 0, 0, 0, 0, 0);
    ledger_send(&l, theirs, STR("other"), 1, 0, 0, 0, 0, 0);
    ledger_fail(&l, mine, STR("no"), 0, 0, &r);
    ledger_fail(&l, theirs, STR("no"), 0, 0, &r);
    ledger_forgive(&l, STR("shop"));
    assert_null(ledger_text(&l, 'c', STR("cfg")));
    assert_int_equal(theirs->fails, 1);
    ledger_finish(&l);
}

static void what_is_settled_is_forgotten(void **state) {
    (void)state;
    struct ledger l;
    ledger_init(&l);
    for (uint32_t round = 0; round < 3; round++) {
        for (uint32_t host = 0; host < 40; host++) {
            ledger_send(&l, ledger_unit_get(&l, host, 5), STR("a"), 1, 1, 1, 0, 0, 0);
        }
        for (uint32_t k = 0; k < 40; k++) { /* in another order */
            ledger_settle(&l, ledger_unit(&l, (k * 7 + round) % 40, 5));
        }
        ledger_send(&l, ledger_text_get(&l, 'l', STR("link")), STR("a"), 1, 0, 0, 0, 0, 0);
        ledger_settle(&l, ledger_text(&l, 'l', STR("link")));
    }
    assert_int_equal(l.items.n, 0);
    assert_int_equal(l.by_unit.at[5].slots.n, 0);
    ledger_finish(&l);
}

static void what_is_unclear_or_proved_is_remembered(void **state) {
    (void)state;
    struct ledger l;
    ledger_init(&l);
    struct ledger_item *doubt = ledger_text_get(&l, 'c', STR("cfg"));
    struct ledger_item *proved = ledger_unit_get(&l, 1, 2);
    ledger_doubt(&l, doubt);
    ledger_settle(&l, doubt);
    proved->accepted = 9;
    ledger_settle(&l, proved);
    assert_int_equal(l.items.n, 2);
    assert_int_equal(l.n_doubts, 1);
    ledger_certain(&l, LEDGER_SHARED);
    assert_null(ledger_text(&l, 'c', STR("cfg")));
    assert_int_equal(l.n_doubts, 0);
    assert_int_equal(l.n_uncertain, 0);
    assert_ptr_equal(ledger_unit(&l, 1, 2), proved);
    ledger_drop_host(&l, 1);
    assert_int_equal(l.items.n, 0);
    ledger_finish(&l);
}

static enum status_type combined(enum status_type a, enum status_type b) {
    struct scaler_status two[2] = {{.type = a, .message = STR(" x ")}, {.type = b}};
    struct app_status s = {.scalers = two, .n_scalers = 2};
    status_aggregate(&s);
    enum status_type t = s.type;
    assert_true(str_is(s.message, "x"));
    arena_finish(&s.arena);
    return t;
}

static void statuses_combine_as_wadm_does(void **state) {
    (void)state;
    assert_int_equal(combined(STATUS_DEPLOYED, STATUS_DEPLOYED), STATUS_DEPLOYED);
    assert_int_equal(combined(STATUS_UNDEPLOYED, STATUS_FAILED), STATUS_FAILED);
    assert_int_equal(combined(STATUS_RECONCILING, STATUS_UNDEPLOYED), STATUS_UNDEPLOYED);
    assert_int_equal(combined(STATUS_DEPLOYED, STATUS_UNHEALTHY), STATUS_UNHEALTHY);
    assert_int_equal(combined(STATUS_RECONCILING, STATUS_UNHEALTHY), STATUS_RECONCILING);
    struct app_status none = {.n_scalers = 0};
    status_aggregate(&none);
    assert_int_equal(none.type, STATUS_UNDEPLOYED);
    arena_finish(&none.arena);
}

static void status_is_written_in_wadms_form(void **state) {
    (void)state;
    struct scaler_status one[1] = {{.id = STR("67bc"),
                                    .kind = STR("SpreadScaler"),
                                    .name = STR("web"),
                                    .type = STATUS_DEPLOYED}};
    struct app_status s = {.type = STATUS_RECONCILING,
                           .message = STR("Scaling component on 1 host(s)"),
                           .scalers = one,
                           .n_scalers = 1};
    struct buf out = BUF_INIT;
    status_write(&s, &out);
    assert_string_equal(out.ptr,
                        "{\"status\":{\"type\":\"reconciling\",\"message\":\"Scaling component "
                        "on 1 host(s)\"},\"scalers\":[{\"id\":\"67bc\",\"kind\":"
                        "\"SpreadScaler\",\"name\":\"web\",\"status\":{\"type\":\"deployed\"}}],"
                        "\"version\":\"\",\"components\":[]}");
    buf_finish(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(back_off_doubles_up_to_five_minutes),
        cmocka_unit_test(instances_on_their_way_count_for_the_host),
        cmocka_unit_test(a_new_generation_forgives),
        cmocka_unit_test(what_is_settled_is_forgotten),
        cmocka_unit_test(what_is_unclear_or_proved_is_remembered),
        cmocka_unit_test(statuses_combine_as_wadm_does),
        cmocka_unit_test(status_is_written_in_wadms_form),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
