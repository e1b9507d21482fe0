/* Cells that crash, hang, lie, shout or cannot be killed, and zygotes that do not fork. */
#include <errno.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/base/log.h"
#include "control/supervise/region_guard.h"
#include "control/supervise/supervise_state.h"
#include "supervise_rig.h"

/* ---- ends ---- */

static void what_it_executed_at_its_end_is_told_and_held_back(void **state)
{
    const struct script *a = add_script("alpha", "crash");
    uint64_t held[WORLD_HELD_MAX], full;

    lets_go = false;
    start("good");
    for (int i = 1; i <= HOLD_ENDS; i++) {
        struct seen_link *l = warm(a);

        assert_int_equal(supervise_held(supervise, held, &full), 0);
        wake(l);
        UNTIL(l->is_detached);
        assert_int_equal(l->ended_by.script, a->handle);
        assert_true(l->ended_by.job == job_name(1, 5, 7));
        assert_int_equal(l->ended_by.error, JOB_ERROR_NONE);
        assert_int_equal(script_now(a).ended, i);
        assert_string_equal(status_now().last_exit, "exit 1");
        lets_go = true;
        follow();
        lets_go = false;
    }
    assert_int_equal(supervise_held(supervise, held, &full), 1);
    assert_int_equal(held[0], a->handle);
    assert_true(script_now(a).is_held);
    /* It does not start meanwhile; others do. */
    wish(a, true);
    warm(add_script("beta", "b"));
    assert_int_equal(script_now(a).cells, 0);
}

static void what_it_executed_is_told_the_limit_that_was_its_end(void **state)
{
    static const struct {
        const char *source;
        enum job_error error;
    } rows[] = {{"stuck", JOB_ERROR_CPU_LIMIT}, {"oom", JOB_ERROR_MEMORY_LIMIT}};

    lets_go = false;
    start("good");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct script *a = add_script(rows[i].source, rows[i].source);
        struct seen_link *l = warm(a);

        wake(l);
        UNTIL(l->is_detached);
        assert_int_equal(l->ended_by.script, a->handle);
        assert_int_equal(l->ended_by.error, rows[i].error);
        lets_go = true;
        follow();
        lets_go = false;
    }
}

static void only_its_own_script_can_be_blamed(void **state)
{
    const struct script *victim = add_script("victim", "v1"), *b = add_script("beta", "framer");
    struct seen_link *l;

    lets_go = false;
    assert_int_equal(victim->handle, 1);
    start("good");
    l = warm(b);
    wake(l);
    UNTIL(l->is_detached);
    assert_int_equal(l->ended_by.script, 0);
    assert_int_equal(l->ended_by.job, 0);
    assert_int_equal(supervise->holds.hold[0].script, 0);
}

static void one_that_is_missed_is_replaced_at_once(void **state)
{
    const struct script *a = add_script("alpha", "a");
    struct seen_link *l;

    start("good");
    l = warm(a);
    count(l, 1);
    UNTIL(script_now(a).requests == 1);
    assert_int_equal(kill(script_now(a).pid[0], SIGKILL), 0);
    UNTIL(loads == 2);
    assert_string_equal(status_now().last_exit, "signal 9 (Killed)");
    assert_int_equal(script_now(a).cells, 1);
}

static void one_that_nobody_asks_for_is_not(void **state)
{
    const struct script *a = add_script("alpha", "a");

    start("good");
    warm(a);
    assert_int_equal(kill(script_now(a).pid[0], SIGKILL), 0);
    UNTIL(script_now(a).ended == 1);
    warm(add_script("beta", "b"));
    assert_int_equal(status_now().started, 2);
}

static void one_that_ends_while_it_starts_is_told(void **state)
{
    const struct script *a = add_script("alpha", "exit");

    start("good");
    wish(a, true);
    UNTIL(loads == 1);
    assert_string_equal(loaded_error, "its cell ended while it was started: exit 3");
    assert_int_equal(supervise->holds.hold[0].script, a->handle);
}

static void one_that_closes_its_socket_is_killed(void **state)
{
    const struct script *a = add_script("alpha", "leave");

    start("good");
    wake(warm(a));
    UNTIL(script_now(a).ended == 1);
    assert_string_equal(status_now().last_exit, "signal 9 (Killed)");
}

/* ---- the region ---- */

static void a_condemned_one_is_killed(void **state)
{
    const struct script *a = add_script("alpha", "a");
    struct seen_link *l;

    start("good");
    l = warm(a);
    atomic_store(l->attach.condemned, 1);
    UNTIL(script_now(a).ended == 1 && cells_in(CELL_ENDING) == 0);
    l = warm(a);
    assert_int_equal(atomic_load(l->attach.condemned), 0);
}

