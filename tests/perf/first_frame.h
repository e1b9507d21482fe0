/* first_frame.h
 *
 * What a client's first frame goes through before anything is answered, by the functions that a
 * core uses, in its order, in bursts as it takes them: for measurements.
 *
 *   frame -> checksum -> Ethernet, IP -> TCP header, flow -> guard: the name -> script -> its home
 *            csum        net             flow                hello              route     ring
 *
 * A frame is a real ClientHello of a client (fuzz_tls's corpus) that fits one segment, with the
 * name of one of so many hosts in it; one client sends none. A sample is one of the mix for each
 * host, and behind these one of each shape for the first host. Not in it: the copy into the stream,
 * and what the connection keeps of it.
 *
 * One of it in a program.
 */
#ifndef HEARTH_PERF_FIRST_FRAME_H
#define HEARTH_PERF_FIRST_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/net/net.h"
#include "dataplane/tcp/flow.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/guard.h"

enum { FIRST_FRAME_HOSTS_MAX = 60000 };

enum stage { CSUM, NET, FLOW, HELLO, ROUTE, RING, STAGES };

struct burst {
    struct frame frame[PORT_BURST];
    struct net_packet packet[PORT_BURST];
    struct flow_key key[PORT_BURST];
    uint32_t hash[PORT_BURST];
    struct tcp_segment segment[PORT_BURST];
    uint32_t conn[PORT_BURST];
    struct guard guard[PORT_BURST];
    uint32_t script[PORT_BURST]; /* UINT32_MAX: none */
    uint16_t home[PORT_BURST];
};

struct first_frames {
    uint32_t hosts;
    uint32_t shapes, mix; /* the first ones are the mix: those without a point of a NIST curve */
};

/* directory: of the ClientHellos; take: memory of a name, aligned for a cache line, or NULL.
 * False: no memory, or no ClientHello. */
bool first_frame_build(struct first_frames *, const char *directory, uint32_t hosts,
                       void *(*take)(const char *name, size_t bytes));
const char *first_frame_shape(uint32_t shape, uint32_t *frame_bytes);

void first_frame_burst(struct burst *, const uint32_t order[PORT_BURST]);
/* The births of their connections. */
void first_frame_begin(struct burst *);
/* One stage of all frames; those before it were. */
void first_frame_run(struct burst *, enum stage);
/* What is wrong is not to be measured: ends the program. */
void first_frame_check(const struct burst *, const uint32_t order[PORT_BURST]);

#endif
