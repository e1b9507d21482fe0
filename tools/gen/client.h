/* client.h
 *
 * Good clients: each has an address and a connection to the plain port that is kept, and asks GET /
 * at its pace. What is lost is sent again, as by any TCP, though without its finesse: a request
 * fits one segment, and an answer is read in order or not at all.
 *
 *   CLOSED -> SYN_SENT -> IDLE -> ASKED -> IDLE ...        a reset or FIN: CLOSED, and again
 *
 * A request that is due while the last one has no answer yet is not asked, and counted as `late`:
 * so asked = the pace of all, less late. Single thread; memory from malloc at the start.
 */
#ifndef HEARTH_GEN_CLIENT_H
#define HEARTH_GEN_CLIENT_H

#include "dataplane/tcp/tcp.h"
#include "tools/gen/histogram.h"
#include "tools/gen/sender.h"

enum { CLIENTS_MAX = 4096 };

struct client;

struct clients {
    struct client *client;
    uint32_t count;
    uint64_t interval_ns; /* of one client, between two requests */
    uint64_t look_ns;     /* when it is time to look after them */
    bool is_asking, is_over;
    char request[512];
    uint32_t request_bytes;
    uint64_t asked, answered, late, again, ended, bad; /* bad: not 200 */
    struct histogram wait;
};

/* They begin to connect; seed: from which ports. rate_per_s: of all together. False: no memory, or
 * the host is too long. */
bool clients_init(struct clients *, uint32_t count, double rate_per_s, const char *host,
                  uint64_t seed);
/* They begin to ask, not all at once. */
void clients_start(struct clients *, uint64_t now_ns);
void clients_fini(struct clients *);
/* Does what is due. Call as often as possible. */
void clients_run(struct clients *, const struct packets *, struct sender *, uint64_t now_ns);
/* They finish what they have begun, and begin nothing. */
void clients_stop(struct clients *);
/* A segment to ip; false: there is no such client. */
bool clients_input(struct clients *, const struct packets *, struct sender *, uint32_t ip,
                   const struct tcp_segment *, uint64_t now_ns);
/* How many have asked and wait; how many have no connection. */
uint32_t clients_waiting(const struct clients *);
uint32_t clients_apart(const struct clients *);

#endif
