/* test_worker_life: a cell from its start to its end: its script, a larger region, a broken limit,
 * and what it does when there is nothing to do. */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "script_rig.h"

static struct harness h;
static bool is_small; /* the first region of each cell */

static const char hello[] = "export default { fetch() { return new Response('hello'); } }";

static int start(void **state)
{
    harness_start(&h);
    if (is_small)
        h.geometry = &job_geometry_small;
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

/* It takes nothing from its rings until it goes on. */
static void stop_cell(uint32_t s)
{
    pid_t pid = harness_cell(&h, s)->pid;
    siginfo_t info;
    assert_int_equal(kill(pid, SIGSTOP), 0);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOWAIT), 0);
}

static void go_on(uint32_t s)
{
    assert_int_equal(kill(harness_cell(&h, s)->pid, SIGCONT), 0);
}

/* Warm is what was there when the request came into the ring, not what was there when its turn
 * came. */
static void what_waited_for_the_start_is_not_called_warm(void **state)
{
    uint32_t s = rig_script(&h, hello), job[3];
    stop_cell(s);
    for (int i = 0; i < 3; i++)
        job[i] = rig_get(&h, s);
    go_on(s);
    struct harness_job *j = harness_wait(&h, job[0]);
    assert_true(j->cold_us > JOB_START_WARMING);
    assert_int_equal(j->cold_us, h.warmed_us);
    assert_true(j->has_span);
    uint64_t sum = 0;
    for (unsigned i = 0; i < JOB_PHASES; i++)
        sum += j->phase_us[i];
    assert_true(sum <= j->cold_us && sum + JOB_PHASES >= j->cold_us);
    for (int i = 1; i < 3; i++) {
        j = harness_wait(&h, job[i]);
        assert_int_equal(j->cold_us, JOB_START_WARMING);
        assert_false(j->has_span);
    }
    stop_cell(s); /* waiting for its turn is not waiting for a start */
    for (int i = 0; i < 3; i++) {
        harness_close(&h, job[i]);
        job[i] = rig_get(&h, s);
    }
    go_on(s);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(harness_wait(&h, job[i])->cold_us, JOB_START_WARM);
        harness_close(&h, job[i]);
    }
}

/* The core may hear of the cell when that has started already. */
static void what_waited_for_the_cell_is_not_called_warm(void **state)
{
    uint32_t s = rig_script(&h, hello), job[3];
    harness_loaded(&h, s);
    for (int i = 0; i < 3; i++) {
        h.has_waited = i < 2;
        job[i] = rig_get(&h, s);
    }
    assert_int_equal(harness_wait(&h, job[0])->cold_us, h.warmed_us);
    assert_int_equal(harness_wait(&h, job[1])->cold_us, JOB_START_WARMING);
    assert_int_equal(harness_wait(&h, job[2])->cold_us, JOB_START_WARM);
    for (int i = 0; i < 3; i++)
        harness_close(&h, job[i]);
}

static void what_waited_for_a_start_in_vain_is_told_what_it_took(void **state)
{
    uint32_t s = rig_script(&h, "for (let i = 0; i < 3e6; i++); throw new Error('top');"), job[2];
    stop_cell(s);
    job[0] = rig_get(&h, s);
    job[1] = rig_get(&h, s);
    go_on(s);
    struct harness_job *j = harness_wait(&h, job[0]);
    assert_int_equal(j->error, JOB_ERROR_LOAD);
    assert_true(j->has_span && j->phase_us[JOB_PHASE_TOP_LEVEL] > 0);
    assert_int_equal(harness_wait(&h, job[1])->error, JOB_ERROR_LOAD);
    harness_close(&h, job[0]);
    harness_close(&h, job[1]);
}

static void another_scripts_request_is_refused(void **state)
{
    uint32_t s = rig_script(&h, hello);
    h.all_to = s;
    assert_int_equal(harness_get(&h, 9999, "/")->error, JOB_ERROR_NO_SCRIPT);
    h.all_to = 0;
    rig_expect(&h, rig_get(&h, s), "hello");
}

