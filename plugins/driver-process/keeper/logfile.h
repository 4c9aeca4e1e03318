/* SPDX-License-Identifier: Apache-2.0
 *
 * The log of an instance: lines with a stamp, rotated by size. What cannot be written (disk full)
 * is counted and told when writing works again; the process is never held up by that.
 */
#ifndef KEEPER_LOGFILE_H
#define KEEPER_LOGFILE_H

#include <stddef.h>
#include <stdint.h>

#define LOGFILE_LINE_MAX 8192

struct logfile {
    int fd; /* -1: not open */
    uint64_t size, max_bytes, lost;
    unsigned files;
};

struct logstream { /* one pipe; holds the line that is not finished */
    int fd;        /* -1: at its end */
    char name;     /* 'O' or 'E' */
    size_t n;
    char line[LOGFILE_LINE_MAX];
};

void logfile_open(struct logfile *l, uint64_t max_bytes, unsigned files);
/* Reads what is there now; closes the stream at its end. Returns 0 when nothing was there. */
int logstream_read(struct logstream *s, struct logfile *l);
void logstream_end(struct logstream *s, struct logfile *l); /* the unfinished line, too */
void logfile_note(struct logfile *l, const char *text);     /* a line of the keeper's own */

#endif
