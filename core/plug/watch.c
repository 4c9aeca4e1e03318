/* SPDX-License-Identifier: Apache-2.0 */
#include "plug/watch.h"

#include <time.h>

#include "plug/inst_priv.h"

#define LIMIT_NS (100 * 1000000ll)
#define QUIET_NS (10 * 1000000000ll) /* between two lines about one instance */

static int64_t real_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000ll + t.tv_nsec;
}

void watch_enter(struct plug_inst *in, struct watch *w) {
    int64_t *inside = plug_watch_inside(in->plug);
    w->around_ns = *inside;
    w->began_ns = loop_uv(in->loop) ? real_ns() : 0;
    *inside = 0;
}

static void tell(struct plug_inst *in, const char *what, int64_t own_ns, int64_t now_ns) {
    char name[160], times[48] = "";
    in->counts.slow++;
    if (in->slow_said_ns && now_ns - in->slow_said_ns < QUIET_NS) {
        in->slow_unsaid++;
        return;
    }
    if (in->slow_unsaid) {
        snprintf(times, sizeof(times), " (and %u more since the last line)", in->slow_unsaid);
    }
    log_warn(in->log,
             "%s kept the loop for %lld ms in %s%s: nothing else ran meanwhile; what takes long "
             "belongs on a thread (TRL_SERIAL, host.work/1)",
             inst_name(in, name, sizeof(name)), (long long)(own_ns / 1000000), what, times);
    in->slow_said_ns = now_ns;
    in->slow_unsaid = 0;
}

void watch_leave(struct plug_inst *in, const struct watch *w, const char *what) {
    int64_t *inside = plug_watch_inside(in->plug);
    if (w->began_ns == 0) {
        return;
    }
    int64_t now = real_ns(), total = now - w->began_ns, own = total - *inside;
    *inside = w->around_ns + total;
    if (own > LIMIT_NS) {
        tell(in, what, own, now);
    }
}
