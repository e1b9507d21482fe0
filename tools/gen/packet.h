/* packet.h
 *
 * The packets of strangers: each kind made once as templates, then stamped by the million.
 *
 *   SYN        a handshake begins and nobody goes on with it       -> SYN-ACK, often a cookie
 *   HANDSHAKE  the same; its SYN-ACK is answered with an ACK that brings a ClientHello
 *   HELLO      a ClientHello on a connection that is not there     -> RST
 *   REPLAY     the ACK of a SYN cookie and a ClientHello with it, without a SYN: the node is in
 *              bench mode, and its secret is known         -> a handshake's first flight
 *   REPLAY_HTTP  the same to the plain port, with GET / -> an answer
 *   garbage    one kind for each way in which a frame can be wrong -> nothing, or a RST
 *   NOISE      random bytes behind the right MAC address, with an IPv4 or IPv6 type
 *
 * A kind says in which of hearthd's counters its packets may end (`ends`, counters.h): what was
 * sent is accounted for when the counters say the same number. `drop_*` stands for all that begin
 * so.
 *
 * Nothing of a flow is kept: a packet carries what its answer is recognised by. A SYN has a
 * sequence number that follows from its address and its port, and its timestamp is the time; the
 * SYN-ACK brings back both. The RST for a ClientHello has for its number what was acknowledged,
 * which is made of the time. The range of the source port says which kind it was.
 *
 * Time on the wire: units of 64 ns, modulo 2^32 (275 s). Addresses are IPv4, in host order.
 */
#ifndef HEARTH_GEN_PACKET_H
#define HEARTH_GEN_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/counters.h"
#include "dataplane/tcp/tcp.h"
#include "tools/gen/hello.h"
#include "tools/gen/rng.h"

#define PACKET_MIX(K)                                                                              \
    K(SYN, "syn", "rx_tcp drop_tcp_conn_limit drop_tcp_source_limit")                              \
    K(HANDSHAKE, "handshake", "rx_tcp drop_tcp_conn_limit drop_tcp_source_limit")                  \
    K(HELLO, "hello", "drop_tcp_no_conn drop_tcp_cookie_early rx_tcp")                             \
    K(REPLAY, "replay",                                                                            \
      "rx_tcp drop_tcp_conn_limit drop_tcp_source_limit drop_tcp_no_conn drop_tcp_cookie_early")   \
    K(REPLAY_HTTP, "replay_http",                                                                  \
      "rx_tcp drop_tcp_conn_limit drop_tcp_source_limit drop_tcp_no_conn drop_tcp_cookie_early")   \
    K(NO_PORT, "no_port", "drop_tcp_no_port")                                                      \
    K(NOISE, "noise", "drop_*")

/* Those of "garbage": no answer. */
#define PACKET_GARBAGE(K)                                                                          \
    K(SHORT, "short", "drop_link_short")                                                           \
    K(OTHER_MAC, "other_mac", "drop_link_other_mac")                                               \
    K(VLAN, "vlan", "drop_link_vlan")                                                              \
    K(ETHERTYPE, "ethertype", "drop_link_ethertype")                                               \
    K(ARP_BAD, "arp_bad", "drop_arp_bad")                                                          \
    K(IP_BAD, "ip_bad", "drop_ip_bad")                                                             \
    K(IP_CHECKSUM, "ip_checksum", "drop_ip_checksum")                                              \
    K(IP_OTHER, "ip_other", "drop_ip_other")                                                       \
    K(IP_SOURCE, "ip_source", "drop_ip_source")                                                    \
    K(FRAGMENT, "fragment", "drop_ip_fragment")                                                    \
    K(PROTOCOL, "protocol", "drop_ip_protocol")                                                    \
    K(L4_CHECKSUM, "l4_checksum", "drop_l4_checksum")                                              \
    K(ICMP_BAD, "icmp_bad", "drop_icmp_bad")                                                       \
    K(UDP, "udp", "drop_udp_no_port")                                                              \
    K(TCP_BAD, "tcp_bad", "drop_tcp_bad")

/* What the generator says besides, in answer or as a good client. */
#define PACKET_OTHER(K)                                                                            \
    K(ACK_HELLO, "ack_hello",                                                                      \
      "rx_tcp drop_tcp_conn_limit drop_tcp_source_limit drop_tcp_no_conn drop_tcp_cookie_early")   \
    K(LEAVE, "leave", "rx_tcp drop_tcp_no_conn")                                                   \
    K(CLIENT, "client",                                                                            \
      "rx_tcp drop_tcp_conn_limit drop_tcp_source_limit drop_tcp_no_conn drop_tcp_cookie_early")   \
    K(ARP, "arp", "rx_arp drop_arp_other")

