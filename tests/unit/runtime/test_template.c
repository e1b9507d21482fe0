/* A template and its cells, as hearthd sees them. That it cannot fork at will is test_sandbox's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

static struct harness h;

/* The first cell of the script is still cold; those after it are the template's. */
static struct template_rig *template_of(const char *source, const char *limits)
{
    harness_script(&h, 1, source, limits);
    harness_loaded(&h, 1);
    harness_retire(&h, 1);
    struct template_rig *t = harness_template(&h, 1);
    if (t->refusal[0])
        fail_msg("%s", t->refusal);
    return t;
}

static const char *get_at(const char *path)
{
    struct harness_job *j = harness_get(&h, 1, path);
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_int_equal(j->status, 200);
    return (const char *)j->body;
}

/* The next one answers from another cell. */
static const char *get_in_another(void)
{
    harness_retire(&h, 1);
    return get_at("/");
}

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

static const char here[] = "export default { fetch() { return new Response('here'); } }";

static void its_cells_begin_behind_the_top_level(void **state)
{
    struct template_rig *t =
        template_of("console.log('built'); let n = 0;"
                    "const table = Array.from({ length: 1000 }, (_, i) => ({ i }));"
                    "export default { fetch() { n++; return new Response("
                    "`${n} ${table.length} ${table[999].i}`); } }",
                    NULL);
    assert_int_equal(t->lines, 1);
    size_t lines = h.line_count; /* of the cell that was cold */
    for (int i = 0; i < 5; i++) {
        assert_string_equal(get_in_another(), "1 1000 999");
        assert_string_equal(get_at("/"), "2 1000 999");
    }
    assert_int_equal(h.line_count, lines);
    assert_int_equal(t->forks, 5);
    assert_int_equal(t->threads, 5);
    assert_int_equal(t->attacks, 0);
}

static void no_two_of_its_cells_draw_alike(void **state)
{
    enum { N = 8 };
    char *drawn[N];
    template_of("export default { async fetch() { const { subtle } = crypto;"
                " const key = await subtle.generateKey('Ed25519', true, ['sign']);"
                " const made = await subtle.exportKey('jwk', key.privateKey);"
                " return new Response([Math.random(), Math.random(), crypto.randomUUID(), made.d,"
                " crypto.getRandomValues(new Uint32Array(2)).join()].join('\\n')); } }",
                NULL);
    for (unsigned i = 0; i < N; i++)
        drawn[i] = strdup(get_in_another());
    for (unsigned i = 0; i < N; i++) {
        unsigned lines = 0;
        for (char *line = strtok(drawn[i], "\n"); line; line = strtok(NULL, "\n"), lines++)
            for (unsigned k = i + 1; k < N; k++)
                if (strstr(drawn[k], line))
                    fail_msg("cells %u and %u both drew %s", i, k, line);
        assert_int_equal(lines, 5);
    }
    for (unsigned i = 0; i < N; i++)
        free(drawn[i]);
}

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

static void time_begins_with_the_cell(void **state)
{
    template_of("export default { fetch() { return new Response("
                "[performance.now(), performance.timeOrigin, Date.now()].join()); } }",
                NULL);
    for (int i = 0; i < 3; i++) {
        double before_ms = now_ms();
        const char *said = get_in_another();
        assert_memory_equal(said, "1,", 2); /* its zero is a millisecond before */
        assert_true(atof(said + 2) + 1 >= before_ms);
        assert_true(atof(strrchr(said, ',') + 1) >= before_ms);
    }
}

