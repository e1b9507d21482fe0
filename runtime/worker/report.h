/* report.h
 *
 * What goes up the start socket (runtime/start.h): log lines of the script, and the cell's word
 * about itself. Lines are bounded in length and in rate; what is dropped is counted and told. Never
 * blocks: a full socket drops.
 */
#ifndef HEARTH_WORKER_REPORT_H
#define HEARTH_WORKER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REPORT_LINES_PER_S = 500, REPORT_LINES_BURST = 1000 };

struct report {
    int fd; /* the start socket */
    uint64_t tokens, refilled_ns;
    uint64_t dropped;
};

void report_init(struct report *, int fd, uint64_t now_ns);

/* text need not be UTF-8 clean nor short: it is cut. request_id 0: for none. level: "log", "info",
 * "warn", "error", "debug". */
void report_log(struct report *, uint64_t now_ns, uint64_t request_id, const char *level,
                const char *text, size_t len);
void report_ready(struct report *);
void report_pong(struct report *);
/* The script's top level has run, in so many microseconds; error: NULL, or why it does not load. */
void report_loaded(struct report *, uint32_t us, const char *error);
/* The cell should be replaced. serves: it goes on until then. */
void report_spoiled(struct report *, const char *why, bool serves);

#endif
