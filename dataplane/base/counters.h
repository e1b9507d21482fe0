/* counters.h
 *
 * Every counter of a dp core, by name. One list: the struct, the CLI and the metrics are made of
 * it.
 *
 * Conservation: every received frame ends in exactly one DISPOSITION, so
 *     rx_frames = sum of all DISPOSITION counters            (counters_unaccounted() == 0)
 * EVENT counters say what else happened; they add up to nothing.
 *
 * Thread: written by its core only, plain increments; read by the control thread without a lock
 * (64-bit loads are whole on the machines we run on).
 */
#ifndef HEARTH_COUNTERS_H
#define HEARTH_COUNTERS_H

#include <stdint.h>

#define COUNTERS_NET(D, E)                                                                         \
    D(rx_arp, "ARP packets taken")                                                                 \
    D(rx_nd, "IPv6 neighbour discovery packets taken")                                             \
    D(rx_icmp, "ICMP and ICMPv6 packets taken")                                                    \
    D(rx_tcp, "TCP segments given to a connection or the listener")                                \
    D(rx_rpc, "datagrams of other nodes taken")                                                    \
    D(drop_rpc_bad, "datagrams to an RPC port that are none of ours, by length or header")         \
    D(drop_rpc_rate, "handshakes over the rate limit")                                             \
    D(drop_rpc_auth, "datagrams that do not authenticate, or handshakes of no member")             \
    D(drop_rpc_replay, "datagrams whose number was seen before, or is too old")                    \
    D(drop_rpc_index, "datagrams of a channel that is not there")                                  \
    D(drop_rpc_seal, "handshakes without the seal that only a member can make")                    \
    D(drop_rpc_slot, "handshakes for which no slot is free")                                       \
    D(drop_link_short, "shorter than its Ethernet or VLAN header")                                 \
    D(drop_link_other_mac, "not addressed to this port")                                           \
    D(drop_link_vlan, "VLAN tag that is not ours")                                                 \
    D(drop_link_ethertype, "EtherType that is not spoken")                                         \
    D(drop_arp_bad, "malformed ARP")                                                               \
    D(drop_arp_other, "ARP for other hosts")                                                       \
    D(drop_ip_bad, "malformed IPv4 or IPv6 header")                                                \
    D(drop_ip_checksum, "wrong IPv4 header checksum")                                              \
    D(drop_ip_other, "not addressed to this node")                                                 \
    D(drop_ip_source, "source address that no host may use")                                       \
    D(drop_ip_fragment, "IP fragment: not reassembled")                                            \
    D(drop_ip_protocol, "IP protocol that is not spoken")                                          \
    D(drop_ip6_extension, "IPv6 extension header that is not understood, or too many")             \
    D(drop_decap_source, "encapsulated packets of who is no balancer: decapsulate.from")           \
    D(drop_decap_bad, "GUE that is malformed, or says what is not understood")                     \
    D(drop_decap_inner, "packets out of an encapsulation that are not for one of our addresses")   \
    D(tap_tx, "frames given to the host's tap")                                                    \
    D(tap_limited, "frames for the tap over exception.rate")                                       \
    D(tap_dropped, "frames for the tap that the kernel did not take")                              \
    D(drop_l4_checksum, "wrong TCP or UDP checksum")                                               \
    D(drop_icmp_bad, "malformed ICMP")                                                             \
    D(drop_icmp_other, "ICMP type that is not spoken")                                             \
    D(drop_icmp_rate, "ICMP over the rate limit")                                                  \
    D(drop_nd_bad, "malformed neighbour discovery")                                                \
    D(drop_nd_other, "neighbour discovery for other hosts")                                        \
    D(drop_nd_router, "router advertisements and redirects: routes are configuration")             \
    D(drop_udp_no_port, "UDP to a port that nobody has")                                           \
    D(drop_tcp_bad, "malformed TCP header or options")                                             \
    D(drop_tcp_no_port, "TCP to a port that nobody listens on (answered with RST)")                \
    D(rx_dns, "DNS answers and what pretends to be one")                                           \
    D(drop_tcp_no_conn, "TCP to no connection (answered with RST)")                                \
    D(drop_tcp_cookie_early, "what may follow a SYN cookie, ahead of what proves it")              \
    D(drop_tcp_conn_limit, "SYN or cookie refused: all connections are busy")                      \
    D(drop_tcp_source_limit, "SYN or cookie refused: its source has its share, all busy")          \
    E(net_unresolved, "packets whose next hop was not known: held back, or dropped")               \
    E(net_unresolved_dropped, "of these, dropped: resets, cookies, or too many hops to wait for")  \
    E(net_no_route, "packets to a destination that no address or gateway leads to")                \
    E(net_neighbour_full, "neighbours not learned: table full, or busy")                           \
    E(net_address_conflict, "another host uses one of our addresses")                              \
    E(net_pmtu, "reports that a path takes only smaller packets")                                  \
    E(net_decapsulated, "packets taken out of a balancer's encapsulation")                         \
    E(tap_rx, "frames of the host's tap, sent at the port")                                        \
    E(tap_shown, "answers to ARP and ND that the host has seen as well")                           \
    E(tap_unshown, "and those that it has not: over exception.rate, or not taken")                 \
    E(tx_frames, "frames sent")                                                                    \
    E(tx_no_buffer, "frames not made for want of a buffer")

