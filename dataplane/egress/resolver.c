#include "dataplane/egress/resolver.h"

#include <assert.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/egress/dns.h"
#include "dataplane/egress/egress_state.h"

enum {
    UDP_BYTES = 8,
    DNS_PORT = 53,
    QUESTIONS = 2,
    TRIES_MIXED_CASE = 2,
    SECOND_WAIT_MS = 50,
    SILENCE_S = 1,
    HOP_RETRY_MS = 10,
    TCP_LENGTH_BYTES = 2,
    TCP_ANSWER_BYTES_MAX = 16384,
};
#define MS 1000000ull

void resolver_init(struct resolver *r)
{
    for (uint32_t i = 0; i < EGRESS_NAMES_MAX; i++)
        r->name[i].index = i;
}

/* ---- the names ---- */

static struct name *of_use(struct age_link *link)
{
    return (struct name *)((char *)link - offsetof(struct name, use));
}

static uint32_t *bucket_of(struct core *core, const char *host)
{
    uint64_t hash = XXH3_64bits_withSeed(host, strlen(host), core->config.secret[2]);
    return &core->egress->resolver.bucket[hash % NAME_BUCKETS];
}

static struct name *find(struct core *core, const char *host)
{
    struct resolver *r = &core->egress->resolver;
    for (uint32_t at = *bucket_of(core, host); at; at = r->name[at - 1].bucket_next) {
        if (strcmp(r->name[at - 1].host, host) == 0)
            return &r->name[at - 1];
    }
    return NULL;
}

static void forget_name(struct core *core, struct name *n)
{
    struct resolver *r = &core->egress->resolver;
    uint32_t *at = bucket_of(core, n->host);
    while (*at != n->index + 1)
        at = &r->name[*at - 1].bucket_next;
    *at = n->bucket_next;
    age_remove(&n->use);
    *n = (struct name){.index = n->index};
}

static struct name *make_name(struct core *core, const char *host)
{
    struct resolver *r = &core->egress->resolver;
    struct name *n;
    if (r->taken < EGRESS_NAMES_MAX) {
        n = &r->name[r->taken++];
    } else if (r->used.oldest) {
        n = of_use(r->used.oldest);
        forget_name(core, n);
    } else {
        return NULL;
    }
    uint32_t *bucket = bucket_of(core, host);
    strcpy(n->host, host);
    n->bucket_next = *bucket;
    *bucket = n->index + 1;
    return n;
}

/* ---- to a server ---- */

static struct dns_question question_of(const struct name *n, const struct name_question *q)
{
    return (struct dns_question){
        .host = n->host, .type = q->type, .id = q->id, .case_seed = q->case_seed};
}

/* False: no way to it now. */
static bool send_udp(struct core *core, const struct name *n, const struct name_question *q)
{
    const struct dns_question question = question_of(n, q);
    const uint8_t *source = egress_source(core, q->server);
    struct net_route route = {0};
    size_t room;
    if (!source)
        return false;
    memcpy(route.src, source, sizeof(route.src));
    memcpy(route.dst, q->server, sizeof(route.dst));
    uint8_t *udp = net_begin(&core->net, &route, 17, &room, core->now_ns);
    if (!udp)
        return false;
    assert(room >= UDP_BYTES + DNS_QUESTION_BYTES_MAX);
    size_t bytes = UDP_BYTES + dns_write_question(&question, udp + UDP_BYTES);
    const uint16_t header[] = {q->port, DNS_PORT, (uint16_t)bytes, 0};
    for (int i = 0; i < 4; i++) {
        udp[2 * i] = (uint8_t)(header[i] >> 8);
        udp[2 * i + 1] = (uint8_t)header[i];
    }
    net_end(&core->net, bytes);
    core->counters.dns_questions++;
    return true;
}

/* The next try, by the next server. */
static void ask(struct core *core, struct name *n, struct name_question *q)
{
    const struct egress_config *config = core->egress->config;
    uint64_t random = egress_random(core);
    memcpy(q->server, config->resolver[q->tries % config->resolver_count], sizeof(q->server));
    q->id = (uint16_t)random;
    q->case_seed = q->tries < TRIES_MIXED_CASE ? random >> 16 | 1 : 0;
    q->port = egress_pick_udp_port(core);
    q->is_out = true;
    if (q->port != 0 && send_udp(core, n, q)) {
        q->tries++;
        q->again_ns = core->now_ns + DNS_TRY_MS * MS;
    } else {
        q->again_ns = core->now_ns + HOP_RETRY_MS * MS; /* n->deadline_ns ends that */
    }
}

