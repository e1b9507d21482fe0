/* model_caller.h
 *
 * A client that makes one request after the other, each over a TCP connection of its own, and knows
 * every byte of the answer in advance: the quiet sibling of model_client, for simulations that are
 * about what happens behind the first node.
 *
 *   caller_open -> connect -> head and body as TCP takes them -> answer checked as it comes ->
 *   callers.done(how it ended)
 *
 * One that keeps its connection is then idle, and makes its next request by caller_again; one that
 * is mute never says anything.
 */
#ifndef HEARTH_SIM_MODEL_CALLER_H
#define HEARTH_SIM_MODEL_CALLER_H

#include "tests/sim/sim.h"
#include "tests/sim/station.h"

enum caller_end {
    CALLER_ANSWERED, /* whole; look at status */
    CALLER_CUT,      /* ended behind the head */
    CALLER_LOST,     /* reset, or ended, before the head */
    CALLER_STUCK,    /* nothing came for callers.patience_ns */
    CALLER_LEFT,     /* by its own will */
    CALLER_CLOSED,   /* by the other end: while idle, or of a mute one */
};

struct caller_request {
    const char *method, *host;
    uint32_t answer, id, bytes; /* sim.h: what the path asks for */
    uint32_t body_bytes;
    const uint8_t *server_ip;
    const uint8_t *from_ip; /* of the station; NULL: its first one */
    uint16_t server_port;   /* 0: 80 */
    bool is_mute, keeps;
    bool withholds;    /* its body, for ever */
    bool crawls;       /* reads and writes slowly */
    bool half_closes;  /* behind the request, and its script waits for that */
    uint64_t leave_ns; /* when it goes away; UINT64_MAX: it stays */
};

/* Beside the caller, so that a look at a crowd of them stays in the cache. */
struct caller_text {
    char out[PAD_BYTES_MAX + 512];   /* the request's head */
    char head[PAD_BYTES_MAX + 2048]; /* the answer's */
};

struct caller {
    struct caller_request request;
    uint32_t index;
    struct tcp tcp;
    uint16_t port;
    bool is_open, has_finished;
    bool is_idle;  /* answered, and kept */
    bool is_taken; /* the other end has acknowledged the whole request */
    bool is_first; /* request of its connection */
    uint64_t opened_ns, heard_ns, pause_ns;
    struct caller_text *text;   /* of one that is open, until `done` has returned */
    uint32_t out_bytes, out_at; /* of the head, then of the body */
    uint32_t head_bytes;
    int status; /* 0: none yet */
    bool in_body, is_chunked, is_whole;
    uint64_t left;
    uint32_t body_at, chunk_state, line_bytes;
    char line[64];
};

struct callers {
    struct station *station;
    uint64_t patience_ns;
    uint16_t last_port;
    void (*done)(void *arg, struct caller *, enum caller_end);
    void *arg;
};

void caller_open(struct callers *, struct caller *, const struct caller_request *);
/* The next request of one that is idle, on its connection. */
void caller_again(struct callers *, struct caller *, const struct caller_request *);
void caller_work(struct callers *, struct caller *);
uint64_t caller_next_ns(const struct callers *, const struct caller *);
/* Value of a header of the answer; false: not there. */
bool caller_field(const struct caller *, const char *name, char *value, size_t cap);
void caller_free(struct caller *);

#endif
