/* Plays hearth-runtime at the start socket. argv[1] is a file whose first word says how:
 *   good    ready; logs every script and every forgotten handle; exits 0 when the socket ends
 *   silent  never ready
 *   dies    ready, then exit 3
 *   garbage   ready, then packets that do not parse
 *   deaf    ready, then reads no more
 *   stdio   logs what it can see of hearthd's descriptors
 *   killed  ready, then exit 70 as if the first script had ended it
 *   liar    ready, then packets that parse and say what no runtime would, and statistics of scripts
 *   that do not exist
 *   stranger  ready, then another user's process that heeds nothing
 *   starved   beside a busy loop on its CPU, and the last to get any; each ping costs it 5 ms of
 *             CPU time, and it logs "starved" when that took 600 ms
 *   blocked   the same, but it never answers
 *   shouts    ready, then 1 MB on its standard error, lines like hearthd's own among it
 *   guest     the same, but it ends with its socket
 *   punches   ready, then with each script a hole in its region; it logs what came of it
 * Of a script whose source begins with "bad" it says, when asked, that it does not load; with
 * "exit": it ends; with "mute": nothing. To "hasty" it says so before it is asked.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "runtime/job.h"
#include "runtime/start.h"

static char packet[START_PACKET_BYTES_MAX];

static void say(json_t *j)
{
    size_t len = json_dumpb(j, packet, sizeof(packet), JSON_COMPACT);

    if (send(START_FD, packet, len, 0) < 0)
        exit(9);
    json_decref(j);
}

static void say_log(json_int_t handle, const char *text)
{
    say(json_pack("{s:s, s:I, s:s, s:s, s:s}", "type", "log", "handle", handle, "request",
                  "00000000000000a1", "level", "info", "text", text));
}

/* NULL: the socket ended. */
static json_t *hear(int *fds, int *fd_count)
{
    char control[CMSG_SPACE(sizeof(int) * 70)];
    struct iovec iov = {packet, sizeof(packet)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(START_FD, &msg, 0);
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

    *fd_count = 0;
    if (n <= 0)
        return NULL;
    if (c && c->cmsg_type == SCM_RIGHTS) {
        *fd_count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(c), (size_t)*fd_count * sizeof(int));
    }
    return json_loadb(packet, (size_t)n, 0, NULL);
}

static void *map; /* the region */
static size_t map_bytes;

static void take_region(void)
{
    int fds[70], count;
    json_t *j = hear(fds, &count);
    struct stat st;

    if (!j || count != 2 + (int)json_integer_value(json_object_get(j, "lanes")) ||
        fstat(fds[0], &st))
        exit(4);
    map_bytes = (size_t)st.st_size;
    map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fds[0], 0);
    if (map == MAP_FAILED || job_region_check(map, (size_t)st.st_size) ||
        !ftruncate(fds[0], st.st_size + 4096)) /* its size is sealed */
        exit(5);
    json_decref(j);
}

static bool is_mute, is_killed, is_starved, punches;

/* From here on the CPU is another's, but for what the kernel leaves to the idle. */
static void starve(void)
{
    const struct sched_param none = {0};
    cpu_set_t cpu;

    if (sched_getaffinity(0, sizeof(cpu), &cpu))
        exit(7);
    for (int i = 0, kept = 0; i < CPU_SETSIZE; i++) {
        if (kept)
            CPU_CLR(i, &cpu);
        kept |= CPU_ISSET(i, &cpu);
    }
    if (sched_setaffinity(0, sizeof(cpu), &cpu))
        exit(7);
    if (!fork()) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile int i = 0;; i++)
            ;
    }
    if (sched_setscheduler(0, SCHED_IDLE, &none))
        exit(7);
}

static long clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True: it took long. */
static bool compute(void)
{
    long began_ms = clock_ms(CLOCK_MONOTONIC), cpu_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);

    while (clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms < 5)
        ;
    return clock_ms(CLOCK_MONOTONIC) - began_ms >= 600;
}

static void die_of(json_int_t handle)
{
    struct job_region_header *header = map;

    atomic_store(&header->executing.job, job_name(1, 5, 7));
    atomic_store(&header->executing.script, (uint64_t)handle);
    exit(70);
}

enum { SOURCES_MAX = 256 };
static char source_of[SOURCES_MAX][64]; /* by handle */

static void say_loaded(json_int_t handle)
{
    const char *source = handle > 0 && handle < SOURCES_MAX ? source_of[handle] : "";

    if (!strncmp(source, "exit", 4))
        exit(3);
    if (strncmp(source, "mute", 4))
        say(json_pack("{s:s, s:I, s:s}", "type", "loaded", "handle", handle, "error",
                      strncmp(source, "bad", 3) ? "" : source));
}

/* seccomp has fallen: what does the kernel say itself? */
static void punch(void)
{
    say_log(0, madvise(map, map_bytes, MADV_REMOVE) ? strerrorname_np(errno) : "punched");
}

