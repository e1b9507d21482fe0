/* limits.h
 *
 * Every maximum of the data plane, and those of the control thread that face strangers, in one
 * place. What an operator may tune is in struct world_limits (world.h) and starts from the
 * *_DEFAULT values here. One list: the constants and what limits_print shows are made from it; it
 * also sums the bytes that one dp core can ever use. Units are the ends of the names.
 */
#ifndef HEARTH_LIMITS_H
#define HEARTH_LIMITS_H

#include <stdint.h>
#include <stdio.h>

#define LIMITS_CORE(L)                                                                             \
    L(CORE_CONNS_DEFAULT, 16384, "connections of one core, all states")                            \
    L(CORE_CHUNKS_DEFAULT, 32768, "chunks of one core for stream buffers")                         \
    L(CHUNK_BYTES, 2048, "bytes of a chunk")                                                       \
    L(CHUNKS_UPLOADS_PART, 8, "while chunks are short, requests still to come have 1/8 of them")   \
    L(CHUNKS_HEADS_PART, 16, "that heads not whole leave free, beside what calls that begin do")   \
    L(CHUNKS_WINDOW_PART, 2, "of the chunks to spare one connection's window shows at most 1/2")   \
    L(SOURCE_SHARE_PERCENT_DEFAULT, 25, "of what is scarce, for one source")                       \
    L(CORE_BURSTS_PER_ITERATION, 8, "receive bursts before the core looks at anything else")       \
    L(CORE_SLICE_US, 1000, "of an iteration for each kind of work; one piece is done always")      \
    L(CORE_SLICE_UNITS, 512, "pieces of work in a slice")                                          \
    L(CORE_MODERATION_US, 150, "that frames of a bulk transfer may gather while a core sleeps")    \
    L(CORE_LONG_ITERATION_US, 10000, "an iteration that takes longer is counted")

#define LIMITS_NET(L)                                                                              \
    L(NEIGHBOURS_MAX, 1024, "neighbours of the node: hosts on its link")                           \
    L(NEIGHBOUR_QUERY_INTERVAL_MS, 250, "between two queries for a neighbour")                     \
    L(NEIGHBOUR_QUERIES_MAX, 8, "queries without an answer until a neighbour is given up")         \
    L(NEIGHBOUR_STALE_S, 60, "until a neighbour in use is asked again")                            \
    L(HOPS_MAX, 64, "unknown neighbours whose answer one core waits for with what it has to say")  \
    L(HOPS_LOOK_MS, 10, "until a core sees what another one has learned of them")                  \
    L(HOPS_BUFFER_MS, 2, "between two tries of those that found no frame buffer")                  \
    L(HOPS_BUFFER_WAITERS, 64, "of them that try at a time")                                       \
    L(HOPS_PER_ITERATION, 256, "connections that go on when their neighbour is known")             \
    L(NET_MTU4_MIN, 576,                                                                           \
      "MTU of a port with IPv4 addresses only (RFC 791: what a host must take)")                   \
    L(NET_MTU6_MIN, 1280, "MTU of a port with IPv6 addresses (RFC 8200 5)")                        \
    L(PORT_MTU_MAX, 9000, "MTU of a port that the configuration may ask for")                      \
    L(PORT_DESCRIPTORS_MAX, 8192, "of a queue of the card, each way")                              \
    L(NET_ADDRESSES_MAX, 16, "addresses of the node, IPv4 and IPv6")                               \
    L(EXCEPTION_ADDRESSES_MAX, 8, "addresses of the host on its tap")                              \
    L(EXCEPTION_RULES_MAX, 32, "rules for what of a shared address is the host's")                 \
    L(EXCEPTION_RATE_DEFAULT, 10000,                                                               \
      "frames a second from one core to the tap, of neighbours, and as many of others")            \
    L(EXCEPTION_BURST, 256, "of these at once")                                                    \
    L(EXCEPTION_LOOK_US, 100, "between two looks of a busy core at the tap")                       \
    L(EXCEPTION_FRAMES_PER_LOOK, 32, "frames of the tap that such a look takes")                   \
    L(DECAPSULATION_SOURCES_MAX, 16, "prefixes of balancers")                                      \
    L(ICMP_PER_SECOND, 1000, "replies and errors of one core")                                     \
    L(ICMP_BURST, 100, "replies and errors that may go at once")                                   \
    L(IP6_EXTENSIONS_MAX, 8, "extension headers of an IPv6 packet")

