/* Isolates, contexts, scopes, slots, the pump, the host. */
#include "world.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "v8c_host.h"

static void isolates_know_nothing_of_each_other(void **state)
{
    struct world a, b;
    world_open(&a, (struct v8c_isolate_params){0});
    world_run(&a, "globalThis.x = 'a'");
    world_open(&b, (struct v8c_isolate_params){0}); /* nested in a's scope */
    assert_true(world_is_true(&b, "typeof x === 'undefined'"));
    world_close(&b);
    assert_true(world_is_true(&a, "x === 'a'"));
    world_close(&a);
}

static void contexts_have_their_own_globals_and_slots(void **state)
{
    struct world w;
    struct v8c_scope scope;
    struct v8c_heap_stats stats;
    world_open(&w, (struct v8c_isolate_params){0});
    struct v8c_context *other = v8c_context_new(w.isolate);
    world_run(&w, "globalThis.x = 1");
    assert_true(v8c_is(v8c_slot(w.isolate, 3), V8C_UNDEFINED));
    v8c_slot_set(w.isolate, 3, v8c_int(w.isolate, 33));
    v8c_scope_enter(&scope, w.isolate, other);
    assert_true(world_is_true(&w, "typeof x === 'undefined'"));
    assert_true(v8c_is(v8c_slot(w.isolate, 3), V8C_UNDEFINED));
    v8c_isolate_heap_stats(w.isolate, &stats);
    assert_int_equal(stats.contexts, 2);
    v8c_scope_exit(&scope);
    assert_int_equal(v8c_int_value(v8c_slot(w.isolate, 3)), 33);
    v8c_context_free(other);
    v8c_context_free(NULL);
    world_close(&w);
}

static void an_inner_scope_bounds_its_handles(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){.heap_bytes_max = 16 << 20});
    for (int i = 0; i < 200000; i++) { /* 200,000 x 1 KiB: fits only if they are let go */
        struct v8c_scope scope;
        char text[1024] = {(char)i};
        v8c_scope_enter(&scope, w.isolate, w.context);
        assert_non_null(v8c_string_latin1(w.isolate, text, sizeof text));
        v8c_scope_exit(&scope);
    }
    world_close(&w);
}

static void the_pump_runs_what_v8_posts(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    assert_false(v8c_pump(w.isolate));
    world_run(&w, "globalThis.gone = 0;"
                  "globalThis.registry = new FinalizationRegistry(() => { gone++ });"
                  "(() => { for (let i = 0; i < 10; i++) registry.register({}, i) })()");
    v8c_microtasks_run(w.isolate, &w.error); /* lets go of what a turn keeps alive */
    v8c_isolate_pressure(w.isolate, V8C_PRESSURE_CRITICAL);
    assert_true(world_is_true(&w, "gone === 0"));
    assert_true(v8c_pump(w.isolate));
    while (v8c_pump(w.isolate)) /* a task at a time */
        ;
    assert_true(world_is_true(&w, "gone > 0"));
    world_close(&w);
}

static void languages_are_built_in(void **state)
{
    struct world w;
    world_open(&w, (struct v8c_isolate_params){0});
    assert_true(world_is_true(&w, "new Intl.NumberFormat('de').format(1234.5) === '1.234,5'"));
    assert_true(world_is_true(&w, "'\\u00df'.toLocaleUpperCase('de') === 'SS'"));
    world_close(&w);
}

static void a_hosted_program_does_not_hand_itself_down(void **state)
{
    assert_null(getenv("LD_PRELOAD"));
    static char program[3 * PATH_MAX];
    memset(program, 'x', sizeof program - 1);
    char *argv[] = {"x", NULL}, *envp[] = {NULL};
    const char *node = "/nonexistent/node"; /* not to be replaced by it if a check is missing */
    assert_int_equal(v8c_exec(node, program, NULL, argv, envp), -ENAMETOOLONG);
    assert_int_equal(v8c_exec(node, "/with:colon.so", NULL, argv, envp), -EINVAL);
    assert_int_equal(v8c_exec(node, "/x.so", "libjemalloc.so.2", argv, envp), -ENOENT);
}

/* Runs this program again as another process, with what it writes to stderr in text. Its wait
 * status. */
static int run_again(const char *group, char *text, size_t cap)
{
    int ends[2], status;
    size_t len = 0;
    ssize_t got;
    Dl_info self;
    assert_true(dladdr((void *)world_open, &self) != 0);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char *argv[] = {"v8c-test", (char *)group, NULL};
        dup2(ends[1], STDERR_FILENO);
        v8c_exec("/proc/self/exe", self.dli_fname, NULL, argv, environ);
        _exit(127);
    }
    close(ends[1]);
    while (len < cap - 1 && (got = read(ends[0], text + len, cap - 1 - len)) > 0)
        len += (size_t)got;
    text[len] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void out_of_memory_is_told_before_the_abort(void **state)
{
    char text[4096];
    int status = run_again("die", text, sizeof text);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "told: "));
    assert_non_null(strstr(text, "out of memory"));
}

static void a_hosted_program_exits_like_any_other(void **state)
{
    char text[4096];
    int status = run_again("exit", text, sizeof text);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
    assert_string_equal(text, "at exit\n");
}

static void *use(void *arg)
{
    for (int i = 0; i < 10; i++) {
        struct world w;
        world_open(&w, (struct v8c_isolate_params){0});
        if (world_is_true(&w, "let s = 0; for (let i = 0; i < 20000; i++) s += i; s === 199990000"))
            ++*(int *)arg;
        world_close(&w);
    }
    return NULL;
}

static void threads_have_isolates_of_their_own(void **state)
{
    pthread_t threads[4];
    int right[4] = {0};
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, use, &right[i]);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(right[i], 10);
    }
}

int isolates_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isolates_know_nothing_of_each_other),
        cmocka_unit_test(contexts_have_their_own_globals_and_slots),
        cmocka_unit_test(an_inner_scope_bounds_its_handles),
        cmocka_unit_test(the_pump_runs_what_v8_posts),
        cmocka_unit_test(languages_are_built_in),
        cmocka_unit_test(a_hosted_program_does_not_hand_itself_down),
        cmocka_unit_test(a_hosted_program_exits_like_any_other),
        cmocka_unit_test(out_of_memory_is_told_before_the_abort),
        cmocka_unit_test(threads_have_isolates_of_their_own),
    };
    return cmocka_run_group_tests_name("isolates", tests, NULL, NULL);
}
