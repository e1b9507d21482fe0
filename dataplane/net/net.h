/* net.h
 *
 * From an Ethernet frame to an L4 packet and back: Ethernet, VLAN, ARP, ND, IPv4, IPv6, ICMP echo.
 * One struct net per dp core; addresses are configuration, neighbours are shared by the node's
 * cores.
 *
 *   frame -> link (MAC, VLAN) -> arp ............................ answered here
 *                             -> ip4/ip6 (address, checksum)
 *                                  -> icmp, nd .................. answered here
 *                                  -> a balancer's packet: once more ip4/ip6 (decapsulation.h)
 *                                  -> tcp, udp .................. NET_TCP/NET_UDP and a net_packet
 *                                  -> the host's (exception.h) .. NET_HOST, NET_BOTH
 *
 * Addresses are 16 bytes; IPv4 is ::ffff:a.b.c.d (RFC 4291 2.5.5.2). Network byte order inside
 * addresses, host order in fields.
 *
 * Every frame that net_input takes is counted in exactly one disposition of counters.h, except that
 * for NET_TCP, NET_UDP and NET_HOST the caller counts (rx_tcp, drop_tcp_*, rx_rpc, drop_udp_*,
 * tap_*). rx_frames is the caller's too: who takes the burst counts it, so that conservation
 * compares two books.
 *
 * Nothing is reassembled or forwarded. Packets that we send are never fragmented (DF;
 * packet-too-big is reported by net_take_pmtu). No ICMP error is ever sent.
 *
 * Thread: the core's. Memory: struct net itself; never allocates.
 * Sources: RFC 826, 1122, 791, 792, 8200, 4443, 4861, 1812 where a rule is quoted.
 */
#ifndef HEARTH_NET_H
#define HEARTH_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/counters.h"
#include "dataplane/base/limits.h"
#include "dataplane/base/token_bucket.h"
#include "dataplane/net/decapsulation.h"
#include "dataplane/net/exception.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/net/tx.h"
#include "drivers/port.h"

struct net_config {
    uint8_t mac[6];
    uint16_t vlan; /* 0: untagged */
    uint16_t mtu;  /* at least NET_MTU4_MIN; with IPv6 NET_MTU6_MIN (net_mtu_fits) */
    uint32_t address_count;
    struct net_address address[NET_ADDRESSES_MAX]; /* IPv6 link-local is added by net_init */
    uint8_t gateway4[16], gateway6[16];            /* all zero: none */
    struct exception exception;                    /* no addresses: nothing is the host's */
    struct decapsulation decapsulation;
};

/* ICMP(v6) errors about our own TCP packets, for TCP's path MTU. Anyone can forge one: seq is what
 * the report quotes of our segment, for the connection to believe or not (RFC 5927 4.1). */
struct net_pmtu {
    uint8_t remote[16], local[16];
    uint16_t remote_port, local_port;
    uint32_t seq;
    uint16_t mtu; /* less than our own, at least 552 (IPv4) or 1280 (IPv6) */
    bool is_set;
};

enum net_block { NET_NO_BUFFER, NET_NO_ROUTE, NET_UNRESOLVED };

struct net {
    struct net_config config;
    struct neighbours *neighbours;
    struct counters *counters;
    struct tx *tx;
    uint32_t address_count;
    struct net_address address[NET_ADDRESSES_MAX + 1]; /* the configured ones and link-local */
    bool is_shared[NET_ADDRESSES_MAX + 1];             /* with the host: exception.h */
    bool has_made_link_local;                          /* the last one, of our MAC */
    struct token_bucket icmp;
    struct net_pmtu pmtu;
    uint16_t ip4_id;
    struct {
        struct frame *frame; /* NULL: none begun */
        uint8_t protocol, version;
    } packet; /* between net_begin and net_end */
    struct {
        enum net_block why;
        uint8_t hop[16]; /* NET_UNRESOLVED */
    } blocked;           /* after net_begin has returned NULL */
};