/* ---- the end of asking ---- */

static void close_tcp(struct core *core, struct name_question *q)
{
    if (q->origin)
        origin_abort(core, q->origin);
    q->origin = NULL;
    byte_queue_clear(&q->in, &core->chunks);
}

static uint32_t clamp(uint32_t v, uint32_t least, uint32_t most)
{
    return v < least ? least : v > most ? most : v;
}

/* Tells all who wait: with what is there. */
static void conclude(struct core *core, struct name *n)
{
    struct resolver *r = &core->egress->resolver;
    uint64_t seconds = SILENCE_S;
    for (int i = 0; i < QUESTIONS; i++) {
        close_tcp(core, &n->question[i]);
        n->question[i].is_out = false;
    }
    if (n->count > 0) {
        n->state = NAME_KNOWN;
        seconds = clamp(n->ttl_s, DNS_TTL_MIN_S, DNS_TTL_MAX_S);
    } else if (n->state != NAME_SILENT) {
        n->state = NAME_UNKNOWN;
        seconds = clamp(n->ttl_s, DNS_TTL_MIN_S, DNS_NEGATIVE_TTL_MAX_S);
    }
    n->until_ns = core->now_ns + seconds * 1000 * MS;
    age_remove(&n->use);
    age_add(&r->used, &n->use);
    for (struct age_link *link; (link = n->waiters.oldest);) {
        struct fetch *f = fetch_of_wait(link);
        age_remove(link);
        fetch_resolved(core, f, n->state == NAME_KNOWN ? n : NULL);
    }
}

static bool is_any_out(const struct name *n)
{
    return n->question[0].is_out || n->question[1].is_out;
}

/* Neither has told anything of use. */
static void fall_silent(struct core *core, struct name *n)
{
    if (n->count == 0)
        n->state = NAME_SILENT;
    conclude(core, n);
}

/* Those of IPv6 stand before those of IPv4. */
static void add_addresses(struct name *n, const struct name_question *q,
                          const struct dns_answer *answer)
{
    if (n->count == 0 || answer->ttl_s < n->ttl_s)
        n->ttl_s = answer->ttl_s;
    if (q->type == DNS_TYPE_AAAA)
        memmove(n->ip[answer->count], n->ip[0], n->count * sizeof(n->ip[0]));
    memcpy(n->ip[q->type == DNS_TYPE_AAAA ? 0 : n->count], answer->ip,
           answer->count * sizeof(n->ip[0]));
    n->count += answer->count;
}

static void ask_by_tcp(struct core *core, struct name *n, struct name_question *q);

static void take_answer(struct core *core, struct name *n, struct name_question *q,
                        enum dns_result result, const struct dns_answer *answer)
{
    core->counters.dns_answers++;
    if (result == DNS_CUT && !q->origin) {
        core->counters.dns_truncated++;
        ask_by_tcp(core, n, q);
        return;
    }
    close_tcp(core, q);
    if (result == DNS_FAILURE || result == DNS_CUT) {
        core->counters.dns_failed++;
        if (q->tries < DNS_TRIES_MAX) {
            q->again_ns = core->now_ns; /* the next server, in this iteration or the next */
            return;
        }
        q->is_out = false;
        if (!is_any_out(n))
            fall_silent(core, n);
        return;
    }
    q->is_out = false;
    if (result == DNS_ADDRESSES) {
        add_addresses(n, q, answer);
        if (core->now_ns + SECOND_WAIT_MS * MS < n->deadline_ns)
            n->deadline_ns = core->now_ns + SECOND_WAIT_MS * MS;
    } else {
        core->counters.dns_negative++;
        if (n->count == 0 && answer->ttl_s > n->ttl_s)
            n->ttl_s = answer->ttl_s;
    }
    if (!is_any_out(n))
        conclude(core, n);
}

/* ---- by UDP ---- */

static struct name_question *question_at(const struct resolver *r, uint16_t port, struct name **of)
{
    for (struct age_link *link = r->asked.oldest; link; link = link->newer) {
        struct name *n = of_use(link);
        for (int i = 0; i < QUESTIONS; i++) {
            if (n->question[i].is_out && n->question[i].port == port) {
                *of = n;
                return &n->question[i];
            }
        }
    }
    return NULL;
}

