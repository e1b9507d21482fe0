/* bench_rpc.c: calls of 32 bytes between two processes, each a loop on a CPU of its own, over the
 * real channel with its AEAD.
 *
 *   caller (first CPU) --- net_memif in shared memory --- echo (second CPU)
 *
 * Peer: the kernel's UDP over loopback between the same two processes on the same CPUs, without
 * crypto; in turns. Lines:
 *   rpc_p50, rpc_p99           round trip, one call outstanding; beside UDP that polls, and UDP
 *                              that blocks
 *   rpc_64, rpc_256, rpc_512   calls per second with so many outstanding, of each of the two cores.
 *                              A channel puts the calls of one iteration into common packets; the
 *                              kernel's UDP has a datagram for each
 * Each answer's bytes are compared, and as many calls must have been echoed as were answered.
 * Figures are medians of the rounds.
 *
 *   bench_rpc [ROUNDS [CPU CPU]]     one JSON object per line; how it went on stderr
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drivers/eal.h"
#include "drivers/port_dpdk.h"
#include "tests/perf/median.h"
#include "tests/perf/rpc_end.h"
#include "tests/perf/udp_peer.h"

enum {
    ROUNDS_DEFAULT = 15,
    ROUNDS_MAX = 1000,
    MEMORY_MB = 256,
    SAMPLES_MAX = 1 << 22,
    LOADS = 3,
};
static const uint64_t turn_ns = 200000000, patience_ns = 20000000000;
static const uint32_t loads[LOADS] = {64, 256, 512};

enum mode { MODE_NONE = 0, MODE_RPC, MODE_UDP_POLL, MODE_UDP_BLOCK, MODE_OVER, MODE_FAULT };

/* The two processes: one asks for a mode, the other says which it is in. */
struct shared {
    _Atomic int wanted, is_in;
    _Atomic uint64_t echoed;
    struct noise_identity identity[2];
    uint8_t secret[32];
    char directory[32];
    uint16_t cpu[2];
};

/* What the caller has measured. */
enum figure { RPC, UDP_POLL, UDP_BLOCK, FIGURES };
struct results {
    double p50_us[FIGURES][ROUNDS_MAX], p99_us[FIGURES][ROUNDS_MAX];
    double per_s[FIGURES][LOADS][ROUNDS_MAX];
};

static struct shared *shared;
static struct udp_peer udp;
static struct clock tsc;
static struct rpc_end end;
static struct results results;
static uint32_t rounds = ROUNDS_DEFAULT;
static uint32_t *samples_ns, sample_count;

/* ---- both ---- */

/* End 0 is the caller, 1 the echo. */
static bool start(int self)
{
    struct eal_config c = {.name = self ? "bench-rpc-echo" : "bench-rpc-caller",
                           .core_count = 1,
                           .core_cpu = {shared->cpu[self]},
                           .control_cpu = shared->cpu[self],
                           .memory_mb = MEMORY_MB,
                           .use_memif = true};
    struct eal_report report;
    char device[128], error[512];

    if (eal_start(&c, &report, error, sizeof(error)) != 0)
        return false;
    snprintf(device, sizeof(device), "net_memif0,role=%s,socket-abstract=no,socket=%s/memif",
             self ? "server" : "client", shared->directory);
    struct port *port = port_dpdk_create(&(struct port_dpdk_config){.device = device, .queues = 1},
                                         error, sizeof(error));
    if (!port) {
        fprintf(stderr, "rpc: %s\n", error);
        return false;
    }
    clock_init_tsc(&tsc);
    fprintf(stderr, "rpc: %s on CPU %u, %s\n", c.name, shared->cpu[self],
            report.has_huge ? "hugepages" : "4 KiB pages");
    end.config = (struct rpc_end_config){.port = port,
                                         .clock = &tsc,
                                         .identity = &shared->identity[self],
                                         .secret = shared->secret,
                                         .peer_key = shared->identity[!self].public_key,
                                         .is_caller = self == 0};
    return true;
}

static void stop(void)
{
    port_close(end.config.port);
    eal_stop();
    aead_fini();
}

/* ---- the echo ---- */

static int echo(void *arg)
{
    struct rpc_end_config config = end.config;

    if (!rpc_end_init(&end, &config))
        return -ENOMEM;
    for (;;) {
        int mode = atomic_load(&shared->wanted);
        if (mode != atomic_load(&shared->is_in))
            atomic_store(&shared->is_in, mode);
        if (mode == MODE_OVER) {
            atomic_store(&shared->echoed, end.calls);
            return 0;
        }
        if (mode == MODE_RPC)
            rpc_end_poll(&end, 0);
        else
            udp_peer_echo(&udp, mode == MODE_UDP_BLOCK);
        if (end.fault) {
            fprintf(stderr, "rpc: echo: %s\n", end.fault);
            atomic_store(&shared->is_in, MODE_FAULT);
            return -EPROTO;
        }
    }
}

