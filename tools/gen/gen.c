/* gen.c: sends packets of strangers, and requests of good clients, to a hearthd, and counts what
 * comes back. tools/gen/run is what people start; it asks hearthd for its side of the books.
 *
 *   gen --port DEVICE --to ADDRESS --own ADDRESS [--mix KIND[=N],...] [--rate N] [--seconds N]
 *       [--clients N --client-rate N --client-host HOST] [--sources N] [--name NAME] [--names N]
 *       [--shapes SHAPE,...] [--tls-port N] [--plain-port N] [--seed N] [--cpu N] [--memory-mb N]
 *       [--cookie-secret HEX]
 *   gen --pcap FILE --frames N --mac MAC --own-mac MAC --to ADDRESS --own ADDRESS ...
 *
 * The port is any that hearthd takes (drivers/port_dpdk.h). ADDRESS of --own is a gateway's to the
 * node, behind which all sources are; gen answers ARP for it, and learns the node's MAC address by
 * ARP. rate 0: as many as the port takes.
 *
 * One thread, which never sleeps. It is told what to do by lines on stdin, and says one line of
 * JSON for each on stdout:
 *
 *   (start)  {"state": "ready", ...}    the node has answered, and the clients are connected
 *   go       {"state": "sent", ...}     when all is sent
 *   report   {"state": "now", ...}      the counts of now; gen goes on to listen and to answer
 *   (end)    gen is over
 *
 * Exit status 1 and a sentence on stderr: it cannot be done.
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dataplane/net/net_wire.h"
#include "drivers/clock.h"
#include "drivers/eal.h"
#include "drivers/port_dpdk.h"
#include "tools/gen/answer.h"
#include "tools/gen/mix.h"
#include "tools/gen/pcap.h"

enum {
    CONTROL_US = 500, /* between two looks at stdin */
    ARP_MS = 50,
    READY_S = 10,
    MEMORY_MB = 256,
};

struct options {
    const char *port, *pcap, *client_host;
    struct packet_config packets;
    struct mix mix;
    double rate, seconds, client_rate;
    uint32_t clients, frames, memory_mb;
    uint16_t cpu;
};

struct gen {
    struct options o;
    struct clock clock;
    struct port *port;
    struct packets packets;
    struct sender sender;
    struct answers answers;
    struct clients clients;
    struct rng rng; /* draws from the mix */
    uint64_t started_ns, end_ns, offered, looked_ns;
    bool is_sending, is_over;
    char line[64];
    size_t line_bytes;
};

static struct gen gen;
static const uint64_t ms_ns = 1000000;

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "gen: %s: %s\n", what, why);
    return 1;
}

/* ---- the report ---- */

static void print_counts(const char *name, const uint64_t *count, int kinds,
                         const char *(*name_of)(int))
{
    const char *comma = "";
    printf(", \"%s\": {", name);
    for (int i = 0; i < kinds; i++) {
        if (count[i] == 0)
            continue;
        printf("%s\"%s\": %" PRIu64, comma, name_of(i), count[i]);
        comma = ", ";
    }
    printf("}");
}

static const char *packet_name_of(int kind)
{
    return packet_rule[kind].name;
}

static const char *answer_name_of(int kind)
{
    return answer_name[kind];
}

static void print_wait(const char *name, const struct histogram *h)
{
    printf("\"%s\": {\"count\": %" PRIu64 ", \"p50_us\": %.1f, \"p90_us\": %.1f, \"p99_us\": %.1f, "
           "\"p999_us\": %.1f, \"max_us\": %.1f}",
           name, h->count, (double)histogram_at(h, 0.5) / 1e3, (double)histogram_at(h, 0.9) / 1e3,
           (double)histogram_at(h, 0.99) / 1e3, (double)histogram_at(h, 0.999) / 1e3,
           (double)h->max_ns / 1e3);
}

