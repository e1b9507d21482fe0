/* A dp core against clients and a runtime, all in one thread on virtual time, by seed: plain HTTP over a wire that loses,
 * delays, reorders, doubles and corrupts; a runtime that answers late, in pieces, under its own credit, and dies at times.
 *
 *   client tcp 0..N -- net -- port_sim ==wire== port_sim -- core -- region -- model of a runtime
 *
 * Checked: each request is answered once, in order, with the bytes it asked for (echo or generated); what a dying runtime
 * held is answered 502 or run again, and nothing else is; at the end every chunk, job and arena slot is back and every
 * frame is accounted for. Same seed, same run.
 *
 *   sim_core [--seed S] [--count N] [--trace]       a failure prints the command that repeats it
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/core_state.h"
#include "dataplane/route.h"
#include "drivers/port_sim.h"
#include "runtime/head.h"

enum {
    CLIENTS = 6,
    REQUESTS_PER_CLIENT = 8,
    BODY_MAX = 200000,
    RUNTIME_JOBS = 64,
    TICK_NS = 50 * 1000,
    END_MS = 120 * 1000,
};

static uint64_t seed, rng_state;
static bool trace;

#define CHECK(condition, ...)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "seed %lu: %s: ", (unsigned long)seed, #condition);                    \
            fprintf(stderr, __VA_ARGS__);                                                          \
            fprintf(stderr, "\nrepeat: build/tests/sim/sim_core --seed %lu --trace\n",             \
                    (unsigned long)seed);                                                          \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

static uint64_t rng(void)
{
    uint64_t z = rng_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static uint32_t below(uint32_t n)
{
    return n ? (uint32_t)(rng() % n) : 0;
}

static bool chance(uint32_t percent)
{
    return below(100) < percent;
}

/* Byte `at` of body `id`: both ends know what must arrive. */
static uint8_t body_byte(uint32_t id, uint32_t at)
{
    return (uint8_t)(id * 131 + at * 7 + (at >> 8) * 13);
}

/* ---- the model of a runtime ---- */

enum { KIND_GENERATE, KIND_ECHO, KIND_ERROR };

struct model_job {
    bool is_live, has_all_input, has_head;
    uint32_t index, generation;
    uint32_t kind, id, bytes; /* what the path asked for */
    uint32_t received, sent, send_credit, recv_credit;
    bool with_length;
    uint64_t next_ns;
};

struct model {
    void *region;
    size_t region_bytes;
    struct world_runtime *runtime;
    struct job_consumer down;
    struct job_producer up;
    struct arena_owner arena_up;
    struct arena_peer arena_down;
    struct model_job job[RUNTIME_JOBS];
    uint32_t deaths;
};

static void model_attach(struct model *m)
{
    struct job_lane_shared *lane = job_region_lane(m->region, 0);
    memset(m->region, 0, sizeof(struct job_region_header));
    memset(lane, 0, offsetof(struct job_lane_shared, arena_down));
    memset(&lane->arena_down, 0, offsetof(struct arena_shared, chunk));
    memset(&lane->arena_up, 0, offsetof(struct arena_shared, chunk));
    job_region_format(m->region, 1);
    job_consumer_init(&m->down, &lane->down);
    job_producer_init(&m->up, &lane->up);
    arena_owner_init(&m->arena_up, &lane->arena_up);
    arena_peer_init(&m->arena_down, &lane->arena_down);
    memset(m->job, 0, sizeof(m->job));
    m->runtime->region = m->region;
    m->runtime->life++;
}

static struct model_job *model_find(struct model *m, const struct job_slot *s)
{
    for (uint32_t i = 0; i < RUNTIME_JOBS; i++) {
        struct model_job *j = &m->job[i];
        if (j->is_live && j->index == s->job && j->generation == s->generation)
            return j;
    }
    return NULL;
}

static struct job_slot model_slot(const struct model_job *j, enum job_type type)
{
    return (struct job_slot){.type = (uint8_t)type, .job = j->index, .generation = j->generation};
}

static void model_push(struct model *m, const struct job_slot *s)
{
    CHECK(job_producer_push(&m->up, s), "the up ring is full");
    job_producer_publish(&m->up);
}