#define COUNTERS_TCP(D, E)                                                                         \
    E(tcp_accepted, "connections established by a client")                                         \
    E(tcp_closed, "connections closed in order")                                                   \
    E(tcp_reset_in, "connections reset by the peer")                                               \
    E(tcp_reset_out, "connections reset by us")                                                    \
    E(tcp_timed_out, "connections given up after retransmissions")                                 \
    E(tcp_retransmits, "segments sent again")                                                      \
    E(tcp_rto, "retransmission timeouts")                                                          \
    E(tcp_fast_recoveries, "losses repaired without a timeout")                                    \
    E(tcp_out_of_order, "segments that arrived early")                                             \
    E(tcp_duplicate, "segments that brought nothing new")                                          \
    E(tcp_bad_seq, "segments outside the window")                                                  \
    E(tcp_bad_ack, "segments with an impossible acknowledgement")                                  \
    E(tcp_paws, "segments with an old timestamp")                                                  \
    E(tcp_old_unanswered, "segments that brought nothing, one too many to be acknowledged")        \
    E(tcp_challenge_acks, "challenge ACKs sent (RFC 5961)")                                        \
    E(tcp_no_memory, "payload not taken for want of chunks")                                       \
    E(tcp_syn_cookies, "SYN cookies sent")                                                         \
    E(tcp_syn_cookies_bad, "ACKs with a wrong SYN cookie")

