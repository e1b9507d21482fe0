#include "tools/gen/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RTO_MS = 200,
    RTO_DOUBLINGS_MAX = 4,
    LOOK_US = 20,
    ANSWER_HEAD_MAX = 1500,
};

enum client_state { CLIENT_CLOSED, CLIENT_SYN_SENT, CLIENT_IDLE, CLIENT_ASKED };

struct client {
    enum client_state state;
    uint16_t generation; /* each connection has a port of its own */
    uint32_t seq, ack, ts_recent;
    uint64_t due_ns; /* the next request */
    uint64_t asked_ns, sent_ns;
    uint32_t tries;
    uint32_t want, got; /* bytes of the answer; want 0: not known yet */
};

static const uint64_t ms_ns = 1000000;

bool clients_init(struct clients *all, uint32_t count, double rate_per_s, const char *host,
                  uint64_t seed)
{
    *all = (struct clients){.count = count};
    all->request_bytes = (uint32_t)snprintf(all->request, sizeof(all->request),
                                            "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", host);
    all->client = calloc(count + 1, sizeof(struct client));
    if (!all->client || all->request_bytes >= sizeof(all->request))
        return false;
    for (uint32_t i = 0; i < count; i++)
        all->client[i].generation = (uint16_t)rng_mix(seed);
    all->interval_ns = count > 0 ? (uint64_t)(1e9 * count / rate_per_s) : 0;
    return true;
}

void clients_start(struct clients *all, uint64_t now_ns)
{
    all->is_asking = true;
    for (uint32_t i = 0; i < all->count; i++)
        all->client[i].due_ns = now_ns + all->interval_ns * i / all->count;
}

void clients_fini(struct clients *all)
{
    free(all->client);
    all->client = NULL;
}

void clients_stop(struct clients *all)
{
    all->is_asking = false;
    all->is_over = true;
}

uint32_t clients_apart(const struct clients *all)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->count; i++)
        count += all->client[i].state <= CLIENT_SYN_SENT;
    return count;
}

uint32_t clients_waiting(const struct clients *all)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->count; i++)
        count += all->client[i].state == CLIENT_ASKED;
    return count;
}

static uint32_t ip_of(const struct clients *all, const struct client *c)
{
    return PACKET_CLIENT_FIRST + (uint32_t)(c - all->client);
}

static uint16_t port_of(const struct client *c)
{
    return (uint16_t)(PACKET_PORT_CLIENT + c->generation % PACKET_PORTS_EACH);
}

static void say(struct clients *all, const struct packets *packets, struct sender *sender,
                struct client *c, uint8_t flags, uint32_t payload_bytes, uint64_t now_ns)
{
    struct packet_segment s = {.ip = ip_of(all, c),
                               .port = port_of(c),
                               .to_port = packets->config.plain_port,
                               .seq = c->seq,
                               .ack = flags & TCP_ACK ? c->ack : 0,
                               .ts_val = packet_time(now_ns),
                               .ts_ecr = c->ts_recent,
                               .flags = flags,
                               .payload = all->request,
                               .payload_bytes = payload_bytes};
    uint8_t *buf = sender_begin(sender);
    if (buf)
        sender_end(sender, PACKET_CLIENT, packet_segment_write(packets, &s, buf), FRAME_TX_TCP);
    if (flags & TCP_SYN || payload_bytes > 0)
        c->sent_ns = now_ns;
}

static void open_one(struct clients *all, const struct packets *packets, struct sender *sender,
                     struct client *c, uint64_t now_ns)
{
    c->state = CLIENT_SYN_SENT;
    c->generation++;
    c->seq = packet_seq(ip_of(all, c), port_of(c));
    c->tries = 0;
    c->ts_recent = 0;
    say(all, packets, sender, c, TCP_SYN, 0, now_ns);
}

static void ask(struct clients *all, const struct packets *packets, struct sender *sender,
                struct client *c, uint64_t now_ns)
{
    c->state = CLIENT_ASKED;
    c->asked_ns = now_ns;
    c->tries = 0;
    c->want = c->got = 0;
    all->asked++;
    say(all, packets, sender, c, TCP_ACK | TCP_PSH, all->request_bytes, now_ns);
}

static void say_again(struct clients *all, const struct packets *packets, struct sender *sender,
                      struct client *c, uint64_t now_ns)
{
    uint32_t doublings = c->tries < RTO_DOUBLINGS_MAX ? c->tries : RTO_DOUBLINGS_MAX;
    if (now_ns - c->sent_ns < (RTO_MS * ms_ns) << doublings)
        return;
    c->tries++;
    all->again++;
    if (c->state == CLIENT_SYN_SENT)
        say(all, packets, sender, c, TCP_SYN, 0, now_ns);
    else
        say(all, packets, sender, c, TCP_ACK | TCP_PSH, all->request_bytes, now_ns);
}