static void model_start(struct model *m, const struct job_slot *s, uint64_t now)
{
    uint8_t head[JOB_HEAD_BYTES_MAX];
    struct model_job *j = NULL;
    for (uint32_t i = 0; i < RUNTIME_JOBS && !j; i++)
        j = m->job[i].is_live ? NULL : &m->job[i];
    CHECK(j, "more jobs than clients");
    for (uint32_t i = 0; i < s->chunk_count; i++) {
        uint32_t at = i * JOB_CHUNK_BYTES;
        uint32_t part = s->bytes - at < JOB_CHUNK_BYTES ? s->bytes - at : JOB_CHUNK_BYTES;
        memcpy(head + at, arena_view(&m->arena_down, s->chunk[i]), part);
    }
    struct head_reader r;
    struct head_request request = head_read_request(&r, head, s->bytes);
    struct head_field f;
    while (head_read_field(&r, &f))
        ;
    CHECK(head_read_end(&r), "a malformed request head");
    char url[256];
    snprintf(url, sizeof(url), "%.*s", (int)request.url.len, request.url.p);
    *j = (struct model_job){.is_live = true,
                            .index = s->job,
                            .generation = s->generation,
                            .send_credit = JOB_CREDIT_INITIAL,
                            .recv_credit = JOB_CREDIT_INITIAL,
                            .has_all_input = s->flags & JOB_F_END,
                            .with_length = chance(50),
                            .next_ns = now + below(3000) * 1000ull};
    CHECK(sscanf(url, "http://sim.test/%u/%u/%u", &j->kind, &j->id, &j->bytes) == 3, "url %s", url);
}

static void model_body(struct model *m, struct model_job *j, const struct job_slot *s)
{
    CHECK(s->bytes <= j->recv_credit, "more body than credit");
    j->recv_credit -= s->bytes;
    for (uint32_t at = 0; at < s->bytes; at++) {
        uint8_t byte =
            arena_view(&m->arena_down, s->chunk[at / JOB_CHUNK_BYTES])[at % JOB_CHUNK_BYTES];
        CHECK(byte == body_byte(j->id, j->received), "request body byte %u of %u", j->received,
              j->id);
        j->received++;
    }
    if (s->flags & JOB_F_END) {
        CHECK(j->received == j->bytes, "a body of %u bytes, not %u", j->received, j->bytes);
        j->has_all_input = true;
    }
}

static void model_read(struct model *m, uint64_t now)
{
    struct job_slot s;
    while (job_consumer_pop(&m->down, &s) == JOB_RING_OK) {
        struct model_job *j = model_find(m, &s);
        if (s.type == JOB_START)
            model_start(m, &s, now);
        else if (j && s.type == JOB_BODY)
            model_body(m, j, &s);
        else if (j && s.type == JOB_CREDIT)
            j->send_credit += (uint32_t)s.arg;
        else if (j && s.type == JOB_CANCEL)
            j->is_live = false;
        for (uint32_t i = 0; i < s.chunk_count; i++)
            CHECK(arena_give_back(&m->arena_down, s.chunk[i]), "the returns ring is full");
    }
    job_consumer_release(&m->down);
}

static void model_send_head(struct model *m, struct model_job *j, bool is_all)
{
    uint8_t bytes[512];
    char length[16];
    struct head_writer w;
    struct job_slot s = model_slot(j, JOB_HEAD);
    head_write_response(&w, bytes, sizeof(bytes), 200);
    head_write_field(&w, (struct head_view){"x-id", 4}, (struct head_view){"sim", 3});
    snprintf(length, sizeof(length), "%u", j->bytes);
    if (j->with_length)
        head_write_field(&w, (struct head_view){"content-length", 14},
                         (struct head_view){length, strlen(length)});
    s.bytes = (uint32_t)head_write_end(&w);
    s.chunk_count = 1;
    s.chunk[0] = arena_take(&m->arena_up);
    s.flags = is_all ? JOB_F_END : 0;
    memcpy(arena_bytes(&m->arena_up, s.chunk[0]), bytes, s.bytes);
    model_push(m, &s);
    j->has_head = true;
}