static void what_copies_must_not_share_makes_no_template(void **state)
{
    static const struct {
        const char *what, *top_level, *why;
    } rows[] = {
        {"nothing", "", ""},
        {"times that are no clock's", "new Date(0).toISOString(); Date.UTC(2026);", ""},
        {"code that would", "const draw = () => Math.random() + Date.now();", ""},
        {"Math.random", "const x = Math.random();", "its top level draws random numbers"},
        {"a UUID", "const x = crypto.randomUUID();", "its top level draws random numbers"},
        {"random bytes", "crypto.getRandomValues(new Uint8Array(1));",
         "its top level draws random numbers"},
        {"a hash and a key that was brought",
         "await crypto.subtle.digest('SHA-256', new Uint8Array(1));"
         "await crypto.subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, ['encrypt']);",
         ""},
        {"a key", "crypto.subtle.generateKey('X25519', true, ['deriveBits']);",
         "its top level draws random numbers"},
        {"Date.now", "const x = Date.now();", "its top level reads the time"},
        {"a date of now", "const x = new Date();", "its top level reads the time"},
        {"performance.now", "performance.now();", "its top level reads the time"},
        {"performance.timeOrigin", "performance.timeOrigin;", "its top level reads the time"},
        {"Temporal", "Temporal.Now.instant();", "its top level reads the time"},
        {"a format of now", "new Intl.DateTimeFormat().format();", "its top level reads the time"},
        {"a timer", "setTimeout(() => {}, 1);",
         "Error: timers are not allowed at the top level of a script"},
        {"what does not end", "for (;;);", "the script's top level used more than its CPU time"},
        {"an error", "throw new Error('of the script');", "Error: of the script"},
        {"a syntax error", "(", "main.mjs:2:1: Uncaught SyntaxError"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char source[512];
        snprintf(source, sizeof(source), "%s\n%s", rows[i].top_level, here);
        harness_script(&h, (uint32_t)i + 1, source, NULL);
        harness_loaded(&h, (uint32_t)i + 1);
        struct template_rig *t = harness_template(&h, (uint32_t)i + 1);
        if (strncmp(t->refusal, rows[i].why, strlen(rows[i].why)) != 0 ||
            !rows[i].why[0] != !t->refusal[0])
            fail_msg("%s: \"%s\"", rows[i].what, t->refusal);
        harness_drop_template(&h);
    }
}

static void a_cell_of_it_is_a_cell(void **state)
{
    struct template_rig *t = template_of(here, NULL);
    assert_string_equal(get_in_another(), "here");
    pid_t pid = harness_cell(&h, 1)->pid;
    static const char *const same[] = {"Uid", "Gid", "Groups"};
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++) {
        char *its = strdup(status_of(t->pid, same[i]));
        assert_string_equal(status_of(pid, same[i]), its);
        free(its);
    }
    static const char *const nothing[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    for (size_t i = 0; i < sizeof(nothing) / sizeof(*nothing); i++) {
        assert_string_equal(status_of(pid, nothing[i]), "0000000000000000");
        assert_string_equal(status_of(t->pid, nothing[i]), "0000000000000000");
    }
    assert_string_equal(status_of(pid, "NoNewPrivs"), "1");
    assert_string_equal(status_of(pid, "Seccomp"), "2");
    assert_string_equal(status_of(pid, "Threads"), "2");
    assert_string_equal(status_of(t->pid, "Threads"), "1"); /* frozen */
    assert_int_equal(atoi(status_of(pid, "PPid")), getpid());
    /* One filter more than one from the zygote: its template's two, and its own. */
    assert_int_equal(atoi(status_of(pid, "Seccomp_filters")),
                     atoi(status_of(t->pid, "Seccomp_filters")) + 1);
}

static void its_descriptors_are_a_cells(void **state)
{
    static const char *const expected[] = {"anon_inode:[eventfd]",
                                           "pipe:", "pipe:", "socket:", "anon_inode:[eventfd]"};
    enum { N = sizeof(expected) / sizeof(*expected) };
    struct template_rig *t = template_of(here, NULL);
    assert_string_equal(get_in_another(), "here");
    const struct {
        pid_t pid;
        unsigned count;
    } rows[] = {{t->pid, N - 1}, {harness_cell(&h, 1)->pid, N}};
    for (int i = 0; i < 2; i++) {
        unsigned count = 0;
        for (int fd = 0; fd < 128; fd++) {
            char path[64], name[128];
            snprintf(path, sizeof(path), "/proc/%d/fd/%d", rows[i].pid, fd);
            ssize_t n = readlink(path, name, sizeof(name) - 1);
            if (n < 0)
                continue;
            name[n] = '\0';
            /* Output is the test's own, whatever that is. */
            if (count >= N || (fd != 1 && fd != 2 &&
                               strncmp(name, expected[count], strlen(expected[count])) != 0))
                fail_msg("%d is %s", fd, name);
            count++;
        }
        assert_int_equal(count, rows[i].count);
    }
}

static void what_is_no_order_is_refused(void **state)
{
    struct template_rig *t = template_of(here, NULL);
    struct zygote_rig as_zygote = {.fd = t->fd};
    const struct zygote_packet good = {.type = ZYGOTE_FORK};
    const struct {
        const char *what;
        struct zygote_packet packet;
        size_t bytes;
        int fd_count;
        pid_t answer;
    } rows[] = {
        {"no descriptor", good, sizeof(good), 0, -EPROTO},
        {"one only", good, sizeof(good), 1, -EPROTO},
        {"three", good, sizeof(good), 3, -EPROTO},
        {"a short packet", good, 8, 2, -EPROTO},
        {"another type", {.type = ZYGOTE_READY}, sizeof(good), 2, -EPROTO},
        {"another id", {.type = ZYGOTE_FORK, .uid = 4711}, sizeof(good), 2, -EINVAL},
        {"a template of it",
         {.type = ZYGOTE_FORK, .what = ZYGOTE_TEMPLATE},
         sizeof(good),
         2,
         -EINVAL},
        {"what is nothing", {.type = ZYGOTE_FORK, .what = 2}, sizeof(good), 2, -EPROTO},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        pid_t got = zygote_rig_send(&as_zygote, &rows[i].packet, rows[i].bytes,
                                    (const int[]){1, 1, 1}, rows[i].fd_count);
        if (got != rows[i].answer)
            fail_msg("%s: %d", rows[i].what, got);
    }
    assert_string_equal(get_in_another(), "here");
}

static void limits_hold_in_its_cells(void **state)
{
    template_of("const all = []; export default { fetch(request) {"
                " if (request.url.endsWith('loop')) for (;;);"
                " if (request.url.endsWith('eat')) for (;;) all.push(new Array(1e5).fill(all));"
                " return new Response('here'); } }",
                "{\"cpu_ms\":50,\"heap_bytes\":67108864}");
    assert_string_equal(get_in_another(), "here");
    assert_int_equal(harness_get(&h, 1, "/loop")->error, JOB_ERROR_CPU_LIMIT);
    assert_string_equal(get_at("/"), "here");
    harness_drop_template(&h);
    harness_script(&h, 1,
                   "const all = []; export default { fetch(request) {"
                   " if (request.url.endsWith('eat')) for (;;) all.push(new Array(1e5).fill(all));"
                   " return new Response('here'); } }",
                   "{\"cpu_ms\":10000,\"heap_bytes\":67108864}");
    harness_loaded(&h, 1);
    harness_retire(&h, 1);
    assert_string_equal(harness_template(&h, 1)->refusal, "");
    assert_string_equal(get_in_another(), "here");
    assert_int_equal(harness_get(&h, 1, "/eat")->error, JOB_ERROR_MEMORY_LIMIT);
    assert_string_equal(get_at("/"), "here"); /* the next cell */
}

static void its_cells_have_timers_calls_and_larger_regions(void **state)
{
    template_of("export default { async fetch() {"
                " await new Promise((done) => setTimeout(done, 5));"
                " return new Response('later'); } }",
                NULL);
    assert_string_equal(get_in_another(), "later");
    harness_enlarge(&h, 1);
    assert_string_equal(get_at("/"), "later");
    assert_string_equal(get_in_another(), "later");
}

static void its_cells_live_on_and_so_does_it_without_the_zygote(void **state)
{
    template_of(here, NULL);
    assert_string_equal(get_in_another(), "here");
    zygote_rig_stop(&h.zygote);
    assert_string_equal(get_in_another(), "here");
    harness_drop_template(&h);
    assert_string_equal(get_at("/"), "here");
    zygote_rig_start(&h.zygote, NULL);
}

static void the_first_job_is_told_that_nothing_was_compiled(void **state)
{
    template_of(here, NULL);
    harness_retire(&h, 1);
    struct harness_job *j = harness_get(&h, 1, "/");
    assert_int_equal(j->error, JOB_ERROR_NONE);
    assert_true(j->cold_us > JOB_START_WARMING);
    assert_true(j->has_span);
    for (int i = 0; i < JOB_PHASES; i++)
        assert_int_equal(j->phase_us[i], 0);
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
        TEST(its_cells_begin_behind_the_top_level),
        TEST(no_two_of_its_cells_draw_alike),
        TEST(time_begins_with_the_cell),
        TEST(what_copies_must_not_share_makes_no_template),
        TEST(a_cell_of_it_is_a_cell),
        TEST(its_descriptors_are_a_cells),
        TEST(what_is_no_order_is_refused),
        TEST(limits_hold_in_its_cells),
        TEST(its_cells_have_timers_calls_and_larger_regions),
        TEST(its_cells_live_on_and_so_does_it_without_the_zygote),
        TEST(the_first_job_is_told_that_nothing_was_compiled),
    };
    return cmocka_run_group_tests_name("template", tests, NULL, NULL);
}