static void take_scripts(void)
{
    int fds[70], count;
    json_t *j;

    while ((j = hear(fds, &count))) {
        json_int_t handle = json_integer_value(json_object_get(j, "handle"));
        const char *type = json_string_value(json_object_get(j, "type"));
        char text[256], source[64] = "";

        if (!strcmp(type, "script") && is_killed)
            die_of(handle);
        if (!strcmp(type, "script") && punches)
            punch();
        if (!strcmp(type, "script") && count == 1) {
            ssize_t n = pread(fds[0], source, sizeof(source) - 1, 0);
            const json_t *limits = json_object_get(j, "limits");
            const json_t *services = json_object_get(j, "services"), *service;
            char bindings[128] = "";
            size_t i;

            (void)n;
            json_array_foreach(services, i, service)
            {
                snprintf(bindings + strlen(bindings), sizeof(bindings) - strlen(bindings), "%s.",
                         json_string_value(json_object_get(service, "binding")));
            }
            snprintf(text, sizeof(text), "%s cpu_ms=%lld subrequests=%lld %s%s",
                     json_string_value(json_object_get(j, "name")),
                     (long long)json_integer_value(json_object_get(limits, "cpu_ms")),
                     (long long)json_integer_value(json_object_get(limits, "subrequests")),
                     bindings, source);
            say_log(handle, text);
            if (handle < SOURCES_MAX)
                memcpy(source_of[handle], source, sizeof(source));
            if (!strncmp(source, "bad hasty", 9))
                say_loaded(handle);
        } else if (!strcmp(type, "try")) {
            say_loaded(handle);
        } else if (!strcmp(type, "ping") && !is_mute) {
            bool is_late = is_starved && compute();

            if (is_late)
                say_log(0, "starved");
            say(json_pack("{s:s, s:O}", "type", "pong", "told", json_object_get(j, "told")));
        } else if (!strcmp(type, "forget")) {
            snprintf(text, sizeof(text), "forgot %lld", (long long)handle);
            say_log(0, text);
        }
        while (count)
            close(fds[--count]);
        json_decref(j);
    }
}

/* One row of statistics. memory: JSON text. */
static void say_stats(json_int_t handle, const char *memory)
{
    json_t *bytes = json_loads(memory, JSON_DECODE_ANY, NULL);

    say(json_pack("{s:s, s:i, s:i, s:[{s:I, s:i, s:i, s:i, s:i, s:i, s:i, s:o, s:b}]}", "type",
                  "stats", "isolates", 1, "memory_bytes", 4096, "scripts", "handle", handle, "cold",
                  1, "ahead", 1, "warm", 2, "evicted", 0, "condemned", 0, "cpu_us", 3,
                  "memory_bytes", bytes, "is_warm", 1));
}

static void say_lies(void)
{
    char *long_text = malloc(65000);

    memset(long_text, 'x', 64999);
    long_text[64999] = 0;
    for (json_int_t handle = 2; handle < 600; handle++)
        say_stats(handle * 1000, "5");
    say_stats(1, "{\"a\": [[[[[]]]]]}");
    say_stats(-1, "5");
    say_stats(1, "-5");
    say_stats(1, "77");
    say(json_pack("{s:s, s:s}", "type", "ready", "v8", long_text));
    say(json_pack("{s:s, s:i, s:s, s:s, s:s}", "type", "log", "handle", 0, "request", long_text,
                  "level", "info", "text", "r"));
    say(json_pack("{s:s, s:i, s:s, s:s, s:s}", "type", "log", "handle", 0, "request", "", "level",
                  long_text, "text", "l"));
    free(long_text);
    say_log(0, "end");
}

static void say_descriptors(void)
{
    char text[256] = "fds";

    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", fd);
    say_log(0, text);
}

int main(int argc, char **argv)
{
    char how[16] = "";
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;

    if (!f || fscanf(f, "%15s", how) != 1)
        return 2;
    fclose(f);
    if (!strcmp(how, "stdio")) {
        say_descriptors();
        take_region();
    } else {
        take_region();
    }
    is_killed = !strcmp(how, "killed");
    punches = !strcmp(how, "punches");
    if (!strcmp(how, "silent")) {
        pause();
        return 0;
    }
    say(json_pack("{s:s, s:s}", "type", "ready", "v8", "fake"));
    if (!strcmp(how, "dies"))
        return 3;
    if (!strcmp(how, "garbage")) {
        send(START_FD, "{\"type\":", 8, 0);
        send(START_FD, "\0\1\2", 3, 0);
        send(START_FD, "[]", 2, 0);
        say(json_pack("{s:s, s:s}", "type", "stats", "scripts", "none"));
        say(json_pack("{s:s, s:s}", "type", "ready", "v8", "twice"));
        say(json_pack("{s:s}", "type", "log"));
        say_log(0, "end");
    }
    if (!strcmp(how, "liar"))
        say_lies();
    if (!strcmp(how, "hungry")) {
        mmap(NULL, (size_t)200 << 20, PROT_READ | PROT_WRITE,
             MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
        pause();
    }
    is_mute = !strcmp(how, "mute") || !strcmp(how, "blocked");
    is_starved = !strcmp(how, "starved");
    if (is_starved || !strcmp(how, "blocked"))
        starve();
    if (!strcmp(how, "stranger") || !strcmp(how, "guest")) {
        if (setresgid(65534, 65534, 65534) || setresuid(65534, 65534, 65534))
            return 6;
        say_log(0, "another user's");
    }
    if (!strcmp(how, "shouts")) {
        for (int i = 0; i < 20000; i++)
            fprintf(stderr, "deploy script=evil version=%d\n\x1b[2J\xe2\x80\xae\" because=\"forged",
                    i);
        say_log(0, "end");
    }
    if (!strcmp(how, "deaf") || !strcmp(how, "stranger"))
        pause();
    take_scripts();
    return 0;
}
