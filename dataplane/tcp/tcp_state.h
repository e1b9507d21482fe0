/* tcp_state.h
 *
 * struct tcp in full, so that its owner can embed it; included by tcp.h only. Nobody outside
 * tcp_*.c reads these fields.
 *
 *      snd:   una ......... nxt ......... una + wnd        una <= tx_seq + tx.bytes (+ FIN)
 *      rcv:   rx.start ---- rx.next ..... rcv_edge         bytes [start, next) wait for the owner,
 * ranges lie beyond
 *
 * Hot fields first; what only loss, reordering or congestion touch comes last.
 */
#ifndef HEARTH_TCP_STATE_H
#define HEARTH_TCP_STATE_H

#include "dataplane/tcp/tcp_cc.h"
#include "dataplane/tcp/tcp_rx.h"

/* What tcp_output owes the peer apart from data. */
enum tcp_due {
    TCP_DUE_ACK = 0x01,
    TCP_DUE_SYN = 0x02,   /* SYN, or SYN-ACK in SYN_RECEIVED */
    TCP_DUE_RST = 0x04,   /* at reset_seq */
    TCP_DUE_PROBE = 0x08, /* an old sequence number without data: the peer must acknowledge
                             (keepalive, zero window) */
    TCP_DUE_PUSH =
        0x10, /* send what fits the window, however little (RFC 1122 4.2.3.4: the override timer) */
};

/* How outstanding bytes are being repaired. */
enum tcp_recovery {
    TCP_RECOVERY_NONE,
    TCP_RECOVERY_FAST,    /* RFC 6675, or 6582 where the peer has no SACK */
    TCP_RECOVERY_TIMEOUT, /* all that was in flight counts as lost */
};

/* The scoreboard: what is known about [snd_una, snd_nxt). */
struct tcp_loss {
    uint32_t recover;   /* RecoveryPoint: recovery ends when it is acknowledged */
    uint32_t lost_edge; /* what is not SACKed below counts as lost */
    uint32_t high_rxt;  /* sent again up to here */
    uint32_t dup_acks;  /* without SACK: each tells of one segment that left the network */
    uint8_t mode;       /* enum tcp_recovery */
    bool is_forced;     /* the first retransmission does not wait for cwnd */
    bool is_rescued;    /* rule 4 of NextSeg is for once per recovery */
    bool is_careful;    /* RFC 6582: duplicate ACKs may be our own retransmissions' */
    uint8_t sacked_count;
    struct tcp_range sacked[TCP_OOO_RANGES_MAX]; /* sorted, disjoint */
};

struct tcp {
    struct tcp_env *env;
    uint64_t received_at; /* the last acceptable segment */
    uint64_t sent_at;
    uint64_t timer_at; /* retransmission; end of TIME_WAIT or of an orphan's FIN_WAIT_2 */
    uint64_t ack_at;   /* delayed ACK */

    uint32_t snd_una, snd_nxt, snd_wnd;
    uint32_t snd_wl1, snd_wl2; /* segment of the last window update */
    uint32_t snd_wnd_max;
    uint32_t tx_seq; /* of the first byte of tx */
    struct byte_queue tx;

    uint16_t local_port, remote_port;
    uint16_t mss;     /* payload + options of the segments we send */
    uint16_t rcv_mss; /* the largest payload seen */
    uint8_t state;    /* enum tcp_state; written by tcp_set_state only */
    uint8_t end;
    uint8_t due;
    uint8_t snd_wscale, rcv_wscale;
    uint8_t retries; /* timeouts without a sign of life; gives up at a limit */
    uint8_t backoff; /* timeouts without progress; doubles the next */
    bool is_passive : 1;
    bool has_ts : 1;
    bool has_sack : 1;
    bool has_wscale : 1;
    bool fin_queued : 1;   /* tcp_finish was called */
    bool fin_known : 1;    /* the peer's FIN came, perhaps before bytes in front of it */
    bool fin_received : 1; /* and all before it is in order */
    bool is_orphan : 1;    /* tcp_close: nobody reads any more */
    bool is_cut : 1;       /* tcp_cut: RST behind what is queued */
    bool is_timed : 1;     /* timed_seq is being measured */
    bool has_dsack : 1;
    bool reset_has_ack : 1;
    bool is_tight : 1;    /* want of chunks keeps the window shut */
    bool is_refusing : 1; /* and the peer's last text in order was not taken */

    uint32_t rcv_edge;      /* right edge of the largest window ever advertised */
    uint32_t rcv_fin;       /* sequence number of the peer's FIN */
    uint32_t last_ack_sent; /* RFC 7323: which segment may update ts_recent */
    uint32_t ts_recent, ts_offset;
    uint32_t ts_recent_s; /* when, in seconds: it ages after 24 days */
    uint32_t reset_seq;

    uint32_t timed_seq; /* Karn: a segment sent once */
    uint64_t timed_at;
    uint64_t timed_out_at; /* the last retransmission timeout */
    uint32_t srtt_us, rttvar_us, rto_us;

    uint32_t challenge_ms; /* the last challenge ACK */
    uint32_t old_ms;       /* since when segments that bring nothing are answered: */
    uint8_t old_acks;      /* so often */
    struct tcp_range dsack;

    struct tcp_cc cc;
    struct tcp_loss loss;
    struct tcp_rx rx;
};

#endif
