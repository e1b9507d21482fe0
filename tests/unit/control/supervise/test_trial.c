/* Versions on trial: what a cell's word, or its silence, makes of a deploy. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "supervise_rig.h"

static int verdicts;
static char verdict[256]; /* "": it loads */
static uint64_t verdict_client;

static void on_verdict(void *arg, struct script *s, uint64_t client, const char *text)
{
    verdicts++;
    verdict_client = client;
    snprintf(verdict, sizeof(verdict), "%s", text ? text : "");
    if (!text)
        catalog_adopt(&catalog, s);
    script_release(s);
}

static struct script *begin_at(const char *name, const char *source, bool is_home)
{
    struct script *s = load_script(name, source);

    assert_true(trial_begin(&trials, s, 41, is_home));
    assert_true(trials_have(&trials, name));
    return s;
}

static struct script *begin(const char *name, const char *source)
{
    return begin_at(name, source, true);
}

static void start_trials(const char *how)
{
    verdicts = 0;
    start(how);
    trials_init(&trials, &loop, supervise, on_verdict, NULL);
}

static const char *current(const char *name)
{
    const struct script *s = catalog_find(&catalog, name);

    return s ? s->version : "none";
}

static void expect(const char *what)
{
    UNTIL(verdicts);
    verdicts = 0;
    assert_int_equal(verdict_client, 41);
    if (*what ? !strstr(verdict, what) : *verdict)
        fail_msg("\"%s\" instead of \"%s\"", verdict, what);
}

static void what_loads_becomes_current_and_what_does_not_leaves_the_former_version(void **state)
{
    char version[STORE_VERSION_CHARS + 1];

    start_trials("good");
    begin("live", "v1");
    expect("");
    snprintf(version, sizeof(version), "%s", current("live"));
    begin("live", "bad: line 1");
    expect("bad: line 1");
    assert_string_equal(current("live"), version);
    assert_false(trials_have(&trials, "live"));
    begin("live", "v2");
    expect("");
    assert_string_not_equal(current("live"), version);
    UNTIL(cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
    assert_int_equal(cells_in(CELL_WARM), 1); /* of the last one */
}

static void there_is_no_verdict_while_nobody_was_asked(void **state)
{
    start_trials("good");
    assert_false(supervise_can_serve(supervise));
    begin("live", "v1");
    assert_int_equal(verdicts, 0);
    expect("");
}

static void the_new_version_is_warm_before_the_old_one_goes(void **state)
{
    const struct script *old, *young;

    start_trials("good");
    old = begin("live", "v1");
    expect("");
    script_hold((struct script *)old); /* as a world would */
    young = begin_at("live", "v2", false);
    expect("");
    assert_int_equal(script_now(old).cells, 1);
    assert_int_equal(script_now(young).cells, 1); /* it is not home, but v1 was warm here */
    script_release((struct script *)old);
    UNTIL(cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
    assert_int_equal(cells_in(CELL_WARM), 1);
}

static void away_from_home_nothing_stays(void **state)
{
    start_trials("good");
    begin_at("live", "v1", false);
    expect("");
    UNTIL(cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
    assert_int_equal(cells_in(CELL_WARM), 0);
}

static void a_cell_that_ends_in_a_trial_says_no(void **state)
{
    start_trials("good");
    begin("live", "exit");
    expect("its cell ended while it was started: exit 3");
    begin("live", "v1");
    expect("");
}

static void silence_ends_in_a_verdict(void **state)
{
    start_trials("good");
    trials.trial_ms = 300;
    begin("live", "mute");
    expect("no cell has said whether it loads within 300 ms; the version before stays");
    UNTIL(cells_in(CELL_STARTING) + cells_in(CELL_RETIRED) + cells_in(CELL_ENDING) == 0);
}

static void without_a_zygote_there_is_a_verdict_too(void **state)
{
    start_trials("zsilent");
    trials.trial_ms = 300;
    begin("live", "v1");
    expect("no cell has said whether it loads within 300 ms");
}

static void trials_are_bounded_and_end_without_a_verdict(void **state)
{
    struct script *one_more;
    char name[16];

    start_trials("zsilent");
    for (int i = 0; i < TRIALS_MAX; i++) {
        snprintf(name, sizeof(name), "s%d", i);
        begin(name, "v1");
    }
    one_more = load_script("more", "v1");
    assert_false(trial_begin(&trials, one_more, 41, true));
    script_release(one_more);
    trials_fini(&trials);
    assert_int_equal(verdicts, 0);
    assert_null(catalog.first);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_loads_becomes_current_and_what_does_not_leaves_the_former_version),
        TEST(there_is_no_verdict_while_nobody_was_asked),
        TEST(the_new_version_is_warm_before_the_old_one_goes),
        TEST(away_from_home_nothing_stays),
        TEST(a_cell_that_ends_in_a_trial_says_no),
        TEST(silence_ends_in_a_verdict),
        TEST(without_a_zygote_there_is_a_verdict_too),
        TEST(trials_are_bounded_and_end_without_a_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