static void lose_pages(void *at, size_t bytes)
{
    int fd = memfd_create("nothing", MFD_CLOEXEC);

    assert_ptr_equal(mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), at);
    close(fd);
}

static void it_takes_no_page_of_its_region_away(void **state)
{
    start("good");
    wake(warm(add_script("alpha", "punch")));
    UNTIL(has_logged("alpha: EPERM"));
}

/* Its core touches it: the life ends, and says why. */
static void one_whose_region_is_lost_is_killed(void **state)
{
    const struct script *a = add_script("alpha", "a");
    struct seen_link *l;

    start("good");
    l = warm(a);
    /* What a hole in it would be, if one could be made: a file of another size in its place. */
    lose_pages(l->attach.region, job_region_bytes(LANES, &job_geometry_small));
    assert_int_equal(*(volatile uint32_t *)l->attach.region, 0);
    assert_int_equal(atomic_load(l->attach.condemned), REGION_LOST);
    UNTIL(script_now(a).ended == 1);
    assert_int_equal(status_now().regions_lost, 1);
}

/* ---- that cannot be killed ---- */

/* Root, but for the privilege to signal other users' processes. */
static void set_kill_privilege(bool is_on)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct caps[2];

    assert_int_equal(syscall(SYS_capget, &header, caps), 0);
    if (is_on)
        caps[0].effective |= 1u << CAP_KILL;
    else
        caps[0].effective &= ~(1u << CAP_KILL);
    assert_int_equal(syscall(SYS_capset, &header, caps), 0);
}

/* A cell of another user has broken the contract; this one may not kill it. Returns its pid. */
static int start_beyond_reach(const struct script *a)
{
    struct seen_link *l;

    if (geteuid())
        skip();
    start("good");
    l = warm(a);
    set_kill_privilege(false);
    atomic_store(l->attach.condemned, 1);
    return script_now(a).pid[0];
}

static void one_that_may_not_be_killed_is_out_of_service_and_tried_again(void **state)
{
    const struct script *a = add_script("alpha", "deaf");
    int pid = start_beyond_reach(a);

    UNTIL(!strcmp(status_now().last_exit, "cannot be killed: Operation not permitted"));
    UNTIL(!link_of(a));
    warm(a); /* in another one */
    assert_int_equal(cells_in(CELL_ENDING), 1);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(errno, EPERM);
    set_kill_privilege(true);
    UNTIL(cells_in(CELL_ENDING) == 0);
    assert_int_equal(kill(pid, 0), -1);
}

static void one_that_may_not_be_killed_is_asked_to_end(void **state)
{
    start_beyond_reach(add_script("alpha", "a"));
    UNTIL(status_now().ended == 1 && cells_in(CELL_ENDING) == 0);
    set_kill_privilege(true);
}

