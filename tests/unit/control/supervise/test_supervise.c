/* Starting, feeding and replacing runtime processes. */
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
#include "control/deploy/bundle.h"
#include "control/supervise/process.h"
#include "runtime/job.h"
#include "supervise_rig.h"

static void a_process_that_is_ready_has_a_region_for_the_cores(void **state)
{
    struct part *region;
    struct world_runtime r;

    start("good", 2);
    r = supervise_runtime(supervise, 0, &region);
    assert_null(r.region);
    assert_null(region);
    UNTIL(supervise_up_count(supervise) == 2);
    assert_true(changes >= 2);
    r = supervise_runtime(supervise, 1, &region);
    assert_non_null(r.region);
    assert_non_null(region);
    assert_true(r.wake_fd >= 0);
    assert_int_equal(atomic_load(r.condemned), 0);
    assert_string_equal(status_of(0).v8, "fake");
}

static void scripts_arrive_in_order_with_their_sources_and_limits(void **state)
{
    add_script("alpha", "source a");
    start("good", 1);
    UNTIL(has_logged("alpha: alpha cpu_ms=7 subrequests=9 source a"));
    assert_true(supervise_is_told(supervise, catalog.last_handle));
    add_script("beta", "source b");
    assert_false(supervise_is_told(supervise, catalog.last_handle));
    supervise_tell(supervise);
    assert_false(supervise_is_told(supervise, catalog.last_handle)); /* sent, but not taken */
    UNTIL(supervise_is_told(supervise, catalog.last_handle));
    assert_true(has_logged("beta: beta cpu_ms=7 subrequests=9 source b"));
    /* A new version of it; nobody holds the old one any more. */
    add_script("beta", "source c");
    supervise_tell(supervise);
    UNTIL(has_logged("beta: beta cpu_ms=7 subrequests=9 source c"));
    UNTIL(has_logged(": forgot 2"));
}

static void a_script_comes_with_the_names_of_its_services_in_order(void **state)
{
    add_script_with("alpha", "source a", "",
                    json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:{s:i, s:i}}", "services", "binding",
                              "TWO", "service", "two", "binding", "ONE", "service", "one", "limits",
                              "cpu_ms", 3, "subrequests", 4));
    start("good", 1);
    UNTIL(has_logged("alpha: alpha cpu_ms=3 subrequests=4 TWO.ONE.source a"));
}