enum net_verdict {
    NET_DONE, /* taken or dropped, and counted */
    NET_TCP,
    NET_UDP,
    NET_HOST, /* the frame is for the host's tap (exception.h) */
    NET_BOTH, /* taken and counted as NET_DONE, and the host has to see the frame as well */
};

struct net_packet {
    uint8_t src[16], dst[16];
    uint8_t version; /* 4 or 6 */
    uint8_t ecn;     /* the two ECN bits */
    uint8_t hop_limit;
    bool is_near;      /* NET_HOST and NET_BOTH: of a neighbour on the link */
    const uint8_t *l4; /* view into the frame */
    size_t l4_bytes;   /* padding excluded */
};

/* Takes a copy of the configuration; an mtu above what the port's frames hold is lowered to that.
 */
void net_init(struct net *, const struct net_config *, struct neighbours *, struct counters *,
              struct tx *);

/* Parses one frame; answers ARP, ND and echo through tx. Does not free the frame; *packet views
 * into it. */
enum net_verdict net_input(struct net *, const struct frame *, uint64_t now_ns,
                           struct net_packet *packet);

/* The last packet-too-big seen, once. */
bool net_take_pmtu(struct net *, struct net_pmtu *);

/* A packet to send: where it goes. src is one of our addresses, of dst's family. */
struct net_route {
    uint8_t src[16], dst[16];
    uint8_t ecn;
};

/* Bytes of L4 that fit in one packet to that destination. */
uint16_t net_l4_room(const struct net *, const uint8_t dst[16]);

/* Starts a packet in the next tx frame: link and IP headers. Returns where the L4 header goes, or
 * NULL: net->blocked says why. If the next hop's MAC is not known yet, a query is on its way;
 * whoever can wait does so in hop.h. TCP and UDP checksums are left zero: the port computes
 * them. */
uint8_t *net_begin(struct net *, const struct net_route *, uint8_t protocol, size_t *room,
                   uint64_t now_ns);
/* Completes and commits it; l4_bytes may be 0: the packet is abandoned. Between the two nothing
 * else uses the core's tx: no net_input, no tx_flush. */
void net_end(struct net *, size_t l4_bytes);

/* net_begin for TCP, in a large frame if the port has one to give: *room is then more than
 * net_l4_room. */
uint8_t *net_begin_large(struct net *, const struct net_route *, size_t *room, uint64_t now_ns);
/* net_end of a packet that the port cuts: payload bytes of each segment (port.h); 0: it is one. */
void net_end_large(struct net *, size_t l4_bytes, uint16_t gso_size);

/* Is the MAC of a host on the link known? If not, or if it is old, it is asked for when that
 * is due. */
bool net_resolve(struct net *, const uint8_t ip[16], uint64_t now_ns);

/* Asks for the gateways' MACs and announces our own addresses and the host's (gratuitous ARP,
 * unsolicited NA), by the MAC that the port has now: at start, and when the port's epoch grows. */
void net_announce(struct net *, uint64_t now_ns);

enum { NET_GROUPS_MAX = NET_ADDRESSES_MAX + EXCEPTION_ADDRESSES_MAX + 2 };

/* The MACs of the groups that neighbour discovery speaks to (RFC 4861 7.2.1): all nodes, and the
 * solicited-node group of each IPv6 address, the host's and link-local included, of a node with
 * that configuration. Each once; returns how many, at most NET_GROUPS_MAX. */
uint32_t net_groups(const struct net_config *, uint8_t mac[][6]);

bool net_is_local(const struct net *, const uint8_t ip[16]);
/* Which of our addresses speaks to that host; NULL: we have none of its family. */
const uint8_t *net_source_for(const struct net *, const uint8_t ip[16]);
/* "10.77.0.1/24", "fd77::1/64"; no prefix: full. False: not an address; *address is then undefined.
 */
bool net_parse_address(const char *text, struct net_address *address);
/* Can the addresses be used with that MTU? False: a sentence. */
bool net_mtu_fits(const struct net_config *, char *error, size_t error_bytes);
void net_format_ip(const uint8_t ip[16], char out[46]);

#endif
