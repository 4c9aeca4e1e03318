/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes of the store's files, as pure functions. All numbers are little-endian.
 *
 * File:  header (64 bytes), then frames.
 * Frame: head (28 bytes), entries, end mark (4 bytes). In a log a frame is one group commit; its
 *        entries have the revisions first, first + 1, ... In a snapshot a frame is some entries,
 *        `first` counts the entries before it, and a frame without entries is the end.
 * Behind a log's last frame there may be zeros, written ahead. Each head is checked with the file's
 * generation mixed in, so that a frame of another file is none.
 */
#ifndef STORE_FILE_FORMAT_H
#define STORE_FILE_FORMAT_H

#include "../store-common/kvindex.h"

#define FORMAT_VERSION     1u
#define FORMAT_HEADER      64u
#define FORMAT_FRAME_HEAD  28u
#define FORMAT_FRAME_TAIL  4u
#define FORMAT_LOG         1u
#define FORMAT_SNAPSHOT    2u
#define FORMAT_UNSYNCED    1u  /* header flag: writes were acknowledged before they were synced */
#define FORMAT_FRAME_FIRST 'T' /* first byte of every frame */
#define FORMAT_FRAME_MAX   (160u << 20)

/* CRC-32C, eight bytes a step. */
struct crc {
    uint32_t t[8][256];
};
void crc_init(struct crc *c);
uint32_t crc_of(const struct crc *c, uint32_t start, const void *p, size_t n);

/* A growing piece of output. */
struct out {
    char *ptr;
    size_t len, cap;
};
void out_finish(struct out *o);

struct format_header {
    uint32_t version, kind, flags;
    uint64_t gen, revision, floor; /* revision: the store's last one before this file's frames */
};
void format_header_put(struct out *o, const struct crc *c, const struct format_header *h);
/* 0; -1: no header of ours or damaged; 1: of a newer format (only version is set). */
int format_header_get(const char *p, size_t n, const struct crc *c, struct format_header *h);

/* A frame is written as begin, entries, end. Returns where it starts. */
size_t format_frame_begin(struct out *o);
void format_entry_put(struct out *o, const struct kvrec *r);
void format_frame_end(struct out *o, const struct crc *c, size_t start, uint64_t gen,
                      uint64_t first, uint32_t count);

enum format_result { FORMAT_OK, FORMAT_BAD_HEAD, FORMAT_CUT, FORMAT_BAD_BODY };
struct format_frame {
    uint64_t first;
    uint32_t count;
    const char *body;       /* borrowed */
    size_t body_len, whole; /* whole: head, body and end mark */
};
/* The frame at p. CUT: it goes on behind n (head fine, or fewer bytes than a head). BAD_BODY: the
 * head is fine, `whole` too. */
enum format_result format_frame_get(const char *p, size_t n, const struct crc *c, uint64_t gen,
                                    struct format_frame *f);
/* The next entry of a frame's body; *at moves on. 0 or -1. *ret has one reference, the caller's. */
int format_entry_get(const struct format_frame *f, size_t *at, struct kvrec **ret);

/* Could a write that was never synced have left this as the end of a file? bytes: from the bad
 * frame to the end; offset: of the bad frame in the file. Sectors that never arrived read as zeros.
 */
int format_is_torn(const char *p, size_t n, uint64_t offset);

#endif
