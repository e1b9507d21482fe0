/* Plays hearth-zygote and its cells (runtime/zygote.h, runtime/start.h). argv[1] is a file whose
 * words say how they behave from then on: the zygote reads it when it starts and at each FORK.
 *
 * The zygote:
 *   zsilent   never READY                 zdies    READY, then exit 3
 *   zrefuses  forks nothing: -ENOMEM      zlies    forks nothing, and names hearthd
 *   zmute     answers no FORK                      itself
 * A cell before it has a script:
 *   silent    never ready                 dies     ready, then exit 3
 *   early     exit 4 before it is ready   starved  gets hardly any CPU, and each ping costs it 5 ms
 * A cell, by the first word of its script:
 *   bad       does not load               exit     ends while it starts
 *   mute      does not say that it loads  deaf     loads, then reads nothing
 *   dear      takes some ms to load; logs "copy" instead in a template's cell. Its template, by the
 *             word behind it:
 *     draws     cannot be one             doorless says that it is ready without a door
 *     quits     ends while it loads       hangs    does not say that it is frozen
 *     unasked   forks without an order    twice    forks twice for one
 *     hides     forks, and says that it   names    says that it forked one that is another's
 *               did not                   babbles  says too much
 *     spins     computes when it is       bloats   takes 200 MB when it is
 *               frozen
 * and when a core wakes it:
 *   crash     ends as if its script did   framer   ends as if another script did
 *   spoil     says that it is spoiled     garbage  packets that do not parse
 *   spent     the same, and serves no more
 *   liar      packets that it may not say punch    a hole in its region: it logs what came of it
 *   shout     1 MB on its standard error  hungry   takes 200 MB
 *   leave     closes its start socket     end      exit 0
 *   stuck     ends as one that cannot     oom      ends as one that gets no
 *             be stopped                           memory
 * All log what they are given. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "runtime/job.h"
#include "runtime/start.h"
#include "runtime/zygote.h"

static const char *how_path;
static char how[64];
static char packet[START_PACKET_BYTES_MAX];

static void read_how(void)
{
    FILE *f = fopen(how_path, "re");

    if (!f || fscanf(f, "%63s", how) != 1)
        _exit(2);
    fclose(f);
}

static bool is(const char *word)
{
    return !strcmp(how, word);
}

/* ---- a cell ---- */

static char source[64];
static json_int_t handle;
static bool is_template, is_copy; /* copy: of a template */
static void *map;                 /* the region */
static size_t map_bytes;
static int wake_fd;

static void say(json_t *j)
{
    size_t len = json_dumpb(j, packet, sizeof(packet), JSON_COMPACT);

    if (send(START_FD, packet, len, 0) < 0)
        _exit(9);
    json_decref(j);
}

static void say_log(const char *text)
{
    say(json_pack("{s:s, s:s, s:s, s:s}", "type", "log", "request", "00000000000000a1", "level",
                  "info", "text", text));
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

static void map_region(int fd)
{
    struct stat st;

    if (fstat(fd, &st))
        _exit(4);
    map_bytes = (size_t)st.st_size;
    map = mmap(NULL, map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED || job_region_check(map, (size_t)st.st_size) ||
        !ftruncate(fd, st.st_size + 4096)) /* its size is sealed */
        _exit(5);
}

static void take_region(void)
{
    int fds[70], count;
    json_t *j = hear(fds, &count);

    if (!j || count != 2 + (int)json_integer_value(json_object_get(j, "lanes")))
        _exit(4);
    map_region(fds[0]);
    wake_fd = fds[1];
    json_decref(j);
}

/* From here on the CPU is another's, but for what the kernel leaves to the idle. */
static void starve(void)
{
    const struct sched_param none = {0};
    cpu_set_t cpu;

    if (sched_getaffinity(0, sizeof(cpu), &cpu))
        _exit(7);
    for (int i = 0, kept = 0; i < CPU_SETSIZE; i++) {
        if (kept)
            CPU_CLR(i, &cpu);
        kept |= CPU_ISSET(i, &cpu);
    }
    if (sched_setaffinity(0, sizeof(cpu), &cpu))
        _exit(7);
    if (!fork()) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile int i = 0;; i++)
            ;
    }
    if (sched_setscheduler(0, SCHED_IDLE, &none))
        _exit(7);
}

