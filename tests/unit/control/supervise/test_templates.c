/* Which scripts have a template, and what their cells, lies and attacks come to. Its process is
 * fake_zygote's, with a real door. */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "control/supervise/supervise_state.h"
#include "supervise_rig.h"

/* A request; the look a second later sees that there was one. */
static void ask(const struct script *s)
{
    struct seen_link *l = link_of(s);

    count(l, 1);
    count(l, -1);
}

/* Until its history has counted two arrivals. */
static void make_popular(const struct script *s)
{
    const struct script_cells *row = script_table_find(&supervise->scripts, s);

    while (row->history.arrivals < 1.5f) {
        const uint64_t until_ns = loop_now_ns() + 400000000;

        ask(s);
        UNTIL(loop_now_ns() >= until_ns);
    }
}

static bool has_template(const struct script *s)
{
    return script_now(s).template_pid > 0;
}

static const char *refusal_of(const struct script *s)
{
    return script_now(s).no_template;
}

/* A script whose template is frozen, or that is refused one. */
static const struct script *popular(const char *source)
{
    const struct script *s = add_script("alpha", source);

    start("good");
    warm(s);
    make_popular(s);
    return s;
}

static const struct script *with_template(const char *source)
{
    const struct script *s = popular(source);

    UNTIL(has_template(s));
    return s;
}

static int times_logged(const char *line)
{
    int times = 0;

    for (int i = 0; i < log_count; i++)
        times += !strcmp(logs[i], line);
    return times;
}

/* Its cell is killed, as an operator may, and another one has loaded. */
static void replace_cell(const struct script *s)
{
    const int pid = script_now(s).pid[0], before = loads;

    ask(s);
    kill(pid, SIGKILL);
    UNTIL(script_now(s).pid[0] != pid);
    wish(s, true);
    UNTIL(loads > before && script_now(s).cells);
}

static void a_dear_script_that_is_asked_for_again_gets_one(void **state)
{
    const struct script *s = with_template("dear");

    assert_int_equal(status_now().templates, 1);
    assert_int_equal(times_logged("alpha: template"), 1);
    assert_int_equal(times_logged("alpha: copy"), 0);
    assert_int_equal(script_now(s).copies, 0);
    assert_true(status_now().template_bytes > 0);
    assert_true(script_now(s).memory_bytes >= script_now(s).template_bytes);
}

static void its_next_cell_is_forked_there(void **state)
{
    const struct script *s = with_template("dear");
    const int spares = (int)cells_in(CELL_SPARE);

    replace_cell(s);
    UNTIL(times_logged("alpha: copy") == 1);
    assert_int_equal(script_now(s).copies, 1);
    assert_int_equal(cells_in(CELL_SPARE), spares);
    replace_cell(s);
    UNTIL(script_now(s).copies == 2);
    assert_int_equal(status_now().templates, 1);
}

static void one_that_starts_quickly_gets_none(void **state)
{
    const struct script *s = popular("quick");
    const uint64_t until_ns = loop_now_ns() + 1500000000;

    UNTIL(loop_now_ns() >= until_ns);
    assert_false(has_template(s));
    assert_string_equal(refusal_of(s), "");
}

static void one_that_is_dear_and_was_asked_for_once_gets_none(void **state)
{
    const struct script *s = add_script("alpha", "dear");
    const uint64_t until_ns = loop_now_ns() + 2500000000;

    start("good");
    warm(s);
    ask(s);
    UNTIL(loop_now_ns() >= until_ns);
    assert_false(has_template(s));
}

static void what_cannot_be_one_is_not_tried_again(void **state)
{
    const struct script *s = popular("dear draws");

    UNTIL(refusal_of(s)[0]);
    assert_string_equal(refusal_of(s), "its top level draws");
    assert_int_equal(status_now().templates, 0);
    replace_cell(s);
    assert_int_equal(times_logged("alpha: template"), 1);
    assert_int_equal(script_now(s).copies, 0);
}

static void one_that_ends_while_it_loads_is_refused(void **state)
{
    const struct script *s = popular("dear quits");

    UNTIL(refusal_of(s)[0]);
    assert_string_equal(refusal_of(s), "exit 12");
    replace_cell(s);
}

static void one_that_says_too_much_is_refused(void **state)
{
    const struct script *s = popular("dear babbles");

    UNTIL(refusal_of(s)[0]);
    assert_string_equal(refusal_of(s), "its top level says too much");
    replace_cell(s);
}

static void one_that_computes_when_it_is_frozen_is_refused(void **state)
{
    const struct script *s = popular("dear spins");

    UNTIL(refusal_of(s)[0]);
    assert_string_equal(refusal_of(s), "it computes, though it is frozen");
    replace_cell(s);
}

