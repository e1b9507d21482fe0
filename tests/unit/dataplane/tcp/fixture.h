/* fixture.h
 *
 * One struct tcp and a peer made of single segments. Sequence numbers in tests are relative, so
 * that every test can also run around the end of the sequence space.
 */
#ifndef TEST_TCP_FIXTURE_H
#define TEST_TCP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/tcp/tcp.h"

#define MS_NS 1000000ull

enum { CHUNKS = 400, LOCAL_PORT = 443, REMOTE_PORT = 50000, MSS = 1460, ROOM_MAX = 1480 };

static const uint8_t local_ip[16] = {[15] = 1}, remote_ip[16] = {[15] = 2};

struct fixture {
    struct tcp tcp;
    struct tcp_env env;
    struct chunk_pool pool;
    struct counters counters;
    void *memory;
    uint32_t iss, irs;
    uint64_t now;
    uint8_t out[ROOM_MAX]; /* the last segment sent, which seg views */
    struct tcp_segment seg;
};

static inline void fixture_init(struct fixture *f, uint32_t iss, uint32_t irs)
{
    memset(f, 0, sizeof(*f));
    f->memory = malloc(CHUNKS * sizeof(struct chunk));
    chunk_pool_init(&f->pool, f->memory, CHUNKS);
    f->env = (struct tcp_env){.pool = &f->pool, .counters = &f->counters, .mss_max = MSS};
    memcpy(f->env.cookie_key, "sixteen secrets.", 16);
    f->iss = iss;
    f->irs = irs;
    f->now = 1000000 * MS_NS;
}

static inline void fixture_fini(struct fixture *f)
{
    tcp_fini(&f->tcp);
    assert_int_equal(f->pool.free_count, f->pool.count);
    free(f->memory);
}

static inline struct tcp_segment segment(uint32_t seq, uint32_t ack, uint8_t flags)
{
    return (struct tcp_segment){
        .src_port = REMOTE_PORT,
        .dst_port = LOCAL_PORT,
        .seq = seq,
        .ack = ack,
        .flags = flags,
        .window = 65535,
        .wscale = -1,
    };
}

/* The next segment out; false: none. */
static inline bool take(struct fixture *f)
{
    bool wants = tcp_wants_output(&f->tcp, f->now);
    size_t bytes = tcp_output(&f->tcp, f->out, sizeof(f->out), f->now);

    assert_int_equal(wants, bytes > 0);
    if (bytes == 0)
        return false;
    assert_true(tcp_segment_parse(&f->seg, f->out, bytes));
    return true;
}

static inline void take_all(struct fixture *f)
{
    for (uint32_t i = 0; take(f); i++)
        assert_true(i < 1000);
}

static inline void give(struct fixture *f, struct tcp_segment s)
{
    tcp_input(&f->tcp, &s, f->now);
}

static inline void give_bytes(struct fixture *f, uint32_t seq, uint32_t ack, const void *bytes,
                              uint32_t len)
{
    struct tcp_segment s = segment(seq, ack, TCP_ACK);

    s.payload = bytes;
    s.payload_bytes = len;
    give(f, s);
}

static inline void open_passive(struct fixture *f, struct tcp_segment syn)
{
    syn.seq = f->irs;
    tcp_open_passive(&f->tcp, &f->env, LOCAL_PORT, REMOTE_PORT, &syn, f->iss, f->now);
    assert_true(take(f));
    assert_int_equal(f->seg.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(f->seg.seq, f->iss);
    assert_int_equal(f->seg.ack, f->irs + 1);
}

static inline void established_with(struct fixture *f, struct tcp_segment syn)
{
    struct tcp_segment ack = segment(f->irs + 1, f->iss + 1, TCP_ACK);

    open_passive(f, syn);
    ack.has_ts = syn.has_ts;
    ack.ts_val = syn.ts_val;
    give(f, ack);
    assert_int_equal(tcp_state(&f->tcp), TCP_ESTABLISHED);
    take_all(f);
}

/* Brings the connection to a state; afterwards nothing is due. */
static inline void reach(struct fixture *f, enum tcp_state state)
{
    struct tcp_segment syn = segment(0, 0, TCP_SYN);
    uint32_t snd = f->iss + 1, rcv = f->irs + 1;

    syn.mss = MSS;
    switch (state) {
    case TCP_SYN_SENT:
        tcp_open_active(&f->tcp, &f->env, LOCAL_PORT, REMOTE_PORT, f->iss, f->now);
        break;
    case TCP_SYN_RECEIVED:
        open_passive(f, syn);
        break;
    case TCP_ESTABLISHED:
        established_with(f, syn);
        break;
    case TCP_FIN_WAIT_1:
        established_with(f, syn);
        tcp_finish(&f->tcp);
        break;
    case TCP_FIN_WAIT_2:
        reach(f, TCP_FIN_WAIT_1);
        give(f, segment(rcv, snd + 1, TCP_ACK));
        break;
    case TCP_CLOSE_WAIT:
        established_with(f, syn);
        give(f, segment(rcv, snd, TCP_ACK | TCP_FIN));
        break;
    case TCP_CLOSING:
        reach(f, TCP_FIN_WAIT_1);
        give(f, segment(rcv, snd, TCP_ACK | TCP_FIN));
        break;
    case TCP_LAST_ACK:
        reach(f, TCP_CLOSE_WAIT);
        tcp_finish(&f->tcp);
        break;
    case TCP_TIME_WAIT:
        reach(f, TCP_FIN_WAIT_2);
        give(f, segment(rcv, snd + 1, TCP_ACK | TCP_FIN));
        break;
    case TCP_CLOSED:
        break;
    }
    take_all(f);
    assert_int_equal(tcp_state(&f->tcp), state);
    f->now += 1000 * MS_NS / 10; /* so that a challenge ACK may be sent */
}

/* Established with all options; the peer's window is 65535 << 7 after the first ACK with one. */
static inline void open_with_options(struct fixture *f)
{
    struct tcp_segment syn = segment(0, 0, TCP_SYN);

    syn.mss = MSS;
    syn.wscale = 7;
    syn.has_sack_permitted = true;
    established_with(f, syn);
}

/* All segments that may be sent now: how many; the bytes they carry. */
static inline uint32_t burst(struct fixture *f, uint32_t *bytes)
{
    uint32_t count = 0;

    *bytes = 0;
    while (take(f)) {
        *bytes += f->seg.payload_bytes;
        count++;
        assert_true(count < 1000);
    }
    return count;
}

#endif
