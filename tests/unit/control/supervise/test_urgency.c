/* Who may wait for a CPU: the verdict by what the kernel counted, and what the kernel then says of
 * a thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "control/supervise/urgency.h"

#define MS (1000000ull)

static void what_computes_for_a_millisecond_before_it_sleeps_may_wait(void **state)
{
    static const struct {
        const char *what;
        uint64_t cpu_ns, sleeps;
        bool has_verdict, computes;
    } rows[] = {
        {"too little to say", 999 * 1000, 0, false, false},
        {"a loop that never sleeps", 50 * MS, 0, true, true},
        {"one of many hogs, which has had 1 ms in this look", 1 * MS, 0, true, true},
        {"15 ms for each of three requests", 45 * MS, 3, true, true},
        {"60 us for each of 800 requests", 48 * MS, 800, true, false},
        {"a request of 30 ms, and many short ones", 40 * MS, 200, true, false},
        {"sleeps without computing", 0, 1000, false, false},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct urgency_watch w = {.cpu_ns = 7 * MS, .sleeps = 11};
        bool computes = !rows[i].computes, before = computes;
        bool has_verdict =
            urgency_judge(&w, 7 * MS + rows[i].cpu_ns, 11 + rows[i].sleeps, &computes);

        if (has_verdict != rows[i].has_verdict ||
            computes != (has_verdict ? rows[i].computes : before))
            fail_msg("%s", rows[i].what);
        assert_int_equal(w.cpu_ns, has_verdict ? 7 * MS + rows[i].cpu_ns : 7 * MS);
    }
}

static void a_child_waits_and_comes_first_again(void **state)
{
    pid_t child = fork();

    if (!child) {
        pause();
        _exit(0);
    }
    assert_int_equal(urgency_set(child, URGENCY_COMPUTES), 0);
    assert_int_equal(getpriority(PRIO_PROCESS, (id_t)child), 10);
    assert_int_equal(urgency_set(child, URGENCY_CELL), 0);
    if (geteuid() == 0)
        assert_int_equal(getpriority(PRIO_PROCESS, (id_t)child), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    assert_int_equal(urgency_set(child, URGENCY_CELL), -ESRCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_computes_for_a_millisecond_before_it_sleeps_may_wait),
        cmocka_unit_test(a_child_waits_and_comes_first_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
