/* Who gets a cell: spares, wishes, room, and how links come and go. The test is the cores. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "control/deploy/bundle.h"
#include "control/supervise/supervise_state.h"
#include "supervise_rig.h"

static void it_is_ready_with_the_zygote_and_the_spares(void **state)
{
    start("good");
    assert_false(supervise_can_serve(supervise));
    UNTIL(supervise_is_ready(supervise));
    assert_true(changes > 0);
    assert_int_equal(cells_in(CELL_SPARE), SPARES);
    assert_string_equal(status_now().v8, "fake");
    assert_true(status_now().zygote_pid > 0);
    assert_int_equal(status_now().started, 0);
}

static void a_demanded_script_gets_a_spare_and_every_core_is_told_at_once(void **state)
{
    const struct script *a = add_script("alpha", "source a");
    struct seen_link *l;

    start("good");
    UNTIL(supervise_is_ready(supervise));
    wish(a, true);
    UNTIL((l = link_of(a)));
    assert_int_equal(loads, 0);
    assert_true(l->attach.wake_fd >= 0);
    assert_false(l->attach.is_ready);
    assert_int_equal(l->attach.geometry.jobs, job_geometry_small.jobs);
    assert_int_equal(atomic_load(l->attach.condemned), 0);
    UNTIL(loads == 1);
    assert_string_equal(loaded_error, "");
    assert_int_equal(loaded_handle, a->handle);
    UNTIL(cells_in(CELL_SPARE) == SPARES);
    assert_int_equal(cells_in(CELL_WARM), 1);
    assert_int_equal(script_now(a).cells, 1);
    assert_true(script_now(a).pid[0] > 0);
}

static void without_a_spare_one_is_forked_for_it(void **state)
{
    const struct script *a = add_script("alpha", "source a");

    rig_config.spares = 0;
    start("good");
    warm(a);
    assert_int_equal(cells_in(CELL_WARM), 1);
    assert_int_equal(cells_in(CELL_SPARE), 0);
}

static void what_was_wished_for_before_there_is_a_zygote_comes(void **state)
{
    const struct script *a = add_script("alpha", "source a");

    start("good");
    warm(a);
}

static void a_second_wish_for_a_script_that_has_a_cell_is_nothing(void **state)
{
    const struct script *a = add_script("alpha", "source a");

    start("good");
    warm(a);
    wish(a, true);
    wish(a, false);
    warm(add_script("beta", "b"));
    assert_int_equal(script_now(a).cells, 1);
    assert_int_equal(status_now().started, 2);
}

static void a_cell_is_told_its_own_script_only_with_limits_and_services(void **state)
{
    const struct script *a =
        add_script_with("alpha", "source a", "",
                        json_pack("{s:[{s:s, s:s}, {s:s, s:s}], s:{s:i, s:i}}", "services",
                                  "binding", "TWO", "service", "two", "binding", "ONE", "service",
                                  "one", "limits", "cpu_ms", 3, "subrequests", 4));

    add_script("beta", "source b");
    start("good");
    warm(a);
    UNTIL(has_logged("alpha: alpha cpu_ms=3 subrequests=4 timers=32768 TWO.ONE.source a"));
    assert_int_equal(log_count, 1);
}

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
        json_array_append_new(modules,
                              json_pack("{s:s, s:i, s:s}", "name", name, "bytes", 0, "kind",
                                        i == START_MODULES_MAX - 1 ? "script" : "json"));
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
    start("good");
    warm(s);
    assert_int_equal(status_now().ended, 0);
    script_release(s);
}

/* ---- room ---- */

static const struct script *named(const char *prefix, int i)
{
    char name[16];

    snprintf(name, sizeof(name), "%s%d", prefix, i);
    return add_script(name, "v1");
}

enum { PLACES = CELLS - SPARES };

static void fill(const struct script *s[PLACES])
{
    for (int i = 0; i < PLACES; i++) {
        s[i] = named("s", i);
        warm(s[i]);
    }
}

static bool is_measured(const struct script *s)
{
    return script_now(s).memory_bytes != SUPERVISE_BYTES_GUESS;
}

