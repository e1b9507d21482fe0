/* words.h
 *
 * What a child writes on its standard output and error, for people to read: V8's last words, and
 * whatever an attacker likes.
 *
 *   pipe --> lines, cleaned, cut at SUPERVISE_WORDS_LINE_BYTES --on_line--> log
 *
 * SUPERVISE_WORDS_PER_SECOND lines are told, and SUPERVISE_WORDS_BYTES_PER_LOOK read between two
 * looks; the rest is counted, or waits in the pipe. The child's end does not block: what does not
 * fit there is lost. A line that has no end yet is the only memory, and is there while it lasts.
 * Control thread only.
 */
#ifndef HEARTH_WORDS_H
#define HEARTH_WORDS_H

#include <stdbool.h>
#include <stdint.h>

#include "control/base/loop.h"

struct words {
    struct loop *loop;
    /* text fits inside of key="..." */
    void (*on_line)(void *arg, const char *text);
    void (*on_full)(void *arg); /* words_again is waited for; may be NULL */
    void *arg;
    uint64_t *dropped; /* lines that were not told, to be counted on */
    int fd;            /* -1: none */
    struct loop_watch watch;
    char *line; /* that has no end yet; NULL: none */
    uint32_t used;
    uint32_t bytes; /* since the last look */
    uint32_t in_second;
    uint64_t second;
};

/* Makes the pipe and watches it: the child's end, which the caller closes, or -errno. What is above
 * `fd` has been set. */
int words_open(struct words *);
/* The child has ended: the rest is told. Nothing happens if it was not opened. */
void words_close(struct words *);
/* A look begins. */
void words_again(struct words *);

#endif