enum packet_kind {
#define KIND(id, name, ends) PACKET_##id,
    PACKET_MIX(KIND) PACKET_GARBAGE(KIND) PACKET_OTHER(KIND)
#undef KIND
        PACKET_KINDS
};

enum {
    PACKET_GARBAGE_FIRST = PACKET_SHORT,
    PACKET_GARBAGE_END = PACKET_ACK_HELLO,
    PACKET_MIX_END = PACKET_ACK_HELLO, /* kinds that a mix may name */
    PACKET_NAMES_MAX = 4096,
    PACKET_SOURCES_MAX = 65536,
    PACKET_SOURCE_FIRST = 198 << 24 | 18 << 16, /* 198.18.0.0: RFC 2544, for benchmarks */
    PACKET_CLIENT_FIRST = 198 << 24 | 19 << 16, /* good clients, so that none is a stranger's */
    PACKET_SECRET_BYTES = 16,
    PACKET_BYTES_MAX = 14 + 20 + 60 + HELLO_BYTES,
    /* Source ports, by kind. */
    PACKET_PORTS_EACH = 14336,
    PACKET_PORT_SYN = 1024,
    PACKET_PORT_HANDSHAKE = PACKET_PORT_SYN + PACKET_PORTS_EACH,
    PACKET_PORT_HELLO = PACKET_PORT_HANDSHAKE + PACKET_PORTS_EACH,
    PACKET_PORT_CLIENT = PACKET_PORT_HELLO + PACKET_PORTS_EACH,
};

struct packet_rule {
    const char *name, *ends;
};
extern const struct packet_rule packet_rule[PACKET_KINDS];

/* Whom they are for, and from whom they come. */
struct packet_config {
    uint8_t mac[6], our_mac[6]; /* the node's, and the one that all our sources are behind */
    uint32_t ip, our_ip;        /* our_ip: the gateway that we are for the node */
    uint16_t tls_port, plain_port;
    uint32_t sources; /* 1 to PACKET_SOURCES_MAX */
    const char *name; /* of the ClientHellos; with more than one: n0.NAME, n1.NAME, ... */
    uint32_t names;   /* 1 to PACKET_NAMES_MAX */
    uint32_t shapes;  /* bits: 1 << enum hello_shape */
    uint8_t cookie_secret[PACKET_SECRET_BYTES]; /* the node's bench_cookie_secret, for REPLAY */
    uint64_t seed;
};

struct packet_template {
    uint8_t *bytes;
    uint64_t l4_sum; /* of all that a stamp does not change; not folded */
    uint32_t ip_sum;
    uint16_t len;
    bool has_stamp; /* else it goes out as it is */
};

struct packets {
    struct packet_config config;
    struct packet_template *template[PACKET_MIX_END];
    uint32_t count[PACKET_MIX_END];
    struct rng rng;
    struct tcp_env cookies; /* the node's, as far as a cookie asks for it */
    struct counters counters;
};

/* False: no memory. */
bool packets_init(struct packets *, const struct packet_config *);
void packets_fini(struct packets *);

/* The next packet of a kind; returns its bytes. buf: PACKET_BYTES_MAX. */
uint32_t packet_write(struct packets *, enum packet_kind, uint8_t *buf, uint32_t time);

static inline uint32_t packet_time(uint64_t now_ns)
{
    return (uint32_t)(now_ns >> 6);
}

/* What a ClientHello acknowledges, and back: its high bits must not stand still for seconds, as
 * they decide whether it could be a cookie. */
static inline uint32_t packet_ack_of(uint32_t time)
{
    return time << 16 | time >> 16;
}

static inline uint32_t packet_time_of(uint32_t ack)
{
    return packet_ack_of(ack);
}

/* The sequence number of a SYN from there. */
uint32_t packet_seq(uint32_t ip, uint16_t port);
/* One of the strangers' addresses? */
bool packet_is_source(const struct packets *, uint32_t ip);

/* A segment that is not stamped but made: what goes out in answer. The frame of IPv4 and TCP, with
 * a timestamp option; both checksums are left to the port. Returns its bytes. */
struct packet_segment {
    uint32_t ip;
    uint16_t port, to_port;
    uint32_t seq, ack, ts_val, ts_ecr;
    uint8_t flags;
    const void *payload;
    uint32_t payload_bytes;
};
enum { PACKET_L3 = 14, PACKET_L4 = 34 };
uint32_t packet_segment_write(const struct packets *, const struct packet_segment *, uint8_t *buf);

#endif
