#include "control/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/base/clean.h"

void log_line(const char *what, const char *format, ...)
{
    char said[LOG_LINE_BYTES_MAX], line[LOG_LINE_BYTES_MAX];
    int used = snprintf(said, sizeof(said), "%s ", what);
    va_list args;

    va_start(args, format);
    int more = vsnprintf(said + used, sizeof(said) - (size_t)used, format, args);
    va_end(args);
    size_t len = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (len > sizeof(said) - 1)
        len = sizeof(said) - 1;
    len = clean(line, sizeof(line) - 1, said, len, CLEAN_LINE);
    line[len++] = '\n';
    /* One write per line: lines of threads and processes that share the descriptor do not mix. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}

const char *log_quote(struct log_quoted *q, const char *text)
{
    clean(q->text, sizeof(q->text), text, strlen(text), CLEAN_FIELD);
    return q->text;
}
