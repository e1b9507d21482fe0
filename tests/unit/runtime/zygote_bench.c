/* zygote-bench [CELLS [SCRIPT.mjs [OPTION]]]: what cells cost. Prints one JSON object per line.
 * OPTION: the zygote's; or "template": all cells but the first are forked from one.
 *
 *   how long from nothing to "ready"; how long one that is ready and has its script takes to
 *   "loaded", and from there to its first answer, with its CPU time for both together; what a cell
 *   takes of memory after that, after 50 requests, and (some of them) after 1,000: proportional
 *   share, pages of its own, page tables; the price of a call of Math.random */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

enum {
    CELLS_MAX = HARNESS_CELLS_MAX - 1,
    BUSY = 20,
    SPARE_US = 2000, /* that a cell is ready before it gets its script */
};

static struct harness h;
static const char *source = "export default { fetch() { return new Response('hello'); } }";

static double us_of(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static double now_us(void)
{
    return us_of(CLOCK_MONOTONIC);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_times(const char *name, double *us, unsigned count)
{
    qsort(us, count, sizeof(*us), compare);
    printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"us\",\"least\":%.0f,\"p99\":%.0f}\n", name,
           us[count / 2], us[0], us[count * 99 / 100]);
}

/* The sum of the lines of that name, in KB. */
static double kb_of(pid_t pid, const char *file, const char *name)
{
    char path[64], line[256];
    double sum = 0;
    size_t len = strlen(name);
    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, name, len) == 0 && line[len] == ':')
            sum += atof(line + len + 1);
    if (f)
        fclose(f);
    return sum;
}

static void print_memory(const char *name, unsigned count)
{
    double pss = 0, own = 0, tables = 0;
    for (unsigned i = 0; i < count; i++) {
        pid_t pid = harness_cell(&h, i + 1)->pid;
        pss += kb_of(pid, "smaps_rollup", "Pss");
        own += kb_of(pid, "smaps_rollup", "Private_Dirty");
        tables += kb_of(pid, "status", "VmPTE");
    }
    printf("{\"name\":\"%s\",\"value\":%.0f,\"unit\":\"KB\",\"own\":%.0f,\"page_tables\":%.0f}\n",
           name, pss / count, own / count, tables / count);
}

static void get(uint32_t handle, unsigned times)
{
    while (times-- > 0)
        if (harness_get(&h, handle, "/")->error)
            abort();
}

static double cpu_us_of(const struct harness_cell *c)
{
    clockid_t clock;
    return clock_getcpuclockid(c->pid, &clock) == 0 ? us_of(clock) : 0;
}

/* CPU time of the first cells together. */
static double cpu_us(unsigned count)
{
    double sum = 0;
    for (unsigned i = 0; i < count; i++)
        sum += cpu_us_of(harness_cell(&h, i + 1));
    return sum;
}

static void bench_start(unsigned count)
{
    static double ready_us[CELLS_MAX], loaded_us[CELLS_MAX], answer_us[CELLS_MAX],
        start_cpu_us[CELLS_MAX];
    for (unsigned i = 0; i < count; i++) {
        double started = now_us();
        harness_script(&h, i + 1, source, "{\"cpu_ms\":10000}");
        const struct harness_cell *c = harness_cell(&h, i + 1);
        while (!c->is_ready)
            harness_await(&h);
        ready_us[i] = now_us() - started;
        usleep(SPARE_US);
        start_cpu_us[i] = -cpu_us_of(c);
        started = now_us();
        harness_tell_script(&h, i + 1);
        harness_loaded(&h, i + 1);
        loaded_us[i] = now_us() - started;
        get(i + 1, 1);
        answer_us[i] = now_us() - started;
        start_cpu_us[i] += cpu_us_of(c);
    }
    print_times("cell_ready", ready_us, count);
    print_times("spare_loaded", loaded_us, count);
    print_times("spare_answered", answer_us, count);
    print_times("spare_cpu", start_cpu_us, count);
}

static void bench_template(void)
{
    harness_script(&h, CELLS_MAX, source, "{\"cpu_ms\":10000}");
    harness_loaded(&h, CELLS_MAX);
    double started = now_us();
    struct template_rig *t = harness_template(&h, CELLS_MAX);
    if (t->refusal[0]) {
        fprintf(stderr, "zygote-bench: %s\n", t->refusal);
        exit(1);
    }
    t->handle = 0;
    printf("{\"name\":\"template_frozen\",\"value\":%.0f,\"unit\":\"us\",\"own\":%.0f}\n",
           now_us() - started, kb_of(t->pid, "smaps_rollup", "Private_Dirty"));
}

static void bench_random(void)
{
    harness_script(
        &h, CELLS_MAX + 1,
        "export default { fetch() { let x = 0; const n = 3e7;"
        " for (let i = 0; i < n; i++) x += Math.random(); return new Response(`${x}`); } }",
        "{\"cpu_ms\":10000}");
    get(CELLS_MAX + 1, 1);
    clockid_t clock;
    clock_getcpuclockid(harness_cell(&h, CELLS_MAX + 1)->pid, &clock);
    double started = us_of(clock);
    get(CELLS_MAX + 1, 1);
    printf("{\"name\":\"math_random\",\"value\":%.1f,\"unit\":\"ns\"}\n",
           (us_of(clock) - started) / 3e7 * 1e3);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 200;
    if (count < BUSY || count > CELLS_MAX) {
        fprintf(stderr, "zygote-bench: %u to %u cells\n", BUSY, CELLS_MAX);
        return 2;
    }
    if (argc > 2)
        source = harness_read_module(".", argv[2]).text;
    double started = now_us();
    harness_start(&h);
    printf("{\"name\":\"zygote_ready\",\"value\":%.0f,\"unit\":\"us\"}\n", now_us() - started);
    bool is_template = argc > 3 && strcmp(argv[3], "template") == 0;
    if (argc > 3 && !is_template) {
        zygote_rig_stop(&h.zygote);
        zygote_rig_start(&h.zygote, argv[3]);
    }
    h.geometry = &job_geometry_small;
    h.cells_warm = HARNESS_CELLS_MAX;
    if (is_template)
        bench_template();
    h.holds_scripts = true;
    bench_start(count);
    h.holds_scripts = false;
    print_memory("cell", count);
    for (unsigned i = 0; i < count; i++)
        get(i + 1, 50);
    print_memory("cell_after_50", count);
    double used_us = cpu_us(BUSY);
    for (unsigned i = 0; i < BUSY; i++)
        get(i + 1, 950);
    printf("{\"name\":\"request_one_by_one\",\"value\":%.2f,\"unit\":\"us\"}\n",
           (cpu_us(BUSY) - used_us) / BUSY / 950);
    print_memory("cell_after_1000", BUSY);
    if (!is_template)
        bench_random();
    harness_stop(&h);
    return 0;
}