static long clock_ms(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* True: it took long. */
static bool compute(long ms)
{
    long began_ms = clock_ms(CLOCK_MONOTONIC), cpu_ms = clock_ms(CLOCK_PROCESS_CPUTIME_ID);

    while (clock_ms(CLOCK_PROCESS_CPUTIME_ID) - cpu_ms < ms)
        ;
    return clock_ms(CLOCK_MONOTONIC) - began_ms >= 600;
}

static void die_of(json_int_t script, int status)
{
    struct job_region_header *header = map;

    atomic_store(&header->executing.job, job_name(1, 5, 7));
    atomic_store(&header->executing.script, (uint64_t)script);
    _exit(status);
}

static void say_loaded(const char *error)
{
    say(json_pack("{s:s, s:i, s:s}", "type", "loaded", "us",
                  !strncmp(source, "dear", 4) && !is_copy ? 8000 : 400, "error", error));
}

static void say_spoiled(const char *why, bool serves)
{
    say(json_pack("{s:s, s:s, s:b}", "type", "spoiled", "why", why, "serves", (int)serves));
}

static void say_lies(void)
{
    char *long_text = malloc(65000);

    memset(long_text, 'x', 64999);
    long_text[64999] = 0;
    say(json_pack("{s:s}", "type", "ready"));
    say_loaded("");
    say(json_pack("{s:s}", "type", "pong"));
    say_spoiled(long_text, true);
    say(json_pack("{s:s, s:s, s:s, s:s}", "type", "log", "request", long_text, "level", "info",
                  "text", "r"));
    say(json_pack("{s:s, s:s, s:s, s:s}", "type", "log", "request", "", "level", long_text, "text",
                  "l"));
    free(long_text);
    say_log("end");
}

static void say_garbage(void)
{
    send(START_FD, "{\"type\":", 8, 0);
    send(START_FD, "\0\1\2", 3, 0);
    send(START_FD, "[]", 2, 0);
    say(json_pack("{s:s}", "type", "stats"));
    say(json_pack("{s:s}", "type", "log"));
    say_log("end");
}

static void shout(void)
{
    for (int i = 0; i < 20000; i++)
        dprintf(2, "deploy script=evil version=%d\n\x1b[2J\xe2\x80\xae\" because=\"forged", i);
    say_log("end");
}

static void eat(void)
{
    mmap(NULL, (size_t)200 << 20, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
}

static bool begins(const char *word)
{
    return !strncmp(source, word, strlen(word));
}

static void act(void)
{
    if (begins("crash"))
        die_of(handle, 1);
    if (begins("framer"))
        die_of(1, 1);
    if (begins("stuck"))
        die_of(handle, START_EXIT_CPU);
    if (begins("oom"))
        die_of(handle, START_EXIT_MEMORY);
    if (begins("spoil"))
        say_spoiled("a limit", true);
    if (begins("spent"))
        say_spoiled("a limit", false);
    if (begins("garbage"))
        say_garbage();
    if (begins("liar"))
        say_lies();
    if (begins("punch"))
        say_log(madvise(map, map_bytes, MADV_REMOVE) ? strerrorname_np(errno) : "punched");
    if (begins("shout"))
        shout();
    if (begins("hungry"))
        eat();
    while (begins("leave") && (close(START_FD), true))
        pause();
    if (begins("end"))
        _exit(0);
}

static void describe(const json_t *j)
{
    const json_t *limits = json_object_get(j, "limits");
    const json_t *services = json_object_get(j, "services"), *service;
    char bindings[128] = "", text[256];
    size_t i;

    json_array_foreach(services, i, service)
    {
        snprintf(bindings + strlen(bindings), sizeof(bindings) - strlen(bindings), "%s.",
                 json_string_value(json_object_get(service, "binding")));
    }
    snprintf(text, sizeof(text), "%s cpu_ms=%lld subrequests=%lld timers=%lld %s%s",
             json_string_value(json_object_get(j, "name")),
             (long long)json_integer_value(json_object_get(limits, "cpu_ms")),
             (long long)json_integer_value(json_object_get(limits, "subrequests")),
             (long long)json_integer_value(json_object_get(limits, "timers")), bindings, source);
    say_log(text);
}

static void take_script(const json_t *j, int fd)
{
    ssize_t n = is_copy ? 0 : pread(fd, source, sizeof(source) - 1, 0);

    (void)n;
    handle = json_integer_value(json_object_get(j, "handle"));
    if (is_copy)
        say_log("copy");
    else
        describe(j);
    if (begins("dear") && !is_copy)
        compute(12);
    if (begins("exit"))
        _exit(3);
    if (!begins("mute"))
        say_loaded(begins("bad") ? source : "");
    while (begins("deaf"))
        pause();
}

static void take_packet(void)
{
    int fds[70], count;
    json_t *j = hear(fds, &count);
    const char *type = json_string_value(json_object_get(j, "type"));

    if (!j)
        _exit(0);
    if (!strcmp(type, "script")) {
        take_script(j, fds[0]);
    } else if (!strcmp(type, "region")) {
        map_region(fds[0]);
        say_log("larger");
    } else if (!strcmp(type, "ping")) {
        bool is_late = is("starved") && compute(5);

        if (is_late)
            say_log("starved");
        say(json_pack("{s:s}", "type", "pong"));
    }
    while (count)
        close(fds[--count]);
    json_decref(j);
}

static void say_descriptors(void)
{
    char text[256] = "fds";

    for (int fd = 0; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), " %d", fd);
    say_log(text);
}

__attribute__((noreturn)) static void be_cell(uint32_t uid)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
        _exit(6);
    if (is("early"))
        _exit(4);
    if (is("stdio"))
        say_descriptors();
    take_region();
    while (is("silent"))
        pause();
    say(json_pack("{s:s}", "type", "ready"));
    if (is("dies"))
        _exit(3);
    if (is("starved"))
        starve();
    for (;;) {
        struct pollfd fds[2] = {{.fd = START_FD, .events = POLLIN},
                                {.fd = wake_fd, .events = POLLIN}};
        uint64_t rings;

        poll(fds, 2, -1);
        if (fds[0].revents)
            take_packet();
        if (fds[1].revents && read(wake_fd, &rings, sizeof(rings)) > 0)
            act();
    }
}