static void the_end_waits_only_so_long_for_one_that_may_not_be_killed(void **state)
{
    int pid = start_beyond_reach(add_script("alpha", "deaf"));
    uint64_t before_ns = loop_now_ns();

    supervise_destroy(supervise);
    supervise = NULL;
    assert_true(loop_now_ns() - before_ns >= (uint64_t)SUPERVISE_STOP_MS * 1000000);
    set_kill_privilege(true);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- that hang ---- */

static void one_with_a_job_that_answers_no_ping_is_killed(void **state)
{
    const struct script *a = add_script("alpha", "deaf");

    rig_config.hang_ms = 200;
    start("good");
    count(warm(a), 1);
    UNTIL(script_now(a).ended == 1);
    assert_string_equal(status_now().last_exit, "signal 9 (Killed)");
}

static void one_that_starts_for_ever_is_killed(void **state)
{
    const struct script *a = add_script("alpha", "mute");

    rig_config.hang_ms = 200;
    start("good");
    wish(a, true);
    UNTIL(script_now(a).pid_count &&
          has_logged("alpha: alpha cpu_ms=7 subrequests=9 timers=32768 mute"));
    assert_int_equal(kill(script_now(a).pid[0], SIGSTOP), 0);
    UNTIL(loads == 1);
    assert_string_equal(loaded_error, "its cell ended while it was started: signal 9 (Killed)");
}

static void one_without_a_job_is_asked_nothing(void **state)
{
    const struct script *a = add_script("alpha", "deaf"), *b = add_script("beta", "b");
    struct seen_link *l;

    rig_config.hang_ms = 100;
    start("good");
    warm(a);
    l = warm(b);
    count(l, 1);
    assert_int_equal(kill(script_now(b).pid[0], SIGSTOP), 0);
    UNTIL(script_now(b).ended == 1); /* it had been asked */
    assert_int_equal(script_now(a).cells, 1);
}

static void one_that_others_keep_from_the_cpu_stays(void **state)
{
    const struct script *a = add_script("alpha", "a");

    rig_config.hang_ms = 200;
    rig_config.spares = 0;
    start("starved");
    count(warm(a), 1);
    UNTIL(has_logged("alpha: starved")); /* three times that long without an answer */
    assert_int_equal(status_now().ended, 0);
}

/* ---- what it takes ---- */

static void one_that_takes_far_more_than_its_script_may_is_killed_and_blamed(void **state)
{
    const struct script *a = add_script("alpha", "hungry");

    start("good");
    wake(warm(a));
    count(link_of(a), 1);
    UNTIL(script_now(a).ended == 1);
    assert_int_equal(supervise->holds.hold[0].script, a->handle);
}

/* ---- what it says ---- */

static void packets_that_do_not_parse_are_counted_and_dropped(void **state)
{
    const struct script *a = add_script("alpha", "garbage");

    start("good");
    wake(warm(a));
    UNTIL(has_logged("alpha: end"));
    assert_int_equal(status_now().bad_packets, 5);
    assert_int_equal(script_now(a).cells, 1);
}

static void what_a_cell_may_not_say_is_counted_and_dropped(void **state)
{
    const struct script *a = add_script("alpha", "liar");

    start("good");
    wake(warm(a));
    UNTIL(has_logged("alpha: end"));
    assert_false(has_logged("alpha: r") || has_logged("alpha: l"));
    assert_int_equal(status_now().bad_packets, 6);
    assert_int_equal(loads, 1);
    assert_int_equal(script_now(a).cells, 1);
}

/* This process's standard error goes to a file meanwhile. */
static int capture_log(void)
{
    char path[128];
    int kept = dup(STDERR_FILENO);

    snprintf(path, sizeof(path), "%s/log", root);
    assert_non_null(freopen(path, "w", stderr));
    return kept;
}

static void release_log(int kept)
{
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
}

static void what_a_cell_writes_is_no_line_of_hearthds_log(void **state)
{
    char path[128], line[LOG_LINE_BYTES_MAX + 1];
    int kept = capture_log(), lines = 0;
    FILE *f;

    start("good");
    wake(warm(add_script("alpha", "shout")));
    UNTIL(has_logged("alpha: end"));
    UNTIL(status_now().logs_dropped > 100);
    supervise_destroy(supervise);
    supervise = NULL;
    release_log(kept);
    snprintf(path, sizeof(path), "%s/log", root);
    f = fopen(path, "r");
    assert_non_null(f);
    for (; fgets(line, sizeof(line), f); lines++) {
        if ((strncmp(line, "cell index=", 11) && strncmp(line, "zygote pid=", 11)) ||
            strchr(line, '\x1b') || strstr(line, "\xe2\x80\xae") || strstr(line, "=\"forged") ||
            strlen(line) > SUPERVISE_WORDS_LINE_BYTES + 100)
            fail_msg("%s", line);
    }
    fclose(f);
    assert_true(lines < 200);
}

static void a_cell_sees_only_its_own_descriptors(void **state)
{
    start("stdio");
    UNTIL(has_logged(": fds 0 1 2 3"));
}

/* ---- before it has a script ---- */

static void one_that_is_never_ready_is_killed(void **state)
{
    start("silent");
    UNTIL(status_now().spares_ended >= SPARES);
    assert_string_equal(status_now().last_exit, "signal 9 (Killed)");
    assert_false(supervise_is_ready(supervise));
}

static void spares_that_end_are_forked_again_later_and_later(void **state)
{
    start("dies");
    UNTIL(status_now().spares_ended >= 6);
    assert_string_equal(status_now().last_exit, "exit 3");
    assert_true(supervise->fork_backoff_ms > SUPERVISE_BACKOFF_FIRST_MS);
    behave("good");
    UNTIL(supervise_is_ready(supervise));
}

static void a_script_whose_cell_was_never_ready_gets_another_one(void **state)
{
    const struct script *a = add_script("alpha", "a");

    rig_config.spares = 0;
    start("early");
    wish(a, true);
    UNTIL(status_now().ended >= 1);
    behave("good");
    UNTIL(is_warm(a));
    assert_int_equal(supervise->holds.hold[0].script, 0);
}

/* ---- the zygote ---- */

static void cells_live_on_when_the_zygote_is_renewed(void **state)
{
    const struct script *a = add_script("alpha", "a");
    int zygote, pid;

    start("good");
    warm(a);
    zygote = status_now().zygote_pid;
    pid = script_now(a).pid[0];
    supervise_renew(supervise, "a test");
    UNTIL(status_now().zygote_pid && status_now().zygote_pid != zygote);
    UNTIL(kill(zygote, 0) < 0);
    assert_int_equal(status_now().zygote_restarts, 0);
    assert_int_equal(script_now(a).pid[0], pid);
    assert_int_equal(kill(pid, 0), 0);
    warm(add_script("beta", "b"));
}

static void the_old_zygote_serves_until_the_new_one_is_ready(void **state)
{
    const struct script *a = add_script("alpha", "a");
    int zygote;

    rig_config.spares = 0;
    start("good");
    UNTIL(supervise_can_serve(supervise));
    zygote = status_now().zygote_pid;
    behave("zsilent");
    supervise_renew(supervise, "a test");
    UNTIL(supervise->zygote[1].state == ZYGOTE_BOOTING);
    warm(a);
    assert_int_equal(status_now().zygote_pid, zygote);
}

static void a_zygote_that_ends_is_started_again_and_its_cells_live_on(void **state)
{
    const struct script *a = add_script("alpha", "a");
    int pid;

    start("good");
    warm(a);
    pid = script_now(a).pid[0];
    assert_int_equal(kill(status_now().zygote_pid, SIGKILL), 0);
    UNTIL(status_now().zygote_restarts == 1 && supervise_can_serve(supervise));
    assert_int_equal(kill(pid, 0), 0);
    warm(add_script("beta", "b"));
    assert_int_equal(status_now().ended, 0);
}

static void a_zygote_that_keeps_ending_waits_longer_each_time(void **state)
{
    start("zdies");
    UNTIL(status_now().zygote_restarts >= 4);
    assert_true(supervise->zygote_backoff_ms >= 4 * SUPERVISE_BACKOFF_FIRST_MS);
    behave("good");
    UNTIL(supervise_is_ready(supervise));
}

static void fork_fails(const char *how)
{
    const struct script *a = add_script("alpha", "a");
    int zygote;

    rig_config.spares = 0;
    start("good");
    UNTIL(supervise_can_serve(supervise));
    zygote = status_now().zygote_pid;
    behave(how);
    wish(a, true);
    UNTIL(supervise->wants_zygote || status_now().zygote_pid != zygote);
    behave("good");
    UNTIL(is_warm(a));
    UNTIL(status_now().zygote_pid && status_now().zygote_pid != zygote);
    assert_int_equal(status_now().started, status_now().ended + 1);
}

static void a_zygote_that_cannot_fork_is_renewed(void **state)
{
    fork_fails("zrefuses");
}

static void a_pid_that_is_no_childs_is_no_cell(void **state)
{
    fork_fails("zlies");
    assert_int_equal(status_now().spares_ended, 0);
}

static void a_zygote_that_does_not_answer_is_killed(void **state)
{
    fork_fails("zmute");
    assert_true(status_now().zygote_restarts >= 1);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_it_executed_at_its_end_is_told_and_held_back),
        TEST(what_it_executed_is_told_the_limit_that_was_its_end),
        TEST(only_its_own_script_can_be_blamed),
        TEST(one_that_is_missed_is_replaced_at_once),
        TEST(one_that_nobody_asks_for_is_not),
        TEST(one_that_ends_while_it_starts_is_told),
        TEST(one_that_closes_its_socket_is_killed),
        TEST(a_condemned_one_is_killed),
        TEST(it_takes_no_page_of_its_region_away),
        TEST(one_whose_region_is_lost_is_killed),
        TEST(one_that_may_not_be_killed_is_out_of_service_and_tried_again),
        TEST(one_that_may_not_be_killed_is_asked_to_end),
        TEST(the_end_waits_only_so_long_for_one_that_may_not_be_killed),
        TEST(one_with_a_job_that_answers_no_ping_is_killed),
        TEST(one_that_starts_for_ever_is_killed),
        TEST(one_without_a_job_is_asked_nothing),
        TEST(one_that_others_keep_from_the_cpu_stays),
        TEST(one_that_takes_far_more_than_its_script_may_is_killed_and_blamed),
        TEST(packets_that_do_not_parse_are_counted_and_dropped),
        TEST(what_a_cell_may_not_say_is_counted_and_dropped),
        TEST(what_a_cell_writes_is_no_line_of_hearthds_log),
        TEST(a_cell_sees_only_its_own_descriptors),
        TEST(one_that_is_never_ready_is_killed),
        TEST(spares_that_end_are_forked_again_later_and_later),
        TEST(a_script_whose_cell_was_never_ready_gets_another_one),
        TEST(cells_live_on_when_the_zygote_is_renewed),
        TEST(the_old_zygote_serves_until_the_new_one_is_ready),
        TEST(a_zygote_that_ends_is_started_again_and_its_cells_live_on),
        TEST(a_zygote_that_keeps_ending_waits_longer_each_time),
        TEST(a_zygote_that_cannot_fork_is_renewed),
        TEST(a_pid_that_is_no_childs_is_no_cell),
        TEST(a_zygote_that_does_not_answer_is_killed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
