#include "tests/sim/cpu_cost.h"

#include "dataplane/core_state.h"
#include "dataplane/tls/tls.h"
#include "drivers/rng.h"
#include "tests/sim/sim.h"

uint64_t cpu_cost_conn_ns, cpu_cost_handshake_ns;
static struct clock *clock; /* of the core that works */

enum tls_result __real_tls_handshake(struct tls_session *);
enum tls_result __wrap_tls_handshake(struct tls_session *);
void __real_conn_run(struct core *, struct conn *);
void __wrap_conn_run(struct core *, struct conn *);
uint32_t __real_conns_run_handshakes(struct core *);
uint32_t __wrap_conns_run_handshakes(struct core *);

static void cost(uint64_t ns)
{
    clock_set_ns(clock, clock_now_ns(clock) + ns);
}

enum tls_result __wrap_tls_handshake(struct tls_session *s)
{
    cost(cpu_cost_handshake_ns);
    return __real_tls_handshake(s);
}

/* The simulation's own clock, which a core only reads. */
static void works(struct core *core)
{
    clock = (struct clock *)core->config.clock;
}

void __wrap_conn_run(struct core *core, struct conn *c)
{
    works(core);
    __real_conn_run(core, c);
    cost(cpu_cost_conn_ns);
}

/* Its calls of conn_run are in one file with it, and not seen above. */
uint32_t __wrap_conns_run_handshakes(struct core *core)
{
    works(core);
    return __real_conns_run_handshakes(core);
}

void cpu_cost_draw(void)
{
    uint64_t drawn = rng_mix(sim_seed);
    bool is_slow = drawn % 100 < 40;
    cpu_cost_conn_ns = is_slow ? (drawn >> 8) % 200 * 1000 : 0;
    cpu_cost_handshake_ns = is_slow ? (drawn >> 24) % 2000 * 1000 : 0;
    if (is_slow)
        sim_tell("a connection costs %lu us, a handshake %lu us",
                 (unsigned long)cpu_cost_conn_ns / 1000,
                 (unsigned long)cpu_cost_handshake_ns / 1000);
}

void cpu_cost_check(const struct core *core, uint64_t took_ns)
{
    uint64_t most_ns = CORE_SLICE_US * 1000ull + cpu_cost_conn_ns;
    if (core->config.tls_port)
        most_ns += CORE_SLICE_US * 1000ull + cpu_cost_conn_ns + cpu_cost_handshake_ns;
    CHECK(took_ns <= most_ns, "an iteration took %lu us, more than %lu",
          (unsigned long)took_ns / 1000, (unsigned long)most_ns / 1000);
}