/* ---- a template ---- */

static pid_t thread_id;

static long fork_one(void)
{
    return syscall(SYS_clone, ZYGOTE_FORK_FLAGS, NULL, NULL, &thread_id, NULL);
}

static bool has(const char *word)
{
    return is_template && strstr(source, word);
}

static void give_door(void)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {.len = sizeof(code) / sizeof(*code), .filter = code};
    char control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec iov = {"{\"type\":\"door\"}", 15};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    int fd;

    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER,
                      &program);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(int));
    if (fd < 0 || sendmsg(START_FD, &msg, 0) < 0)
        _exit(10);
    close(fd);
}

static void load(void)
{
    int fds[70], count;
    json_t *j = hear(fds, &count);

    if (!j || count != 1 || pread(fds[0], source, sizeof(source) - 1, 0) < 0)
        _exit(11);
    close(fds[0]);
    for (int i = 0; has("babbles") && i < 100000; i++)
        say_log("babble");
    if (has("quits"))
        _exit(12);
    while (has("hangs"))
        pause();
    say_log("template");
    say_loaded(has("draws") ? "its top level draws" : "");
    json_decref(j);
}

static bool take_fork(void);

__attribute__((noreturn)) static void be_template(uint32_t uid)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (uid && (setresgid(uid, uid, uid) || setresuid(uid, uid, uid)))
        _exit(6);
    is_template = true;
    if (!is("doorless"))
        give_door();
    say(json_pack("{s:s}", "type", "ready"));
    load();
    if (has("unasked") && !fork_one())
        pause();
    while (has("spins"))
        compute(1000);
    if (has("bloats"))
        eat();
    while (take_fork())
        ;
    _exit(0);
}

/* ---- the zygote ---- */

static void answer(struct zygote_packet *p)
{
    if (send(START_FD, p, sizeof(*p), 0) != sizeof(*p))
        _exit(8);
}

static int32_t fork_child(const struct zygote_packet *p, const int *fds)
{
    long pid = fork_one();

    if (pid && has("twice") && !fork_one())
        pause();
    if (pid)
        return pid < 0 ? -errno : has("hides") ? -EAGAIN : has("names") ? 1 : (int32_t)pid;
    dup2(fds[1], 1);
    dup2(fds[1], 2);
    dup2(fds[0], START_FD);
    close_range(START_FD + 1, ~0u, 0);
    is_copy = is_template;
    is_template = false;
    if (p->what == ZYGOTE_TEMPLATE)
        be_template(p->uid);
    be_cell(p->uid);
}

static bool take_fork(void)
{
    char control[CMSG_SPACE(sizeof(int) * ZYGOTE_FORK_FDS)];
    struct zygote_packet p;
    struct iovec iov = {&p, sizeof(p)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    int fds[ZYGOTE_FORK_FDS];

    if (recvmsg(START_FD, &msg, 0) != sizeof(p) || p.type != ZYGOTE_FORK)
        return false;
    memcpy(fds, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fds));
    if (!is_template) /* who may not read it any more */
        read_how();
    p.type = ZYGOTE_FORKED;
    p.pid = is("zrefuses") ? -ENOMEM : is("zlies") ? getppid() : fork_child(&p, fds);
    if (!is("zmute"))
        answer(&p);
    close(fds[0]);
    close(fds[1]);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    how_path = argv[1];
    read_how();
    while (is("zsilent"))
        pause();
    answer(&(struct zygote_packet){.type = ZYGOTE_READY, .v8 = "fake"});
    if (is("zdies"))
        return 3;
    while (take_fork())
        ;
    return 0;
}
