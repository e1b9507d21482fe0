#include <assert.h>

#include "dataplane/base/siphash.h"
#include "dataplane/tcp/tcp_internal.h"

/* One key serves three purposes; the first byte of what is hashed tells them apart. */
enum purpose { PURPOSE_ISN, PURPOSE_COOKIE, PURPOSE_TS };

struct hashed {
    uint8_t purpose, mss_index;
    uint16_t local_port, remote_port;
    uint8_t local[16], remote[16];
    uint32_t irs, time;
} __attribute__((packed));

uint32_t tcp_ts_offset(const struct tcp_env *env)
{
    uint8_t purpose = PURPOSE_TS;

    return (uint32_t)siphash_64(env->cookie_key, &purpose, sizeof(purpose));
}

static struct hashed hashed(enum purpose purpose, const uint8_t local[16], const uint8_t remote[16],
                            uint16_t local_port, uint16_t remote_port)
{
    struct hashed h = {
        .purpose = (uint8_t)purpose,
        .local_port = local_port,
        .remote_port = remote_port,
    };

    memcpy(h.local, local, sizeof(h.local));
    memcpy(h.remote, remote, sizeof(h.remote));
    return h;
}

uint32_t tcp_isn(const struct tcp_env *env, const uint8_t local[16], const uint8_t remote[16],
                 uint16_t local_port, uint16_t remote_port, uint64_t now)
{
    struct hashed h = hashed(PURPOSE_ISN, local, remote, local_port, remote_port);

    /* RFC 6528: M, the 4 microsecond clock, plus F. */
    return (uint32_t)(now / 4000) + (uint32_t)siphash_64(env->cookie_key, &h, sizeof(h));
}

/* ---- SYN cookies ----
 *
 *      31   27 26  24 23                     0
 *      [ time ][ mss ][ MAC                   ]     time: 5 bits of a 64 s clock; mss: an index
 *
 * The timestamp of the SYN-ACK carries the rest in its low bits, as the peer echoes it:
 *
 *      [ clock ...        ][ SACK ][ wscale: 4 ]     wscale 15: none
 */
enum {
    COOKIE_STEP_S = 64,
    COOKIE_STEPS_MAX = 2, /* a cookie lives 64 to 128 s */
    COOKIE_TS_BITS = 5,
    COOKIE_WSCALE_NONE = 15,
};

/* Common sizes: modem, IPv4 and IPv6 minimum, tunnels, PPPoE, Ethernet, jumbo. */
static const uint16_t cookie_mss[8] = {TCP_MSS_MIN, 536, 1220, 1360, 1400, 1440, 1460, 8960};

static uint32_t cookie_clock(const struct tcp_env *env, uint64_t now)
{
    return env->cookies_last ? 0 : (uint32_t)(now / 1000000000 / COOKIE_STEP_S);
}

static uint32_t cookie_make(const struct tcp_env *env, const uint8_t local[16],
                            const uint8_t remote[16], uint16_t local_port, uint16_t remote_port,
                            uint32_t irs, uint32_t time, uint32_t mss_index)
{
    struct hashed h = hashed(PURPOSE_COOKIE, local, remote, local_port, remote_port);

    h.mss_index = (uint8_t)mss_index;
    h.irs = irs;
    h.time = time;
    return (time & 31) << 27 | mss_index << 24 |
           ((uint32_t)siphash_64(env->cookie_key, &h, sizeof(h)) & 0xffffff);
}

/* Our clock with the options in its low bits, never ahead of the clock: later segments must not
 * look old. */
static uint32_t cookie_ts(const struct tcp_env *env, const struct tcp_segment *syn, uint64_t now)
{
    uint32_t clock = tcp_ts_clock(tcp_ts_offset(env), now);
    uint32_t bits = (syn->wscale >= 0 ? (uint32_t)syn->wscale : COOKIE_WSCALE_NONE) |
                    (uint32_t)syn->has_sack_permitted << 4;
    uint32_t ts = (clock & ~((1u << COOKIE_TS_BITS) - 1)) | bits;

    return seq_lt(clock, ts) ? ts - (1u << COOKIE_TS_BITS) : ts;
}

