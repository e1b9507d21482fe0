/* Control groups: found, made, filled, taken away; over a tree of plain files, and over the
 * kernel's where this process may. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "control/supervise/cgroup.h"

enum { PATIENCE_MS = 10000, CELLS = 8 };

static char root[64];
static struct cgroup g;

#define UNTIL(condition)                                                                           \
    for (int ms = 0; !(condition); ms++) {                                                         \
        assert_true(ms < PATIENCE_MS);                                                             \
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);                                   \
    }

/* ---- a tree of plain files: what the kernel would make is there already ---- */

static const char *at(const char *format, ...)
{
    static char path[2][512];
    static int turn;
    char *out = path[turn ^= 1];
    int n = snprintf(out, sizeof(path[0]), "%s/", root);
    va_list ap;

    va_start(ap, format);
    vsnprintf(out + n, sizeof(path[0]) - (size_t)n, format, ap);
    va_end(ap);
    return out;
}

static void put(const char *path, const char *text)
{
    char parents[512];
    FILE *f;

    snprintf(parents, sizeof(parents), "%s", path);
    for (char *p = parents + strlen(root) + 1; (p = strchr(p, '/')); p++) {
        *p = 0;
        mkdir(parents, 0755);
        *p = '/';
    }
    f = fopen(path, "we");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static const char *get(const char *path)
{
    static char text[4096];
    FILE *f = fopen(path, "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

    if (f)
        fclose(f);
    text[n] = 0;
    return text;
}

static int set_up(void **state)
{
    snprintf(root, sizeof(root), "/tmp/hearth-cgroup-XXXXXX");
    assert_non_null(mkdtemp(root));
    return 0;
}

static int tear_down(void **state)
{
    char command[96];

    cgroup_close(&g);
    snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void put_mounts(const char *of_root, const char *types)
{
    static const char v1[] = "31 30 0:27 %s %s rw,relatime shared:9 - cgroup cgroup rw,%s\n";
    static const char v2[] = "40 30 0:28 %s %s rw - cgroup2 cgroup2 rw,nsdelegate\n";
    char text[4096] = "22 1 8:1 / / rw - ext4 /dev/root rw\n", *p = text + strlen(text);

    if (strstr(types, "v1")) {
        p += sprintf(p, v1, of_root, at("v1/cpu"), "cpu,cpuacct");
        p += sprintf(p, v1, of_root, at("v1/memory"), "memory");
        p += sprintf(p, v1, of_root, at("v1/pids"), "pids");
    }
    if (strstr(types, "v2"))
        sprintf(p, v2, of_root, at("v2"));
    put(at("proc/mountinfo"), text);
}

/* Below `own`: one hierarchy's groups, with the files of all three controllers. */
static void put_groups(const char *own)
{
    static const char *const groups[] = {"hearthd", "cells", "cells/.spare", "cells/acme"};
    static const char *const files[] = {"cgroup.procs", "cgroup.subtree_control", "cpu.shares",
                                        "cpu.weight",   "memory.limit_in_bytes",  "memory.max",
                                        "pids.max"};

    put(at("%s/cgroup.procs", own), "");
    put(at("%s/cgroup.subtree_control", own), "");
    put(at("%s/hearth-%d/cgroup.subtree_control", own, (int)getpid()), "");
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
        for (size_t k = 0; k < sizeof(files) / sizeof(files[0]); k++)
            put(at("%s/hearth-%d/%s/%s", own, (int)getpid(), groups[i], files[k]), "");
}

static void open_tree(void)
{
    cgroup_open(&g, at("proc"), CELLS, getuid(), getgid());
}

static void put_v1(void)
{
    put_mounts("/", "v1 v2"); /* as systemd's hybrid: v2 is there without controllers */
    put(at("proc/cgroup"), "9:cpu,cpuacct:/sys/h.service\n8:memory:/sys/h.service\n"
                           "7:pids:/sys/h.service\n1:name=systemd:/x\n0::/sys/h.service\n");
    put(at("v2/sys/h.service/cgroup.controllers"), "hugetlb\n");
    put_groups("v1/cpu/sys/h.service");
    put_groups("v1/memory/sys/h.service");
    put_groups("v1/pids/sys/h.service");
}

static const char *of_group(const char *own, const char *file)
{
    return get(at("%s/hearth-%d/%s", own, (int)getpid(), file));
}

static void v1_has_hearthd_and_each_account_in_each_hierarchy(void **state)
{
    pid_t child = fork();
    char pid[16];

    if (!child) {
        pause();
        _exit(0);
    }
    snprintf(pid, sizeof(pid), "%d", (int)child);
    put_v1();
    open_tree();
    assert_string_equal(cgroup_kind_name(g.kind), "v1");
    assert_string_equal(g.why, "");
    assert_string_equal(of_group("v1/cpu/sys/h.service", "hearthd/cgroup.procs"), "0");
    assert_string_equal(of_group("v1/memory/sys/h.service", "hearthd/cgroup.procs"), "0");
    assert_string_equal(of_group("v1/cpu/sys/h.service", "hearthd/cpu.shares"), "10240");
    assert_int_equal(cgroup_start(&g), 0);
    cgroup_add(&g, "acme");
    assert_string_equal(of_group("v1/pids/sys/h.service", "cells/acme/pids.max"), "32");
    cgroup_limit(&g, "acme", 64 << 20);
    cgroup_move(&g, "acme", child);
    UNTIL(atomic_load(&g.moved) == 1);
    assert_string_equal(of_group("v1/memory/sys/h.service", "cells/acme/memory.limit_in_bytes"),
                        "67108864");
    assert_string_equal(of_group("v1/cpu/sys/h.service", "cells/acme/cgroup.procs"), pid);
    assert_string_equal(of_group("v1/memory/sys/h.service", "cells/acme/cgroup.procs"), pid);
    assert_string_equal(of_group("v1/pids/sys/h.service", "cells/acme/cgroup.procs"), pid);
    assert_int_equal(atomic_load(&g.failed), 0);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    cgroup_close(&g);
    assert_string_equal(get(at("v1/cpu/sys/h.service/cgroup.procs")), "0"); /* it went back */
}

static void a_hierarchy_that_is_missing_is_no_reason_to_have_none(void **state)
{
    char command[128];

    put_v1();
    snprintf(command, sizeof(command), "rm -rf %s/v1/memory", root);
    assert_int_equal(system(command), 0);
    open_tree();
    assert_string_equal(cgroup_kind_name(g.kind), "v1");
    assert_true(g.has[CGROUP_CPU]);
    assert_false(g.has[CGROUP_MEMORY]);
    assert_true(g.has[CGROUP_PIDS]);
}

static void what_is_mounted_may_be_a_part_of_the_tree(void **state)
{
    put_v1();
    put_mounts("/docker/abc", "v1");
    put(at("proc/cgroup"), "9:cpu,cpuacct:/docker/abc/sys/h.service\n");
    open_tree();
    assert_string_equal(cgroup_kind_name(g.kind), "v1");
    cgroup_close(&g);
    put(at("proc/cgroup"), "9:cpu,cpuacct:/elsewhere\n");
    open_tree();
    assert_string_equal(cgroup_kind_name(g.kind), "none");
    assert_int_not_equal(g.why[0], 0);
}

static void what_the_machine_has_is_known_without_having_it(void **state)
{
    put_v1();
    assert_int_equal(cgroup_mounted(at("proc")), CGROUP_V1);
    put(at("v2/cgroup.controllers"), "cpu memory\n");
    assert_int_equal(cgroup_mounted(at("proc")), CGROUP_V2);
    put_mounts("/", "");
    assert_int_equal(cgroup_mounted(at("proc")), CGROUP_NONE);
}

static void v2_is_enabled_from_above_to_below(void **state)
{
    put_mounts("/", "v2");
    put(at("proc/cgroup"), "0::/\n"); /* the root of what it sees is its own */
    put(at("v2/cgroup.controllers"), "cpuset cpu io memory pids\n");
    put_groups("v2");
    open_tree();
    assert_string_equal(cgroup_kind_name(g.kind), "v2");
    assert_int_equal(strncmp(get(at("v2/cgroup.subtree_control")), "+pids", 5), 0);
    assert_int_equal(strncmp(of_group("v2", "cells/cgroup.subtree_control"), "+pids", 5), 0);
    assert_string_equal(of_group("v2", "hearthd/cpu.weight"), "1000");
    assert_true(g.has[CGROUP_MEMORY]);
    assert_int_equal(cgroup_start(&g), 0);
    cgroup_limit(&g, "acme", 1 << 20);
    UNTIL(!strcmp(of_group("v2", "cells/acme/memory.max"), "1048576"));
    put(at("v2/hearth-%d/cells/acme/memory.max", (int)getpid()), "");
    cgroup_limit(&g, "acme", 0);
    UNTIL(!strcmp(of_group("v2", "cells/acme/memory.max"), "max"));
}

static void v2_that_was_not_given_to_hearthd_is_not_taken(void **state)
{
    put_mounts("/", "v2");
    put(at("proc/cgroup"), "0::/system.slice/h.service\n");
    put(at("v2/system.slice/h.service/cgroup.controllers"), "cpu memory pids\n");
    put_groups("v2/system.slice/h.service");
    open_tree();
    assert_string_equal(cgroup_kind_name(g.kind), "none");
    assert_non_null(strstr(g.why, "Delegate="));
    assert_string_equal(of_group("v2/system.slice/h.service", "hearthd/cgroup.procs"), "");
    /* and all else does nothing */
    assert_int_equal(cgroup_start(&g), 0);
    cgroup_add(&g, "acme");
    cgroup_move(&g, "acme", getpid());
    cgroup_limit(&g, "acme", 1);
    cgroup_remove(&g, "acme");
}

static void lines_that_are_none_are_passed_by(void **state)
{
    put(at("proc/mountinfo"), "\n-\n - \n1 2 3\n31 30 0:27 / - cgroup\n - cgroup x cpu\n");
    put(at("proc/cgroup"), ":\n::\nx\n9:cpu\n0:\n\n9:cpux,xcpu:/a\n");
    open_tree();
    assert_string_equal(cgroup_kind_name(g.kind), "none");
}

/* ---- the kernel's ---- */

static bool is_in(pid_t pid, const char *group)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
    return strstr(get(path), group);
}

/* Eats so much when it is told to. */
static pid_t start_eater(size_t bytes, int *tell)
{
    int pipe_fds[2];
    pid_t pid;

    assert_int_equal(pipe(pipe_fds), 0);
    pid = fork();
    if (!pid) {
        char c;

        close(pipe_fds[1]);
        if (read(pipe_fds[0], &c, 1) != 1)
            _exit(3);
        char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        for (size_t i = 0; i < bytes; i += 4096)
            p[i] = 1;
        _exit(0);
    }
    close(pipe_fds[0]);
    *tell = pipe_fds[1];
    return pid;
}

static int end_of(pid_t pid, int tell)
{
    int status;

    assert_int_equal(write(tell, "x", 1), 1);
    close(tell);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void the_kernel_moves_limits_and_lets_go(void **state)
{
    int tell[2], status;
    pid_t small, large;

    cgroup_open(&g, "/proc/self", CELLS, getuid(), getgid());
    if (g.kind == CGROUP_NONE) {
        printf("# %s\n", g.why);
        skip();
    }
    assert_true(is_in(getpid(), "/hearthd\n"));
    assert_int_equal(cgroup_start(&g), 0);
    cgroup_add(&g, "acme");
    small = start_eater(1 << 20, &tell[0]);
    large = start_eater(256 << 20, &tell[1]);
    cgroup_limit(&g, "acme", 64 << 20);
    cgroup_move(&g, "acme", small);
    cgroup_move(&g, "acme", large);
    UNTIL(atomic_load(&g.moved) == 2);
    assert_true(is_in(small, "/cells/acme\n") && is_in(large, "/cells/acme\n"));
    if (g.has[CGROUP_MEMORY]) {
        status = end_of(large, tell[1]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    } else {
        kill(large, SIGKILL);
        end_of(large, tell[1]);
    }
    status = end_of(small, tell[0]);
    assert_true(WIFEXITED(status) && !WEXITSTATUS(status));
    cgroup_remove(&g, "acme");
    cgroup_close(&g);
    assert_false(is_in(getpid(), "/hearthd\n"));
    assert_int_not_equal(access(g.path, F_OK), 0);
}

static void nobody_is_moved_but_a_child(void **state)
{
    int tell;
    pid_t child;

    cgroup_open(&g, "/proc/self", CELLS, getuid(), getgid());
    if (g.kind == CGROUP_NONE)
        skip();
    assert_int_equal(cgroup_start(&g), 0);
    cgroup_add(&g, "acme");
    child = start_eater(1, &tell);
    cgroup_move(&g, "acme", getppid());
    cgroup_move(&g, "acme", child); /* in order */
    UNTIL(atomic_load(&g.moved) == 1);
    assert_false(is_in(getppid(), "/cells/acme\n"));
    assert_int_equal(atomic_load(&g.failed), 0);
    end_of(child, tell);
}

static void what_a_killed_hearthd_left_is_swept(void **state)
{
    char left[sizeof(g.path)];
    pid_t pid = fork();
    int status;

    if (!pid) {
        cgroup_open(&g, "/proc/self", CELLS, getuid(), getgid());
        _exit(g.kind == CGROUP_NONE);
    }
    waitpid(pid, &status, 0);
    if (WEXITSTATUS(status))
        skip();
    cgroup_open(&g, "/proc/self", CELLS, getuid(), getgid());
    assert_int_not_equal(g.kind, CGROUP_NONE);
    snprintf(left, sizeof(left), "%.*s%d", (int)(strrchr(g.path, '-') - g.path + 1), g.path,
             (int)pid);
    assert_int_not_equal(access(left, F_OK), 0);
    assert_int_equal(access(g.path, F_OK), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(v1_has_hearthd_and_each_account_in_each_hierarchy),
        CASE(a_hierarchy_that_is_missing_is_no_reason_to_have_none),
        CASE(what_is_mounted_may_be_a_part_of_the_tree),
        CASE(what_the_machine_has_is_known_without_having_it),
        CASE(v2_is_enabled_from_above_to_below),
        CASE(v2_that_was_not_given_to_hearthd_is_not_taken),
        CASE(lines_that_are_none_are_passed_by),
        CASE(the_kernel_moves_limits_and_lets_go),
        CASE(nobody_is_moved_but_a_child),
        CASE(what_a_killed_hearthd_left_is_swept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
