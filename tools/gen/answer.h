/* answer.h
 *
 * What comes back, counted by kind and matched to what was sent: an answer that no packet of ours
 * can have called for is STRANGE. Nothing is remembered for it; packet.h says how an answer is
 * recognised.
 *
 * How long an answer took is in its kind's histogram; one that took more than a second is not, as
 * it may be a retransmission, and is counted as `again`.
 */
#ifndef HEARTH_GEN_ANSWER_H
#define HEARTH_GEN_ANSWER_H

#include "tools/gen/client.h"
#include "tools/gen/histogram.h"
#include "tools/gen/sender.h"

#define ANSWER_KINDS(A)                                                                            \
    A(SYN_ACK, "syn_ack")                                                                          \
    A(RST_HELLO, "rst_hello")     /* for a ClientHello without a connection */                     \
    A(RST_NO_PORT, "rst_no_port") /* for a SYN to a port that is closed */                         \
    A(FLIGHT, "flight")           /* the server's part of a handshake */                           \
    A(ACK, "ack")                 /* and nothing with it: in a handshake, or to a second SYN */    \
    A(END, "end")                 /* of a handshake: a reset or FIN */                             \
    A(CLIENT, "client")           /* to a good client */                                           \
    A(ARP, "arp")                                                                                  \
    A(IP6, "ip6") /* announcements and the like: nothing of ours has IPv6 addresses */             \
    A(STRANGE, "strange")

enum answer_kind {
#define ANSWER(id, name) ANSWER_##id,
    ANSWER_KINDS(ANSWER)
#undef ANSWER
        ANSWER_KIND_COUNT
};
enum { ANSWER_STRANGE_BYTES = 96 };
extern const char *const answer_name[ANSWER_KIND_COUNT];

struct answers {
    const struct packets *packets;
    struct sender *sender;
    struct clients *clients;
    bool is_speaking; /* answers answers: handshakes go on, clients too; ARP always */
    uint64_t seen[ANSWER_KIND_COUNT], again;
    struct histogram wait[ANSWER_KIND_COUNT];
    uint32_t hellos;                       /* the next one's number */
    uint8_t strange[ANSWER_STRANGE_BYTES]; /* the beginning of the first that was */
    uint32_t strange_bytes;
};

/* Takes a frame; what is to be said goes to the sender. */
void answer_input(struct answers *, const struct frame *, uint64_t now_ns);

#endif