#define LIMITS_TCP(L)                                                                              \
    L(TCP_RX_WINDOW_BYTES, 256 * 1024, "received bytes that one connection may hold")              \
    L(TCP_TX_BUFFER_BYTES, 256 * 1024, "bytes to send that one connection may hold")               \
    L(TCP_OOO_RANGES_MAX, 16, "gaps in what one connection has received")                          \
    L(TCP_SYN_RCVD_MAX, 4096, "half-open connections of one core, and a quarter of all it has")    \
    L(TCP_SYN_RETRIES, 5, "times a SYN or SYN-ACK is sent again")                                  \
    L(TCP_DATA_RETRIES, 12, "times data is sent again until the connection is given up")           \
    L(TCP_TIME_WAIT_MS, 10000, "2 MSL; short, as RFC 6191 lets timestamps guard reuse")            \
    L(TCP_RTO_MIN_MS, 200, "shortest retransmission timeout")                                      \
    L(TCP_RTO_MAX_MS, 60000, "longest retransmission timeout")                                     \
    L(TCP_OVERRIDE_MS, 1000, "bytes that fill a small window only may wait for a larger one")      \
    L(TCP_DELAYED_ACK_MS, 40, "an ACK may wait for company")                                       \
    L(TCP_KEEPALIVE_S, 75, "silence until a keepalive probe")                                      \
    L(TCP_KEEPALIVE_PROBES, 5, "probes without an answer until a connection is given up")          \
    L(TCP_KEEPALIVE_INTERVAL_S, 10, "between two keepalive probes")                                \
    L(TCP_FIN_WAIT_2_MS, 20000, "for the FIN of a peer whose connection has no owner any more")    \
    L(TCP_CHALLENGE_INTERVAL_MS, 100, "between challenge ACKs of one connection (RFC 5961)")       \
    L(TCP_OLD_ACKS_MAX, 16, "ACKs in that time to segments that bring nothing")                    \
    L(TCP_MSS_MIN, 64, "a peer that announces less is taken to mean this")                         \
    L(TCP_PATH_MSS_MIN, 500, "what packet-too-big may lower it to: forged ones do little harm")

#define LIMITS_TLS(L)                                                                              \
    L(HELLO_BYTES_MAX, 64 * 1024, "a ClientHello")                                                 \
    L(HELLO_WIRE_BYTES_MAX, 128 * 1024, "the same with the headers of its records")                \
    L(HELLO_SHARES_MAX, 16, "key shares in it")                                                    \
    L(EARLY_DATA_BYTES_MAX, 16 * 1024, "early data and the like, dropped until the handshake")     \
    L(TLS_IDLE_RECORDS_MAX, 32, "records in a row that bring no data: KeyUpdates, empty ones")     \
    L(HANDSHAKES_WAITING_MAX, 512, "handshakes that wait for their first turn; more are refused")  \
    L(HANDSHAKES_PER_ITERATION, 16, "turns of handshakes, if their slice allows as many")          \
    L(HELLO_TIMEOUT_MS, 10000, "first byte to the end of the handshake")                           \
    L(HELLO_CANCEL_MS, 1000, "that a client whose handshake took too long gets to take leave")     \
    L(WARM_PER_SECOND, 2000, "cells that one core asks for at ClientHello time")                   \
    L(WARM_BURST, 256, "of these at once")

#define LIMITS_HTTP(L)                                                                             \
    L(HTTP_HEAD_BYTES_MAX, 24 * 1024,                                                              \
      "request line and fields; with what hearth adds it fits JOB_HEAD_BYTES_MAX")                 \
    L(HTTP_FIELDS_MAX, 100, "header fields of a request")                                          \
    L(HTTP_TARGET_BYTES_MAX, 16 * 1024, "request target, as sent and as a URL has it")             \
    L(HTTP_CHUNK_EXT_BYTES_MAX, 256, "extensions of one body chunk")                               \
    L(HTTP_IDLE_TIMEOUT_MS, 75000, "keep-alive")                                                   \
    L(HTTP_HEAD_TIMEOUT_MS, 15000, "first byte to the last byte of a head")                        \
    L(HTTP_BODY_STALL_MS, 30000, "no body byte, no response byte taken")                           \
    L(HTTP_MIN_RATE_DEFAULT, 256, "bytes a second of a request body, or of an answer taken")       \
    L(HTTP_MIN_RATE_GRACE_MS, 10000, "until a body or a reader may be too slow for that")          \
    L(HTTP_CHUNKS_WAIT_MS, 5000, "a request without stream memory to begin, until it gets 503")