static void print_report(const char *state, uint64_t now_ns)
{
    const struct clients *c = &gen.clients;
    const char *comma = "";
    uint64_t until_ns = now_ns < gen.end_ns ? now_ns : gen.end_ns;

    printf("{\"state\": \"%s\", \"seconds\": %.3f, \"offered\": %" PRIu64, state,
           gen.started_ns ? (double)(until_ns - gen.started_ns) / 1e9 : 0, gen.offered);
    print_counts("sent", gen.sender.sent, PACKET_KINDS, packet_name_of);
    print_counts("lost", gen.sender.lost, PACKET_KINDS, packet_name_of);
    print_counts("answers", gen.answers.seen, ANSWER_KIND_COUNT, answer_name_of);
    printf(", \"no_buffer\": %" PRIu64 ", \"again\": %" PRIu64, gen.sender.no_buffer,
           gen.answers.again);
    printf(", \"clients\": {\"asked\": %" PRIu64 ", \"answered\": %" PRIu64 ", \"waiting\": %u"
           ", \"late\": %" PRIu64 ", \"again\": %" PRIu64 ", \"ended\": %" PRIu64
           ", \"bad\": %" PRIu64 "}, \"waits\": {",
           c->asked, c->answered, clients_waiting(c), c->late, c->again, c->ended, c->bad);
    for (int i = 0; i < ANSWER_KIND_COUNT; i++) {
        if (gen.answers.wait[i].count == 0)
            continue;
        printf("%s", comma);
        print_wait(answer_name[i], &gen.answers.wait[i]);
        comma = ", ";
    }
    if (c->wait.count > 0) {
        printf("%s", comma);
        print_wait("client", &c->wait);
    }
    printf("}, \"strange\": \"");
    for (uint32_t i = 0; i < gen.answers.strange_bytes; i++)
        printf("%02x", gen.answers.strange[i]);
    printf("\", \"ends\": {");
    for (int i = 0; i < PACKET_KINDS; i++)
        printf("%s\"%s\": \"%s\"", i ? ", " : "", packet_rule[i].name, packet_rule[i].ends);
    printf("}}\n");
    fflush(stdout);
}

/* ---- what it is told ---- */

static void obey(const char *line, uint64_t now_ns)
{
    if (strcmp(line, "report") == 0) {
        print_report("now", now_ns);
    } else if (strcmp(line, "go") == 0 && gen.started_ns == 0) {
        gen.started_ns = now_ns;
        gen.end_ns = now_ns + (uint64_t)(gen.o.seconds * 1e9);
        gen.is_sending = gen.answers.is_speaking = true;
        clients_start(&gen.clients, now_ns);
    } else {
        fprintf(stderr, "gen: \"%s\": go, once, or report\n", line);
    }
}

static void listen_to_stdin(uint64_t now_ns)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    char c;
    if (now_ns - gen.looked_ns < CONTROL_US * 1000ull)
        return;
    gen.looked_ns = now_ns;
    while (!gen.is_over && poll(&in, 1, 0) > 0) {
        if (read(STDIN_FILENO, &c, 1) <= 0) {
            gen.is_over = true;
        } else if (c == '\n') {
            gen.line[gen.line_bytes] = 0;
            gen.line_bytes = 0;
            obey(gen.line, now_ns);
        } else if (gen.line_bytes < sizeof(gen.line) - 1) {
            gen.line[gen.line_bytes++] = c;
        }
    }
}

/* ---- the loop ---- */

static void send_mix(uint64_t now_ns)
{
    uint64_t due = PORT_BURST;
    if (gen.o.mix.slots == 0)
        return;
    if (gen.o.rate > 0) {
        double all = gen.o.rate * (double)(now_ns - gen.started_ns) / 1e9;
        due = (uint64_t)all > gen.offered ? (uint64_t)all - gen.offered : 0;
    }
    uint32_t time = packet_time(now_ns);
    for (uint64_t i = 0; i < due && i < PORT_BURST; i++) {
        enum packet_kind kind = mix_draw(&gen.o.mix, &gen.rng);
        uint8_t *buf = sender_begin(&gen.sender);
        gen.offered++;
        if (buf)
            sender_end(&gen.sender, kind, packet_write(&gen.packets, kind, buf, time),
                       FRAME_TX_NONE);
    }
}

