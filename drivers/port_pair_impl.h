/* port_pair_impl.h
 *
 * Shared by port_pair.c (who is active, and the packet path of failover) and port_pair_lacp.c (that
 * of lacp, and what is said with the partner); nobody else includes it.
 *
 * LACP's frames come by the core of queue 0, where what is not IP goes, and leave by it; the
 * machine is control's. Between them is a box for one frame of each member, each way:
 *
 *     core of queue 0 -- in --> port_pair_look, ten times a second: lacp.h -- out --> and wake_fd
 */
#ifndef HEARTH_PORT_PAIR_IMPL_H
#define HEARTH_PORT_PAIR_IMPL_H

#include <string.h>

#include "drivers/lacp.h"
#include "drivers/port_pair.h"
#include "drivers/spread.h"

enum { PAIR_MAC_BYTES = 6, PAIR_CACHE_LINE = 64 };

struct pair_queue {
    _Alignas(PAIR_CACHE_LINE) uint64_t rx_standby;
    uint64_t rx_unseen, rx_unseen_bytes; /* of the members' frames, what the data plane was not
                                            given: the standby's, and LACP's */
    uint32_t turn;                       /* lacp: who is read first */
};

/* Whoever finds is_full as he wants it has the rest to himself until he changes it. */
struct pair_box {
    _Atomic bool is_full;
    uint16_t bytes;
    uint8_t frame[LACP_FRAME_BYTES];
};

struct port_pair {
    struct port base;
    struct port *member[PORT_PAIR_MEMBERS];
    enum port_pair_mode mode;

    /* failover: cores read */
    _Atomic uint32_t active;
    _Atomic bool is_other_down; /* the one that is not active has no link */

    /* lacp: cores read; bit n is member n */
    _Atomic uint32_t taken_from, sent_by;
    struct spread flows; /* by which a flow has its member */
    struct pair_box in[PORT_PAIR_MEMBERS], out[PORT_PAIR_MEMBERS];
    int wake_fd; /* -1: failover */

    /* control's */
    struct lacp lacp;
    uint64_t failback_ns, switches;
    uint64_t up_since_ns[PORT_PAIR_MEMBERS]; /* 0: it has no link */
    uint32_t epoch_seen;                     /* of the active one */
    uint64_t announce_at_ns;                 /* 0: all is said */
    bool has_looked;

    struct pair_queue queue[PORT_QUEUES_MAX];
};

static inline struct port_pair *pair_self(struct port *p)
{
    return (struct port_pair *)p; /* base is the first member */
}

static inline bool pair_has_link(const struct port *member)
{
    return member->link.is_up && !member->link.is_released;
}

/* Not for the data plane. */
static inline void pair_drop(struct port_pair *p, struct port *member, uint16_t queue,
                             struct frame *f)
{
    p->queue[queue].rx_unseen++;
    p->queue[queue].rx_unseen_bytes += f->len;
    port_free(member, queue, f, 1);
}

extern const struct port_ops port_pair_lacp_ops;

/* port_pair.c: what both modes share. */
void port_pair_free(struct port *, uint16_t queue, struct frame *, uint16_t count);
bool port_pair_tx_alloc(struct port *, uint16_t queue, struct frame *);
bool port_pair_tx_alloc_large(struct port *, uint16_t queue, struct frame *);
int port_pair_wait_fds(struct port *, uint16_t queue, int *fds, int max);
void port_pair_stats(struct port *, uint16_t queue, struct port_stats *);
void port_pair_close(struct port *);

/* port_pair_lacp.c: 0 or -errno; a round of what is said with the partners. True: other members
 * send than before. */
int port_pair_lacp_open(struct port_pair *);
bool port_pair_lacp_look(struct port_pair *, uint64_t now_ns);

#endif