static void model_send_data(struct model *m, struct model_job *j)
{
    struct job_slot s = model_slot(j, JOB_DATA);
    uint32_t can = j->kind == KIND_ECHO ? j->received - j->sent : j->bytes - j->sent;
    uint32_t n = can < j->send_credit ? can : j->send_credit;
    uint32_t most = chance(20) ? 1 + below(50) : JOB_HEAD_BYTES_MAX;
    n = n < most ? n : most;
    uint32_t chunks = (n + JOB_CHUNK_BYTES - 1) / JOB_CHUNK_BYTES;
    bool is_end = j->sent + n == j->bytes && (j->kind != KIND_ECHO || j->has_all_input);
    if ((n == 0 && !is_end) || arena_available(&m->arena_up, chunks) < chunks)
        return;
    for (uint32_t at = 0; at < n; at++) {
        if (at % JOB_CHUNK_BYTES == 0)
            s.chunk[s.chunk_count++] = arena_take(&m->arena_up);
        arena_bytes(&m->arena_up, s.chunk[s.chunk_count - 1])[at % JOB_CHUNK_BYTES] =
            body_byte(j->id, j->sent + at);
    }
    s.bytes = n;
    s.flags = is_end ? JOB_F_END : 0;
    j->sent += n;
    j->send_credit -= n;
    model_push(m, &s);
    if (is_end)
        j->is_live = false;
}

static void model_work(struct model *m, uint64_t now)
{
    model_read(m, now);
    for (uint32_t i = 0; i < RUNTIME_JOBS; i++) {
        struct model_job *j = &m->job[i];
        if (!j->is_live || now < j->next_ns || job_producer_free(&m->up, 8) < 8)
            continue;
        j->next_ns = now + below(800) * 1000ull;
        /* What was consumed is granted again, in steps of any size. */
        uint32_t grant = below(JOB_CREDIT_INITIAL - j->recv_credit + 1);
        if (grant > 0 && !j->has_all_input) {
            struct job_slot s = model_slot(j, JOB_CREDIT);
            s.arg = grant;
            j->recv_credit += grant;
            model_push(m, &s);
        }
        if (j->kind == KIND_ERROR) {
            struct job_slot s = model_slot(j, JOB_ERROR);
            s.arg = JOB_ERROR_EXCEPTION;
            model_push(m, &s);
            j->is_live = false;
            continue;
        }
        if (j->kind == KIND_GENERATE && !j->has_all_input && chance(70))
            continue; /* mostly after the request body, at times before its end */
        if (!j->has_head)
            model_send_head(m, j, false);
        if (!chance(30))
            model_send_data(m, j);
    }
}

/* ---- clients ---- */

struct request {
    uint32_t kind, id, bytes, body_bytes;
    bool is_post, chunked;
};

struct client {
    struct tcp tcp;
    uint16_t port;
    bool is_open;
    struct request request[REQUESTS_PER_CLIENT];
    uint32_t written_requests, answered;
    uint8_t *pending; /* bytes of requests not yet written */
    uint32_t pending_at, pending_bytes;
    /* the answer being read */
    char head[4096];
    uint32_t head_bytes;
    int status;
    bool in_body, is_chunked, must_close;
    uint64_t left;
    uint32_t body_at, chunk_state;
    char line[64];
    uint32_t line_bytes;
    uint64_t pause_until_ns;
};

struct sim {
    struct clock clock;
    struct port_sim_wire *wire;
    struct core *core;
    struct model model;
    struct net net;
    struct tx tx;
    struct counters counters;
    struct neighbours *neighbours, *core_neighbours;
    struct tcp_env env;
    struct chunk_pool chunks;
    void *chunk_memory;
    struct client client[CLIENTS];
    struct world world;
    struct world_shared shared;
    struct world_script script;
    uint32_t answers_200, answers_500, answers_502, cut;
};

static const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 100}, core_mac[6] = {2, 0, 0, 0, 0, 1};

static struct net_config net_config_of(const char *address, const uint8_t mac[6])
{
    struct net_config c = {.mtu = 1500, .address_count = 1};
    memcpy(c.mac, mac, 6);
    bool ok = net_parse_address(address, &c.address[0]);
    assert(ok);
    return c;
}

static void add_bytes(struct client *c, const void *bytes, size_t len)
{
    c->pending = realloc(c->pending, c->pending_bytes + len);
    memcpy(c->pending + c->pending_bytes, bytes, len);
    c->pending_bytes += (uint32_t)len;
}

