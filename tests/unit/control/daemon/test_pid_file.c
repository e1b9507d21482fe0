/* The pid file: one process at a time, and nobody else's is touched. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/daemon/pid_file.h"

static char path[64], error[256];

static int set_up(void **state)
{
    snprintf(path, sizeof(path), "/tmp/hearth-test-pid-%d", (int)getpid());
    unlink(path);
    return 0;
}

static void expect_content(const char *wanted)
{
    char text[64] = "";
    FILE *f = fopen(path, "r");

    assert_non_null(f);
    size_t n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = 0;
    fclose(f);
    assert_string_equal(text, wanted);
}

static void write_content(const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void a_second_one_is_told_who_runs_and_touches_nothing(void **state)
{
    char own[32], wanted[64];
    int fd = pid_file_take(path, error, sizeof(error));

    assert_true(fd >= 0);
    snprintf(own, sizeof(own), "%d\n", (int)getpid());
    expect_content(own);
    assert_int_equal(pid_file_take(path, error, sizeof(error)), -1);
    snprintf(wanted, sizeof(wanted), "runs here already, as process %d ", (int)getpid());
    assert_non_null(strstr(error, wanted));
    pid_file_give(-1, path); /* what its stop does */
    expect_content(own);
    pid_file_give(fd, path);
    assert_int_equal(access(path, F_OK), -1);
}

static void a_dead_ones_file_is_taken_over(void **state)
{
    char own[32];

    write_content("4194304999999\n");
    int fd = pid_file_take(path, error, sizeof(error));
    assert_true(fd >= 0);
    snprintf(own, sizeof(own), "%d\n", (int)getpid());
    expect_content(own);
    pid_file_give(fd, path);
}

static void a_lock_on_a_file_that_was_removed_is_none(void **state)
{
    int first = pid_file_take(path, error, sizeof(error));

    assert_true(first >= 0);
    unlink(path); /* somebody cleans up */
    int second = pid_file_take(path, error, sizeof(error));
    assert_true(second >= 0);
    assert_int_equal(pid_file_take(path, error, sizeof(error)), -1);
    pid_file_give(second, path);
    close(first);
}

static void what_cannot_be_opened_is_named(void **state)
{
    assert_int_equal(pid_file_take("/nowhere/hearthd.pid", error, sizeof(error)), -1);
    assert_string_equal(error, "/nowhere/hearthd.pid: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_second_one_is_told_who_runs_and_touches_nothing, set_up),
        cmocka_unit_test_setup(a_dead_ones_file_is_taken_over, set_up),
        cmocka_unit_test_setup(a_lock_on_a_file_that_was_removed_is_none, set_up),
        cmocka_unit_test_setup(what_cannot_be_opened_is_named, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
