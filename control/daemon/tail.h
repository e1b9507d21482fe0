/* tail.h
 *
 * Log lines of scripts, wherever they run, for whoever tails them at this node.
 *
 *   a client here reads SCRIPT                 another node
 *     tail_follow --"tail" {script, behalf,      tail_take_request: whether the client may
 *                           capability}-------->     (behalf.h); remembered for TAIL_LIFE_MS
 *         every TAIL_RENEW_MS again                    a cell there logs a line of it
 *     tail_take_line <--"line" {capability, line}------ tail_give
 *         redeemed here: on to the clients
 *
 * The capability (kind TAIL, of this control thread) is what makes a line welcome: without it any
 * member could put words into any script's mouth here. It expires with the request; each renewal
 * brings another, and the ones that ran out are revoked. A line whose capability is forged,
 * foreign, expired or spent is refused and counted, and so is one of a script that was not asked
 * for. Of a line only its known fields are shown, each within its bounds; what else a member says
 * is dropped.
 *
 * Bounded: TAIL_SCRIPTS_MAX asked for here, TAIL_REQUESTS_MAX remembered for others; a line over
 * NOTE_BYTES_MAX is cut; what the rings do not take is lost, and the next line says how many.
 * Control thread only. Time comes from the caller.
 */
#ifndef HEARTH_TAIL_H
#define HEARTH_TAIL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "control/daemon/behalf.h"
#include "dataplane/base/limits.h"
#include "dataplane/rpc/capability.h"

enum {
    TAIL_SCRIPTS_MAX = 32,
    TAIL_REQUESTS_MAX = 64,
    TAIL_LIFE_MS = 10000,
    TAIL_RENEW_MS = 3000,
    TAIL_CAPABILITIES =
        4, /* of one script, out at once: a line may be on its way while the next one goes out */
    TAIL_SLOTS = TAIL_SCRIPTS_MAX * TAIL_CAPABILITIES,
};
_Static_assert(TAIL_CAPABILITIES *TAIL_RENEW_MS >= TAIL_LIFE_MS, "none is revoked before its time");

struct tail_wish {
    const char *script; /* an id, "account/", or "" for all: script_id_is_of */
    const struct behalf *behalf;
};

struct tail_io {
    /* Consumes note; NOTE_TO_ALL is possible. */
    bool (*send)(void *arg, uint16_t node, json_t *note);
    /* A line of another node for the clients here that have this wish. Borrows line. */
    void (*show)(void *arg, uint16_t from, const char *script, const struct tail_wish *,
                 const json_t *line);
    void *arg;
};

struct tail_script {                      /* asked for by clients here */
    uint64_t number;                      /* the capability's object; 0: free */
    char script[SCRIPT_ID_BYTES_MAX + 1]; /* as in a wish */
    struct behalf behalf;
    uint32_t issued;
    uint8_t sealed[TAIL_CAPABILITIES][CAPABILITY_BYTES];
};

struct tail_request { /* of another node */
    bool is_used;
    uint16_t node;
    char script[SCRIPT_ID_BYTES_MAX + 1], wanted[SCRIPT_ID_BYTES_MAX + 1];
    uint8_t sealed[CAPABILITY_BYTES];
    uint64_t expires_ms;
    uint32_t lost;
};

struct tail_counts {
    uint64_t given, lost; /* lines for other nodes */
    uint64_t taken;       /* lines of other nodes */
    uint64_t bad;         /* notes that make no sense */
    struct behalf_counts behalf;
    uint64_t
        refused[CAPABILITY_SPENT + 1]; /* by enum capability_result; [OK]: not of that script */
};

struct tail {
    struct tail_io io;
    struct capability_table table;
    struct capability_slot slot[TAIL_SLOTS];
    uint64_t last_number;
    struct tail_script script[TAIL_SCRIPTS_MAX];
    struct tail_request request[TAIL_REQUESTS_MAX];
    struct tail_counts counts;
};

/* own_id: of this node; key: random, of this start. */
void tail_init(struct tail *, uint64_t own_id, const uint8_t key[16], const struct tail_io *);

/* What clients here read now: asks the other nodes for it, again for what was asked before;
 * forgets the rest. At every change, and every TAIL_RENEW_MS while there is any. */
void tail_follow(struct tail *, const struct tail_wish *, uint32_t count, uint64_t now_ms);

/* A cell of this node logged a line {"script":S, "text":S, ...}: goes to the nodes that asked
 * for it. Borrows line. */
void tail_give(struct tail *, const char *script, const json_t *line, uint64_t now_ms);

/* The notes "tail" and "line". wanted: what the first asks for must lie in; all if that is "". */
void tail_take_request(struct tail *, uint16_t from, const char *wanted, const json_t *note,
                       uint64_t now_ms);
void tail_take_line(struct tail *, uint16_t from, const json_t *note, uint64_t now_ms);

#endif
