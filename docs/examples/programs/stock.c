/* SPDX-License-Identifier: Apache-2.0
 *
 * Tells prices to whoever has the key: the secret `key`, in a file that TRELLIS_SECRET_KEY_FILE
 * names. Every configured key that begins with price_ is a price.
 */
#define _GNU_SOURCE
#include <string.h>
#include <unistd.h>

#include "http.h"

/* In the same time wherever the first difference is. */
static int same(const char *a, const char *b) {
    size_t n = strlen(a);
    unsigned differs = n != strlen(b) || n == 0;
    for (size_t i = 0; i < n && i <= strlen(b); i++) {
        differs |= (unsigned char)a[i] ^ (unsigned char)b[i];
    }
    return !differs;
}

static void tell_prices(const struct request *r, struct answer *a) {
    char key[256];
    secret("KEY", key, sizeof(key));
    if (!same(key, r->key)) {
        a->status = 403;
        say(a, "not without the key\n");
        return;
    }
    for (char **e = environ; *e; e++) {
        const char *value = strchr(*e, '=');
        if (value && strncmp(*e, "price_", 6) == 0) {
            say(a, "%.*s: %s\n", (int)(value - *e - 6), *e + 6, value + 1);
        }
    }
    say(a, "(stock version %s)\n", VERSION);
}

int main(void) {
    return http_serve("stock", tell_prices);
}
