/* SPDX-License-Identifier: Apache-2.0
 *
 * For tests of plugins: a loop, the border, instances of the plugin under test, and the proof that
 * nothing is left when it is over. The plugin is loaded as the core loads it. Failures are counted
 * and printed, never asserted inside a callback; a test asserts tk_failures(tk) == 0 at its end.
 */
#ifndef TRELLIS_TESTKIT_H
#define TRELLIS_TESTKIT_H

#include "plug/bus.h"
#include "plug/kv.h"
#include "plug/op.h"
#include "plug/plug.h"
#include "plug/scaler.h"

#define TK_MS       1000000ll
#define TK_PATIENCE (20000 * TK_MS) /* before a wait counts as failed */

struct tk;

/* Libraries are looked for in TRELLIS_PLUGIN_DIR of the environment (a list, ':'), else where the
 * testkit was built. */
struct tk *tk_create(bool virtual_loop);
struct tk *tk_create_in(bool virtual_loop, const char *dir);
/* Checks that every instance was stopped, then that the loop ends clean (libuv: no handle is left).
 * Returns the number of failed checks of its life. */
int tk_destroy(struct tk *tk);
struct loop *tk_loop(struct tk *tk);
struct plug *tk_plug(struct tk *tk);

/* Creates only. NULL: the error is in tk_error(). config: JSON text or NULL. */
struct plug_inst *tk_create_inst(struct tk *tk, const char *kind, const char *name,
                                 const char *config, const struct plug_iface *ifaces,
                                 uint32_t n_ifaces);
/* Starts and waits; the status the plugin gave. */
trl_status tk_start(struct tk *tk, struct plug_inst *in);
/* Creates and starts; NULL (a failed check) when either fails. */
struct plug_inst *tk_open(struct tk *tk, const char *kind, const char *name, const char *config,
                          const struct plug_iface *ifaces, uint32_t n_ifaces);
/* Stops, waits, checks that no operation is outstanding and none was completed twice, destroys. */
void tk_close(struct tk *tk, struct plug_inst *in);
const char *tk_error(const struct tk *tk); /* of the last create or start */

/* Runs the loop until done(arg); a failed check when that takes longer than TK_PATIENCE. */
bool tk_until(struct tk *tk, bool (*done)(void *arg), void *arg);
bool tk_until_set(struct tk *tk, const bool *flag);
bool tk_until_count(struct tk *tk, const uint32_t *count, uint32_t at_least);
/* Lets the loop turn until everything posted so far, and what that posted, has run. */
void tk_settle(struct tk *tk);

/* Counted checks. Returns ok. */
__attribute__((format(printf, 5, 6))) bool tk_check_at(struct tk *tk, bool ok, const char *file,
                                                       int line, const char *fmt, ...);
static inline bool tk_check_st_at(struct tk *tk, trl_status have, trl_status want, const char *file,
                                  int line, const char *what) {
    return tk_check_at(tk, have == want, file, line, "%s is %s, not %s", what, err_name(have),
                       err_name(want));
}
#define TK_CHECK(tk, cond)          tk_check_at((tk), (cond), __FILE__, __LINE__, "%s", #cond)
#define TK_CHECK_F(tk, cond, ...)   tk_check_at((tk), (cond), __FILE__, __LINE__, __VA_ARGS__)
#define TK_CHECK_ST(tk, have, want) tk_check_st_at((tk), (have), (want), __FILE__, __LINE__, #have)
#define TK_CHECK_STR(tk, have, want)                                                               \
    tk_check_at((tk), str_is((have), (want)), __FILE__, __LINE__, "%s is '%.*s', not '%s'", #have, \
                PSTR(have), (want))
uint32_t tk_checks(const struct tk *tk);
int tk_failures(const struct tk *tk);

/* Log lines since the start; needle: part of a line. */
bool tk_logged(const struct tk *tk, const char *needle);
/* All of them, for looking for secrets that must not be there. */
str tk_log(const struct tk *tk);

#endif