#define LIMITS_NAMES(L)                                                                            \
    L(HOST_BYTES_MAX, 253, "a host name (RFC 1035)")                                               \
    L(SCRIPT_NAME_BYTES_MAX, 63, "name of a script")                                               \
    L(ACCOUNT_NAME_BYTES_MAX, 32, "name of an account")                                            \
    L(SCRIPT_ID_BYTES_MAX, 96, "both, with a slash between them")                                  \
    L(ACCOUNTS_MAX, 1024, "accounts of the node")                                                  \
    L(ACCOUNT_HOSTS_MAX, 64, "hosts and zones of an account")                                      \
    L(ACCOUNT_TOKENS_MAX, 16, "tokens of an account")                                              \
    L(SCRIPTS_MAX, 65536, "scripts of the node")                                                   \
    L(ROUTES_MAX, 65536, "routes of the node")                                                     \
    L(CERTS_MAX, 1024, "certificates of the node")                                                 \
    L(CELLS_MAX, 8192, "cells of the node, spare ones too")                                        \
    L(CELL_LARGES_MAX, 256, "of these, with a large region")                                       \
    L(CELL_LINKS_MAX, 8448, "ways to cells: regions of all of them")

#define LIMITS_CLUSTER(L)                                                                          \
    L(MEMBERS_MAX, 512, "nodes of a cluster")                                                      \
    L(PEERS_CHANNELS_MAX, 1024, "channels of one core to cores of other nodes")                    \
    L(CALLS_DEFAULT, 4096, "requests under way on one core, from clients, peers and scripts")      \
    L(SERVED_DEFAULT, 2048, "of these, from peers")                                                \
    L(SUBS_DEFAULT, 2048, "and from scripts, through bindings")                                    \
    L(SUBREQUESTS_DEFAULT, 1000, "of a client's request, its callees' too")                        \
    L(CPU_MS_DEFAULT, 50, "CPU time of a client's request, its callees' too")                      \
    L(WALL_MS_DEFAULT, 30000, "of a client's request without a byte of a body moving")             \
    L(STREAMS_DEFAULT, 8192, "streams of all channels of one core")                                \
    L(HOT_ENTER_RPM_DEFAULT, 30,                                                                   \
      "requests a minute for one script at one node: from here on it runs where it enters")        \
    L(HOT_LEAVE_RPM_DEFAULT, 12, "below, it goes home again")                                      \
    L(WIDEN_RPS_DEFAULT, 25, "of one script at one home: it gets twice as many homes")             \
    L(NARROW_RPS_DEFAULT, 8, "below, half as many")                                                \
    L(BOUND_PERCENT_DEFAULT, 25,                                                                   \
      "load of a home over the mean before its work goes to a successor")                          \
    L(SHED_TARGET_US_DEFAULT, 20000, "queueing delay of a cell that is fine")                      \
    L(SHED_INTERVAL_MS_DEFAULT, 100, "above the target for so long: overloaded")                   \
    L(SHED_JOBS_PERCENT_DEFAULT, 90, "of the job table in use: overloaded")                        \
    L(SHED_CHUNKS_PERCENT_DEFAULT, 90, "of stream memory in use: overloaded")                      \
    L(SHED_SHARE_PERCENT_DEFAULT, 50, "of the jobs that one script may have while it is tight")    \
    L(OPTIMISTIC_BYTES_DEFAULT, 65536, "W: body bytes sent to a home before it accepts")           \
    L(TRACE_ONE_IN_DEFAULT, 1, "requests whose spans are recorded")