#define COUNTERS_HTTP(D, E)                                                                        \
    E(sni_ok, "ClientHellos with a host name")                                                     \
    E(sni_none, "ClientHellos without one")                                                        \
    E(sni_address, "ClientHellos with an address for a name: taken as none")                       \
    E(sni_bad, "ClientHellos refused for a name that no host can have")                            \
    E(hello_bad, "first bytes that are no ClientHello, or one that cannot be read")                \
    E(hello_refused, "ClientHellos refused: they break a rule, or nothing is in common")           \
    E(hello_retried, "ClientHellos answered with a HelloRetryRequest")                             \
    E(hello_changed, "of these, refused: the second ClientHello is not the first")                 \
    E(core_moderated, "sleeps of a core in which frames of a bulk transfer gathered")              \
    E(core_long_iterations, "iterations of a core that took more than 10 ms")                      \
    E(tls_handshakes, "TLS handshakes completed")                                                  \
    E(tls_resumed, "of these, by a session ticket")                                                \
    E(tls_refused, "of those that begin, refused: too many wait for their turn")                   \
    E(tls_source_refused, "of these, for their source had its share of those that wait")           \
    E(tls_failed, "TLS handshakes or sessions that failed")                                        \
    E(tls_flooded, "of these, for records without data: too many in a row")                        \
    E(tls_dropped_records, "records of early data and for middleboxes, dropped unread")            \
    E(tls_truncated, "streams that ended without close_notify")                                    \
    E(tls_no_cert, "no certificate for the name and no default")                                   \
    E(conn_timeout_hello, "closed: no handshake in time")                                          \
    E(conn_timeout_head, "closed: no request head in time")                                        \
    E(conn_timeout_idle, "closed: idle keep-alive")                                                \
    E(conn_timeout_stall, "closed: peer takes or gives no body bytes")                             \
    E(http_slow_body, "request bodies that came more slowly than min_rate: 408, or cut")           \
    E(http_slow_reader, "answers cut, taken more slowly than min_rate")                            \
    E(conn_unreachable, "half-open connections ended: their next hop does not answer")             \
    E(conn_evicted_time_wait, "connections that gave way to new ones: in TIME_WAIT")               \
    E(conn_evicted_ending, "those whose peer had not closed its end")                              \
    E(conn_evicted_idle, "those that were kept, idle for longest")                                 \
    E(conn_evicted_fresh, "those that waited for their client's handshake for longest")            \
    E(conn_evicted_share, "of all these, because their source had more than its share")            \
    E(conn_source_cookies, "SYN cookies because a source had its share of half-open connections")  \
    E(conn_cookie_refused, "good SYN cookies for which there was no connection")                   \
    E(conn_no_memory, "given up for want of stream or TLS memory")                                 \
    E(http_requests, "request heads accepted")                                                     \
    E(http_bad, "malformed requests: 400")                                                         \
    E(http_bad_host, "requests for a host that is no domain, as a URL has it: 400")                \
    E(http_head_too_large, "431 or 414")                                                           \
    E(http_misdirected, "host not covered by the certificate: 421")                                \
    E(http_no_route, "no script for this host and path: 404")                                      \
    E(route_slow, "look-ups of a host on which the matcher gave up: each pattern was tried")       \
    E(http_unsupported, "method, version or expectation not spoken: 405, 417, 501, 505")           \
    E(http_body_too_large, "request body over the limit: 413")                                     \
    E(http_2xx, "answers 200-299")                                                                 \
    E(http_3xx, "answers 300-399")                                                                 \
    E(http_4xx, "answers 400-499")                                                                 \
    E(http_5xx, "answers 500-599")                                                                 \
    E(http_half_closed, "requests whose client closed its half before the end of the answer")      \
    E(http_client_gone, "requests whose client left before the end of the answer")

