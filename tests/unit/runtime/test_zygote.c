/* A zygote and its cells, as hearthd sees them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static struct harness h;

/* Cell n runs the script with the handle n + 1. */
static void start_cells(unsigned count, const char *source)
{
    for (unsigned n = 0; n < count; n++)
        harness_script(&h, n + 1, source, NULL);
}

static pid_t pid_of(unsigned n)
{
    return harness_cell(&h, n + 1)->pid;
}

static const char *get(unsigned n)
{
    struct harness_job *j = harness_get(&h, n + 1, "/");
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_int_equal(j->status, 200);
    return (const char *)j->body;
}

/* Of /proc/PID/status; "": there is no such line. */
static const char *status_of(pid_t pid, const char *name)
{
    static char line[256];
    char path[64];
    size_t len = strlen(name);
    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (strncmp(line, name, len) == 0 && line[len] == ':') {
            fclose(f);
            line[strcspn(line, "\n")] = '\0';
            return line + len + 2;
        }
    fclose(f);
    return "";
}

static void each_cell_answers_over_its_own_region(void **state)
{
    enum { CELLS = 20 };
    start_cells(CELLS, "let n = 0;"
                       "export default { fetch() { return new Response(`${++n}`); } }");
    for (unsigned i = 0; i < CELLS; i++)
        for (unsigned n = 0; n < i; n++)
            assert_non_null(get(i));
    for (unsigned i = 0; i < CELLS; i++)
        assert_int_equal(atoi(get(i)), i + 1);
}

/* Of all its threads so far; none of them needed a disk. */
static long faults_of(pid_t pid)
{
    char path[64], text[512];
    long faults = -1;
    snprintf(path, sizeof(path), "/proc/%d/stat", pid);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
    fclose(f);
    assert_int_equal(sscanf(strrchr(text, ')'), ") %*c %*d %*d %*d %*d %*d %*u %ld", &faults), 1);
    return faults;
}

/* 245 without the rehearsal (footprint.h). */
static void a_spare_has_the_pages_that_a_start_touches(void **state)
{
    enum { FAULTS_MAX = 100 };
    h.holds_scripts = true;
    start_cells(1, "export default { fetch() { return new Response('hello'); } }");
    while (!harness_cell(&h, 1)->is_ready)
        harness_await(&h);
    long before = faults_of(pid_of(0));
    harness_tell_script(&h, 1);
    assert_string_equal(get(0), "hello");
    assert_in_range(faults_of(pid_of(0)) - before, 1, FAULTS_MAX);
    h.holds_scripts = false;
}

static void no_two_cells_draw_alike(void **state)
{
    enum { N = 8 };
    char *drawn[N];
    start_cells(N, "const early = [Math.random(), crypto.randomUUID()];"
                   "export default { fetch() { return new Response([...early, Math.random(),"
                   " Math.random(), crypto.randomUUID(),"
                   " crypto.getRandomValues(new Uint32Array(2)).join()].join('\\n')); } }");
    for (unsigned i = 0; i < N; i++)
        drawn[i] = strdup(get(i));
    for (unsigned i = 0; i < N; i++) {
        unsigned lines = 0;
        for (char *line = strtok(drawn[i], "\n"); line; line = strtok(NULL, "\n"), lines++)
            for (unsigned k = i + 1; k < N; k++)
                if (strstr(drawn[k], line))
                    fail_msg("cells %u and %u both drew %s", i, k, line);
        assert_int_equal(lines, 6);
    }
    for (unsigned i = 0; i < N; i++)
        free(drawn[i]);
}

static void time_begins_with_the_cell(void **state)
{
    struct timespec before;
    clock_gettime(CLOCK_REALTIME, &before);
    start_cells(1,
                "const now = performance.now(), origin = performance.timeOrigin, at = Date.now();"
                "export default { fetch() {"
                " return new Response([now, origin === at - 1, origin].join()); } }");
    const char *said = get(0);
    assert_memory_equal(said, "1,true,", 7);
    double origin_ms = atof(said + 7);
    assert_true(origin_ms + 1 >= (double)(before.tv_sec * 1000 + before.tv_nsec / 1000000));
}

static void where_the_machine_is_does_not_show(void **state)
{
    start_cells(1, "export default { fetch() { return new Response("
                   "`${new Date(0).getTimezoneOffset()} "
                   "${Intl.DateTimeFormat().resolvedOptions().timeZone}`); } }");
    assert_string_equal(get(0), "0 UTC");
}

