/* Whose doing a wait is. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "control/base/loop.h"
#include "control/supervise/patience.h"

static const uint64_t ms = 1000000;

static void wait_ms(uint64_t count)
{
    usleep((useconds_t)(count * 1000));
}

/* In a child that does this for ever. */
static pid_t start(void (*act)(void))
{
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid) {
        setpgid(pid, pid);
        return pid;
    }
    setpgid(0, 0);
    act();
    _exit(1);
}

static void end(pid_t pid)
{
    assert_int_equal(kill(-pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void sleep_on(void)
{
    for (;;)
        pause();
}

/* Whoever calls vfork waits inside the kernel ("D") until its child has ended. */
static void wait_in_kernel(void)
{
    if (vfork() == 0)
        for (;;)
            pause();
}

static uint64_t spent_ms(void (*act)(void), uint64_t wait)
{
    pid_t pid = start(act);
    struct patience p;
    uint64_t spent_ns;

    wait_ms(100);
    p = patience_begin(pid, loop_now_ns());
    wait_ms(wait);
    spent_ns = patience_spent_ns(&p, pid, loop_now_ns());
    end(pid);
    return spent_ns / ms;
}

static void one_that_sleeps_makes_others_wait(void **state)
{
    assert_in_range(spent_ms(sleep_on, 300), 200, 100000);
}

static void one_that_waits_inside_the_kernel_does_not(void **state)
{
    assert_in_range(spent_ms(wait_in_kernel, 300), 0, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_sleeps_makes_others_wait),
        cmocka_unit_test(one_that_waits_inside_the_kernel_does_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
