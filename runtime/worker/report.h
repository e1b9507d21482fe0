/* report.h
 *
 * What goes up the start socket: log lines of scripts and the statistics. Lines are bounded in
 * length and in rate; what is dropped is counted and told. Never blocks: a full socket drops.
 */
#ifndef HEARTH_WORKER_REPORT_H
#define HEARTH_WORKER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct script;
struct worker;

enum { REPORT_LINES_PER_S = 500, REPORT_LINES_BURST = 1000 };

struct report {
    uint64_t tokens, refilled_ns;
    uint64_t dropped;
    uint64_t stats_ns; /* when the last statistics went */
    bool has_news;     /* a script's counters changed since then */
};

/* text need not be UTF-8 clean nor short: it is cut. level: "log", "info", "warn", "error",
 * "debug". */
void report_log(struct worker *, uint32_t handle, uint64_t request_id, const char *level,
                const char *text, size_t len);
void report_ready(struct worker *);
/* told: as the ping said. */
void report_pong(struct worker *, int64_t told);
/* Whether a script loads; error: NULL, or why not. */
void report_loaded(struct worker *, uint32_t handle, const char *error);
/* The script's counters changed. */
void report_news(struct worker *, struct script *);
/* Once a second while something changes. */
void report_stats(struct worker *);

#endif
