/* heat.h
 *
 * How often each script is asked for on this core: the arrival rate, whether that makes it hot (it
 * would stay warm here anyway, so forwarding buys nothing), how many homes it is known to want, and
 * how many of its jobs run here.
 *
 *   hot    by a rate of the last minute (HEAT_HOT_TAU), exponentially weighted: hot at enter_rps,
 *          not any more below leave_rps (hysteresis); only requests of clients and scripts make it
 *          hot, not those of peers
 *   width  by a rate of the last seconds (HEAT_WIDTH_TAU), for a crowd must be spread soon. Own
 *          judgement of what comes here, from clients and peers: doubles over widen_rps, halves
 *          below narrow_rps (at most a third of widen_rps counts); or the widest that an ACCEPT
 *          said within HEAT_WIDTH_NS, if that is wider
 *
 *          rate > widen_rps: widening --HEAT_WIDEN_NS and 3 x its load_ns
 *                            the caller has the next      later, still so--> width doubles
 *                            homes start it                                  they get requests,
 *                                                                            and are warm
 *
 * A set-associative table of HEAT_SCRIPTS entries; the least recently asked of a set goes when
 * another script needs its place: forgetting a script means that it is cold, which is safe. An
 * entry with jobs in flight stays.
 * Units: milli-requests per second, nanoseconds. Single thread. Never allocates.
 */
#ifndef HEARTH_HEAT_H
#define HEARTH_HEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HEAT_SETS = 2048, HEAT_WAYS = 8 };
/* Rejected: ten seconds for HOT too. A page load is a burst of requests, so over ten seconds the
 * rate of most scripts is noise, and thresholds low enough to be of use make them hot by chance, at
 * one node after the other: 907 warm scripts at each server instead of 140 (data centre simulation,
 * hot_enter_rpm 60). */
#define HEAT_HOT_TAU_NS   (60ull * 1000000000)
#define HEAT_WIDTH_TAU_NS (10ull * 1000000000)
#define HEAT_WIDTH_NS     (10ull * 1000000000)
/* Longer than a top level may compute (400 ms), where it has a CPU; where CPUs are busy, what it
 * took here is a measure, and its next homes may take more. Rejected: at once; there were 74
 * requests at a cold second home, now none. 500 ms whatever it took: a start of 990 ms, on a busy
 * machine, met requests. When the next homes say that they are warm: such a word may be lost, or be
 * that they cannot; then the load must be spread all the same, so there would be this limit anyway.
 */
#define HEAT_WIDEN_NS    (500ull * 1000000)
#define HEAT_LOAD_NS_MAX (2000ull * 1000000) /* of load_ns */

struct heat_tune {
    uint32_t enter_rps_milli, leave_rps_milli;  /* of one core */
    uint32_t widen_rps_milli, narrow_rps_milli; /* at home, per home */
};

struct heat_script {
    uint64_t script; /* hash; 0: free */
    uint64_t asked_ns;
    /* Decayed count of requests as of asked_ns: of clients and scripts, by HEAT_HOT_TAU. */
    double hot_weight;
    double weight, peer_weight; /* the same, and those of peers, by HEAT_WIDTH_TAU */
    uint32_t in_flight;
    uint8_t width;      /* own judgement */
    uint8_t said_width; /* counts until width_until_ns */
    bool is_hot;        /* as of the last heat_ask */
    bool has_widened;   /* by the last heat_ask or heat_ask_home */
    uint64_t width_until_ns;
    uint64_t load_ns;     /* of its longest start here; whoever asks sets it while it widens */
    uint64_t widening_ns; /* since when; 0: it is not. Then its next homes should start it */
};

struct heat {
    struct heat_script set[HEAT_SETS][HEAT_WAYS];
};

void heat_init(struct heat *);
/* A request for it arrived here from a client or a script (not from a peer). Returns its entry,
 * good until the next heat_ call; NULL: every way of its set is in flight, take it as cold. */
struct heat_script *heat_ask(struct heat *, const struct heat_tune *, uint64_t script,
                             uint64_t now_ns);
/* A request arrived from a peer: home's view, which decides the width but never makes the script
 * hot. */
struct heat_script *heat_ask_home(struct heat *, const struct heat_tune *, uint64_t script,
                                  uint64_t now_ns);
/* NULL: not in the table. Does not count as a request. */
struct heat_script *heat_find(struct heat *, uint64_t script);
/* Of all its requests. */
uint32_t heat_rate_milli(const struct heat_script *, uint64_t now_ns);
/* What the ACCEPT of one of its homes said. */
void heat_set_width(struct heat *, uint64_t script, uint8_t width, uint64_t now_ns);
/* For placement. An ACCEPT says ->width, home's own judgement: a repeated word would outlive its
 * time. */
uint8_t heat_width(const struct heat_script *, uint64_t now_ns);
/* A job of it starts or ends here; what was started is ended under the same script. A start for
 * which its set has no room is not counted. */
void heat_started(struct heat *, uint64_t script, uint64_t now_ns);
void heat_ended(struct heat *, uint64_t script);

#endif