static void receive(uint64_t now_ns)
{
    struct frame frame[PORT_BURST];
    uint16_t count;
    do {
        count = port_rx(gen.port, 0, frame, PORT_BURST);
        for (uint16_t i = 0; i < count; i++)
            answer_input(&gen.answers, &frame[i], now_ns);
        if (count > 0)
            port_free(gen.port, 0, frame, count);
        sender_flush(&gen.sender);
    } while (count == PORT_BURST);
}

/* False: the clients cannot get their connections. */
static bool get_ready(void)
{
    uint64_t start_ns = clock_now_ns(&gen.clock), now_ns = start_ns;
    do {
        clients_run(&gen.clients, &gen.packets, &gen.sender, now_ns);
        sender_flush(&gen.sender);
        receive(now_ns);
        now_ns = clock_now_ns(&gen.clock);
    } while (clients_apart(&gen.clients) > 0 && now_ns - start_ns < READY_S * 1000 * ms_ns);
    if (clients_apart(&gen.clients) > 0)
        return false;
    print_report("ready", now_ns);
    return true;
}

static int run(void *arg)
{
    if (!get_ready())
        return 1;
    while (!gen.is_over) {
        uint64_t now_ns = clock_now_ns(&gen.clock);
        receive(now_ns);
        clients_run(&gen.clients, &gen.packets, &gen.sender, now_ns);
        if (gen.is_sending && now_ns >= gen.end_ns) {
            gen.is_sending = false;
            clients_stop(&gen.clients);
            sender_flush(&gen.sender);
            print_report("sent", now_ns);
        }
        if (gen.is_sending)
            send_mix(now_ns);
        sender_flush(&gen.sender);
        listen_to_stdin(now_ns);
    }
    return 0;
}

/* ---- the node's MAC address ---- */

static void ask_arp(void)
{
    static const uint8_t ethernet_ip4[ARP_OP] = {0, 1, 0x08, 0, 6, 4};
    const struct packet_config *c = &gen.o.packets;
    uint8_t *buf = sender_begin(&gen.sender);
    if (!buf)
        return;
    memset(buf, 0xff, 6);
    memcpy(buf + ETHER_SRC, c->our_mac, 6);
    wire_put_u16(buf + ETHER_TYPE, ETHERTYPE_ARP);
    uint8_t *arp = buf + ETHER_BYTES;
    memset(arp, 0, ARP_BYTES);
    memcpy(arp, ethernet_ip4, ARP_OP);
    wire_put_u16(arp + ARP_OP, ARP_REQUEST);
    memcpy(arp + ARP_SHA, c->our_mac, 6);
    wire_put_u32(arp + ARP_SPA, c->our_ip);
    wire_put_u32(arp + ARP_TPA, c->ip);
    sender_end(&gen.sender, PACKET_ARP, ETHER_BYTES + ARP_BYTES, FRAME_TX_NONE);
    sender_flush(&gen.sender);
}

static bool is_arp_answer(const struct frame *f)
{
    const uint8_t *arp = f->bytes + ETHER_BYTES;
    if (f->len < ETHER_BYTES + ARP_BYTES || wire_u16(f->bytes + ETHER_TYPE) != ETHERTYPE_ARP ||
        wire_u16(arp + ARP_OP) != ARP_REPLY || wire_u32(arp + ARP_SPA) != gen.o.packets.ip)
        return false;
    memcpy(gen.o.packets.mac, arp + ARP_SHA, 6);
    return true;
}