static void a_cell_is_whom_hearthd_named_and_can_do_nothing(void **state)
{
    char ids[64];
    start_cells(1, "export default { fetch() { return new Response('here'); } }");
    assert_string_equal(get(0), "here");
    pid_t pid = pid_of(0);
    if (zygote_rig_uid()) {
        snprintf(ids, sizeof(ids), "%u\t%u\t%u\t%u", ZYGOTE_RIG_UID, ZYGOTE_RIG_UID, ZYGOTE_RIG_UID,
                 ZYGOTE_RIG_UID);
        assert_string_equal(status_of(pid, "Uid"), ids);
        assert_string_equal(status_of(pid, "Gid"), ids);
        assert_string_equal(status_of(pid, "Groups"), " ");
    }
    static const char *const nothing[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(*nothing); i++)
        assert_string_equal(status_of(pid, nothing[i]), "0000000000000000");
    assert_string_equal(status_of(pid, "NoNewPrivs"), "1");
    assert_string_equal(status_of(pid, "Seccomp"), "2");
    assert_string_equal(status_of(pid, "Threads"), "2"); /* the monitor */
    assert_string_equal(status_of(pid, "Name"), "hearth-cell");
    assert_int_equal(atoi(status_of(pid, "PPid")), getpid());
}

static void a_cell_has_its_descriptors_and_no_other(void **state)
{
    static const char *const expected[] = {"anon_inode:[eventfd]",
                                           "pipe:", "pipe:", "socket:", "anon_inode:[eventfd]"};
    enum { N = sizeof(expected) / sizeof(*expected) };
    char path[64], name[128];
    unsigned count = 0;
    /* A script's sources are mapped, and their file is closed. */
    start_cells(1, "export default { fetch() { return new Response('here'); } }");
    assert_string_equal(get(0), "here");
    for (int fd = 0; fd < 128; fd++) {
        snprintf(path, sizeof(path), "/proc/%d/fd/%d", pid_of(0), fd);
        ssize_t n = readlink(path, name, sizeof(name) - 1);
        if (n < 0)
            continue;
        name[n] = '\0';
        if (count >= N || strncmp(name, expected[count], strlen(expected[count])) != 0)
            fail_msg("%d is %s", fd, name);
        count++;
    }
    assert_int_equal(count, N);
}

static void the_end_of_a_cell_is_hearthds_to_see(void **state)
{
    siginfo_t how = {0};
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    pid_t pid = zygote_rig_fork(&h.zygote, pair[1], STDERR_FILENO);
    assert_true(pid > 0);
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &how, WEXITED), 0);
    assert_int_equal(how.si_code, CLD_KILLED);
    assert_int_equal(how.si_status, SIGKILL);
    close(pair[0]);
    close(pair[1]);
}

