/* worker_bench [REQUESTS]: what cells do, without any network. Prints one JSON object per line.
 *
 *   hello requests/s with a window of requests in flight, the same through a service binding (two
 *   cells; the harness passes the call on), CPU time of the script's cell per request, start of a
 *   script in a process of its own */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "harness.h"

static struct harness h;

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu_of_cell(uint32_t handle)
{
    clockid_t clock;
    return clock_getcpuclockid(harness_cell(&h, handle)->pid, &clock) == 0 ? seconds(clock) : 0;
}

static void bench_requests(const char *name, uint32_t handle, uint64_t count, uint64_t window)
{
    static uint32_t open[4096];
    uint64_t head = 0, tail = 0;
    harness_close(&h, (uint32_t)(harness_get(&h, handle, "/") - h.jobs));
    double started = seconds(CLOCK_MONOTONIC), cpu = cpu_of_cell(handle);
    while (tail < count) {
        while (head - tail < window && head < count)
            open[head++ % 4096] =
                harness_open(&h, handle, "GET", "https://test.example/hello?a=1",
                             "host: test.example\nuser-agent: bench\naccept: */*\n", false);
        harness_wait(&h, open[tail % 4096]);
        if (h.jobs[open[tail % 4096]].error)
            abort();
        harness_close(&h, open[tail++ % 4096]);
    }
    double took = seconds(CLOCK_MONOTONIC) - started;
    printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"requests/"
           "s\",\"cpu_us_per_request\":%.2f,\"window\":%lu}\n",
           name, (double)count / took, (cpu_of_cell(handle) - cpu) * 1e6 / (double)count,
           (unsigned long)window);
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* us: compilation and top level, as the cell says; total: with the process and the first answer. */
static void bench_cold(const char *name, const char *source)
{
    enum { N = 100 };
    uint64_t us[N], total_us[N];
    for (uint32_t i = 0; i < N; i++) {
        static uint32_t handle = 1000;
        handle++;
        double started = seconds(CLOCK_MONOTONIC);
        harness_script(&h, handle, source, NULL);
        harness_get(&h, handle, "/");
        total_us[i] = (uint64_t)((seconds(CLOCK_MONOTONIC) - started) * 1e6);
        harness_loaded(&h, handle);
        us[i] = harness_cell(&h, handle)->load_us;
        harness_retire(&h, handle);
    }
    qsort(us, N, sizeof(*us), compare);
    qsort(total_us, N, sizeof(*total_us), compare);
    printf("{\"name\":\"%s\",\"value\":%lu,\"unit\":\"us\",\"with_first_answer_us\":%lu,\"p99\":%"
           "lu}\n",
           name, (unsigned long)us[N / 2], (unsigned long)total_us[N / 2],
           (unsigned long)us[N - 1]);
}

int main(int argc, char **argv)
{
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 300000;
    harness_start(&h);
    harness_script(&h, 1, "export default { fetch() { return new Response('hello'); } }", NULL);
    harness_script(&h, 2, "export default { async fetch() { return new Response('hello'); } }",
                   NULL);
    harness_script(&h, 3,
                   "export default { async fetch(request) { const url = new URL(request.url);"
                   " return Response.json({ path: url.pathname, agent: "
                   "request.headers.get('user-agent') }); } }",
                   NULL);
    bench_requests("hello", 1, count, 64);
    bench_requests("hello_async", 2, count, 64);
    bench_requests("hello_one_by_one", 1, count / 10, 1);
    bench_requests("url_headers_json", 3, count / 3, 64);
    const struct harness_binding to_hello[] = {{"HELLO", 1}, {0}};
    harness_caller(&h, 4, "export default { fetch: (request, env) => env.HELLO.fetch(request) }",
                   NULL, to_hello);
    harness_caller(&h, 5,
                   "export default { async fetch(request, env) {"
                   " return new Response(await (await env.HELLO.fetch(request)).text()); } }",
                   NULL, to_hello);
    bench_requests("call_handed_on", 4, count / 3, 64);
    bench_requests("call_read", 5, count / 3, 64);
    bench_requests("call_one_by_one", 4, count / 10, 1);
    static const char hello[] = "export default { fetch() { return new Response('hello'); } }";
    bench_cold("cold", hello);
    harness_stop(&h);
    return 0;
}