static void the_least_valuable_one_makes_room_for_one_that_is_demanded(void **state)
{
    const struct script *s[PLACES], *more = add_script("more", "v1");

    start("good");
    fill(s);
    assert_int_equal(cells_in(CELL_WARM), PLACES);
    /* All were asked for but one. */
    for (int i = 0; i < PLACES; i++) {
        if (i == 2)
            continue;
        count(link_of(s[i]), 1);
        count(link_of(s[i]), -1);
    }
    for (int i = 0; i < PLACES; i++)
        UNTIL(is_measured(s[i]) && (i == 2 || script_now(s[i]).requests == 1));
    warm(more);
    assert_int_equal(script_now(s[2]).cells, 0);
    assert_int_equal(script_now(s[2]).evicted, 1);
    assert_null(link_of(s[2]));
    assert_int_equal(status_now().evicted, 1);
    UNTIL(cells_in(CELL_SPARE) == SPARES);
    assert_int_equal(cells_in(CELL_WARM), PLACES);
}

static void who_has_a_job_is_never_evicted_and_who_waits_comes_when_it_is_over(void **state)
{
    const struct script *s[PLACES], *more = add_script("more", "v1");

    start("good");
    fill(s);
    for (int i = 0; i < PLACES; i++)
        count(link_of(s[i]), 1);
    wish(more, true);
    UNTIL(supervise->wanted.first);
    assert_int_equal(script_now(more).cells, 0);
    assert_int_equal(status_now().evicted, 0);
    count(link_of(s[4]), -1);
    UNTIL(is_warm(more));
    assert_int_equal(script_now(s[4]).cells, 0);
}

/* The counters of all cells are looked at every five looks. */
static void who_was_busy_at_the_last_look_makes_room_at_once(void **state)
{
    const struct script *s[PLACES], *more = add_script("more", "v1");
    uint64_t looks;

    start("good");
    fill(s);
    for (int i = 0; i < PLACES; i++)
        count(link_of(s[i]), 1);
    for (int i = 0; i < PLACES; i++)
        UNTIL(script_now(s[i]).requests == 1);
    looks = supervise->looks;
    for (int i = 0; i < PLACES; i++)
        count(link_of(s[i]), -1);
    wish(more, true);
    UNTIL(status_now().evicted == 1);
    assert_in_range(supervise->looks, looks, looks + 2);
}

static void a_guess_takes_nobodys_place(void **state)
{
    const struct script *s[PLACES], *guess = add_script("guess", "v1"),
                                    *more = add_script("more", "v1");

    start("good");
    fill(s);
    wish(guess, false);
    warm(more);
    assert_int_equal(script_now(guess).cells, 0);
    assert_int_equal(status_now().evicted, 1);
}

static void a_guess_takes_a_free_place(void **state)
{
    const struct script *guess = add_script("guess", "v1");

    start("good");
    UNTIL(supervise_is_ready(supervise));
    wish(guess, false);
    UNTIL(is_warm(guess));
    assert_int_equal(script_now(guess).ahead, 1);
    assert_int_equal(script_now(guess).cold, 0);
}

static void a_start_that_a_request_waited_for_is_cold(void **state)
{
    const struct script *mute = add_script("alpha", "a");
    struct seen_link *l;

    start("good");
    wish(mute, true);
    UNTIL((l = link_of(mute)));
    count(l, 1);
    UNTIL(loads == 1);
    assert_int_equal(script_now(mute).cold, 1);
    assert_int_equal(script_now(mute).ahead, 0);
    count(l, -1);
    UNTIL(script_now(mute).requests == 1);
}

static void so_is_one_whose_request_came_right_behind_it(void **state)
{
    const struct script *a = add_script("alpha", "a"), *b = add_script("beta", "b");
    struct seen_link *l;

    start("good");
    l = warm(a);
    count(l, 1);
    UNTIL(script_now(a).cold == 1);
    count(l, -1);
    warm(b);
    UNTIL(script_now(b).ahead == 1); /* nobody came */
    assert_int_equal(script_now(b).cold, 0);
    assert_int_equal(script_now(a).ahead, 0);
}

