#include "control/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void log_line(const char *what, const char *format, ...)
{
    char line[LOG_LINE_BYTES_MAX];
    int used = snprintf(line, sizeof(line), "%s ", what);
    va_list args;

    va_start(args, format);
    int more = vsnprintf(line + used, sizeof(line) - (size_t)used, format, args);
    va_end(args);
    size_t len = (size_t)used + (more > 0 ? (size_t)more : 0);
    if (len > sizeof(line) - 2)
        len = sizeof(line) - 2;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
            line[i] = ' ';
    line[len++] = '\n';
    /* One write per line: lines of threads and processes that share the descriptor do not mix. */
    ssize_t written = write(STDERR_FILENO, line, len);
    (void)written;
}