#define COUNTERS_JOB(D, E)                                                                         \
    E(job_started, "jobs given to a cell")                                                         \
    E(job_warm, "answered by a warm cell")                                                         \
    E(job_warming, "answered after waiting for a cell whose start had begun before")               \
    E(job_cold, "answered after a cold start")                                                     \
    E(job_exception, "script threw: 500")                                                          \
    E(job_no_response, "script can never answer: 500")                                             \
    E(job_not_response, "what the script's handler returned is not a Response: 500")               \
    E(job_load, "script does not load: 500")                                                       \
    E(job_cpu_limit, "script over its CPU limit: 503")                                             \
    E(job_memory_limit, "script over its memory limit: 503")                                       \
    E(job_wall_limit, "script over its wall-clock limit: 504")                                     \
    E(job_output_limit, "script over its output limit: 502")                                       \
    E(job_overload, "cell refused: 503")                                                           \
    E(job_no_script, "cell has another script: 503")                                               \
    E(job_lost, "cell died: 502, or run again")                                                    \
    E(job_suspect, "of these, of what it ran when it died: 502 or 503, never run again")           \
    E(job_held, "requests of scripts that are held back, since they end their cells: 503")         \
    E(account_memory, "requests of scripts whose account has no memory for one more cell: 503")    \
    E(job_rerun, "idempotent requests run again after their cell died")                            \
    E(job_refused,                                                                                 \
      "requests that a cell which has broken a limit did not begin: run again, or 503")            \
    E(job_no_cell, "no cell could be had for the script: 503")                                     \
    E(job_table_full, "too many jobs: 503")                                                        \
    E(job_no_chunks, "arena exhausted: 503")                                                       \
    E(job_bad_head, "answers with a malformed head: 502")                                          \
    E(job_bad_length, "answers whose body is not as long as they said: cut")                       \
    E(job_overdue, "jobs cut: far over their wall clock limit, which their process did not keep")  \
    E(job_linger_limit, "jobs that did not end in time behind their answer, or their cut: their "  \
                        "process is ended")                                                        \
    E(job_late, "messages for a job that is over")                                                 \
    E(job_bad_message, "messages that break the contract: the cell is ended")                      \
    E(warm_sent, "cells asked for ahead of a request")                                             \
    E(warm_demanded, "of these, in demand: hot here, or about to have its home here too")          \
    E(warm_useful, "of these, ready when the first request came")                                  \
    E(warm_late, "of these, not ready yet when the first request came")                            \
    E(warm_wasted, "of these, never asked for")                                                    \
    E(warm_hidden_us, "microseconds of cold starts that no request waited for")                    \
    E(warm_budget, "cells not asked for: over the budget")                                         \
    E(sub_started, "requests of scripts to other scripts")                                         \
    E(sub_depth, "of these, refused: the chain is too deep")                                       \
    E(sub_budget, "of these, refused: the request has made as many calls as it may")               \
    E(sub_forbidden, "of these, refused: another account's script does not list the caller")       \
    E(sub_cpu, "of these, refused: the request has used its CPU time")                             \
    E(sub_wall, "of these, refused: the request has used its time")                                \
    E(sub_refused, "of these, refused for another reason")

#define COUNTERS_RPC(D, E)                                                                         \
    E(account_full, "requests refused: their account has as many under way as it may")             \
    E(place_here, "requests that run here")                                                        \
    E(place_hot, "of these, because the script is hot here")                                       \
    E(place_home, "requests sent to their home")                                                   \
    E(place_warming, "of these, because the script is hot here but not warm yet")                  \
    E(place_widened, "times that the number of homes of a busy script doubled")                    \
    E(place_refused, "requests refused for overload here and elsewhere: 503")                      \
    E(call_accepted, "calls that their home accepted")                                             \
    E(call_bounced, "calls that their home handed back")                                           \
    E(call_bounced_served, "of these, answered here")                                              \
    E(call_wasted_bytes, "body bytes sent to a home that handed the call back")                    \
    E(call_lost, "calls whose home died")                                                          \
    E(call_cancelled, "calls to a home whose client left")                                         \
    E(call_source_limit, "requests refused, as their source has its share of the chunks: 503")     \
    E(call_no_chunks, "calls that found no chunks to begin with: they wait, go back, or get 503")  \
    E(serve_calls, "calls of other nodes")                                                         \
    E(serve_accepted, "of these, accepted")                                                        \
    E(serve_bounced, "of these, handed back")                                                      \
    E(serve_bad, "calls of other nodes that are malformed")                                        \
    E(serve_false, "calls of other nodes whose context contradicts the scripts here: handed back") \
    E(serve_cancelled, "calls of other nodes that they gave up")                                   \
    E(capability_bad, "malformed capabilities")                                                    \
    E(capability_foreign, "capabilities of another node or core")                                  \
    E(capability_forged, "capabilities with a wrong MAC")                                          \
    E(capability_expired, "capabilities after their time")                                         \
    E(capability_spent, "capabilities used before, or revoked")                                    \
    E(rpc_handshakes, "channels opened")                                                           \
    E(rpc_down, "channels lost")                                                                   \
    E(rpc_released, "channels on call that were given back for want of slots")                     \
    E(rpc_no_slot, "channels not made: every slot is taken")                                       \
    E(rpc_lost_packets, "packets of channels taken as lost")                                       \
    E(rpc_rekeys, "changes of a channel's keys")                                                   \
    E(rpc_no_memory, "stream bytes not taken for want of chunks")                                  \
    E(rpc_bad_frame, "frames or records that break the protocol: the channel is closed")           \
    E(rpc_ring_differs, "RING messages of nodes with another ring")                                \
    E(handover_sent, "scripts handed over to another node")                                        \
    E(handover_taken, "scripts taken over from another node")                                      \
    E(event_bad, "trace events of another node that are malformed, or of another request")         \
    E(event_lost, "trace events with no way to their sink")                                        \
    E(note_dropped, "messages between control threads dropped")

