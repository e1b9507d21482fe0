/* log_capture.h
 *
 * DPDK explains its refusals only in its log. While captured, nothing is printed; the first line
 * becomes part of our own error. Setup only: the log stream is one per process.
 */
#ifndef HEARTH_LOG_CAPTURE_H
#define HEARTH_LOG_CAPTURE_H

#include <stddef.h>
#include <stdio.h>

struct log_capture {
    char *text;
    size_t bytes;
    FILE *stream;
};

void log_capture_begin(struct log_capture *);

/* Later lines go to stderr again. `line` receives the first captured line, or nothing. */
void log_capture_end(struct log_capture *, char *line, size_t line_bytes);

#endif
