/* SPDX-License-Identifier: Apache-2.0
 *
 * A file system in memory that knows what a power cut would leave, for the file store's tests.
 */
#ifndef TESTS_PLUGIN_FAKEFS_H
#define TESTS_PLUGIN_FAKEFS_H

#include "../../plugins/store-file/fsio.h"

/* What of the unsynced part reaches the medium. */
enum fakefs_model { FAKEFS_NOTHING, FAKEFS_ALL, FAKEFS_TORN, FAKEFS_REORDERED, FAKEFS_MODELS };

struct fakefs;
struct fakefs *fakefs_create(void);
void fakefs_destroy(struct fakefs *f);
struct fsio fakefs_io(struct fakefs *f);

/* The medium after a power cut, as a file system of its own. seed decides what is left open. */
struct fakefs *fakefs_crash(const struct fakefs *f, enum fakefs_model model, uint64_t seed);
/* What the next process finds after this one was killed: all of it, synced or not. */
struct fakefs *fakefs_kill(const struct fakefs *f);
/* A copy with everything on the medium. */
struct fakefs *fakefs_dup(const struct fakefs *f);

/* Called before (after = 0) and after each call that changes something. */
void fakefs_on_step(struct fakefs *f, void (*fn)(void *arg, int after), void *arg);

enum fakefs_fault { FAKEFS_ENOSPC, FAKEFS_EIO, FAKEFS_EINTR, FAKEFS_SHORT, FAKEFS_FAULTS };
/* The nth changing call from now (from 1) fails so; times: how many in a row. FAKEFS_SHORT and
 * FAKEFS_EINTR only do something to writes. */
void fakefs_fail(struct fakefs *f, uint64_t nth, enum fakefs_fault fault, uint64_t times);
uint64_t fakefs_changes(const struct fakefs *f); /* changing calls so far */
int fakefs_failed_sync(const struct fakefs *f);  /* a sync of a file was made to fail */

/* Borrowed; NULL when absent. */
char *fakefs_data(struct fakefs *f, const char *path, size_t *ret_len);
void fakefs_cut(struct fakefs *f, const char *path, size_t len);
void fakefs_remove(struct fakefs *f, const char *path);
size_t fakefs_names(struct fakefs *f, char names[][64], size_t cap);
int fakefs_open_fds(const struct fakefs *f);

#endif
