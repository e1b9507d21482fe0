/* model_client.h
 *
 * A browser as a dp core sees it: our own TCP, plain or under a wolfSSL client, and requests whose
 * answers it knows in advance. Most are polite; others reset, vanish, stop in the middle, send
 * garbage, read slowly or close their half early.
 *
 *   pending requests --> [ TLS? ] --> tcp --> frames     answers are checked byte by byte
 */
#ifndef HEARTH_SIM_MODEL_CLIENT_H
#define HEARTH_SIM_MODEL_CLIENT_H

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/settings.h>

#include <wolfssl/ssl.h>

#include "tests/sim/sim.h"
#include "tests/sim/station.h"

enum { CLIENT_REQUESTS = 8, CLIENT_IDS = 100 };

enum manner {
    POLITE,
    HALF_CLOSES, /* FIN or close_notify behind the last request, whose script waits for it */
    CRAWLS,      /* reads slowly, through small windows */
    GARBLES,     /* ends with a malformed request */
    RESETS,
    VANISHES,
    STOPS, /* sends a part, then nothing or a byte a second, but stays; without a part: silent */
};

struct request {
    uint32_t answer, id, bytes, body_bytes;
    uint16_t status; /* that a calm world answers */
    bool is_post, is_head, is_old, is_close, expects;
    bool may_cut;  /* the connection ends in the middle of the answer */
    uint32_t gate; /* of pending: written no further before "100 Continue"; 0: none */
};

struct client {
    struct tcp tcp;
    WOLFSSL *ssl; /* NULL: plain */
    uint16_t port;
    enum manner manner;
    bool is_open, is_connected, has_finished, must_close;
    struct request request[CLIENT_REQUESTS];
    uint32_t request_count, answered;
    uint8_t *pending; /* bytes of requests not yet written */
    uint32_t pending_at, pending_bytes, pending_cap;
    uint64_t gives_up_ns, pause_until_ns;
    uint32_t stops_at; /* of pending: STOPS */
    uint64_t drips_ns; /* the next byte behind it; UINT64_MAX: never */
    /* the answer being read */
    char head[PAD_BYTES_MAX + 2048];
    uint32_t head_bytes;
    int status;
    bool in_body, is_chunked;
    uint64_t left; /* UINT64_MAX: to the end of the connection */
    uint32_t body_at, chunk_state;
    char line[64];
    uint32_t line_bytes;
};

/* What all clients share. */
struct clients {
    struct station *station;
    const uint8_t *server_ip;
    WOLFSSL_CTX *ctx;  /* NULL: no TLS in this run */
    bool is_disturbed; /* a runtime died, chunks ran out, the core stops: 5xx and cuts may come */
    bool may_stall;    /* somebody's packets went astray: 408 and 504 too */
    bool is_ending;    /* the core is gone: no new connection, any end is fine */
    uint32_t answers[6], cut;       /* by the status's first digit */
    uint32_t said[16 * CLIENT_IDS]; /* of the body of answer id, before its script failed */
};

void model_client_start(struct clients *, struct client *, uint32_t index);
void model_client_work(struct clients *, struct client *);
void model_client_free(struct client *);
uint64_t model_client_next_ns(const struct client *);

#endif