/* What is lost before the link is up is not counted; who is not asked does not answer. */
static bool find_node(void)
{
    uint64_t start_ns = clock_now_ns(&gen.clock), asked_ns = 0, now_ns;
    bool is_found = false;
    while (!is_found && (now_ns = clock_now_ns(&gen.clock)) - start_ns < READY_S * 1000 * ms_ns) {
        struct frame frame[PORT_BURST];
        if (now_ns - asked_ns > ARP_MS * ms_ns) {
            asked_ns = now_ns;
            ask_arp();
        }
        uint16_t count = port_rx(gen.port, 0, frame, PORT_BURST);
        for (uint16_t i = 0; i < count; i++)
            is_found |= is_arp_answer(&frame[i]);
        if (count > 0)
            port_free(gen.port, 0, frame, count);
    }
    return is_found;
}

/* ---- start ---- */

static int write_pcap(void)
{
    uint8_t buf[PACKET_BYTES_MAX];
    if (gen.o.mix.slots == 0)
        return fail("--mix", "an empty file is no use");
    FILE *file = pcap_create(gen.o.pcap);
    bool is_written = file != NULL;
    for (uint32_t i = 0; is_written && i < gen.o.frames; i++) {
        enum packet_kind kind = mix_draw(&gen.o.mix, &gen.rng);
        uint32_t len = packet_write(&gen.packets, kind, buf, i);
        is_written = pcap_add(file, i, buf, len);
    }
    if (file && fclose(file) != 0)
        is_written = false;
    if (!is_written) {
        perror(gen.o.pcap);
        return 1;
    }
    return 0;
}

static int run_on_port(void)
{
    struct eal_config eal = {.name = "hearth-gen",
                             .core_count = 1,
                             .core_cpu = {gen.o.cpu},
                             .control_cpu = gen.o.cpu,
                             .memory_mb = gen.o.memory_mb,
                             .use_memif = strncmp(gen.o.port, "net_memif", 9) == 0,
                             .use_pci = port_dpdk_wants_pci(gen.o.port)};
    struct eal_report report;
    char error[512];

    if (eal_start(&eal, &report, error, sizeof(error)) != 0)
        return fail("DPDK", error);
    struct port_dpdk_config config = {.device = gen.o.port, .queues = 1};
    gen.port = port_dpdk_create(&config, error, sizeof(error));
    if (!gen.port)
        return fail("--port", error);
    clock_init_tsc(&gen.clock);
    memcpy(gen.o.packets.our_mac, gen.port->caps.mac, 6);
    gen.sender.port = gen.port;
    if (!find_node())
        return fail("--to", "nobody there answers ARP");
    gen.answers =
        (struct answers){.packets = &gen.packets, .sender = &gen.sender, .clients = &gen.clients};
    if (!packets_init(&gen.packets, &gen.o.packets) ||
        !clients_init(&gen.clients, gen.o.clients, gen.o.client_rate, gen.o.client_host,
                      gen.o.packets.seed))
        return fail("start", "no memory");
    eal_launch(0, run, NULL);
    int rc = eal_wait(0);
    clients_fini(&gen.clients);
    packets_fini(&gen.packets);
    port_close(gen.port);
    eal_stop();
    return rc ? fail("--clients", "some cannot connect") : 0;
}

/* ---- options ---- */

static bool read_number(const char *text, double least, double most, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return *text && !*end && *out >= least && *out <= most;
}

static bool read_ip(const char *text, uint32_t *out)
{
    struct in_addr address;
    bool is_good = inet_pton(AF_INET, text, &address) == 1;
    *out = ntohl(address.s_addr);
    return is_good;
}

static bool read_mac(const char *text, uint8_t mac[6])
{
    char rest;
    return sscanf(text, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx%c", mac, mac + 1, mac + 2, mac + 3, mac + 4,
                  mac + 5, &rest) == 6;
}