static void add_request(struct client *c, struct request *r, uint32_t id)
{
    char text[512];
    *r = (struct request){.id = id, .kind = below(10) == 0 ? KIND_ERROR : below(2)};
    r->is_post = r->kind == KIND_ECHO || chance(30);
    r->bytes = chance(30) ? below(BODY_MAX) : below(3000);
    r->body_bytes = r->is_post ? r->bytes : 0;
    r->chunked = chance(50);
    int n = snprintf(text, sizeof(text), "%s /%u/%u/%u HTTP/1.1\r\nHost: sim.test\r\n",
                     r->is_post ? "POST" : "GET", r->kind, r->id, r->bytes);
    add_bytes(c, text, (size_t)n);
    if (!r->is_post) {
        add_bytes(c, "\r\n", 2);
        return;
    }
    n = r->chunked ? snprintf(text, sizeof(text), "Transfer-Encoding: chunked\r\n\r\n")
                   : snprintf(text, sizeof(text), "Content-Length: %u\r\n\r\n", r->body_bytes);
    add_bytes(c, text, (size_t)n);
    for (uint32_t at = 0; at < r->body_bytes;) {
        uint8_t part[4000];
        uint32_t len = 1 + below(sizeof(part));
        if (len > r->body_bytes - at)
            len = r->body_bytes - at;
        for (uint32_t i = 0; i < len; i++)
            part[i] = body_byte(id, at + i);
        if (r->chunked)
            add_bytes(c, text, (size_t)snprintf(text, sizeof(text), "%x\r\n", len));
        add_bytes(c, part, len);
        if (r->chunked)
            add_bytes(c, "\r\n", 2);
        at += len;
    }
    if (r->chunked)
        add_bytes(c, "0\r\n\r\n", 5);
}

static void finish_answer(struct sim *s, struct client *c)
{
    struct request *r = &c->request[c->answered];
    if (c->status == 200) {
        CHECK(r->kind != KIND_ERROR, "an error answered 200");
        CHECK(c->body_at == r->bytes, "answer %u of %u bytes, not %u", r->id, c->body_at, r->bytes);
        s->answers_200++;
    } else if (c->status == 500) {
        CHECK(r->kind == KIND_ERROR, "a good request answered 500");
        s->answers_500++;
    } else {
        CHECK(c->status == 502 && s->model.deaths > 0, "status %d", c->status);
        CHECK(r->is_post,
              "a GET that could have run again got 502"); /* one death per request at most */
        s->answers_502++;
    }
    if (trace)
        printf("%9.3f ms client %u answer %u: %d, %u bytes\n", (double)s->clock.virtual_ns / 1e6,
               c->port, r->id, c->status, c->body_at);
    c->answered++;
    c->in_body = false;
    c->head_bytes = c->line_bytes = c->chunk_state = c->body_at = 0;
}

static void take_body_byte(struct client *c, uint8_t byte)
{
    struct request *r = &c->request[c->answered];
    if (c->status == 200)
        CHECK(byte == body_byte(r->id, c->body_at), "answer %u, byte %u", r->id, c->body_at);
    c->body_at++;
}

static void take_chunked_byte(struct sim *s, struct client *c, uint8_t byte)
{
    enum { SIZE, DATA, AFTER, LAST };
    if (c->chunk_state == DATA) {
        take_body_byte(c, byte);
        if (--c->left == 0)
            c->chunk_state = AFTER;
        return;
    }
    CHECK(c->line_bytes < sizeof(c->line) - 1, "a chunk line without end");
    c->line[c->line_bytes++] = (char)byte;
    if (byte != '\n')
        return;
    c->line[c->line_bytes] = 0;
    c->line_bytes = 0;
    if (c->chunk_state == SIZE) {
        c->left = strtoull(c->line, NULL, 16);
        c->chunk_state = c->left ? DATA : LAST;
    } else {
        CHECK(strcmp(c->line, "\r\n") == 0, "chunk framing %s", c->line);
        if (c->chunk_state == LAST)
            finish_answer(s, c);
        else
            c->chunk_state = SIZE;
    }
}