bool resolver_has_port(const struct resolver *r, uint16_t port)
{
    struct name *n;
    return question_at(r, port, &n);
}

bool resolver_datagram(struct core *core, const struct net_packet *p)
{
    struct name *n;
    struct dns_answer answer;
    if (p->l4_bytes < UDP_BYTES || (p->l4[0] << 8 | p->l4[1]) != DNS_PORT)
        return false;
    size_t bytes = (size_t)(p->l4[4] << 8 | p->l4[5]);
    struct name_question *q =
        question_at(&core->egress->resolver, (uint16_t)(p->l4[2] << 8 | p->l4[3]), &n);
    if (!q || q->origin || bytes < UDP_BYTES || bytes > p->l4_bytes || !ip_equal(p->src, q->server))
        return false;
    const struct dns_question question = question_of(n, q);
    enum dns_result result =
        dns_read_answer(&question, p->l4 + UDP_BYTES, bytes - UDP_BYTES, &answer);
    if (result == DNS_FOREIGN)
        return false;
    take_answer(core, n, q, result, &answer);
    return true;
}

/* ---- by TCP (RFC 7766) ---- */

static struct name_question *of_owner(struct core *core, uint32_t owner, struct name **n)
{
    *n = &core->egress->resolver.name[owner / QUESTIONS];
    return &(*n)->question[owner % QUESTIONS];
}

static void on_connected(struct core *core, uint32_t owner, struct origin *o)
{
}

/* The question goes as soon as there is a connection; what was read so far is in `in`. */
static void on_pump(struct core *core, uint32_t owner, struct origin *o)
{
    struct name *n;
    struct name_question *q = of_owner(core, owner, &n);
    const struct dns_question question = question_of(n, q);
    struct dns_answer answer;
    size_t len;
    if (!q->is_told) {
        uint8_t message[TCP_LENGTH_BYTES + DNS_QUESTION_BYTES_MAX];
        len = dns_write_question(&question, message + TCP_LENGTH_BYTES);
        message[0] = (uint8_t)(len >> 8);
        message[1] = (uint8_t)len;
        q->is_told = true;
        if (!origin_write(core, o, message, TCP_LENGTH_BYTES + len))
            return;
        core->counters.dns_questions++;
    }
    while (q->in.bytes < TCP_ANSWER_BYTES_MAX &&
           origin_read(core, o, core->scratch, TCP_ANSWER_BYTES_MAX - q->in.bytes, &len)) {
        if (byte_queue_append(&q->in, &core->chunks, core->scratch, len) != len)
            break;
    }
    if (q->in.bytes >= TCP_LENGTH_BYTES) {
        byte_queue_copy(&q->in, 0, core->scratch, q->in.bytes);
        size_t whole = TCP_LENGTH_BYTES + (size_t)(core->scratch[0] << 8 | core->scratch[1]);
        if (q->in.bytes >= whole) {
            enum dns_result result = dns_read_answer(&question, core->scratch + TCP_LENGTH_BYTES,
                                                     whole - TCP_LENGTH_BYTES, &answer);
            if (result == DNS_FOREIGN)
                core->counters.dns_bad++;
            take_answer(core, n, q, result == DNS_FOREIGN ? DNS_FAILURE : result, &answer);
            return;
        }
    }
    if (q->in.bytes == TCP_ANSWER_BYTES_MAX || origin_read_ended(o))
        take_answer(core, n, q, DNS_FAILURE, &answer);
}

static void on_ended(struct core *core, uint32_t owner, struct origin *o, enum origin_end why)
{
    struct name *n;
    struct name_question *q = of_owner(core, owner, &n);
    q->origin = NULL;
    byte_queue_clear(&q->in, &core->chunks);
    q->again_ns = core->now_ns;
}

static const struct origin_events events = {
    .connected = on_connected, .pump = on_pump, .ended = on_ended};

static void ask_by_tcp(struct core *core, struct name *n, struct name_question *q)
{
    uint32_t owner = n->index * QUESTIONS + (uint32_t)(q - n->question);
    q->is_told = false;
    q->origin = origin_open(core, q->server, DNS_PORT, &events, owner);
    q->again_ns = core->now_ns + (q->origin ? 2 * DNS_TRY_MS * MS : 0);
}

/* ---- asking ---- */

static bool has_family(struct core *core, bool is_ip4)
{
    static const uint8_t some4[16] = {[10] = 0xff, 0xff, 192, 0, 2, 1}, some6[16] = {0x20, 0x01};
    return egress_source(core, is_ip4 ? some4 : some6);
}

