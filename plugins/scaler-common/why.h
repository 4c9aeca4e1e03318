/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a host got what it got, for people.
 */
#ifndef PLUGINS_SCALER_WHY_H
#define PLUGINS_SCALER_WHY_H

#include <stdio.h>
#include <trellis/kind/scaler.h>

static inline void why_describe(uint32_t why, const char *ineligible, const char *added, char *text,
                                size_t cap) {
    static const char *const lines[] = {
        [TRL_WHY_NONE] = "no reason given",
        [TRL_WHY_KEPT] = "runs there already",
        [TRL_WHY_REMOVED] = "more than wanted",
        [TRL_WHY_FROZEN] = "not heard from: left as it is",
        [TRL_WHY_CORDONED] = "cordoned: nothing new, what runs stays",
        [TRL_WHY_FAILING] = "passed over: starts fail there",
        [TRL_WHY_FULL] = "nothing left to place",
        [TRL_WHY_EXCLUDED] = "cannot run it, or the id is taken there",
    };
    const char *line = why == TRL_WHY_INELIGIBLE                ? ineligible
                       : why == TRL_WHY_ADDED                   ? added
                       : why < sizeof(lines) / sizeof(lines[0]) ? lines[why]
                                                                : "unknown reason";
    snprintf(text, cap, "%s", line);
}

#endif
