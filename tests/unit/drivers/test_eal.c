/* test_eal.c: nodes side by side on one machine, each an own process; cores that share a CPU;
 * refusals. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_lcore.h>

#include "drivers/eal.h"

enum { NODES = 3, CORES = 2 };

/* Needs no DPDK: refused before it is started, so it may come first in this process. */
static void a_cpu_that_does_not_exist_is_refused(void **state)
{
    struct eal_config c = {
        .name = "test-eal", .core_count = 2, .core_cpu = {0, 1000}, .memory_mb = 64};
    struct eal_report report;
    char error[128] = "";
    assert_int_equal(eal_start(&c, &report, error, sizeof(error)), -EINVAL);
    assert_non_null(strstr(error, "CPU 1000"));
}

/* Both cores wait for each other: neither could run alone, though they share a CPU. */
static pthread_barrier_t both;

static int meet(void *arg)
{
    cpu_set_t cpus;
    pthread_barrier_wait(&both);
    bool is_pinned = pthread_getaffinity_np(pthread_self(), sizeof(cpus), &cpus) == 0 &&
                     CPU_COUNT(&cpus) == 1 && CPU_ISSET(0, &cpus);
    return is_pinned ? (int)(intptr_t)arg : -1;
}

static bool has_telemetry(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    char greeting[256];
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/dpdk_telemetry.v2", rte_eal_get_runtime_dir());
    bool is_there = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0 &&
                    read(fd, greeting, sizeof(greeting)) > 0;
    close(fd);
    return is_there;
}

/* One node's life; the exit status names the step that failed. */
static int node(int number, bool huge_off, int ready_fd, int go_fd)
{
    struct eal_config c = {.core_count = CORES, .memory_mb = 64};
    struct eal_report report;
    char name[32], byte = 0;

    snprintf(name, sizeof(name), "test-eal-%d", number);
    c.name = name;
    c.huge = huge_off ? EAL_HUGE_OFF : EAL_HUGE_AUTO;
    if (eal_start(&c, &report, NULL, 0) != 0)
        return 1;
    if (write(ready_fd, &byte, 1) != 1 || read(go_fd, &byte, 1) != 1) /* all are up at once */
        return 2;
    pthread_barrier_init(&both, NULL, CORES);
    for (uint32_t i = 0; i < CORES; i++)
        if (eal_launch(i, meet, (void *)(intptr_t)(10 + i)) != 0)
            return 3;
    for (uint32_t i = 0; i < CORES; i++)
        if (eal_wait(i) != 10 + (int)i)
            return 4;
    if (!has_telemetry())
        return 5;
    if (huge_off && report.has_huge)
        return 6;
    if (!huge_off && !report.has_huge && report.huge_advice[0] == '\0')
        return 7;
    eal_stop();
    return 0;
}

static void run_nodes(bool huge_off)
{
    int ready[2], go[2];
    pid_t pids[NODES];
    char byte[NODES] = {0};

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(go), 0);
    for (int i = 0; i < NODES; i++) {
        pids[i] = fork();
        if (pids[i] == 0) {
            close(ready[0]);
            close(go[1]);
            exit(node(i, huge_off, ready[1], go[0])); /* with its exit handlers: see the end */
        }
    }
    close(ready[1]);
    close(go[0]);
    for (int i = 0; i < NODES; i++)
        assert_int_equal(read(ready[0], byte, 1), 1);
    assert_int_equal(write(go[1], byte, NODES), NODES);
    for (int i = 0; i < NODES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
    }
    close(ready[0]);
    close(go[1]);
    for (int i = 0; i < NODES; i++) { /* nothing is left of them */
        char directory[64];
        snprintf(directory, sizeof(directory), "/var/run/dpdk/test-eal-%d", i);
        assert_int_not_equal(access(directory, F_OK), 0);
    }
}

static void three_nodes_start_side_by_side(void **state)
{
    run_nodes(false);
}

static void three_nodes_start_side_by_side_without_hugepages(void **state)
{
    run_nodes(true);
}

/* The status of a node that ends by itself. */
static int run_node(int number, bool huge_off, int ready_fd, int go_fd)
{
    int status;
    pid_t pid = fork();
    if (pid == 0)
        exit(node(number, huge_off, ready_fd, go_fd));
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void a_name_is_for_one_process(void **state)
{
    for (int huge_off = 0; huge_off < 2; huge_off++) {
        int ready[2], go[2], status;
        char byte = 0;
        assert_int_equal(pipe(ready), 0);
        assert_int_equal(pipe(go), 0);
        pid_t first = fork();
        if (first == 0)
            exit(node(7, huge_off, ready[1], go[0]));
        assert_int_equal(read(ready[0], &byte, 1), 1);
        assert_int_equal(run_node(7, huge_off, ready[1], go[0]), 1); /* eal_start refused */
        assert_int_equal(write(go[1], &byte, 1), 1);
        assert_int_equal(waitpid(first, &status, 0), first);
        assert_int_equal(status, 0); /* undisturbed, its telemetry too */
        assert_int_equal(write(go[1], &byte, 1), 1);
        assert_int_equal(run_node(7, huge_off, ready[1], go[0]), 0); /* now it is free */
        for (int i = 0; i < 2; i++) {
            close(ready[i]);
            close(go[i]);
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cpu_that_does_not_exist_is_refused),
        cmocka_unit_test(three_nodes_start_side_by_side),
        cmocka_unit_test(three_nodes_start_side_by_side_without_hugepages),
        cmocka_unit_test(a_name_is_for_one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