static void a_ping_is_answered(void **state)
{
    uint32_t s = rig_script(&h, hello), pongs = h.pongs;
    harness_ping(&h, s);
    while (h.pongs == pongs)
        harness_await(&h);
}

/* ---- a larger region ---- */

static const char counts[] =
    "let n = 0; export default { async fetch(r, env) { n++; const body = await r.text();"
    " const a = await env.OTHER.fetch('https://o/' + body); return new Response(`${n} ${body} `"
    " + await a.text()); } }";

static void what_began_in_the_first_region_ends_there(void **state)
{
    uint32_t s = rig_caller(&h, counts);
    uint32_t first = rig_post(&h, s);
    harness_send(&h, first, "fi", 2, false);
    harness_loaded(&h, s);
    uint32_t warmed = h.warmed;
    harness_enlarge(&h, s);
    while (h.warmed == warmed)
        harness_await(&h);
    assert_int_equal(h.warmed_us, 0);
    uint32_t second = rig_post(&h, s);
    assert_ptr_not_equal(h.jobs[first].link, h.jobs[second].link);
    assert_int_equal(h.jobs[first].slot,
                     h.jobs[second].slot); /* they are told apart all the same */
    harness_send(&h, second, "second", 6, true);
    uint32_t sub = harness_wait_sub(&h);
    assert_ptr_equal(h.subs[sub].link, h.jobs[second].link);
    harness_send(&h, first, "rst", 3, true);
    uint32_t sub_of_first = harness_wait_sub(&h);
    assert_ptr_equal(h.subs[sub_of_first].link, h.jobs[first].link);
    assert_int_equal(h.subs[sub].index, h.subs[sub_of_first].index);
    harness_reply(&h, sub_of_first, 200, NULL, true);
    harness_reply_data(&h, sub_of_first, "one", 3, true);
    rig_expect(&h, first, "2 first one");
    harness_reply(&h, sub, 200, NULL, true);
    harness_reply_data(&h, sub, "two", 3, true);
    rig_expect(&h, second, "2 second two");
    rig_expect_nothing_left(&h);
}

static void a_job_that_is_there_before_the_script_waits_for_it(void **state)
{
    uint32_t s = ++h.handles;
    h.holds_scripts = true;
    harness_script(&h, s, hello, NULL);
    uint32_t job = rig_get(&h, s);
    for (int i = 0; i < 20; i++) /* it has seen the job */
        harness_poll(&h, 5);
    assert_false(h.jobs[job].is_done);
    h.holds_scripts = false;
    harness_tell_script(&h, s);
    rig_expect(&h, job, "hello");
}

static void a_larger_region_may_come_before_the_script_has_started(void **state)
{
    uint32_t s = rig_script(&h, hello);
    harness_enlarge(&h, s);
    for (int i = 0; i < 3; i++)
        rig_expect(&h, rig_get(&h, s), "hello");
}

static void a_death_names_what_was_executed_in_the_region_where_it_began(void **state)
{
    uint32_t s = ++h.handles;
    harness_script(&h, s, "export default { fetch() { for (;;); } }", "{\"cpu_ms\":500}");
    harness_loaded(&h, s);
    harness_enlarge(&h, s);
    uint32_t job = rig_get(&h, s);
    struct harness_link *l = h.jobs[job].link, *other = harness_cell(&h, s)->link[0];
    uint64_t name = job_name(0, h.jobs[job].slot, h.jobs[job].generation);
    while (job_region_blame(l->region).job != name)
        harness_poll(&h, 1);
    assert_int_equal(job_region_blame(l->region).script, s);
    assert_int_equal(job_region_blame(other->region).script, 0); /* none of its jobs is why */
    assert_int_equal(job_region_blame(other->region).job, 0);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_CPU_LIMIT);
    while (job_region_blame(l->region).script)
        harness_poll(&h, 1);
    harness_close(&h, job);
}