static bool read_secret(const char *text, uint8_t secret[PACKET_SECRET_BYTES])
{
    if (strlen(text) != 2 * PACKET_SECRET_BYTES ||
        strspn(text, "0123456789abcdef") != 2 * PACKET_SECRET_BYTES)
        return false;
    for (int i = 0; i < PACKET_SECRET_BYTES; i++)
        sscanf(text + 2 * i, "%2hhx", &secret[i]);
    return true;
}

static bool read_shapes(const char *text, uint32_t *shapes)
{
    *shapes = 0;
    for (; *text; text += strcspn(text, ",") + (text[strcspn(text, ",")] == ',')) {
        uint32_t before = *shapes;
        for (int i = 0; i < HELLO_SHAPES; i++) {
            size_t bytes = strlen(hello_shape_name[i]);
            if (strcspn(text, ",") == bytes && memcmp(text, hello_shape_name[i], bytes) == 0)
                *shapes |= 1u << i;
        }
        if (*shapes == before)
            return false;
    }
    return *shapes != 0;
}

enum option_id {
    OPT_PORT = 1,
    OPT_TO,
    OPT_OWN,
    OPT_MAC,
    OPT_OWN_MAC,
    OPT_MIX,
    OPT_RATE,
    OPT_SECONDS,
    OPT_CLIENTS,
    OPT_CLIENT_RATE,
    OPT_CLIENT_HOST,
    OPT_SOURCES,
    OPT_NAME,
    OPT_NAMES,
    OPT_SHAPES,
    OPT_TLS_PORT,
    OPT_PLAIN_PORT,
    OPT_SEED,
    OPT_CPU,
    OPT_MEMORY_MB,
    OPT_PCAP,
    OPT_FRAMES,
    OPT_COOKIE_SECRET,
    OPTS,
};

static const struct option_row {
    const char *name;
    double least, most; /* of a number; both 0: a text */
} option_rows[OPTS] = {
    [OPT_PORT] = {"port", 0, 0},
    [OPT_TO] = {"to", 0, 0},
    [OPT_OWN] = {"own", 0, 0},
    [OPT_MAC] = {"mac", 0, 0},
    [OPT_OWN_MAC] = {"own-mac", 0, 0},
    [OPT_MIX] = {"mix", 0, 0},
    [OPT_RATE] = {"rate", 0, 1e9},
    [OPT_SECONDS] = {"seconds", 0.001, 1e5},
    [OPT_CLIENTS] = {"clients", 0, CLIENTS_MAX},
    [OPT_CLIENT_RATE] = {"client-rate", 1, 1e7},
    [OPT_CLIENT_HOST] = {"client-host", 0, 0},
    [OPT_SOURCES] = {"sources", 1, PACKET_SOURCES_MAX},
    [OPT_NAME] = {"name", 0, 0},
    [OPT_NAMES] = {"names", 1, PACKET_NAMES_MAX},
    [OPT_SHAPES] = {"shapes", 0, 0},
    [OPT_TLS_PORT] = {"tls-port", 1, 65535},
    [OPT_PLAIN_PORT] = {"plain-port", 1, 65535},
    [OPT_SEED] = {"seed", 0, 1e15},
    [OPT_CPU] = {"cpu", 0, 1023},
    [OPT_MEMORY_MB] = {"memory-mb", 64, 65536},
    [OPT_PCAP] = {"pcap", 0, 0},
    [OPT_FRAMES] = {"frames", 1, 1e7},
    [OPT_COOKIE_SECRET] = {"cookie-secret", 0, 0},
};