static void take_head_byte(struct sim *s, struct client *c, uint8_t byte)
{
    CHECK(c->head_bytes < sizeof(c->head) - 1, "a head without end");
    CHECK(c->answered < c->written_requests, "an answer to no request");
    c->head[c->head_bytes++] = (char)byte;
    c->head[c->head_bytes] = 0;
    if (c->head_bytes < 4 || memcmp(c->head + c->head_bytes - 4, "\r\n\r\n", 4) != 0)
        return;
    CHECK(sscanf(c->head, "HTTP/1.1 %d ", &c->status) == 1, "status line %s", c->head);
    const char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->is_chunked = strcasestr(c->head, "\r\ntransfer-encoding: chunked") != NULL;
    c->must_close |= strcasestr(c->head, "\r\nconnection: close") != NULL;
    CHECK(c->is_chunked != (length != NULL), "one framing: %s", c->head);
    c->left = length ? strtoull(length + 17, NULL, 10) : 0;
    c->in_body = true;
    if (!c->is_chunked && c->left == 0)
        finish_answer(s, c);
}

static void take_byte(struct sim *s, struct client *c, uint8_t byte)
{
    if (!c->in_body) {
        take_head_byte(s, c, byte);
    } else if (c->is_chunked) {
        take_chunked_byte(s, c, byte);
    } else {
        take_body_byte(c, byte);
        if (--c->left == 0)
            finish_answer(s, c);
    }
}

static void client_send(struct sim *s, struct client *c)
{
    struct net_route route = {0};
    memcpy(route.src, s->net.config.address[0].ip, 16);
    memcpy(route.dst, s->core->net.config.address[0].ip, 16);
    while (tcp_wants_output(&c->tcp, s->clock.virtual_ns)) {
        size_t room;
        uint8_t *l4 = net_begin(&s->net, &route, 6, &room, s->clock.virtual_ns);
        if (!l4)
            return;
        size_t n = tcp_output(&c->tcp, l4, room, s->clock.virtual_ns);
        net_end(&s->net, n);
        if (n == 0)
            return;
    }
}

/* An answer that was complete before the request body was leaves the rest of it unread. */
static bool may_close_after(const struct client *c)
{
    const struct request *last = c->answered > 0 ? &c->request[c->answered - 1] : NULL;
    return last && last->is_post && last->kind != KIND_ECHO;
}

static void client_work(struct sim *s, struct client *c)
{
    uint64_t now = s->clock.virtual_ns;
    if (!c->is_open)
        return;
    if (tcp_deadline(&c->tcp) <= now)
        tcp_timeout(&c->tcp, now);
    if (tcp_state(&c->tcp) == TCP_ESTABLISHED && c->pending_at < c->pending_bytes && !chance(40)) {
        uint32_t n = chance(10) ? 1 + below(20) : 1 + below(20000);
        if (n > c->pending_bytes - c->pending_at)
            n = c->pending_bytes - c->pending_at;
        c->pending_at += (uint32_t)tcp_write(&c->tcp, c->pending + c->pending_at, n);
    }
    if (now >= c->pause_until_ns) {
        size_t len;
        const uint8_t *bytes;
        while ((bytes = tcp_peek(&c->tcp, 0, &len)), len > 0) {
            for (size_t i = 0; i < len; i++)
                take_byte(s, c, bytes[i]);
            tcp_consume(&c->tcp, (uint32_t)len);
        }
        if (chance(2))
            c->pause_until_ns = now + below(200) * 1000000ull; /* a reader that stops for a while */
    }
    bool is_over = c->answered == REQUESTS_PER_CLIENT ||
                   (tcp_peer_finished(&c->tcp) && tcp_readable(&c->tcp) == 0);
    if (is_over)
        tcp_finish(&c->tcp);
    client_send(s, c);
    if (tcp_is_done(&c->tcp) || tcp_state(&c->tcp) == TCP_TIME_WAIT) {
        CHECK(tcp_end(&c->tcp) != TCP_END_TIMEOUT, "a client's connection timed out");
        if (c->answered < REQUESTS_PER_CLIENT) {
            CHECK(s->model.deaths > 0 || c->must_close || may_close_after(c),
                  "a connection ended (%d) after %u answers", tcp_end(&c->tcp), c->answered);
            s->cut++;
        }
        tcp_fini(&c->tcp);
        c->is_open = false;
    }
}