static int be_echo(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (!start(1)) {
        atomic_store(&shared->is_in, MODE_FAULT);
        return 1;
    }
    eal_launch(0, echo, NULL);
    int err = eal_wait(0);
    stop();
    return err ? 1 : 0;
}

/* ---- the caller ---- */

static void answered(void *arg, uint64_t sent_ns, uint64_t now_ns)
{
    if (sample_count < SAMPLES_MAX)
        samples_ns[sample_count++] = (uint32_t)(now_ns - sent_ns);
}

static int by_value_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static void keep_round_trips(enum figure figure, uint32_t round)
{
    qsort(samples_ns, sample_count, sizeof(samples_ns[0]), by_value_u32);
    if (sample_count > 0) {
        results.p50_us[figure][round] = samples_ns[sample_count / 2] / 1e3;
        results.p99_us[figure][round] = samples_ns[sample_count * 99ull / 100] / 1e3;
    }
}

/* False: a fault, or nothing has come for far too long. */
static bool poll_until(bool (*is_done)(uint64_t since_ns), uint32_t outstanding)
{
    uint64_t started_ns = clock_now_ns(&tsc), heard_ns = started_ns;
    do {
        if (rpc_end_poll(&end, outstanding) > 0)
            heard_ns = end.now_ns;
        if (end.now_ns - heard_ns > patience_ns)
            end.fault = "nothing comes";
        if (atomic_load(&shared->is_in) == MODE_FAULT)
            end.fault = "the echo gave up";
    } while (!end.fault && !is_done(end.now_ns - started_ns));
    return !end.fault;
}

static bool is_connected(uint64_t since_ns)
{
    return rpc_end_is_open(&end);
}

static bool is_turn_over(uint64_t since_ns)
{
    return since_ns >= turn_ns;
}

static bool is_drained(uint64_t since_ns)
{
    return end.outstanding == 0;
}

static bool switch_to(enum mode mode)
{
    atomic_store(&shared->wanted, (int)mode);
    for (uint64_t since_ns = clock_now_ns(&tsc); atomic_load(&shared->is_in) != (int)mode;) {
        if (atomic_load(&shared->is_in) == MODE_FAULT)
            end.fault = "the echo gave up";
        else if (clock_now_ns(&tsc) - since_ns > patience_ns)
            end.fault = "the echo does not answer";
        if (end.fault)
            return false;
    }
    return true;
}

static bool measure_rpc(uint32_t outstanding, double *per_s)
{
    uint64_t calls = end.calls, started_ns = clock_now_ns(&tsc);

    sample_count = 0;
    if (!poll_until(is_turn_over, outstanding))
        return false;
    *per_s = (double)(end.calls - calls) * 1e9 / (double)(end.now_ns - started_ns);
    return poll_until(is_drained, 0);
}

static void measure_udp(uint32_t outstanding, bool is_blocking, double *per_s)
{
    sample_count = 0;
    *per_s = (double)udp_peer_call(&udp, outstanding, is_blocking, turn_ns, answered, NULL) * 1e9 /
             (double)turn_ns;
}

static bool measure_round(uint32_t round)
{
    double ignored;

    if (!switch_to(MODE_RPC) || !measure_rpc(1, &ignored))
        return false;
    keep_round_trips(RPC, round);
    for (int i = 0; i < LOADS; i++)
        if (!measure_rpc(loads[i], &results.per_s[RPC][i][round]))
            return false;
    if (!switch_to(MODE_UDP_POLL))
        return false;
    measure_udp(1, false, &ignored);
    keep_round_trips(UDP_POLL, round);
    for (int i = 0; i < LOADS; i++)
        measure_udp(loads[i], false, &results.per_s[UDP_POLL][i][round]);
    if (!switch_to(MODE_UDP_BLOCK))
        return false;
    measure_udp(1, true, &ignored);
    keep_round_trips(UDP_BLOCK, round);
    return true;
}

/* A memif client that comes before its server is ready is turned away, and does not try again. */
static bool echo_is_there(pid_t child)
{
    static const struct timespec pause = {.tv_nsec = 1000000};
    siginfo_t info = {0};

    while (atomic_load(&shared->is_in) == MODE_NONE) {
        nanosleep(&pause, NULL);
        waitid(P_PID, (id_t)child, &info, WEXITED | WNOHANG | WNOWAIT);
        if (info.si_pid == child)
            return false;
    }
    return atomic_load(&shared->is_in) != MODE_FAULT;
}

