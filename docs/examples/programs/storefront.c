/* SPDX-License-Identifier: Apache-2.0
 *
 * The face of the shop: greets, and asks the stock for its prices. Where the stock listens is told
 * by the link `stock`; what it wants to see is the secret `key`.
 */
#include "http.h"

static void show(const struct request *r, struct answer *a) {
    char key[256], prices[2048];
    (void)r;
    secret("KEY", key, sizeof(key));
    int status = http_get(env("TRELLIS_LINK_STOCK_ADDR", ""), key, prices, sizeof(prices));
    say(a, "%s (version %s)\n", env("greeting", "The shop"), VERSION);
    if (status == 200) {
        say(a, "%s", prices);
    } else {
        a->status = 502;
        say(a, "the stock %s\n", status < 0 ? "does not answer" : "does not take our key");
    }
}

int main(void) {
    return http_serve("storefront", show);
}
