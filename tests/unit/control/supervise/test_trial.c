/* Versions on trial: what the runtimes' word, or their silence, makes of a deploy. */
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

static void begin(const char *name, const char *source)
{
    struct script *s = load_script(name, source);

    supervise_tell(supervise);
    assert_true(trial_begin(&trials, s, 41, true));
    assert_true(trials_have(&trials, name));
}

static void start_trials(const char *how, uint32_t count)
{
    verdicts = 0;
    start(how, count);
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

    start_trials("good", 2);
    UNTIL(supervise_up_count(supervise) == 2);
    begin("live", "v1");
    expect("");
    snprintf(version, sizeof(version), "%s", current("live"));
    begin("live", "bad: line 1");
    expect("bad: line 1");
    assert_string_equal(current("live"), version);
    assert_false(trials_have(&trials, "live"));
    UNTIL(has_logged(": forgot 2"));
    begin("live", "v2");
    expect("");
    assert_string_not_equal(current("live"), version);
}

static void there_is_no_verdict_while_nobody_was_asked(void **state)
{
    start_trials("good", 1);
    assert_int_equal(supervise_up_count(supervise), 0);
    begin("live", "v1");
    assert_int_equal(verdicts, 0);
    UNTIL(verdicts);
    assert_int_equal(supervise_up_count(supervise), 1);
    assert_string_equal(verdict, "");
}

static void a_word_that_comes_unasked_counts(void **state)
{
    start_trials("good", 2);
    UNTIL(supervise_up_count(supervise) == 2);
    begin("live", "bad hasty");
    expect("bad hasty");
    /* The second process says it too: of a script that is gone. */
    begin("other", "v1");
    expect("");
}

static void a_process_that_ends_in_a_trial_says_no(void **state)
{
    start_trials("good", 1);
    UNTIL(supervise_up_count(supervise) == 1);
    begin("live", "exit");
    expect("its runtime process ended while it was started: exit 3");
    UNTIL(supervise_up_count(supervise) == 1);
    begin("live", "v1");
    expect("");
}

static void silence_ends_in_a_verdict(void **state)
{
    start_trials("good", 1);
    trials.trial_ms = 300;
    UNTIL(supervise_up_count(supervise) == 1);
    begin("live", "mute");
    expect("does not say whether it loads within 300 ms; the version before stays");
}

static void without_a_process_there_is_a_verdict_too(void **state)
{
    start_trials("silent", 1);
    trials.trial_ms = 300;
    begin("live", "v1");
    expect("no runtime process is there to start it within 300 ms");
}

static void trials_are_bounded_and_end_without_a_verdict(void **state)
{
    struct script *one_more;
    char name[16];

    start_trials("silent", 1);
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
        TEST(a_word_that_comes_unasked_counts),
        TEST(a_process_that_ends_in_a_trial_says_no),
        TEST(silence_ends_in_a_verdict),
        TEST(without_a_process_there_is_a_verdict_too),
        TEST(trials_are_bounded_and_end_without_a_verdict),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
