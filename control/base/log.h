/* log.h
 *
 * hearthd's log: one line on standard error per event, `what key=value ...`; the service manager
 * keeps and dates it. The whole line is cleaned (clean.h): it is one line, whatever is in it. A
 * stranger's text stands in a field of its own, key="%s" with log_quote, so that it is no second
 * field either. Control thread only.
 */
#ifndef HEARTH_LOG_H
#define HEARTH_LOG_H

enum { LOG_LINE_BYTES_MAX = 8192, LOG_QUOTED_BYTES_MAX = 2048 };

/* Prints one line; what is longer than LOG_LINE_BYTES_MAX is cut. */
void log_line(const char *what, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct log_quoted {
    char text[LOG_QUOTED_BYTES_MAX];
};

/* For the inside of key="%s"; what is longer than LOG_QUOTED_BYTES_MAX is cut. The text lives as
 * long as *q. */
const char *log_quote(struct log_quoted *q, const char *text);

#endif
