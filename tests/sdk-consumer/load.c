/* SPDX-License-Identifier: Apache-2.0
 *
 * Loads an example (its argument) from TRELLIS_PLUGIN_DIR and runs the suite of its kind on it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "suite_extension.h"
#include "suite_policy.h"
#include "suite_scaler.h"

static int scaler(void) {
    static const char *const samples[] = {
        "{\"instances\":12,\"max_per_host\":3}",
        "{\"instances\":0,\"max_per_host\":1}",
        "{\"instances\":9000000000000000000,\"max_per_host\":4294967295}",
    };
    return suite_scaler("bin-pack", samples, ARRAY_LEN(samples));
}

static int policy(void) {
    static const struct suite_policy_case cases[] = {
        {TRL_POINT_PUT, "{\"manifest\":{\"metadata\":{\"annotations\":{\"owner\":\"red\"}}}}",
         TRL_V_ALLOW, NULL},
        {TRL_POINT_PUT, "{\"manifest\":{\"metadata\":{\"annotations\":{\"owner\":\"pink\"}}}}",
         TRL_V_DENY, "none that we know"},
        {TRL_POINT_PUT, "{\"app\":\"x\",\"manifest\":{}}", TRL_V_DENY, "nobody owns it"},
        {TRL_POINT_PLACE, "{\"app\":\"x\"}", TRL_V_ABSTAIN, NULL},
    };
    return suite_policy(&(struct suite_policy){.component = "owners",
                                               .config = "{\"owners\":[\"red\",\"blue\"]}",
                                               .cases = cases,
                                               .n_cases = ARRAY_LEN(cases)});
}

static int extension(void) {
    char dir[] = "/tmp/trltail.XXXXXX", config[80], file[40];
    if (!mkdtemp(dir)) {
        return 1;
    }
    snprintf(file, sizeof(file), "%s/events", dir);
    snprintf(config, sizeof(config), "{\"file\":\"%s\"}", file);
    int failed = suite_extension("tail", config, NULL);
    struct stat st;
    failed += stat(file, &st) != 0 || st.st_size == 0; /* the suite floods it */
    unlink(file);
    rmdir(dir);
    return failed;
}

int main(int argc, char **argv) {
    if (argc != 2) {
        return 2;
    }
    int failed = strcmp(argv[1], "policy-owners") == 0    ? policy()
                 : strcmp(argv[1], "extension-tail") == 0 ? extension()
                                                          : scaler();
    return failed == 0 ? 0 : 1;
}
