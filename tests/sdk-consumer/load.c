/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads the example scaler from TRELLIS_PLUGIN_DIR and runs the suite of the kind on it.
 */
#include "suite_scaler.h"

int main(void) {
    static const char *const samples[] = {
        "{\"instances\":12,\"max_per_host\":3}",
        "{\"instances\":0,\"max_per_host\":1}",
        "{\"instances\":9000000000000000000,\"max_per_host\":4294967295}",
    };
    return suite_scaler("bin-pack", samples, 3) == 0 ? 0 : 1;
}