/* ---- limits ---- */

static const char breaks[] =
    "const all = []; export default { async fetch(r) {"
    " if (r.url.endsWith('/spin')) for (;;);"
    " if (r.url.endsWith('/eat')) for (;;) all.push(new Array(1000).fill(1));"
    " if (r.url.endsWith('/wait')) await new Promise((d) => setTimeout(d, 1e6));"
    " return new Response('well'); } }";

static uint32_t open_path(uint32_t s, const char *path)
{
    char url[64];
    snprintf(url, sizeof(url), RIG_URL "%s", path);
    return harness_open(&h, s, "GET", url, NULL, false);
}

static uint32_t breaker(uint32_t cpu_ms)
{
    char limits[64];
    snprintf(limits, sizeof(limits), "{\"heap_bytes\":33554432,\"cpu_ms\":%u}", cpu_ms);
    harness_script(&h, ++h.handles, breaks, limits);
    return h.handles;
}

/* Its finally blocks did not run: hearthd should replace the cell, and it serves until then. */
static void who_is_struck_is_spoiled_says_so_once_and_serves(void **state)
{
    uint32_t s = breaker(20), spoiled = h.spoiled, spent = h.spent;
    for (int i = 0; i < 2; i++) {
        uint32_t job = open_path(s, "spin");
        assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_CPU_LIMIT);
        harness_close(&h, job);
        rig_expect(&h, rig_get(&h, s), "well");
        assert_int_equal(h.spoiled, spoiled + 1);
    }
    assert_int_equal(h.spent, spent);
    assert_string_equal(h.spoiled_why, "a request used more CPU time than its limit");
}

/* Nothing of what is refused has begun: it may run elsewhere, whatever it is. */
static void who_is_over_its_memory_ends_what_it_has_and_refuses_the_rest(void **state)
{
    uint32_t s = breaker(20000), spent = h.spent, waits = open_path(s, "wait"), job[4];
    harness_loaded(&h, s);
    stop_cell(s);
    job[0] = open_path(s, "wait");
    job[1] = open_path(s, "eat");
    job[2] = open_path(s, "");
    job[3] = rig_post(&h, s);
    go_on(s);
    assert_int_equal(harness_wait(&h, waits)->error, JOB_ERROR_MEMORY_LIMIT);
    for (int i = 0; i < 4; i++) {
        enum job_error expected = i < 2 ? JOB_ERROR_MEMORY_LIMIT : JOB_ERROR_SPENT;
        assert_int_equal(harness_wait(&h, job[i])->error, expected);
        harness_close(&h, job[i]);
    }
    harness_close(&h, waits);
    assert_int_equal(h.spent, spent + 1);
    assert_string_equal(h.spoiled_why, "the script used more memory than its limit");
    rig_expect(&h, rig_get(&h, s), "well"); /* another cell */
}

static void who_is_spoiled_may_be_spent_later(void **state)
{
    uint32_t s = breaker(2000), spoiled = h.spoiled, spent = h.spent;
    static const char *const paths[] = {"spin", "eat"};
    for (int i = 0; i < 2; i++) {
        uint32_t job = open_path(s, paths[i]);
        assert_int_equal(harness_wait(&h, job)->error,
                         i ? JOB_ERROR_MEMORY_LIMIT : JOB_ERROR_CPU_LIMIT);
        harness_close(&h, job);
    }
    assert_int_equal(h.spoiled, spoiled + 2);
    assert_int_equal(h.spent, spent + 1);
}

