#include "runtime/worker/engine.h"

#include <stdio.h>

#include "runtime/libv8c/v8c.h"

static double clock_ms_of(struct v8c_isolate *v8, void *data)
{
    return *(const volatile double *)data;
}

static void fatal(const char *where, const char *what, void *data)
{
    fprintf(stderr, "hearth-runtime: v8=fatal where=\"%s\" what=\"%s\"\n", where, what);
}

void engine_start(const double *clock_ms)
{
    const struct v8c_init_params params = {
        /* Many small heaps: helper threads for collection cost more than they give.
         * Scripts share no memory between threads: no SharedArrayBuffer.
         * Turbofan takes the check for a termination out of loops whose bodies call builtins
         * (`for (;;) all.push(new Array(100).fill(1))` then runs for ever); Maglev, the tier below,
         * keeps it. */
        .flags = "--single-threaded-gc --enable-sharedarraybuffer-per-context --no-turbofan",
        .threads = 1,
        .clock_ms = clock_ms ? clock_ms_of : NULL,
        .fatal = fatal,
        .data = (void *)clock_ms,
    };
    v8c_init(&params);
}