size_t tcp_cookie_syn_ack(const struct tcp_env *env, const uint8_t local[16],
                          const uint8_t remote[16], const struct tcp_segment *syn, uint8_t *buf,
                          size_t cap, uint64_t now)
{
    uint32_t time = cookie_clock(env, now);
    uint32_t mss_index = 7;

    if (cap < TCP_HEADER_BYTES_MAX)
        return 0;
    while (mss_index > 0 && cookie_mss[mss_index] > (syn->mss != 0 ? syn->mss : TCP_MSS_DEFAULT))
        mss_index--;

    struct tcp_header h = {
        .src_port = syn->dst_port,
        .dst_port = syn->src_port,
        .seq = cookie_make(env, local, remote, syn->dst_port, syn->src_port, syn->seq, time,
                           mss_index),
        .ack = syn->seq + 1,
        .flags = TCP_SYN | TCP_ACK,
        .window = 65535,
    };
    struct tcp_offer offer = {.mss = (uint16_t)(env->mss_max - env->mss_spare), .wscale = -1};

    /* Without the echo the options could not be remembered, so they are not agreed to. */
    if (syn->has_ts) {
        offer.has_ts = true;
        offer.has_sack_permitted = syn->has_sack_permitted;
        offer.wscale = syn->wscale >= 0 ? TCP_RX_WSCALE : -1;
        offer.ts_val = cookie_ts(env, syn, now);
        offer.ts_ecr = syn->ts_val;
    }
    env->counters->tcp_syn_cookies++;
    return tcp_header_write(&h, buf, tcp_offer_write(&offer, buf + TCP_HEADER_BYTES));
}

/* Steps of the clock since a cookie was made, if it is one. */
static uint32_t cookie_age(const struct tcp_env *env, uint32_t cookie, uint64_t now)
{
    return (cookie_clock(env, now) - (cookie >> 27)) & 31;
}

static bool cookie_check(const struct tcp_env *env, const uint8_t local[16],
                         const uint8_t remote[16], const struct tcp_segment *ack, uint64_t now)
{
    uint32_t cookie = ack->ack - 1, age = cookie_age(env, cookie, now);
    uint32_t time = cookie_clock(env, now);

    if ((ack->flags & (TCP_ACK | TCP_SYN | TCP_RST)) != TCP_ACK || age >= COOKIE_STEPS_MAX)
        return false;
    return cookie == cookie_make(env, local, remote, ack->dst_port, ack->src_port, ack->seq - 1,
                                 time - age, cookie >> 24 & 7);
}

bool tcp_is_unknown_ack(const struct tcp *t, const struct tcp_segment *s)
{
    return t->state == TCP_SYN_RECEIVED && t->is_passive && s->ack != t->tx_seq &&
           (s->flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK;
}

bool tcp_cookie_may_follow(const struct tcp_env *env, const struct tcp_segment *s, uint64_t now)
{
    return (s->flags & (TCP_ACK | TCP_SYN | TCP_RST)) == TCP_ACK &&
           cookie_age(env, s->ack - 1, now) < COOKIE_STEPS_MAX;
}

bool tcp_cookie_open(struct tcp *t, struct tcp_env *env, const uint8_t local[16],
                     const uint8_t remote[16], const struct tcp_segment *ack, uint64_t now)
{
    if (!cookie_check(env, local, remote, ack, now)) {
        env->counters->tcp_syn_cookies_bad++;
        return false;
    }

    /* The SYN that must have been. */
    uint32_t iss = ack->ack - 1;
    uint32_t bits = ack->ts_ecr & ((1u << COOKIE_TS_BITS) - 1);
    struct tcp_segment syn = {
        .seq = ack->seq - 1,
        .flags = TCP_SYN,
        .mss = cookie_mss[iss >> 24 & 7],
        .wscale = -1,
        .has_ts = ack->has_ts,
        .ts_val = ack->ts_val,
    };

    if (ack->has_ts) {
        syn.has_sack_permitted = (bits >> 4) != 0;
        if ((bits & 15) <= TCP_WSCALE_MAX)
            syn.wscale = (int8_t)(bits & 15);
    }
    tcp_open_passive(t, env, ack->dst_port, ack->src_port, &syn, iss, now);
    t->snd_una = t->snd_nxt = iss + 1;
    t->rcv_edge = t->rx.next + 65535; /* what the SYN-ACK said */
    t->snd_wnd = t->snd_wnd_max = (uint32_t)ack->window << t->snd_wscale;
    t->snd_wl1 = ack->seq;
    t->snd_wl2 = ack->ack;
    t->due = 0;
    tcp_loss_init(t, iss + 1);
    tcp_established(t, now);
    return true;
}
