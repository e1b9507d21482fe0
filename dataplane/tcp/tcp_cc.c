#include "dataplane/tcp/tcp_cc.h"

#include <math.h>

#include "dataplane/base/least.h"

/* RFC 9438 section 4: beta and C; alpha makes the Reno-friendly estimate as fair as Reno itself. */
#define CUBIC_BETA  0.7f
#define CUBIC_C     0.4f
#define CUBIC_ALPHA (3.0f * (1.0f - CUBIC_BETA) / (1.0f + CUBIC_BETA))

/* Windows beyond any send buffer only invite bursts. */
#define CWND_MAX (16u << 20)

static uint32_t max_u32(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t initial_window(uint32_t mss)
{
    return min_u32(10 * mss, max_u32(2 * mss, 14600));
}

void tcp_cc_init(struct tcp_cc *cc, enum tcp_cc_kind kind, uint32_t mss)
{
    *cc = (struct tcp_cc){
        .cwnd = initial_window(mss),
        .ssthresh = UINT32_MAX,
        .kind = (uint8_t)kind,
    };
}

static void newreno_grow(struct tcp_cc *cc, uint32_t bytes, uint32_t mss)
{
    uint32_t step = (uint32_t)((uint64_t)mss * bytes / cc->cwnd);

    cc->cwnd += max_u32(step, 1);
}

/* RFC 9438 4.2 to 4.5. */
static void cubic_grow(struct tcp_cc *cc, uint32_t bytes, uint32_t mss, uint32_t srtt_us,
                       uint64_t now)
{
    float cwnd = (float)cc->cwnd / (float)mss;
    float acked = (float)bytes / (float)mss;

    if (cc->epoch_at == 0) {
        cc->epoch_at = now;
        cc->w_est = cwnd;
        if (cc->w_max <= cwnd) {
            cc->w_max = cwnd;
            cc->k = 0;
        } else {
            cc->k = cbrtf((cc->w_max - cwnd) / CUBIC_C);
        }
    }

    float t = (float)(now - cc->epoch_at) * 1e-9f;
    float ahead = t + (float)srtt_us * 1e-6f - cc->k;
    float target = CUBIC_C * ahead * ahead * ahead + cc->w_max;
    float now_at = CUBIC_C * (t - cc->k) * (t - cc->k) * (t - cc->k) + cc->w_max;

    cc->w_est += (cc->w_est < cc->cwnd_prior ? CUBIC_ALPHA : 1.0f) * acked / cwnd;
    target = fminf(fmaxf(target, cwnd), 1.5f * cwnd);
    if (now_at < cc->w_est)
        target = fmaxf(cc->w_est, cwnd);
    else
        target = cwnd + (target - cwnd) / cwnd * acked;
    cc->cwnd = max_u32(cc->cwnd, (uint32_t)(target * (float)mss));
}

void tcp_cc_acked(struct tcp_cc *cc, uint32_t bytes, uint32_t mss, uint32_t srtt_us,
                  bool is_limited, uint64_t now)
{
    if (!is_limited) {
        /* Time without use is no reason to follow the curve (RFC 9438 5.8). */
        cc->epoch_at = 0;
        return;
    }
    if (cc->cwnd < cc->ssthresh) {
        /* RFC 3465 with L = 2: stretch ACKs do not burst. */
        cc->cwnd += min_u32(bytes, 2 * mss);
    } else if (cc->kind == TCP_CC_NEWRENO) {
        newreno_grow(cc, bytes, mss);
    } else {
        cubic_grow(cc, bytes, mss, srtt_us, now);
    }
    cc->cwnd = min_u32(cc->cwnd, CWND_MAX);
}

/* What a loss leaves of the flight. */
static uint32_t reduced(struct tcp_cc *cc, uint32_t flight, uint32_t mss)
{
    float cwnd = (float)cc->cwnd / (float)mss;

    /* Outstanding counts what was SACKed or lost too: in the network there was no more than cwnd.
     * Rejected: cwnd alone; 10 Mbit/s with a queue of 50 ms had 20 timeouts, now 1. */
    flight = min_u32(flight, cc->cwnd);
    if (cc->kind == TCP_CC_NEWRENO)
        return max_u32(flight / 2, 2 * mss);

    /* Fast convergence (RFC 9438 4.7): a flow that loses before its old maximum makes room. */
    cc->w_max = cwnd < cc->w_max ? cwnd * (1.0f + CUBIC_BETA) / 2.0f : cwnd;
    cc->cwnd_prior = cwnd;
    cc->epoch_at = 0;
    return max_u32((uint32_t)((float)flight * CUBIC_BETA), 2 * mss);
}

void tcp_cc_lost(struct tcp_cc *cc, uint32_t flight, uint32_t mss)
{
    cc->ssthresh = reduced(cc, flight, mss);
    cc->cwnd = cc->ssthresh;
}

void tcp_cc_timed_out(struct tcp_cc *cc, uint32_t flight, uint32_t mss, bool is_first)
{
    if (is_first)
        cc->ssthresh = reduced(cc, flight, mss);
    cc->cwnd = mss;
}

void tcp_cc_idle(struct tcp_cc *cc, uint32_t mss)
{
    cc->cwnd = min_u32(cc->cwnd, initial_window(mss));
    cc->epoch_at = 0;
}
