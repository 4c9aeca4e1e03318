/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utc.h"

#define DAY_S      86400
#define ERA_DAYS   146097       /* 400 years */
#define FIRST_S    -62167219200 /* 0000-01-01T00:00:00 */
#define LAST_S     253402300799 /* 9999-12-31T23:59:59 */
#define MARCH_DAYS 719468       /* 0000-03-01 to 1970-01-01 */

static char *put2(char *to, unsigned v, char after) {
    to[0] = (char)('0' + v / 10);
    to[1] = (char)('0' + v % 10);
    to[2] = after;
    return to + 3;
}

/* Years begin in March here, so that the odd day is their last; an era is 400 of them. */
void utc_text(int64_t unix_s, char ret[UTC_TEXT]) {
    int64_t s = unix_s < FIRST_S ? FIRST_S : unix_s > LAST_S ? LAST_S : unix_s;
    s += (int64_t)MARCH_DAYS * DAY_S + (int64_t)ERA_DAYS * DAY_S; /* positive from here on */
    unsigned day = (unsigned)(s / DAY_S), in_day = (unsigned)(s % DAY_S);
    unsigned era = day / ERA_DAYS, d = day % ERA_DAYS;
    unsigned year = (d - d / 1460 + d / 36524 - d / (ERA_DAYS - 1)) / 365;
    unsigned in_year = d - (365 * year + year / 4 - year / 100);
    unsigned month = (5 * in_year + 2) / 153; /* 0: March */
    unsigned in_month = in_year - (153 * month + 2) / 5 + 1;
    year += era * 400 - 400 + (month >= 10);
    char *to = put2(ret, year / 100, ' ');
    to = put2(to - 1, year % 100, '-');
    to = put2(to, month < 10 ? month + 3 : month - 9, '-');
    to = put2(to, in_month, 'T');
    to = put2(to, in_day / 3600, ':');
    to = put2(to, in_day / 60 % 60, ':');
    put2(to, in_day % 60, '\0');
}
