/* figures.c: what isolates and calls cost here. Run: meson test --benchmark, or v8c-run
 * v8c-figures.so [FLAGS] */
#include "v8c.h"
#include "v8c_host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { ISOLATES = 200, CALLS = 1000000, LENT_BYTES = 4096 };

static char lent[LENT_BYTES];

static void noop(struct v8c_call *call)
{
}

static const struct v8c_native_entry natives[] = {{"noop", noop}, {0}};

static double now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

static long rss_kib(void)
{
    long size, resident;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%ld %ld", &size, &resident) != 2)
        abort();
    fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static struct v8c_value *must(struct v8c_value *value, const struct v8c_error *error)
{
    if (!value) {
        fprintf(stderr, "%s\n", error->text);
        exit(1);
    }
    return value;
}

static struct v8c_blob freeze(const struct v8c_blob *base, const char *script)
{
    struct v8c_blob blob;
    struct v8c_error error;
    struct v8c_scope scope;
    struct v8c_isolate *builder =
        v8c_snapshot_new(&(struct v8c_isolate_params){.blob = base, .natives = natives}, NULL);
    struct v8c_context *context = v8c_context_new(builder);
    v8c_scope_enter(&scope, builder, context);
    v8c_slot_set(builder, 0, must(v8c_run(builder, "figures", script, &error), &error));
    v8c_scope_exit(&scope);
    if (!v8c_snapshot_take(builder, context, true, &blob))
        abort();
    return blob;
}

/* Many isolates, all alive: start time, and what the process grew by. */
static void starts(const char *name, const struct v8c_blob *blob)
{
    static struct v8c_isolate *isolates[ISOLATES];
    static double took_us[ISOLATES];
    struct v8c_heap_stats stats = {0};
    struct v8c_error error;
    long before_kib = rss_kib();
    for (int i = 0; i < ISOLATES; i++) {
        struct v8c_scope scope;
        double start = now_us();
        isolates[i] =
            v8c_isolate_new(&(struct v8c_isolate_params){.blob = blob, .natives = natives}, NULL);
        struct v8c_context *context = v8c_context_new(isolates[i]);
        v8c_scope_enter(&scope, isolates[i], context);
        struct v8c_value *fn = blob ? v8c_slot(isolates[i], 0)
                                    : must(v8c_run(isolates[i], "f", "() => 1", &error), &error);
        must(v8c_function_call(isolates[i], fn, NULL, 0, NULL, &error), &error);
        took_us[i] = now_us() - start;
        v8c_isolate_heap_stats(isolates[i], &stats);
        v8c_scope_exit(&scope);
    }
    long after_kib = rss_kib();
    double start = now_us();
    for (int i = 0; i < ISOLATES; i++)
        v8c_isolate_free(isolates[i]);
    double free_us = (now_us() - start) / ISOLATES;
    qsort(took_us, ISOLATES, sizeof took_us[0], by_value);
    printf("%-28s start p50 %6.0f us  p99 %6.0f us  free %4.0f us  rss %5ld KiB  heap used %5zu "
           "KiB  committed %5zu KiB  malloced %4zu KiB\n",
           name, took_us[ISOLATES / 2], took_us[ISOLATES * 99 / 100], free_us,
           (after_kib - before_kib) / ISOLATES, stats.used_bytes / 1024,
           stats.committed_bytes / 1024, stats.malloced_bytes / 1024);
}

static void report(const char *what, double start_us)
{
    printf("%-44s %6.0f ns\n", what, (now_us() - start_us) * 1e3 / CALLS);
}

static void calls(void)
{
    struct v8c_error error;
    struct v8c_scope scope, each;
    struct v8c_isolate *is =
        v8c_isolate_new(&(struct v8c_isolate_params){.natives = natives}, NULL);
    struct v8c_context *context = v8c_context_new(is);
    v8c_scope_enter(&scope, is, context);
    struct v8c_value *empty = must(v8c_run(is, "f", "(a, b) => a", &error), &error);
    v8c_slot_set(is, 0, v8c_key(is, "key"));

    double start = now_us();
    for (int i = 0; i < CALLS; i++) {
        v8c_scope_enter(&each, is, context);
        v8c_scope_exit(&each);
    }
    report("scope enter + exit", start);
    start = now_us();
    for (int i = 0; i < CALLS; i++) {
        struct v8c_value *argv[] = {empty, empty};
        v8c_scope_enter(&each, is, context);
        v8c_function_call(is, empty, NULL, 2, argv, &error);
        v8c_scope_exit(&each);
    }
    report("scope + call of a function, 2 arguments", start);
    start = now_us();
    for (int i = 0; i < CALLS; i++) {
        v8c_scope_enter(&each, is, context);
        v8c_microtasks_run(is, &error);
        v8c_scope_exit(&each);
    }
    report("scope + microtask checkpoint, empty", start);
    start = now_us();
    for (int i = 0; i < CALLS; i++) {
        v8c_scope_enter(&each, is, context);
        v8c_string_latin1(is, "https://example.com/a/path?and=query", 36);
        v8c_scope_exit(&each);
    }
    report("scope + latin1 string of 36 bytes", start);
    start = now_us();
    for (int i = 0; i < CALLS; i++) {
        v8c_scope_enter(&each, is, context);
        struct v8c_value *object = v8c_object_new(is);
        v8c_set(is, object, v8c_slot(is, 0), empty, &error);
        v8c_scope_exit(&each);
    }
    report("scope + object, slot, property set", start);
    start = now_us();
    for (int i = 0; i < CALLS; i++) {
        v8c_scope_enter(&each, is, context);
        v8c_uint8_array_external(is, lent, sizeof lent, NULL, NULL);
        v8c_scope_exit(&each);
    }
    report("scope + Uint8Array over 4 KiB outside", start);
    start = now_us();
    for (int i = 0; i < CALLS; i++) {
        v8c_scope_enter(&each, is, context);
        v8c_uint8_array_copy(is, lent, sizeof lent);
        v8c_scope_exit(&each);
    }
    report("scope + Uint8Array, copy of 4 KiB", start);
    v8c_set(is, v8c_global_this(is), v8c_key(is, "noop"), v8c_function_new(is, 0), &error);
    start = now_us();
    must(v8c_run(is, "loop", "for (let i = 0; i < 1e6; i++) noop(i)", &error), &error);
    report("JavaScript calls a native", start);
    v8c_scope_exit(&scope);
    v8c_isolate_free(is);
}

/* One stage per process: what was freed before would hide what a stage takes. */
int v8c_main(int argc, char **argv)
{
    const char *stage = argc > 1 ? argv[1] : "calls";
    double start = now_us();
    v8c_init(&(struct v8c_init_params){.flags = argc > 2 ? argv[2] : "--single-threaded-gc",
                                       .threads = argc > 3 ? atoi(argv[3]) : 1});
    double init_us = now_us() - start;
    struct v8c_blob lean = freeze(NULL, "globalThis.Response = class {}; () => 1");
    struct v8c_blob script =
        freeze(&lean, "const t = new Map(); for (let i = 0; i < 20000; i++) t.set('k' + i, {i});"
                      "() => t.size");
    printf("V8 %s, init %.0f us, rss %ld KiB, blobs: lean %zu KiB, with 20,000 objects %zu KiB\n",
           v8c_version(), init_us, rss_kib(), lean.len / 1024, script.len / 1024);
    if (strcmp(stage, "none") == 0)
        starts("without a blob", NULL);
    else if (strcmp(stage, "lean") == 0)
        starts("lean blob", &lean);
    else if (strcmp(stage, "objects") == 0)
        starts("blob with 20,000 objects", &script);
    else
        calls();
    v8c_blob_free(&lean);
    v8c_blob_free(&script);
    v8c_fini();
    return 0;
}