static void run_one(struct clients *all, const struct packets *packets, struct sender *sender,
                    struct client *c, uint64_t now_ns)
{
    bool is_due = all->is_asking && now_ns >= c->due_ns;
    if (is_due)
        c->due_ns += all->interval_ns;
    switch (c->state) {
    case CLIENT_CLOSED:
        all->late += is_due;
        if (all->is_over)
            break;
        open_one(all, packets, sender, c, now_ns);
        break;
    case CLIENT_IDLE:
        if (is_due)
            ask(all, packets, sender, c, now_ns);
        break;
    default:
        all->late += is_due;
        say_again(all, packets, sender, c, now_ns);
    }
}

void clients_run(struct clients *all, const struct packets *packets, struct sender *sender,
                 uint64_t now_ns)
{
    if (now_ns < all->look_ns)
        return;
    all->look_ns = now_ns + LOOK_US * 1000;
    for (uint32_t i = 0; i < all->count; i++)
        run_one(all, packets, sender, &all->client[i], now_ns);
}

/* How long an answer is, from its first segment, which has its whole head. 0: it cannot be told. */
static uint32_t answer_bytes(const struct tcp_segment *s, bool *is_good)
{
    char head[ANSWER_HEAD_MAX + 1];
    uint32_t n = s->payload_bytes < ANSWER_HEAD_MAX ? s->payload_bytes : ANSWER_HEAD_MAX;
    memcpy(head, s->payload, n);
    head[n] = 0;
    const char *end = strstr(head, "\r\n\r\n"), *length = strcasestr(head, "\ncontent-length:");
    *is_good = strncmp(head, "HTTP/1.1 200 ", 13) == 0;
    if (!end || !length || length > end)
        return 0;
    return (uint32_t)(end + 4 - head) + (uint32_t)strtoul(length + 16, NULL, 10);
}

static void take_answer(struct clients *all, struct client *c, const struct tcp_segment *s,
                        uint64_t now_ns)
{
    bool is_good = true;
    c->ack += s->payload_bytes;
    if (c->state != CLIENT_ASKED) {
        all->bad++; /* nobody asked */
        return;
    }
    if (c->want == 0)
        c->want = answer_bytes(s, &is_good);
    c->got += s->payload_bytes;
    if (c->want == 0 || !is_good) {
        all->bad++;
    } else if (c->got >= c->want) {
        all->answered++;
        histogram_add(&all->wait, now_ns - c->asked_ns);
    } else {
        return;
    }
    c->seq += all->request_bytes;
    c->state = CLIENT_IDLE;
}

static void end_one(struct clients *all, struct client *c)
{
    c->state = CLIENT_CLOSED;
    all->ended++;
}

bool clients_input(struct clients *all, const struct packets *packets, struct sender *sender,
                   uint32_t ip, const struct tcp_segment *s, uint64_t now_ns)
{
    uint32_t index = ip - PACKET_CLIENT_FIRST;
    if (index >= all->count)
        return false;
    struct client *c = &all->client[index];
    if (s->dst_port != port_of(c) || s->src_port != packets->config.plain_port)
        return true; /* of a connection before this one */
    if (s->flags & TCP_RST) {
        end_one(all, c);
        return true;
    }
    if (s->has_ts)
        c->ts_recent = s->ts_val;
    if ((s->flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
        if (c->state == CLIENT_SYN_SENT && s->ack == c->seq + 1) {
            c->state = CLIENT_IDLE;
            c->seq++;
            c->ack = s->seq + 1;
        }
        say(all, packets, sender, c, TCP_ACK, 0, now_ns);
        return true;
    }
    /* RFC 9293 3.10.7.3: what acknowledges no SYN of ours is of a connection that an earlier run
     * left there: it is reset, and the SYN comes again. */
    if (c->state == CLIENT_SYN_SENT) {
        uint32_t seq = c->seq;
        c->seq = s->ack;
        say(all, packets, sender, c, TCP_RST, 0, now_ns);
        c->seq = seq;
        return true;
    }
    if (s->payload_bytes > 0 && s->seq == c->ack)
        take_answer(all, c, s, now_ns);
    if (s->flags & TCP_FIN) {
        say(all, packets, sender, c, TCP_RST | TCP_ACK, 0, now_ns);
        end_one(all, c);
    } else if (s->payload_bytes > 0) {
        say(all, packets, sender, c, TCP_ACK, 0, now_ns); /* what came early or twice, too */
    }
    return true;
}
