/* SPDX-License-Identifier: Apache-2.0
 *
 * What a library says about itself in its ELF note (.note.trellis, owner "TRL", type 1), read from
 * the bytes of the file: the code is never mapped. Nothing in the file is trusted.
 */
#ifndef TRELLIS_PLUG_NOTE_H
#define TRELLIS_PLUG_NOTE_H

#include "base/arena.h"
#include "base/err.h"

#define NOTE_FILE_MAX_BYTES (256u << 20)

/* The JSON text of the note. bytes: the whole file. ret: part of bytes. what: how messages call it.
 */
int note_find(const char *what, str bytes, str *ret, struct err *err);
/* The first symbol the library exports besides the one it should; false: none, or it cannot be
 * known. ret: part of bytes. */
bool note_extra_export(str bytes, str *ret);

struct note_info {
    str id, version; /* in the arena */
    uint32_t abi_major, abi_minor_built, abi_minor_needed;
};
int note_parse(const char *what, str json, struct arena *a, struct note_info *ret, struct err *err);

/* Reads a whole file from an open descriptor. */
int note_read_file(const char *what, int fd, struct buf *ret, struct err *err);

#endif