static void memory_is_room_too(void **state)
{
    const struct script *a = add_script("alpha", "a"), *b = add_script("beta", "b");

    rig_config.memory_bytes = 1 << 20; /* less than one takes */
    start("good");
    warm(a);
    warm(b);
    assert_int_equal(script_now(a).cells, 0);
    assert_int_equal(script_now(b).cells, 1);
    UNTIL(cells_in(CELL_ENDING) + cells_in(CELL_RETIRED) == 0);
}

static void what_a_cell_has_is_looked_at_when_it_has_run(void **state)
{
    const struct script *a = add_script("alpha", "a");

    start("good");
    warm(a);
    UNTIL(is_measured(a));
    assert_in_range(script_now(a).memory_bytes, 4096, 4 << 20);
    assert_int_equal(status_now().memory_bytes, script_now(a).memory_bytes);
}

/* ---- links ---- */

static void a_cell_ends_when_every_core_has_let_go(void **state)
{
    struct script *a = load_script("alpha", "a");
    struct seen_link *l;
    uint32_t link;
    int pid;

    lets_go = false;
    start("good");
    l = warm(a);
    assert_non_null(l);
    link = l->attach.link;
    pid = script_now(a).pid[0];
    script_release(a); /* nobody routes there any more */
    UNTIL(l->is_retired);
    assert_int_equal(cells_in(CELL_RETIRED), 1);
    release(link, 0);
    wish(add_script("beta", "b"), true);
    UNTIL(loads == 2);
    assert_int_equal(kill(pid, 0), 0);
    assert_int_equal(cells_in(CELL_RETIRED), 1);
    link_at(link)->attach.type = 0;
    release(link, 1);
    UNTIL(cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
    assert_int_equal(kill(pid, 0), -1);
    assert_int_equal(status_now().ended, 1);
}

static void a_number_is_free_when_its_process_and_all_cores_are_done_with_it(void **state)
{
    const struct script *a = add_script("alpha", "a");
    struct seen_link *l;
    uint32_t link;

    lets_go = false;
    start("good");
    l = warm(a);
    link = l->attach.link;
    assert_int_equal(kill(script_now(a).pid[0], SIGKILL), 0);
    UNTIL(l->is_detached);
    release(link, 1);
    warm(add_script("beta", "b"));
    assert_int_equal(cells_in(CELL_ENDING), 1);
    /* Its region is there as long as core 0 may look at it. */
    assert_int_not_equal(*(volatile uint32_t *)l->attach.region, 0);
    link_at(link)->attach.type = 0;
    release(link, 0);
    UNTIL(cells_in(CELL_ENDING) == 0);
}

static void wishes_of_links_that_do_not_exist_are_nothing(void **state)
{
    const struct script *a = add_script("alpha", "a");
    struct script gone = {.handle = 999};

    start("good");
    for (uint32_t link = 0; link < CELLS + LARGES; link++) {
        release(link, 0);
        cell_mail_wish(mail[0], &(struct cell_wish){.type = CELL_WISH_LARGER, .link = link});
    }
    wish(&gone, true);
    warm(a);
    assert_int_equal(status_now().started, 1);
}

static struct seen_link *large_of(const struct script *s)
{
    for (uint32_t i = CELLS; i < CELLS + LARGES; i++)
        if (link_at(i)->attach.type && link_at(i)->attach.script == s->handle)
            return link_at(i);
    return NULL;
}

static void enlarge(const struct script *s)
{
    cell_mail_wish(mail[0],
                   &(struct cell_wish){.type = CELL_WISH_LARGER, .link = link_of(s)->attach.link});
    cell_mail_ring(mail[0]);
}

static void a_busy_cell_moves_to_a_larger_region(void **state)
{
    const struct script *a = add_script("alpha", "a");
    struct seen_link *small, *large;

    start("good");
    small = warm(a);
    count(small, 1);
    enlarge(a);
    UNTIL((large = large_of(a)));
    assert_true(has_logged("alpha: larger"));
    assert_true(large->attach.is_ready);
    assert_int_equal(large->attach.geometry.jobs, job_geometry_large.jobs);
    assert_int_equal(large->attach.wake_fd, small->attach.wake_fd);
    UNTIL(small->is_retired);
    count(large, 1);
    count(small, -1);
    UNTIL(!small->attach.type); /* all have let go */
    UNTIL(script_now(a).requests == 2);
    assert_int_equal(script_now(a).cells, 1);
    assert_int_equal(status_now().larges, 1);
    enlarge(a); /* of one that has it: nothing */
    count(large, -1);
    assert_int_equal(kill(script_now(a).pid[0], SIGKILL), 0);
    UNTIL(!large->attach.type && status_now().larges == 0);
}

static void there_are_so_many_larger_regions(void **state)
{
    const struct script *s[LARGES + 1];

    start("good");
    for (int i = 0; i <= LARGES; i++) {
        s[i] = named("s", i);
        warm(s[i]);
        enlarge(s[i]);
        UNTIL(i == LARGES || large_of(s[i]));
    }
    warm(named("more", 0));
    assert_int_equal(status_now().larges, LARGES);
    assert_null(large_of(s[LARGES]));
}

/* ---- replaced ---- */

static void a_spoiled_cell_serves_until_another_one_does(void **state)
{
    const struct script *a = add_script("alpha", "spoil");
    struct seen_link *l;

    start("good");
    l = warm(a);
    count(l, 1);
    wake(l);
    UNTIL(loads == 2);
    assert_int_equal(l->attached, 1);
    UNTIL(l->is_retired);
    assert_int_equal(script_now(a).cells, 1);
    assert_int_equal(cells_in(CELL_RETIRED), 1); /* its job goes on */
    count(l, -1);
    UNTIL(cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
}

/* The script's next cell comes at once, the one behind it a second later. */
static void expect_another_and_then_a_rest(const struct script *a,
                                           void (*spend)(const struct script *))
{
    struct seen_link *l = warm(a);
    uint64_t began_ns = loop_now_ns();

    count(l, 1);
    spend(a);
    UNTIL(l->is_retired && loads == 2);
    assert_int_equal(script_now(a).cells, 1);
    assert_int_equal(script_now(a).ended, 1);
    count(l, -1);
    spend(a);
    UNTIL(script_now(a).cells == 0);
    UNTIL((wish(a, true), loads == 3));
    assert_true(loop_now_ns() - began_ns >= 1000000000);
    assert_int_equal(script_now(a).ended, 2);
}

static void wake_cell(const struct script *a)
{
    wake(link_of(a));
}

static void tell_of_refusal(const struct script *a)
{
    cell_mail_wish(mail[1],
                   &(struct cell_wish){.type = CELL_SAID_SPENT, .link = link_of(a)->attach.link});
    cell_mail_ring(mail[1]);
}

static void one_that_says_that_it_serves_no_more_is_retired_and_replaced(void **state)
{
    start("good");
    expect_another_and_then_a_rest(add_script("alpha", "spent"), wake_cell);
}

static void one_of_which_a_core_says_that_it_refuses_is_retired_and_replaced(void **state)
{
    start("good");
    expect_another_and_then_a_rest(add_script("alpha", "a"), tell_of_refusal);
}

static void one_that_does_not_load_says_so_and_is_tried_again_later(void **state)
{
    const struct script *a = add_script("alpha", "bad: line 1");
    struct seen_link *l;

    start("good");
    l = warm(a);
    assert_string_equal(loaded_error, "bad: line 1");
    assert_false(l->is_retired);
    UNTIL(script_now(a).cells == 0);
    warm(a);
}

static void a_script_that_is_gone_has_no_cells(void **state)
{
    struct script *a = load_script("alpha", "a");

    start("good");
    warm(a);
    wish(add_script("beta", "b"), true);
    script_release(a);
    UNTIL(loads == 2 && cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
    assert_int_equal(cells_in(CELL_WARM), 1);
}

static void a_new_version_has_the_history_of_the_one_before(void **state)
{
    const struct script *old = add_script("alpha", "v1"), *rare = add_script("rare", "v1");
    struct script *new;
    struct seen_link *l;

    rig_config.cells_max = 2 + SPARES;
    start("good");
    l = warm(old);
    count(l, 1);
    count(l, -1);
    UNTIL(script_now(old).requests == 1);
    new = load_script("alpha", "v2"); /* a trial */
    warm(new);
    assert_int_equal(script_now(new).requests, 0);
    catalog_adopt(&catalog, new);
    script_release(new);
    UNTIL(cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
    warm(rare);
    UNTIL(is_measured(new) && is_measured(rare));
    /* Which of the two goes, the one that nobody asked for or the one whose script is popular? */
    warm(add_script("more", "v1"));
    assert_int_equal(script_now(rare).cells, 0);
    assert_int_equal(script_now(new).cells, 1);
}

/* ---- many ---- */

static uint32_t descriptors(void)
{
    uint32_t n = 0;

    for (int fd = 0; fd < 16384; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

static void a_thousand_cells_take_four_descriptors_each(void **state)
{
    enum { MANY = 1000 };
    const struct rlimit limit = {16384, 16384};
    uint32_t before;
    char name[16];

    if (setrlimit(RLIMIT_NOFILE, &limit))
        skip();
    rig_config.cells_max = MANY + SPARES;
    rig_config.memory_bytes = 1ull << 36;
    for (int i = 0; i < MANY; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        add_script(name, "v1");
    }
    before = descriptors();
    start("good");
    for (const struct script *s = catalog.first; s; s = s->next)
        wish(s, true);
    UNTIL(loads == MANY && cells_in(CELL_SPARE) == SPARES);
    assert_int_equal(cells_in(CELL_WARM), MANY);
    assert_in_range(descriptors() - before, 4 * MANY, 4 * (MANY + SPARES) + 8);
    assert_in_range(sizeof(struct cell), 1, 640);
}

static void files_that_are_missing_are_named(void **state)
{
    struct supervise_config config = {.cells_max = 2,
                                      .node_exe = FAKE_ZYGOTE,
                                      .program = "/dev/null",
                                      .blob = "/nonexistent/base.blob"};

    assert_null(supervise_create(&config, error, sizeof(error)));
    assert_string_equal(error, "base snapshot /nonexistent/base.blob: No such file or directory");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(it_is_ready_with_the_zygote_and_the_spares),
        TEST(a_demanded_script_gets_a_spare_and_every_core_is_told_at_once),
        TEST(without_a_spare_one_is_forked_for_it),
        TEST(what_was_wished_for_before_there_is_a_zygote_comes),
        TEST(a_second_wish_for_a_script_that_has_a_cell_is_nothing),
        TEST(a_cell_is_told_its_own_script_only_with_limits_and_services),
        TEST(the_largest_script_is_told),
        TEST(the_least_valuable_one_makes_room_for_one_that_is_demanded),
        TEST(who_has_a_job_is_never_evicted_and_who_waits_comes_when_it_is_over),
        TEST(who_was_busy_at_the_last_look_makes_room_at_once),
        TEST(a_guess_takes_nobodys_place),
        TEST(a_guess_takes_a_free_place),
        TEST(a_start_that_a_request_waited_for_is_cold),
        TEST(so_is_one_whose_request_came_right_behind_it),
        TEST(memory_is_room_too),
        TEST(what_a_cell_has_is_looked_at_when_it_has_run),
        TEST(a_cell_ends_when_every_core_has_let_go),
        TEST(a_number_is_free_when_its_process_and_all_cores_are_done_with_it),
        TEST(wishes_of_links_that_do_not_exist_are_nothing),
        TEST(a_busy_cell_moves_to_a_larger_region),
        TEST(there_are_so_many_larger_regions),
        TEST(a_spoiled_cell_serves_until_another_one_does),
        TEST(one_that_says_that_it_serves_no_more_is_retired_and_replaced),
        TEST(one_of_which_a_core_says_that_it_refuses_is_retired_and_replaced),
        TEST(one_that_does_not_load_says_so_and_is_tried_again_later),
        TEST(a_script_that_is_gone_has_no_cells),
        TEST(a_new_version_has_the_history_of_the_one_before),
        TEST(a_thousand_cells_take_four_descriptors_each),
        TEST(files_that_are_missing_are_named),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