static void what_a_cell_says_before_its_end_comes_by_the_pipe(void **state)
{
    char said[256];
    int pair[2], ends[2], status = 0;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    pid_t pid = zygote_rig_fork(&h.zygote, pair[1], ends[1]);
    assert_true(pid > 0);
    close(pair[0]); /* there will be no region */
    close(pair[1]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
    ssize_t n = read(ends[0], said, sizeof(said) - 1);
    assert_true(n > 0);
    said[n] = '\0';
    assert_non_null(strstr(said, "what=region"));
    close(ends[0]);
    close(ends[1]);
}

static void what_is_no_order_is_refused(void **state)
{
    const uint32_t uid = zygote_rig_uid(), other_uid = uid ? ZYGOTE_UID_SAME : ZYGOTE_RIG_UID;
    const struct {
        const char *what;
        struct zygote_packet packet;
        size_t bytes;
        int fd_count;
        pid_t answer;
    } rows[] = {
        {"no descriptor", {.type = ZYGOTE_FORK, .uid = uid}, sizeof(rows->packet), 0, -EPROTO},
        {"one only", {.type = ZYGOTE_FORK, .uid = uid}, sizeof(rows->packet), 1, -EPROTO},
        {"three", {.type = ZYGOTE_FORK, .uid = uid}, sizeof(rows->packet), 3, -EPROTO},
        {"a short packet", {.type = ZYGOTE_FORK, .uid = uid}, 8, 2, -EPROTO},
        {"a long packet", {.type = ZYGOTE_FORK, .uid = uid}, sizeof(rows->packet) + 1, 2, -EPROTO},
        {"another type", {.type = ZYGOTE_READY, .uid = uid}, sizeof(rows->packet), 2, -EPROTO},
        {"ids that it cannot give",
         {.type = ZYGOTE_FORK, .uid = other_uid},
         sizeof(rows->packet),
         2,
         -EINVAL},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char bytes[sizeof(rows->packet) + 1] = {0};
        memcpy(bytes, &rows[i].packet, sizeof(rows->packet));
        pid_t got = zygote_rig_send(&h.zygote, bytes, rows[i].bytes, (const int[]){1, 1, 1},
                                    rows[i].fd_count);
        if (got != rows[i].answer)
            fail_msg("%s: %d", rows[i].what, got);
    }
    /* None of them is left with a descriptor too many, or harmed. */
    start_cells(1, "export default { fetch() { return new Response('here'); } }");
    assert_string_equal(get(0), "here");
    char path[64];
    unsigned open_fds = 0;
    snprintf(path, sizeof(path), "/proc/%d/fd", h.zygote.pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        open_fds += e->d_name[0] != '.';
    closedir(d);
    assert_int_equal(open_fds, START_FD + 1);
}

static void an_endless_loop_is_stopped_in_a_cell(void **state)
{
    start_cells(1, "export default { fetch(request) { while (request.url.endsWith('loop'));"
                   " return new Response('here'); } }");
    struct harness_job *j = harness_get(&h, 1, "/loop");
    assert_int_equal(j->error, JOB_ERROR_CPU_LIMIT);
    assert_string_equal(get(0), "here");
}

/* It is made with a limit below all scripts' (ISOLATE_HEAP_FLOOR). */
static void a_heap_has_its_scripts_limit(void **state)
{
    static const char source[] =
        "const all = [];"
        "export default { fetch(request) {"
        " const mb = Number(new URL(request.url).searchParams.get('mb'));"
        " for (let i = 0; i < mb * 16; i++) all.push(new Array(8192).fill(1));"
        " all.length = 0; return new Response(`${mb}`); } }";
    harness_script(&h, 1, source, "{\"cpu_ms\":10000,\"heap_bytes\":67108864}");
    assert_int_equal(harness_get(&h, 1, "/?mb=40")->error, JOB_ERROR_NONE);
    assert_int_equal(harness_get(&h, 1, "/?mb=200")->error, JOB_ERROR_MEMORY_LIMIT);
}

static void cells_live_on_when_their_zygote_is_renewed(void **state)
{
    static const char here[] = "export default { fetch() { return new Response('here'); } }";
    start_cells(1, here);
    zygote_rig_stop(&h.zygote);
    assert_string_equal(get(0), "here");
    zygote_rig_start(&h.zygote, NULL);
    harness_script(&h, 2, here, NULL);
    assert_string_equal(get(1), "here");
    assert_string_equal(get(0), "here");
}

static void speculation_can_be_limited(void **state)
{
    zygote_rig_stop(&h.zygote);
    zygote_rig_start(&h.zygote, "limit-speculation");
    start_cells(1, "export default { fetch() { return new Response('here'); } }");
    assert_null(strstr(status_of(pid_of(0), "Speculation_Store_Bypass"), "thread vulnerable"));
    assert_string_equal(get(0), "here");
}

static void without_namespaces_there_is_no_zygote_unless_it_may_be_weaker(void **state)
{
    if (geteuid() != 0)
        skip(); /* who is not root makes a user namespace, and has all capabilities in it */
    assert_int_equal(zygote_rig_without(CAP_SYS_ADMIN, NULL), 1);
    assert_int_equal(zygote_rig_without(CAP_SYS_ADMIN, "weaker"), 0);
    assert_int_equal(zygote_rig_without(CAP_SYS_ADMIN, "nonsense"), 2);
}

static void the_zygote_says_which_v8_it_has(void **state)
{
    assert_true(h.zygote.v8[0] >= '1' && h.zygote.v8[0] <= '9');
}

static int start(void **state)
{
    harness_start(&h);
    h.geometry = &job_geometry_small;
    return 0;
}

static int stop(void **state)
{
    harness_stop(&h);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(each_cell_answers_over_its_own_region),
        TEST(a_spare_has_the_pages_that_a_start_touches),
        TEST(no_two_cells_draw_alike),
        TEST(time_begins_with_the_cell),
        TEST(where_the_machine_is_does_not_show),
        TEST(a_cell_is_whom_hearthd_named_and_can_do_nothing),
        TEST(a_cell_has_its_descriptors_and_no_other),
        TEST(the_end_of_a_cell_is_hearthds_to_see),
        TEST(what_a_cell_says_before_its_end_comes_by_the_pipe),
        TEST(what_is_no_order_is_refused),
        TEST(an_endless_loop_is_stopped_in_a_cell),
        TEST(a_heap_has_its_scripts_limit),
        TEST(cells_live_on_when_their_zygote_is_renewed),
        TEST(speculation_can_be_limited),
        TEST(without_namespaces_there_is_no_zygote_unless_it_may_be_weaker),
        TEST(the_zygote_says_which_v8_it_has),
    };
    return cmocka_run_group_tests_name("zygote", tests, NULL, NULL);
}