#define COUNTERS_EGRESS(D, E)                                                                      \
    E(egress_fetches, "requests of scripts to the world")                                          \
    E(egress_answers, "of these, answered with a head")                                            \
    E(egress_off, "refused: egress.enabled is false")                                              \
    E(egress_bad_url, "refused: a URL that is none for fetch, or a head that is malformed")        \
    E(egress_bad_port, "refused: a port that no request may go to")                                \
    E(egress_forbidden, "refused: no address of the name may be reached")                          \
    E(egress_forbidden_addresses, "addresses not connected to: scripts may not reach them")        \
    E(egress_busy, "refused: too many under way, of all or of an account, or no memory")           \
    E(egress_account_limit, "of these, for the account had as many as it may")                     \
    E(egress_no_name, "failed: the name has no address")                                           \
    E(egress_no_connection, "failed: no connection, or it was lost")                               \
    E(egress_tls_failed, "failed: TLS, a certificate that is not for the name or not trusted")     \
    E(egress_bad_answer, "failed: the answer breaks HTTP/1.1, or was cut")                         \
    E(egress_timeout, "failed: no connection, head or body in time")                               \
    E(egress_bad_body, "failed: the script's body is not as long as it said")                      \
    E(egress_conns, "connections opened to the world")                                             \
    E(egress_reused, "requests on a kept connection")                                              \
    E(egress_retried, "of these, sent again: the connection had gone")                             \
    E(egress_resumed, "TLS handshakes with the world that resumed a session")                      \
    E(egress_in_bytes, "body bytes of answers of the world")                                       \
    E(egress_out_bytes, "body bytes of requests to the world")                                     \
    E(dns_questions, "questions sent to DNS servers, repeated ones too")                           \
    E(dns_hits, "names whose addresses were remembered")                                           \
    E(dns_answers, "answers of DNS servers that were taken")                                       \
    E(dns_negative, "of these, that there is no such name or address")                             \
    E(dns_failed, "of these, that the server cannot say")                                          \
    E(dns_bad, "datagrams to our ports that are no answer to a question of ours")                  \
    E(dns_truncated, "questions asked again by TCP")                                               \
    E(dns_timeout, "names that no server answered for in time")

#define COUNTER_LIST(D, E)                                                                         \
    COUNTERS_NET(D, E)                                                                             \
    COUNTERS_TCP(D, E)                                                                             \
    COUNTERS_HTTP(D, E) COUNTERS_JOB(D, E) COUNTERS_RPC(D, E) COUNTERS_EGRESS(D, E)

struct counters {
    uint64_t rx_frames;
#define COUNTER_FIELD(name, text) uint64_t name;
    COUNTER_LIST(COUNTER_FIELD, COUNTER_FIELD)
#undef COUNTER_FIELD
};

/* rx_frames less all dispositions: 0 between two bursts. */
static inline int64_t counters_unaccounted(const struct counters *c)
{
    uint64_t sum = 0;
#define COUNTER_ADD(name, text) sum += c->name;
#define COUNTER_SKIP(name, text)
    COUNTER_LIST(COUNTER_ADD, COUNTER_SKIP)
#undef COUNTER_ADD
#undef COUNTER_SKIP
    return (int64_t)(c->rx_frames - sum);
}

enum counter_kind { COUNTER_TOTAL, COUNTER_DISPOSITION, COUNTER_EVENT };

typedef void (*counters_visit)(void *arg, const char *name, const char *text, enum counter_kind,
                               uint64_t value);

/* Calls visit for each counter in the order of the list, rx_frames first. Any thread. */
void counters_each(const struct counters *, counters_visit visit, void *arg);

#endif