#define LIMITS_EGRESS(L)                                                                           \
    L(EGRESS_CONNS_MAX, 1024, "connections of one core to the world, kept ones too")               \
    L(EGRESS_FETCHES_MAX, 1024, "requests of scripts to the world under way on one core")          \
    L(EGRESS_PORT_FIRST, 12288, "first of our ports for connections and questions to the world")   \
    L(EGRESS_PORTS, 20480, "of them, for all cores together")                                      \
    L(EGRESS_PREFIXES_MAX, 64, "prefixes in egress.allow, and as many in egress.deny")             \
    L(EGRESS_OWN_MAX, 512, "prefixes of the node's own that scripts do not reach")                 \
    L(EGRESS_ADDRESSES_MAX, 8, "addresses of one name that are tried")                             \
    L(EGRESS_RESOLVERS_MAX, 4, "DNS servers")                                                      \
    L(EGRESS_NAMES_MAX, 1024, "names whose addresses one core remembers")                          \
    L(EGRESS_HOSTS_MAX, 256, "lines of /etc/hosts that count")                                     \
    L(EGRESS_RACE_MS, 250, "until the next address of a name is tried beside the first")           \
    L(EGRESS_INTERIM_MAX, 8, "1xx answers before the answer")                                      \
    L(EGRESS_ACCOUNT_FETCHES_DEFAULT, 256, "requests to the world of one account on one core")     \
    L(EGRESS_ACCOUNT_KEPT_DEFAULT, 64, "connections kept for one account on one core")             \
    L(EGRESS_HOST_KEPT_MAX, 8, "of these, to one server")                                          \
    L(EGRESS_CONNECT_MS_DEFAULT, 10000, "for the name, the connection and TLS")                    \
    L(EGRESS_ANSWER_MS_DEFAULT, 60000, "for the head of the answer")                               \
    L(EGRESS_STALL_MS_DEFAULT, 30000, "without a byte of a body")                                  \
    L(EGRESS_KEEP_MS_DEFAULT, 30000, "that a connection is kept for the next request")             \
    L(DNS_TTL_MIN_S, 1, "an answer of DNS is remembered for at least")                             \
    L(DNS_TTL_MAX_S, 300, "and at most")                                                           \
    L(DNS_NEGATIVE_TTL_MAX_S, 30, "that there is no such name, at most")                           \
    L(DNS_TRY_MS, 1000, "until a question is sent again, to the next server")                      \
    L(DNS_TRIES_MAX, 4, "times a question is sent")                                                \
    L(DNS_CNAMES_MAX, 8, "aliases on the way to an address")

#define LIMITS_CONTROL(L)                                                                          \
    L(SUPERVISE_HEARD_BYTES_PER_LOOK, 64 * 1024,                                                   \
      "read from the start socket of one cell in 50 ms: over 200 of the longest log lines a "      \
      "second")                                                                                    \
    L(SUPERVISE_HEARD_OF_ACCOUNT, 128 * 1024, "of all cells of one account together")              \
    L(SUPERVISE_WORDS_BYTES_PER_LOOK, 16 * 1024, "read from the standard error of one in 50 ms")   \
    L(SUPERVISE_WORDS_PER_SECOND, 20, "lines of the standard error of one that are logged")        \
    L(SUPERVISE_WORDS_LINE_BYTES, 500, "of such a line")                                           \
    L(SUPERVISE_KILL_MS, 1000, "from a signal to the next, for one that is to end")                \
    L(SUPERVISE_STOP_MS, 2000, "at the end of hearthd, for all of them to end")                    \
    L(TRIALS_MAX, 32, "deployed versions that are tried at once")                                  \
    L(TRIAL_MS, 20000, "for a cell to say whether a deployed version loads")                       \
    L(CTL_PATIENCE_MS, 60000, "for a client of the control socket to ask, or to take its answer")  \
    L(CTL_DEPTH_MAX, 64, "brackets of a request to the control socket that are open at once")

#define LIMIT_LIST(L)                                                                              \
    LIMITS_CORE(L)                                                                                 \
    LIMITS_NET(L)                                                                                  \
    LIMITS_TCP(L)                                                                                  \
    LIMITS_TLS(L)                                                                                  \
    LIMITS_HTTP(L) LIMITS_NAMES(L) LIMITS_CLUSTER(L) LIMITS_EGRESS(L) LIMITS_CONTROL(L)

enum {
#define LIMIT_ENUM(name, value, text) name = value,
    LIMIT_LIST(LIMIT_ENUM)
#undef LIMIT_ENUM
};

/* A pool that takes memory for the life of a core. */
struct limits_memory {
    const char *what; /* "stream chunks" */
    uint64_t count;
    uint64_t bytes_each;
};

/* Prints every limit, and the memory of one core line by line with its sum. What is not a core's
 * alone (neighbours) is given as its share by whoever adds the line. Returns the sum. */
uint64_t limits_print(FILE *, const struct limits_memory *, uint32_t count);

#endif
