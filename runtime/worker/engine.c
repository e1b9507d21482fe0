#include "runtime/worker/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/libv8c/v8c.h"
#include "runtime/start.h"

static double clock_ms_of(struct v8c_isolate *v8, void *data)
{
    struct engine_clock *clock = data;
    clock->was_read = true;
    return *(const volatile double *)&clock->ms;
}

static void fatal(bool is_memory, const char *where, const char *what, void *data)
{
    fprintf(stderr, "hearth-runtime: v8=fatal where=\"%s\" what=\"%s\"\n", where, what);
    if (is_memory)
        _exit(START_EXIT_MEMORY);
}

void engine_start(struct engine_clock *clock)
{
    const struct v8c_init_params params = {
        /* Many small heaps: helper threads for collection cost more than they give.
         * Scripts share no memory between threads: no SharedArrayBuffer.
         * Turbofan works on the script's own thread (monitor.h), so it gets no function that takes
         * it long: at most 10,000 bytes of bytecode, and 200 of what is inlined. V8's own 61,440
         * and 920 took up to 570 ms for one function; inlined code beyond 200 made none of six
         * scripts faster.
         * A WebAssembly memory has 2,048 pages at most, 128 MiB: what a script has by default. */
        .flags = "--single-threaded-gc --enable-sharedarraybuffer-per-context"
                 " --wasm-max-mem-pages=2048"
                 " --max-optimized-bytecode-size=10000 --max-inlined-bytecode-size-cumulative=200",
        /* A fork would lose them, and what was given to them to do. */
        .threads = 0,
        .clock_ms = clock ? clock_ms_of : NULL,
        .fatal = fatal,
        .data = clock,
    };
    /* Scripts run anywhere, so they know one time zone. And V8 asks for no file. */
    setenv("TZ", "UTC", 1);
    v8c_init(&params);
}
