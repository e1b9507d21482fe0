/* limits.h
 *
 * Every maximum of the data plane, in one place. What an operator may tune is in struct world_limits (world.h)
 * and starts from the *_DEFAULT values here; limits_print sums the bytes that one dp core can ever use.
 */
#ifndef HEARTH_LIMITS_H
#define HEARTH_LIMITS_H

#include <stdint.h>
#include <stdio.h>

enum {
    /* the core */
    CORE_CONNS_DEFAULT = 16384,     /* connections of one core, all states */
    CORE_CHUNKS_DEFAULT = 32768,    /* 2 KiB chunks of one core: 64 MiB for stream buffers */
    CHUNK_BYTES = 2048,
    CORE_BURSTS_PER_ITERATION = 8,

    /* link and network */
    NEIGHBOURS_MAX = 1024,
    NEIGHBOUR_QUERY_INTERVAL_MS = 250,
    NEIGHBOUR_QUERIES_MAX = 8,
    NEIGHBOUR_STALE_S = 60,
    NET_ADDRESSES_MAX = 16,
    ICMP_PER_SECOND = 1000,         /* replies and errors of one core */

    /* tcp */
    TCP_RX_WINDOW_BYTES = 256 * 1024,
    TCP_TX_BUFFER_BYTES = 256 * 1024,
    TCP_OOO_RANGES_MAX = 16,
    TCP_SYN_RCVD_MAX = 4096,        /* half-open connections of one core */
    TCP_SYN_RETRIES = 5,
    TCP_DATA_RETRIES = 12,
    TCP_TIME_WAIT_MS = 10000,       /* 2 MSL; short, as RFC 6191 lets timestamps guard reuse */
    TCP_RTO_MIN_MS = 200,
    TCP_RTO_MAX_MS = 60000,
    TCP_DELAYED_ACK_MS = 40,
    TCP_KEEPALIVE_S = 75,
    TCP_KEEPALIVE_PROBES = 5,
    TCP_KEEPALIVE_INTERVAL_S = 10,
    TCP_FIN_WAIT_2_MS = 20000,      /* of a connection whose owner is gone */
    TCP_CHALLENGE_INTERVAL_MS = 100, /* challenge ACKs of one connection (RFC 5961) */
    TCP_MSS_MIN = 64,               /* a peer that announces less is taken to mean this */
    TCP_PATH_MSS_MIN = 500,         /* what packet-too-big may lower it to: forged ones do little harm */

    /* tls */
    SNI_HELLO_BYTES_MAX = 16384,    /* a ClientHello with all its records */
    HELLO_TIMEOUT_MS = 10000,       /* first byte to the end of the handshake */

    /* http */
    HTTP_HEAD_BYTES_MAX = 24 * 1024, /* request line and fields; with what hearth adds it fits JOB_HEAD_BYTES_MAX */
    HTTP_FIELDS_MAX = 100,
    HTTP_TARGET_BYTES_MAX = 16 * 1024,
    HTTP_CHUNK_EXT_BYTES_MAX = 256,
    HTTP_IDLE_TIMEOUT_MS = 75000,   /* keep-alive */
    HTTP_HEAD_TIMEOUT_MS = 15000,   /* first byte to the last byte of a head */
    HTTP_BODY_STALL_MS = 30000,     /* no body byte, no response byte taken */
    HTTP_PIPELINE_BYTES_MAX = 64 * 1024,

    /* names and routes */
    HOST_BYTES_MAX = 253,
    SCRIPT_NAME_BYTES_MAX = 63,
    SCRIPTS_MAX = 65536,
    ROUTES_MAX = 65536,
    CERTS_MAX = 4096,
    RUNTIMES_MAX = 32,
};

#endif