static bool take_text(struct options *o, int option, const char *text)
{
    char error[160];
    switch (option) {
    case OPT_PORT:
        o->port = text;
        return true;
    case OPT_TO:
        return read_ip(text, &o->packets.ip);
    case OPT_OWN:
        return read_ip(text, &o->packets.our_ip);
    case OPT_MAC:
        return read_mac(text, o->packets.mac);
    case OPT_OWN_MAC:
        return read_mac(text, o->packets.our_mac);
    case OPT_MIX:
        if (mix_parse(&o->mix, text, error, sizeof(error)))
            return true;
        fprintf(stderr, "gen: %s\n", error);
        return false;
    case OPT_CLIENT_HOST:
        o->client_host = text;
        return strlen(text) <= 253;
    case OPT_NAME: /* and room for "n4095." before it */
        o->packets.name = text;
        return *text && strlen(text) <= HELLO_NAME_BYTES_MAX - 6;
    case OPT_COOKIE_SECRET:
        return read_secret(text, o->packets.cookie_secret);
    case OPT_SHAPES:
        return read_shapes(text, &o->packets.shapes);
    default:
        o->pcap = text;
        return true;
    }
}

static void take_number(struct options *o, int option, double n)
{
    switch (option) {
    case OPT_RATE:
        o->rate = n;
        break;
    case OPT_SECONDS:
        o->seconds = n;
        break;
    case OPT_CLIENTS:
        o->clients = (uint32_t)n;
        break;
    case OPT_CLIENT_RATE:
        o->client_rate = n;
        break;
    case OPT_SOURCES:
        o->packets.sources = (uint32_t)n;
        break;
    case OPT_NAMES:
        o->packets.names = (uint32_t)n;
        break;
    case OPT_TLS_PORT:
        o->packets.tls_port = (uint16_t)n;
        break;
    case OPT_PLAIN_PORT:
        o->packets.plain_port = (uint16_t)n;
        break;
    case OPT_SEED:
        o->packets.seed = (uint64_t)n;
        break;
    case OPT_CPU:
        o->cpu = (uint16_t)n;
        break;
    case OPT_MEMORY_MB:
        o->memory_mb = (uint32_t)n;
        break;
    default:
        o->frames = (uint32_t)n;
    }
}

static bool read_options(struct options *o, int argc, char **argv)
{
    struct option long_options[OPTS] = {0};
    int option;

    for (int i = 1; i < OPTS; i++)
        long_options[i - 1] = (struct option){option_rows[i].name, required_argument, NULL, i};
    while ((option = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (option <= 0 || option >= OPTS)
            return false;
        const struct option_row *row = &option_rows[option];
        double n = 0;
        bool is_text = row->most == 0,
             is_good = is_text ? take_text(o, option, optarg)
                               : read_number(optarg, row->least, row->most, &n);
        if (!is_good) {
            fprintf(stderr, "gen: --%s %s: ", row->name, optarg);
            if (is_text)
                fprintf(stderr, "not understood\n");
            else
                fprintf(stderr, "from %g to %g\n", row->least, row->most);
            return false;
        }
        if (!is_text)
            take_number(o, option, n);
    }
    bool has_way = (o->port != NULL) != (o->pcap != NULL);
    if (!has_way || !o->packets.ip || !o->packets.our_ip || optind < argc) {
        fprintf(stderr, "gen: --to, --own and either --port or --pcap, and nothing else: "
                        "tools/gen/gen.c has the list\n");
        return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    gen.o = (struct options){
        .client_host = "hello.hearth.test",
        .client_rate = 1000,
        .frames = 10000,
        .seconds = 3,
        .memory_mb = MEMORY_MB,
        .packets = {.tls_port = 443,
                    .plain_port = 80,
                    .sources = PACKET_SOURCES_MAX,
                    .name = "hello.hearth.test",
                    .names = 1,
                    .shapes = 1u << HELLO_PLAIN,
                    .seed = 1},
    };
    if (!read_options(&gen.o, argc, argv))
        return 2;
    rng_init(&gen.rng, ~gen.o.packets.seed);
    if (!gen.o.pcap)
        return run_on_port();
    if (!packets_init(&gen.packets, &gen.o.packets))
        return fail("start", "no memory");
    int rc = write_pcap();
    packets_fini(&gen.packets);
    return rc;
}