static void one_that_takes_far_too_much_memory_is_refused(void **state)
{
    const struct script *s = popular("dear bloats");

    UNTIL(refusal_of(s)[0]);
    assert_string_equal(refusal_of(s), "its memory is far over its script's limit");
    replace_cell(s);
}

static void it_goes_with_its_script(void **state)
{
    struct script *s = (struct script *)with_template("dear");
    const int pid = script_now(s).template_pid;

    catalog_remove(&catalog, s);
    UNTIL(kill(pid, 0));
    assert_int_equal(status_now().templates, 0);
}

static void it_goes_with_its_zygote_and_comes_again(void **state)
{
    const struct script *s = with_template("dear");
    const int pid = script_now(s).template_pid;

    kill(status_now().zygote_pid, SIGKILL);
    UNTIL(script_now(s).template_pid != pid);
    ask(s);
    UNTIL(has_template(s));
    replace_cell(s);
    assert_int_equal(script_now(s).copies, 1);
}

static void it_makes_room(void **state)
{
    const struct script *s = with_template("dear");

    count(link_of(s), 1); /* its cell is in use */
    supervise->pool.bytes_max = 0;
    UNTIL(!has_template(s));
    assert_string_equal(refusal_of(s), "");
}

static void when_it_is_killed_its_cells_live_on(void **state)
{
    const struct script *s = with_template("dear");
    int pid;

    replace_cell(s);
    pid = script_now(s).pid[0];
    kill(script_now(s).template_pid, SIGKILL);
    UNTIL(!has_template(s));
    assert_int_equal(kill(pid, 0), 0);
    assert_string_equal(refusal_of(s), "");
    replace_cell(s);
    assert_int_equal(script_now(s).copies, 1);
}

static void who_forks_unasked_is_ended_and_named(void **state)
{
    const struct script *s = popular("dear unasked");

    UNTIL(status_now().template_attacks == 1);
    assert_string_equal(refusal_of(s), "it forked unasked");
    assert_int_equal(status_now().templates, 0);
    replace_cell(s);
    assert_int_equal(script_now(s).copies, 0);
}

static void count_stranger(void *arg, int pid)
{
    *(int *)arg += !supervise || !supervise_has_pid(supervise, pid);
}

/* Of this process, not only of this test: a supervisor that ends has no time for what its zygote
 * has forked in that moment. */
static int strangers(void)
{
    int count = 0;

    procfs_children(getpid(), count_stranger, &count);
    return count;
}

static void who_forks_twice_is_ended_with_its_cells(void **state)
{
    const int before = strangers();
    const struct script *s = with_template("dear twice");

    replace_cell(s);
    UNTIL(status_now().template_attacks == 1);
    UNTIL(is_warm(s) && !has_template(s));
    UNTIL(strangers() <= before);
    replace_cell(s);
}

static void who_hides_what_it_has_forked_leaves_nobody_behind(void **state)
{
    const int before = strangers();
    const struct script *s = with_template("dear hides");

    replace_cell(s);
    UNTIL(!has_template(s));
    UNTIL(strangers() <= before);
    assert_int_equal(script_now(s).copies, 0);
}

static void who_names_another_process_gets_nothing(void **state)
{
    const int before = strangers();
    const struct script *s = with_template("dear names");

    replace_cell(s);
    UNTIL(!has_template(s));
    UNTIL(strangers() <= before);
    assert_int_equal(script_now(s).copies, 0);
}

static void without_a_door_there_is_none(void **state)
{
    const struct script *s = add_script("alpha", "dear");

    start("doorless");
    warm(s);
    make_popular(s);
    UNTIL(refusal_of(s)[0]);
    assert_string_equal(refusal_of(s), "it breaks the contract");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(a_dear_script_that_is_asked_for_again_gets_one),
        TEST(its_next_cell_is_forked_there),
        TEST(one_that_starts_quickly_gets_none),
        TEST(one_that_is_dear_and_was_asked_for_once_gets_none),
        TEST(what_cannot_be_one_is_not_tried_again),
        TEST(one_that_ends_while_it_loads_is_refused),
        TEST(one_that_says_too_much_is_refused),
        TEST(one_that_computes_when_it_is_frozen_is_refused),
        TEST(one_that_takes_far_too_much_memory_is_refused),
        TEST(it_goes_with_its_script),
        TEST(it_goes_with_its_zygote_and_comes_again),
        TEST(it_makes_room),
        TEST(when_it_is_killed_its_cells_live_on),
        TEST(who_forks_unasked_is_ended_and_named),
        TEST(who_forks_twice_is_ended_with_its_cells),
        TEST(who_hides_what_it_has_forked_leaves_nobody_behind),
        TEST(who_names_another_process_gets_nothing),
        TEST(without_a_door_there_is_none),
    };
    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests_name("templates", tests, NULL, NULL);
}
