/* engine.h: how this process, and the builder of its snapshot, start V8. Both must use the same
 * flags. */
#ifndef HEARTH_WORKER_ENGINE_H
#define HEARTH_WORKER_ENGINE_H

#include <stdbool.h>

struct engine_clock {
    double ms;     /* what Date shows, at any time */
    bool was_read; /* by JavaScript, since somebody cleared it */
};

/* The clock stays the caller's. NULL: the system's. Once per process. */
void engine_start(struct engine_clock *);

#endif