/* What the hosts file says, as a name that is known for as long as we like. */
static bool take_hosts(const struct egress_config *config, struct name *n)
{
    for (uint32_t i = 0; i < config->host_count && n->count < EGRESS_ADDRESSES_MAX; i++) {
        if (strcmp(config->host[i].name, n->host) == 0)
            memcpy(n->ip[n->count++], config->host[i].ip, 16);
    }
    return n->count > 0;
}

/* True: questions are out. */
static bool begin(struct core *core, struct name *n)
{
    const struct egress_config *config = core->egress->config;
    struct resolver *r = &core->egress->resolver;
    static const uint16_t types[QUESTIONS] = {DNS_TYPE_AAAA, DNS_TYPE_A};
    n->count = 0;
    n->ttl_s = 0;
    n->state = NAME_ASKED;
    if (take_hosts(config, n)) {
        n->ttl_s = DNS_TTL_MAX_S;
        conclude(core, n);
        return false;
    }
    if (config->resolver_count == 0) {
        fall_silent(core, n);
        return false;
    }
    age_remove(&n->use);
    age_add(&r->asked, &n->use);
    n->deadline_ns = core->now_ns + (DNS_TRIES_MAX + 1) * DNS_TRY_MS * MS;
    for (int i = 0; i < QUESTIONS; i++) {
        n->question[i] = (struct name_question){.type = types[i]};
        if (has_family(core, types[i] == DNS_TYPE_A))
            ask(core, n, &n->question[i]);
    }
    return true;
}

enum resolved resolver_ask(struct core *core, const char *host, struct fetch *f,
                           const struct name **out)
{
    struct resolver *r = &core->egress->resolver;
    struct name *n = find(core, host);
    *out = n;
    if (n && n->state == NAME_ASKED) {
        age_add(&n->waiters, &f->waits);
        return RESOLVING;
    }
    if (!n || n->until_ns <= core->now_ns) {
        if (r->asked.count >= NAMES_ASKED_MAX)
            return RESOLVED_BUSY;
        if (!n)
            n = make_name(core, host);
        if (!n)
            return RESOLVED_BUSY;
        *out = n;
        if (begin(core, n)) {
            age_add(&n->waiters, &f->waits);
            return RESOLVING;
        }
    } else {
        core->counters.dns_hits++;
        age_remove(&n->use);
        age_add(&r->used, &n->use);
    }
    return n->state == NAME_KNOWN     ? RESOLVED
           : n->state == NAME_UNKNOWN ? RESOLVED_NONE
                                      : RESOLVED_SILENCE;
}

void resolver_forget(struct fetch *f)
{
    age_remove(&f->waits);
}

/* ---- time ---- */

static uint64_t next_of(const struct name *n)
{
    uint64_t next = n->deadline_ns;
    for (int i = 0; i < QUESTIONS; i++) {
        if (n->question[i].is_out && n->question[i].again_ns < next)
            next = n->question[i].again_ns;
    }
    return next;
}

static void run_name(struct core *core, struct name *n)
{
    if (n->deadline_ns <= core->now_ns) {
        core->counters.dns_timeout += n->count == 0;
        fall_silent(core, n);
        return;
    }
    for (int i = 0; i < QUESTIONS; i++) {
        struct name_question *q = &n->question[i];
        if (!q->is_out || q->again_ns > core->now_ns)
            continue;
        close_tcp(core, q);
        if (q->tries < DNS_TRIES_MAX)
            ask(core, n, q);
        else
            q->is_out = false;
    }
    if (!is_any_out(n)) {
        core->counters.dns_timeout += n->count == 0;
        fall_silent(core, n);
    }
}

uint32_t resolver_run(struct core *core)
{
    uint32_t count = 0;
    struct age_link *next;
    for (struct age_link *link = core->egress->resolver.asked.oldest; link; link = next) {
        struct name *n = of_use(link);
        next = link->newer;
        if (next_of(n) <= core->now_ns) {
            run_name(core, n);
            count++;
        }
    }
    return count;
}

uint64_t resolver_next_ns(const struct resolver *r)
{
    uint64_t next = UINT64_MAX;
    for (struct age_link *link = r->asked.oldest; link; link = link->newer)
        if (next_of(of_use(link)) < next)
            next = next_of(of_use(link));
    return next;
}
