/* log.h
 *
 * hearthd's log: one line on standard error per event, `what key=value ...`; the service manager
 * keeps and dates it. Values that come from outside are cleaned of control characters. Control
 * thread only.
 */
#ifndef HEARTH_LOG_H
#define HEARTH_LOG_H

enum { LOG_LINE_BYTES_MAX = 8192 };

/* Prints one line; what is longer than LOG_LINE_BYTES_MAX is cut. */
void log_line(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