/* A strike that hits what runs for nobody: the request was over when its stream was told. */
static void a_strike_outside_of_requests_spends_the_cell(void **state)
{
    uint32_t spent = h.spent;
    harness_script(&h, ++h.handles,
                   "export default { fetch() { return new Response(new ReadableStream({"
                   " pull(c) { c.enqueue(new Uint8Array(10)); return new Promise((d) =>"
                   " setTimeout(d, 1e6)); }, cancel() { for (;;); } })); } }",
                   "{\"cpu_ms\":60000,\"wall_ms\":200}");
    uint32_t job = rig_get(&h, h.handles);
    assert_int_equal(harness_wait(&h, job)->error, JOB_ERROR_WALL_LIMIT);
    while (h.spent == spent)
        harness_await(&h);
    assert_string_equal(h.spoiled_why, "the script used more CPU time than its limit");
    harness_close(&h, job);
}

/* ---- rest, and the end ---- */

/* The thread waits in a call that has its timeout there, and it is none. */
static bool waits_for_ever(pid_t pid, const char *thread)
{
    char path[300];
    long call = -1;
    unsigned long args[3] = {0};
    snprintf(path, sizeof(path), "/proc/%d/task/%s/syscall", (int)pid, thread);
    FILE *f = fopen(path, "r");
    int n = f ? fscanf(f, "%ld %lx %lx %lx", &call, &args[0], &args[1], &args[2]) : 0;
    if (f)
        fclose(f);
    return n == 4 && (call == SYS_ppoll || call == SYS_rt_sigtimedwait) && !args[2];
}

static bool all_wait_for_ever(pid_t pid)
{
    char path[64];
    bool all = true;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    assert_non_null(threads);
    for (struct dirent *e; (e = readdir(threads));)
        if (e->d_name[0] != '.')
            all &= waits_for_ever(pid, e->d_name);
    closedir(threads);
    return all;
}

/* Neither the loop nor the monitor wakes up to see that there is nothing to do. */
static void who_has_no_request_waits_without_a_timeout(void **state)
{
    uint32_t s = rig_script(&h, "export default { async fetch() { setTimeout(() => {}, 1e6);"
                                " await new Promise((d) => setTimeout(d, 1));"
                                " return new Response('x'); } }");
    rig_expect(&h, rig_get(&h, s), "x");
    pid_t pid = harness_cell(&h, s)->pid;
    while (!all_wait_for_ever(pid))
        harness_poll(&h, 10);
}

static void hearthds_end_is_the_cells_end(void **state)
{
    uint32_t s = breaker(20), waits = open_path(s, "wait");
    rig_expect(&h, rig_get(&h, s), "well");
    struct harness_cell *c = harness_cell(&h, s);
    harness_retire(&h, s);
    harness_cancel(&h, waits);
    pid_t pid = c->pid; /* the harness waits for it to end with 0 */
    while (kill(pid, 0) == 0)
        harness_poll(&h, 10);
}

int main(int argc, char **argv)
{
    is_small = argc > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_waited_for_the_start_is_not_called_warm),
        cmocka_unit_test(what_waited_for_the_cell_is_not_called_warm),
        cmocka_unit_test(what_waited_for_a_start_in_vain_is_told_what_it_took),
        cmocka_unit_test(another_scripts_request_is_refused),
        cmocka_unit_test(a_ping_is_answered),
        cmocka_unit_test(what_began_in_the_first_region_ends_there),
        cmocka_unit_test(a_job_that_is_there_before_the_script_waits_for_it),
        cmocka_unit_test(a_larger_region_may_come_before_the_script_has_started),
        cmocka_unit_test(a_death_names_what_was_executed_in_the_region_where_it_began),
        cmocka_unit_test(who_is_struck_is_spoiled_says_so_once_and_serves),
        cmocka_unit_test(who_is_over_its_memory_ends_what_it_has_and_refuses_the_rest),
        cmocka_unit_test(who_is_spoiled_may_be_spent_later),
        cmocka_unit_test(a_strike_outside_of_requests_spends_the_cell),
        cmocka_unit_test(who_has_no_request_waits_without_a_timeout),
        cmocka_unit_test(hearthds_end_is_the_cells_end),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
