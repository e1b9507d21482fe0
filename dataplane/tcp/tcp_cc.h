/* tcp_cc.h
 *
 * How much may be in flight: congestion control behind one interface. It knows nothing of segments
 * or losses, only what tcp_loss and tcp_in report.
 *
 *      acked     --> cwnd grows (slow start below ssthresh, then the algorithm's way)
 *      lost      --> once per window: ssthresh = cwnd = a part of the flight
 *      timed_out --> cwnd = one segment
 *      idle      --> cwnd at most the initial window (RFC 5681 4.1)
 *
 * CUBIC (RFC 9438) unless told otherwise; NewReno (RFC 5681, 6582) beside it. Initial window of 10
 * segments (RFC 6928). Units: bytes, nanoseconds, in CUBIC's curve segments and seconds. Single
 * thread, never fails, never allocates.
 */
#ifndef HEARTH_TCP_CC_H
#define HEARTH_TCP_CC_H

#include <stdbool.h>
#include <stdint.h>

enum tcp_cc_kind {
    TCP_CC_CUBIC = 0,
    TCP_CC_NEWRENO,
};

struct tcp_cc {
    uint32_t cwnd, ssthresh;
    uint8_t kind; /* enum tcp_cc_kind */
    /* CUBIC's curve since the last loss */
    float w_max, k, w_est, cwnd_prior;
    uint64_t epoch_at; /* 0: begins with the next acknowledgement */
};

void tcp_cc_init(struct tcp_cc *, enum tcp_cc_kind, uint32_t mss);
/* bytes left the network for the application's good. is_limited: cwnd was what held the sender
 * back. */
void tcp_cc_acked(struct tcp_cc *, uint32_t bytes, uint32_t mss, uint32_t srtt_us, bool is_limited,
                  uint64_t now_ns);
void tcp_cc_lost(struct tcp_cc *, uint32_t flight, uint32_t mss);
/* is_first: of this flight; repeated timeouts do not lower ssthresh again. */
void tcp_cc_timed_out(struct tcp_cc *, uint32_t flight, uint32_t mss, bool is_first);
void tcp_cc_idle(struct tcp_cc *, uint32_t mss);

#endif