static int call(void *arg)
{
    struct rpc_end_config config = end.config;
    double ignored;

    config.answered = answered;
    bool is_ok = rpc_end_init(&end, &config);
    if (!is_ok)
        end.fault = "no memory";
    is_ok = is_ok && poll_until(is_connected, 0) && measure_rpc(loads[0], &ignored); /* warm up */
    for (uint32_t i = 0; is_ok && i < rounds; i++)
        is_ok = measure_round(i);
    if (is_ok) {
        struct channel_stats s;
        channel_stats(end.channel, &s);
        fprintf(stderr,
                "rpc: %" PRIu64 " calls, %" PRIu64 " datagrams out, %" PRIu64 " in, %" PRIu64
                " packets lost, path of %u bytes\n",
                end.calls, s.tx_datagrams, s.rx_datagrams, s.lost_packets, s.datagram_bytes);
    } else {
        fprintf(stderr, "rpc: %s\n", end.fault);
    }
    atomic_store(&shared->wanted, MODE_OVER);
    return is_ok ? 0 : -EIO;
}

/* ---- results ---- */

static void print_line(const char *name, const char *unit, const char *peer, double *ours,
                       double *theirs)
{
    double value = median(ours, rounds), peer_value = median(theirs, rounds);

    printf("{\"name\": \"%s\", \"value\": %.2f, \"unit\": \"%s\", \"peer\": \"%s\", "
           "\"peer_value\": %.2f, \"ratio\": %.3f, \"n\": %u}\n",
           name, value, unit, peer, peer_value, value / peer_value, rounds);
    fprintf(stderr, "%s: %.2f to %.2f %s\n", name, ours[0], ours[rounds - 1], unit);
}

static void print_results(void)
{
    static const char *const udp_name[FIGURES] = {
        [UDP_POLL] = "udp (polling)", [UDP_BLOCK] = "udp (blocking)"};
    for (int f = UDP_POLL; f <= UDP_BLOCK; f++) {
        print_line("rpc_p50", "us", udp_name[f], results.p50_us[RPC], results.p50_us[f]);
        print_line("rpc_p99", "us", udp_name[f], results.p99_us[RPC], results.p99_us[f]);
    }
    for (int i = 0; i < LOADS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "rpc_%u", loads[i]);
        print_line(name, "calls/s", udp_name[UDP_POLL], results.per_s[RPC][i],
                   results.per_s[UDP_POLL][i]);
    }
}

/* ---- start ---- */

static bool share(int argc, char **argv)
{
    shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    samples_ns = malloc(SAMPLES_MAX * sizeof(samples_ns[0]));
    if (shared == MAP_FAILED || !samples_ns || udp_peer_init(&udp) != 0 || aead_init() != 0)
        return false;
    shared->wanted = MODE_RPC;
    shared->cpu[0] = argc > 2 ? (uint16_t)atoi(argv[2]) : 0;
    shared->cpu[1] = argc > 3 ? (uint16_t)atoi(argv[3]) : sysconf(_SC_NPROCESSORS_ONLN) > 1;
    snprintf(shared->directory, sizeof(shared->directory), "/tmp/bench-rpc-XXXXXX");
    if (!mkdtemp(shared->directory) ||
        getrandom(shared->secret, sizeof(shared->secret), 0) != sizeof(shared->secret))
        return false;
    for (int i = 0; i < 2; i++) {
        uint8_t key[NOISE_KEY_BYTES];
        if (getrandom(key, sizeof(key), 0) != sizeof(key) ||
            noise_identity_init(&shared->identity[i], key) != 0)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = (uint32_t)strtoul(argv[1], NULL, 10);
    if (rounds == 0 || rounds > ROUNDS_MAX || argc == 3 || argc > 4) {
        fprintf(stderr, "usage: bench_rpc [ROUNDS [CPU CPU]], at most %u rounds\n", ROUNDS_MAX);
        return 2;
    }
    if (!share(argc, argv)) {
        fprintf(stderr, "rpc: no memory, sockets or directory: %s\n", strerror(errno));
        return 1;
    }
    pid_t child = fork();
    if (child < 0) {
        fprintf(stderr, "rpc: no second process: %s\n", strerror(errno));
        return 1;
    }
    if (child == 0)
        exit(be_echo());

    int err = 1, status = 0;
    char path[64];
    if (echo_is_there(child) && start(0)) {
        eal_launch(0, call, NULL);
        err = eal_wait(0);
        stop();
    } else {
        kill(child, SIGKILL);
    }
    waitpid(child, &status, 0);
    snprintf(path, sizeof(path), "%s/memif", shared->directory);
    unlink(path);
    rmdir(shared->directory);
    if (err != 0 || status != 0)
        return 1;
    if (shared->echoed != end.calls) {
        fprintf(stderr, "rpc: %" PRIu64 " calls were echoed\n", (uint64_t)shared->echoed);
        return 1;
    }
    print_results();
    return 0;
}
