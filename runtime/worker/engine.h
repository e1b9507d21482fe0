/* engine.h: how this process, and the builder of its snapshot, start V8. Both must use the same
 * flags. */
#ifndef HEARTH_WORKER_ENGINE_H
#define HEARTH_WORKER_ENGINE_H

/* *clock_ms: what Date shows, at any time. NULL: the system's clock. Once per process. */
void engine_start(const double *clock_ms);

#endif