static void clients_input(struct sim *s)
{
    struct port *port = s->tx.port;
    struct frame frame[PORT_BURST];
    uint16_t n;
    while ((n = port_rx(port, 0, frame, PORT_BURST)) > 0) {
        for (uint16_t i = 0; i < n; i++) {
            struct net_packet p;
            struct tcp_segment seg;
            if (net_input(&s->net, &frame[i], s->clock.virtual_ns, &p) != NET_TCP ||
                !tcp_segment_parse(&seg, p.l4, p.l4_bytes))
                continue;
            for (uint32_t k = 0; k < CLIENTS; k++) {
                if (s->client[k].is_open && s->client[k].port == seg.dst_port)
                    tcp_input(&s->client[k].tcp, &seg, s->clock.virtual_ns);
            }
        }
        port_free(port, 0, frame, n);
    }
}

/* ---- the run ---- */

static void *take(size_t bytes, int node)
{
    return aligned_alloc(64, (bytes + 63) & ~(size_t)63);
}

static void sim_start(struct sim *s)
{
    char error[160] = "";
    clock_init_virtual(&s->clock, 1000000000);
    struct port_sim_faults faults = {.delay_ns = below(20) * 1000000ull,
                                     .jitter_ns = below(3) * 1000000ull};
    if (chance(70))
        faults = (struct port_sim_faults){.loss = below(4) / 100.0,
                                          .duplicate = below(3) / 100.0,
                                          .corrupt = below(2) / 100.0,
                                          .delay_ns = faults.delay_ns,
                                          .jitter_ns = faults.jitter_ns};
    s->wire = port_sim_wire_create(&s->clock, rng(), 1500, faults, faults);

    s->script = (struct world_script){.handle = 7, .id_hash = 99, .name = "sim"};
    struct route_source route = {.pattern = "sim.test", .script = 0};
    s->world = (struct world){.epoch = 1,
                              .node = "sim",
                              .limits = {.hello_timeout_ms = 10000,
                                         .head_timeout_ms = 60000,
                                         .idle_timeout_ms = 60000,
                                         .stall_timeout_ms = 60000},
                              .routes = routes_build(&route, 1, 1, error, sizeof(error)),
                              .script_count = 1,
                              .scripts = &s->script,
                              .runtime_count = 1};
    CHECK(s->world.routes, "%s", error);
    s->model.region_bytes = job_region_bytes(1);
    s->model.region = aligned_alloc(4096, s->model.region_bytes);
    s->model.runtime = &s->world.runtime[0];
    s->world.runtime[0].wake_fd = -1;
    model_attach(&s->model);
    atomic_store(&s->shared.current, &s->world);

    struct net_config core_net = net_config_of("10.0.0.1/24", core_mac);
    struct net_config client_net = net_config_of("10.0.0.100/24", client_mac);
    s->core_neighbours = take(neighbours_bytes(), -1);
    s->neighbours = take(neighbours_bytes(), -1);
    neighbours_init(s->core_neighbours, 1);
    neighbours_init(s->neighbours, 2);
    struct core_config config = {.cores = 1,
                                 .port = port_sim_end(s->wire, 1, core_mac),
                                 .net = &core_net,
                                 .neighbours = s->core_neighbours,
                                 .world = &s->shared,
                                 .clock = &s->clock,
                                 .memory = {.take = take, .give = free},
                                 .plain_port = 80,
                                 .conns_max = 64,
                                 .chunks = 4096,
                                 .runtimes_max = 1,
                                 .jobs_max = RUNTIME_JOBS,
                                 .numa_node = -1,
                                 .secret = {rng(), rng(), rng(), rng()}};
    s->core = core_create(&config, error, sizeof(error));
    CHECK(s->core, "%s", error);

    tx_init(&s->tx, port_sim_end(s->wire, 0, client_mac), 0, &s->counters);
    net_init(&s->net, &client_net, s->neighbours, &s->counters, &s->tx);
    s->chunk_memory = take(sizeof(struct chunk) * 4096, -1);
    chunk_pool_init(&s->chunks, s->chunk_memory, 4096);
    s->env = (struct tcp_env){.pool = &s->chunks, .counters = &s->counters, .mss_max = 1460};
    for (uint32_t i = 0; i < CLIENTS; i++) {
        struct client *c = &s->client[i];
        c->port = (uint16_t)(10000 + i);
        c->is_open = true;
        for (uint32_t k = 0; k < REQUESTS_PER_CLIENT; k++)
            add_request(c, &c->request[k], i * 100 + k);
        c->written_requests = REQUESTS_PER_CLIENT;
        tcp_open_active(&c->tcp, &s->env, c->port, 80, (uint32_t)rng(), s->clock.virtual_ns);
    }
}

