/* SPDX-License-Identifier: Apache-2.0 */
#include "../cmocka_all.h"

#include <time.h>

#include "base/utc.h"

static void test_is_what_the_library_says(void **state) {
    const int64_t first = -62167219200, last = 253402300799;
    (void)state;
    /* Each day of ten thousand years, at another time of the day. */
    for (int64_t s = first; s <= last; s += 86400 + 1237) {
        char ours[UTC_TEXT], theirs[40];
        struct tm tm;
        time_t t = (time_t)s;
        gmtime_r(&t, &tm);
        int year = tm.tm_year + 1900;
        tm.tm_year = 100; /* strftime pads years as it likes */
        strftime(theirs + 4, sizeof(theirs) - 4, "-%m-%dT%H:%M:%S", &tm);
        for (int i = 3; i >= 0; i--, year /= 10) {
            theirs[i] = (char)('0' + year % 10);
        }
        utc_text(s, ours);
        assert_string_equal(ours, theirs);
    }
}

static void test_ends(void **state) {
    char text[UTC_TEXT];
    (void)state;
    utc_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00");
    utc_text(INT64_MAX, text);
    assert_string_equal(text, "9999-12-31T23:59:59");
    utc_text(INT64_MIN, text);
    assert_string_equal(text, "0000-01-01T00:00:00");
    utc_text(951782400, text);
    assert_string_equal(text, "2000-02-29T00:00:00");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_what_the_library_says),
        cmocka_unit_test(test_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