static void a_killed_process_comes_back_with_a_new_region(void **state)
{
    struct part *before, *after;
    struct world_runtime old, young;

    add_script("alpha", "a");
    start("good", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    old = supervise_runtime(supervise, 0, &before);
    part_hold(before); /* as a world would */
    kill(status_of(0).pid, SIGKILL);
    UNTIL(supervise_up_count(supervise) == 0);
    log_count = 0;
    assert_null(supervise_runtime(supervise, 0, &after).region);
    assert_string_equal(status_of(0).last_exit, "signal 9 (Killed)");
    UNTIL(supervise_up_count(supervise) == 1);
    young = supervise_runtime(supervise, 0, &after);
    assert_true(young.life > old.life);
    assert_ptr_not_equal(after, before);
    assert_int_equal(*(uint32_t *)old.region, *(uint32_t *)young.region); /* still mapped */
    assert_int_equal(status_of(0).restarts, 1);
    part_release(before);
    UNTIL(has_logged("alpha: alpha cpu_ms=7 subrequests=9 a"));
}

static void one_that_keeps_dying_waits_longer_each_time(void **state)
{
    start("dies", 1);
    UNTIL(status_of(0).restarts >= 4);
    assert_string_equal(status_of(0).last_exit, "exit 3");
    /* Free, 100 ms, 200 ms, 400 ms: the last one is still to come. */
    behave("good");
    UNTIL(supervise_up_count(supervise) == 1);
}

static void what_it_executed_at_its_end_is_told_and_held_back(void **state)
{
    uint64_t held[WORLD_HELD_MAX];
    struct world_runtime r;
    struct part *region;

    add_script("alpha", "a");
    start("killed", 1);
    UNTIL(status_of(0).restarts >= 1 && !status_of(0).pid);
    r = supervise_runtime(supervise, 0, &region);
    assert_null(r.region);
    assert_int_equal(r.ended_life, r.life);
    assert_int_equal(r.ended_by.script, catalog.last_handle);
    assert_true(r.ended_by.job == job_name(1, 5, 7));
    assert_int_equal(supervise_held(supervise, held), 0);
    UNTIL(status_of(0).restarts >= HOLD_ENDS);
    assert_int_equal(supervise_held(supervise, held), 1);
    assert_int_equal(held[0], catalog.last_handle);
    behave("good");
    UNTIL(supervise_up_count(supervise) == 1);
    r = supervise_runtime(supervise, 0, &region);
    assert_true(r.life > r.ended_life); /* the end of the life before is still told */
}

static void a_condemned_process_is_replaced(void **state)
{
    struct part *region;
    struct world_runtime r;
    int pid;

    start("good", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    pid = status_of(0).pid;
    r = supervise_runtime(supervise, 0, &region);
    atomic_store(r.condemned, 1);
    UNTIL(supervise_up_count(supervise) == 1 && status_of(0).pid != pid);
    r = supervise_runtime(supervise, 0, &region);
    assert_int_equal(atomic_load(r.condemned), 0);
}

static void lose_pages(void *at, size_t bytes)
{
    int fd = memfd_create("nothing", MFD_CLOEXEC);

    assert_ptr_equal(mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), at);
    close(fd);
}

static void a_process_takes_no_page_of_its_region_away(void **state)
{
    start("punches", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    add_script("alpha", "a");
    supervise_tell(supervise);
    UNTIL(has_logged(": EPERM"));
}

/* Its core touches it: the life ends, and says why. */
static void a_process_whose_region_is_lost_is_replaced(void **state)
{
    struct part *region;
    struct world_runtime r;
    int pid;

    start("good", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    pid = status_of(0).pid;
    r = supervise_runtime(supervise, 0, &region);
    /* What a hole in it would be, if one could be made: a file of another size in its place. */
    lose_pages(r.region, job_region_bytes(1));
    assert_int_equal(*(volatile uint32_t *)r.region, 0);
    assert_int_equal(atomic_load(r.condemned), REGION_LOST);
    UNTIL(supervise_up_count(supervise) == 1 && status_of(0).pid != pid);
    assert_int_equal(status_of(0).regions_lost, 1);
    r = supervise_runtime(supervise, 0, &region);
    assert_int_equal(atomic_load(r.condemned), 0);
}

/* The largest manifest that a deploy may bring fits into a packet: one that did not would end every
 * process that is told of it. */
static void the_largest_script_is_told(void **state)
{
    static char name[BUNDLE_MODULE_NAME_BYTES_MAX + 1], var[BUNDLE_VARS_BYTES_MAX];
    json_t *modules = json_array(), *services = json_array(), *m;
    char binding[BUNDLE_BINDING_BYTES_MAX + 1];
    struct script *s;

    for (int i = 0; i < START_MODULES_MAX; i++) {
        memset(name, '"', sizeof(name) - 1); /* two bytes in JSON */
        snprintf(name, 4, "%03d", i);
        name[3] = '"';
        json_array_append_new(modules, json_pack("{s:s, s:i}", "name", name, "bytes", 0));
    }
    for (int i = 0; i < JOB_BINDINGS_MAX; i++) {
        memset(binding, 'b', sizeof(binding) - 1);
        binding[sizeof(binding) - 1] = 0;
        binding[0] = (char)(i < 26 ? 'a' + i : 'A' + i % 26);
        binding[1] = (char)('a' + i / 26);
        json_array_append_new(services,
                              json_pack("{s:s, s:s}", "binding", binding, "service", "b"));
    }
    memset(var, 'v', sizeof(var));
    m = json_pack("{s:s, s:s, s:o, s:o, s:{s:s%}}", "name", "largest", "main", name, "modules",
                  modules, "services", services, "vars", "V", var, sizeof(var) - 8);
    if (!bundle_check(m, 0, error, sizeof(error)))
        fail_msg("%s", error);
    s = catalog_add(&catalog, m, memfd_create("modules", MFD_CLOEXEC), "0123456789abcdef", 1);
    assert_non_null(s);
    start("good", 1);
    UNTIL(supervise_up_count(supervise) == 1 && supervise_is_told(supervise, s->handle));
    UNTIL(log_count > 0);
    assert_int_equal(status_of(0).restarts, 0);
    script_release(s);
}

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

/* A process of another user is up and has broken the contract; this one may not kill it. Returns
 * its pid; 0: not root. */
static int start_beyond_reach(const char *how)
{
    struct part *region;

    if (geteuid()) {
        skip();
        return 0;
    }
    start(how, 1);
    UNTIL(has_logged(": another user's"));
    set_kill_privilege(false);
    atomic_store(supervise_runtime(supervise, 0, &region).condemned, 1);
    return status_of(0).pid;
}

static void one_that_may_not_be_killed_is_out_of_service_and_tried_again(void **state)
{
    struct part *region;
    int pid = start_beyond_reach("stranger");

    UNTIL(!strcmp(status_of(0).last_exit, "cannot be killed: Operation not permitted"));
    assert_int_equal(supervise_up_count(supervise), 0);
    assert_null(supervise_runtime(supervise, 0, &region).region);
    assert_null(region);
    assert_int_equal(status_of(0).pid, pid);
    assert_int_equal(status_of(0).restarts, 0);
    set_kill_privilege(true);
    behave("good");
    UNTIL(supervise_up_count(supervise) == 1);
    assert_int_not_equal(status_of(0).pid, pid);
}

static void one_that_may_not_be_killed_is_asked_to_end(void **state)
{
    int pid = start_beyond_reach("guest");

    behave("good");
    UNTIL(supervise_up_count(supervise) == 1 && status_of(0).pid != pid);
    set_kill_privilege(true);
}

static void the_end_waits_only_so_long_for_one_that_may_not_be_killed(void **state)
{
    int pid = start_beyond_reach("stranger");
    uint64_t before_ns = loop_now_ns();

    supervise_destroy(supervise);
    supervise = NULL;
    assert_true(loop_now_ns() - before_ns >= (uint64_t)SUPERVISE_STOP_MS * 1000000);
    set_kill_privilege(true);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void one_that_is_never_ready_is_replaced(void **state)
{
    start("silent", 1);
    UNTIL(status_of(0).restarts >= 1);
    assert_string_equal(status_of(0).last_exit, "signal 9 (Killed)");
    assert_int_equal(supervise_up_count(supervise), 0);
}

static void one_that_takes_all_memory_is_replaced(void **state)
{
    start("hungry", 1);
    UNTIL(status_of(0).restarts >= 1);
    assert_string_equal(status_of(0).last_exit, "signal 9 (Killed)");
}

static void one_that_answers_no_ping_is_replaced(void **state)
{
    hang_ms = 200;
    start("mute", 1);
    UNTIL(status_of(0).restarts >= 1);
    assert_string_equal(status_of(0).last_exit, "signal 9 (Killed)");
    hang_ms = 0;
}

static void one_that_others_keep_from_the_cpu_stays(void **state)
{
    hang_ms = 200;
    start("starved", 1);
    UNTIL(has_logged(": starved")); /* three times that long without an answer */
    assert_int_equal(status_of(0).restarts, 0);
    hang_ms = 0;
}

static void one_that_waits_for_no_cpu_hangs_on_a_busy_one_too(void **state)
{
    hang_ms = 200;
    start("blocked", 1);
    UNTIL(status_of(0).restarts >= 1);
    assert_string_equal(status_of(0).last_exit, "signal 9 (Killed)");
    hang_ms = 0;
}

static void one_that_does_not_say_what_it_has_taken_holds_nothing_up_for_long(void **state)
{
    uint64_t told_ns;
    int before;

    start("mute", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    assert_true(supervise_is_told(supervise, catalog.last_handle));
    add_script("alpha", "source a");
    told_ns = loop_now_ns();
    supervise_tell(supervise);
    before = changes;
    UNTIL(supervise_is_told(supervise, catalog.last_handle));
    assert_in_range(loop_now_ns() - told_ns, SUPERVISE_TAKE_MS * 1000000ull,
                    (SUPERVISE_TAKE_MS + 500) * 1000000ull);
    assert_true(changes > before);
    assert_int_equal(status_of(0).restarts, 0);
}

static void one_that_answers_pings_stays(void **state)
{
    uint64_t until_ns;

    hang_ms = 200;
    start("good", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    until_ns = loop_now_ns() + 2500000000u; /* two pings */
    UNTIL(loop_now_ns() >= until_ns);
    assert_int_equal(status_of(0).restarts, 0);
    hang_ms = 0;
}

static void one_that_reads_nothing_is_replaced(void **state)
{
    char name[16], var[60000];

    memset(var, 'x', sizeof(var) - 1);
    var[sizeof(var) - 1] = 0;
    start("deaf", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    /* More packets than a socket takes in. */
    for (int i = 0; i < 200; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        add_script_with_var(name, "x", var);
        supervise_tell(supervise);
    }
    UNTIL(status_of(0).restarts >= 1);
    assert_string_equal(status_of(0).last_exit, "signal 9 (Killed)");
}

static void packets_that_do_not_parse_are_counted_and_dropped(void **state)
{
    start("garbage", 1);
    UNTIL(has_logged(": end"));
    assert_int_equal(status_of(0).bad_packets, 6);
    assert_int_equal(supervise_up_count(supervise), 1);
}

static void of_statistics_only_known_fields_of_known_scripts_are_kept(void **state)
{
    const struct script *alpha = add_script("alpha", "a"), *beta = add_script("beta", "b");
    const struct script_row *row;

    start("liar", 1);
    UNTIL(has_logged(": end"));
    assert_false(has_logged(": r") || has_logged(": l"));
    row = supervise_script(supervise, 0, alpha);
    assert_non_null(row);
    assert_int_equal(row->warm, 2);
    assert_int_equal(row->memory_bytes, 77);
    assert_null(supervise_script(supervise, 0, beta));
    assert_int_equal(status_of(0).bad_packets, 6);
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

static void what_a_process_writes_is_no_line_of_hearthds_log(void **state)
{
    char path[128], line[LOG_LINE_BYTES_MAX + 1];
    int kept = capture_log(), lines = 0;
    FILE *f;

    start("shouts", 1);
    UNTIL(has_logged(": end"));
    for (int i = 0; i < 20; i++)
        loop_step(&loop, 100);
    assert_true(status_of(0).logs_dropped > 100);
    supervise_destroy(supervise);
    supervise = NULL;
    release_log(kept);
    snprintf(path, sizeof(path), "%s/log", root);
    f = fopen(path, "r");
    assert_non_null(f);
    for (; fgets(line, sizeof(line), f); lines++) {
        if (strncmp(line, "runtime index=0 ", 16) || strchr(line, '\x1b') ||
            strstr(line, "\xe2\x80\xae") || strstr(line, "=\"forged") ||
            strlen(line) > SUPERVISE_WORDS_LINE_BYTES + 100)
            fail_msg("%s", line);
    }
    fclose(f);
    assert_true(lines < 200);
}

static void a_process_sees_only_its_own_descriptors(void **state)
{
    start("stdio", 1);
    UNTIL(has_logged(": fds 0 1 2 3"));
}

static void files_that_are_missing_are_named(void **state)
{
    struct supervise_config config = {
        .node_exe = FAKE_RUNTIME, .program = "/dev/null", .blob = "/nonexistent/base.blob"};

    assert_null(supervise_create(&config, error, sizeof(error)));
    assert_string_equal(error, "base snapshot /nonexistent/base.blob: No such file or directory");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_process_that_is_ready_has_a_region_for_the_cores),
        TEST(scripts_arrive_in_order_with_their_sources_and_limits),
        TEST(a_script_comes_with_the_names_of_its_services_in_order),
        TEST(the_largest_script_is_told),
        TEST(a_killed_process_comes_back_with_a_new_region),
        TEST(one_that_keeps_dying_waits_longer_each_time),
        TEST(what_it_executed_at_its_end_is_told_and_held_back),
        TEST(a_condemned_process_is_replaced),
        TEST(a_process_takes_no_page_of_its_region_away),
        TEST(a_process_whose_region_is_lost_is_replaced),
        TEST(one_that_may_not_be_killed_is_out_of_service_and_tried_again),
        TEST(one_that_may_not_be_killed_is_asked_to_end),
        TEST(the_end_waits_only_so_long_for_one_that_may_not_be_killed),
        TEST(one_that_is_never_ready_is_replaced),
        TEST(one_that_takes_all_memory_is_replaced),
        TEST(one_that_answers_no_ping_is_replaced),
        TEST(one_that_others_keep_from_the_cpu_stays),
        TEST(one_that_waits_for_no_cpu_hangs_on_a_busy_one_too),
        TEST(one_that_does_not_say_what_it_has_taken_holds_nothing_up_for_long),
        TEST(one_that_answers_pings_stays),
        TEST(one_that_reads_nothing_is_replaced),
        TEST(packets_that_do_not_parse_are_counted_and_dropped),
        TEST(of_statistics_only_known_fields_of_known_scripts_are_kept),
        TEST(what_a_process_writes_is_no_line_of_hearthds_log),
        TEST(a_process_sees_only_its_own_descriptors),
        TEST(files_that_are_missing_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