static bool is_over(const struct sim *s)
{
    for (uint32_t i = 0; i < CLIENTS; i++) {
        if (s->client[i].is_open)
            return false;
    }
    return s->core->conn_count == 0;
}

static void runtime_dies(struct sim *s)
{
    if (trace)
        printf("%9.3f ms the runtime dies\n", (double)s->clock.virtual_ns / 1e6);
    s->model.deaths++;
    model_attach(&s->model);
    s->world.epoch++;
}

static void sim_run(uint64_t a_seed)
{
    struct sim *s = calloc(1, sizeof(*s));
    seed = a_seed;
    rng_state = a_seed * 0x2545f4914f6cdd1du + 1;
    sim_start(s);
    uint64_t death_ns = chance(30) ? s->clock.virtual_ns + below(3000) * 1000000ull : UINT64_MAX;
    while (!is_over(s)) {
        uint64_t now = s->clock.virtual_ns;
        CHECK(now < END_MS * 1000000ull, "not over in %d virtual seconds", END_MS / 1000);
        core_iterate(s->core);
        if (now >= death_ns) {
            death_ns = UINT64_MAX;
            runtime_dies(s);
        }
        model_work(&s->model, now);
        clients_input(s);
        for (uint32_t i = 0; i < CLIENTS; i++)
            client_work(s, &s->client[i]);
        tx_flush(&s->tx);
        CHECK(counters_unaccounted(&s->core->counters) == 0, "frames unaccounted");
        clock_set_ns(&s->clock, now + TICK_NS + (chance(90) ? 0 : below(2000) * 1000ull));
    }
    model_read(&s->model, s->clock.virtual_ns);
    core_iterate(s->core);
    CHECK(s->core->chunks.free_count == s->core->chunks.count, "%u chunks lost",
          s->core->chunks.count - s->core->chunks.free_count);
    CHECK(s->core->link[0]->live_jobs == 0, "jobs left");
    CHECK(arena_available(&s->core->link[0]->arena_down, JOB_ARENA_CHUNKS) == JOB_ARENA_CHUNKS,
          "arena chunks lost");
    CHECK(s->core->counters.job_bad_message == 0, "an honest runtime was called a liar");
    CHECK(s->chunks.free_count == s->chunks.count, "client chunks lost");
    if (trace)
        printf("200: %u  500: %u  502: %u  cut: %u  virtual %.1f s\n", s->answers_200,
               s->answers_500, s->answers_502, s->cut, (double)s->clock.virtual_ns / 1e9);
    for (uint32_t i = 0; i < CLIENTS; i++)
        free(s->client[i].pending);
    tx_fini(&s->tx);
    core_end(s->core);
    core_destroy(s->core);
    port_sim_wire_destroy(s->wire);
    routes_destroy((struct routes *)s->world.routes);
    free(s->core_neighbours);
    free(s->neighbours);
    free(s->model.region);
    free(s->chunk_memory);
    free(s);
}

int main(int argc, char **argv)
{
    uint64_t first = 1, count = 1;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0 && i + 1 < argc)
            first = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--count") == 0 && i + 1 < argc)
            count = strtoull(argv[++i], NULL, 0);
        else if (strcmp(argv[i], "--trace") == 0)
            trace = true;
        else {
            fprintf(stderr, "usage: sim_core [--seed S] [--count N] [--trace]\n");
            return 2;
        }
    }
    for (uint64_t i = 0; i < count; i++)
        sim_run(first + i);
    printf("sim_core: %lu seeds from %lu, all invariants hold\n", (unsigned long)count,
           (unsigned long)first);
    return 0;
}
