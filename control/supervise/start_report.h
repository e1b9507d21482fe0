/* start_report.h
 *
 * What a runtime process says on its start socket (runtime/start.h), read: the only parser of it.
 *
 *   packet --start_report_read--> struct start_report      false: the packet is refused as a whole
 *
 * The process is hostile. Every field that means something is checked for its type, range and
 * length, and copied; what means nothing is not kept. Whether it is true is for the caller to ask:
 * a handle may be of no script. Pure; the packet's JSON lives during the call only. Any thread.
 */
#ifndef HEARTH_START_REPORT_H
#define HEARTH_START_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/start.h"

enum start_report_kind {
    START_REPORT_READY,
    START_REPORT_PONG,
    START_REPORT_LOADED,
    START_REPORT_LOG,
    START_REPORT_STATS,
};

/* Counters of one script in one process, since they met. */
struct script_row {
    uint64_t handle;
    uint64_t cold, ahead, warm, evicted, condemned, cpu_us, memory_bytes;
    bool is_warm;
};

/* By kind: v8 of READY; told of PONG; handle and text of LOADED; these, request and level of LOG;
 * the rest of STATS. Texts are UTF-8 without NUL. */
struct start_report {
    enum start_report_kind kind;
    char v8[START_V8_BYTES_MAX + 1];
    uint64_t told;
    uint64_t handle; /* 0: of no script */
    char request[START_REQUEST_CHARS + 1];
    char level[START_LEVEL_BYTES_MAX + 1];
    char text[START_LOG_TEXT_BYTES_MAX + 1];
    uint64_t isolates, memory_bytes;
    uint32_t row_count;
    struct script_row row[START_STATS_ROWS_MAX];
};

bool start_report_read(struct start_report *, const uint8_t *packet, size_t bytes);

#endif
