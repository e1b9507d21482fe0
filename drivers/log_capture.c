#include "drivers/log_capture.h"

#include <stdlib.h>
#include <string.h>

#include <rte_log.h>

void log_capture_begin(struct log_capture *c)
{
    *c = (struct log_capture){0};
    c->stream = open_memstream(&c->text, &c->bytes);
    if (c->stream)
        rte_openlog_stream(c->stream);
}

void log_capture_end(struct log_capture *c, char *line, size_t line_bytes)
{
    line[0] = '\0';
    rte_openlog_stream(stderr);
    if (!c->stream)
        return;
    fclose(c->stream);
    if (c->text) {
        c->text[strcspn(c->text, "\n")] = '\0';
        snprintf(line, line_bytes, "%s", c->text);
    }
    free(c->text);
}
