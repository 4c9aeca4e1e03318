/* SPDX-License-Identifier: Apache-2.0
 *
 * Greets. Its configuration comes as environment variables, one for each key.
 */
#include "http.h"

static void greet(const struct request *r, struct answer *a) {
    (void)r;
    say(a, "%s (version %s)\n", env("greeting", "Hello"), VERSION);
}

int main(void) {
    return http_serve("hello", greet);
}
