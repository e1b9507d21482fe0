/* start_report.h
 *
 * What a cell says on its start socket (runtime/start.h), read: the only parser of it.
 *
 *   packet --start_report_read--> struct start_report      false: the packet is refused as a whole
 *
 * The cell is hostile. Every field that means something is checked for its type, range and length,
 * and copied; what means nothing is not kept. Pure; the packet's JSON lives during the call only.
 * Any thread.
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
    START_REPORT_SPOILED,
    START_REPORT_LOG,
    START_REPORT_DOOR, /* its descriptor is not this parser's */
};

/* By kind: us and text (the error) of LOADED; text (why) and serves of SPOILED; text, request and
 * level of LOG. Texts are UTF-8 without NUL. */
struct start_report {
    enum start_report_kind kind;
    uint64_t us;
    bool serves;
    char request[START_REQUEST_CHARS + 1];
    char level[START_LEVEL_BYTES_MAX + 1];
    char text[START_LOG_TEXT_BYTES_MAX + 1];
};

bool start_report_read(struct start_report *, const uint8_t *packet, size_t bytes);

#endif
