/* gen.c: tools/gen says what it says it says. In which counter each of its packets really ends is
 * for tests/net (flood_*), where a hearthd counts them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net_wire.h"
#include "dataplane/tcp/tcp.h"
#include "dataplane/tls/client_hello.h"
#include "drivers/csum.h"
#include "tools/gen/histogram.h"
#include "tools/gen/mix.h"
#include "tools/gen/packet.h"

static const struct packet_config config = {.mac = {2, 0, 0, 0, 0, 1},
                                            .our_mac = {2, 0, 0, 0, 0, 2},
                                            .ip = 10 << 24 | 1,
                                            .our_ip = 10 << 24 | 2,
                                            .tls_port = 443,
                                            .plain_port = 80,
                                            .sources = 1000,
                                            .name = "a.test",
                                            .names = 30,
                                            .shapes = (1 << HELLO_SHAPES) - 1,
                                            .seed = 7};

static void every_hello_is_one_that_hearth_accepts(void **state)
{
    for (int shape = 0; shape < HELLO_SHAPES; shape++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            uint8_t buf[HELLO_BYTES];
            struct client_hello hello;
            size_t bytes = hello_write(buf, (enum hello_shape)shape, "n1.hearth.test", seed);
            assert_int_equal(wire_u16(buf + 3), bytes - 5);
            assert_int_equal(client_hello_read(&hello, buf + 5, bytes - 5), TLS_ALERT_NONE);
            assert_string_equal(hello.host, "n1.hearth.test");
            assert_true(hello.is_tls13);
            assert_int_equal(hello.share_count, shape == HELLO_GREASE ? 2 : 1);
            if (shape == HELLO_GREASE)
                assert_int_equal(bytes, 517);
        }
    }
}

static void a_name_of_the_greatest_length_fits(void **state)
{
    char name[HELLO_NAME_BYTES_MAX + 1];
    memset(name, 'a', sizeof(name) - 1);
    name[sizeof(name) - 1] = 0;
    for (int shape = 0; shape < HELLO_SHAPES; shape++) {
        uint8_t buf[HELLO_BYTES];
        assert_true(hello_write(buf, (enum hello_shape)shape, name, 1) <= HELLO_BYTES);
    }
}

/* Stamped packets differ in addresses, ports and time, and their checksums are right all the same.
 */
static void stamped_packets_have_right_checksums(void **state)
{
    static const struct {
        enum packet_kind kind;
        uint16_t port_first;
    } rows[] = {{PACKET_SYN, PACKET_PORT_SYN},
                {PACKET_HANDSHAKE, PACKET_PORT_HANDSHAKE},
                {PACKET_HELLO, PACKET_PORT_HELLO},
                {PACKET_NO_PORT, PACKET_PORT_SYN}};
    struct packets p;
    assert_true(packets_init(&p, &config));
    for (size_t row = 0; row < sizeof(rows) / sizeof(rows[0]); row++) {
        for (uint32_t i = 0; i < 2000; i++) {
            uint8_t buf[PACKET_BYTES_MAX];
            struct tcp_segment s;
            uint32_t time = i * 2654435761u;
            uint32_t len = packet_write(&p, rows[row].kind, buf, time);
            uint32_t ip = wire_u32(buf + PACKET_L3 + IP4_SRC);
            assert_int_equal(csum_verify(buf, len), FRAME_CSUM_GOOD);
            assert_true(tcp_segment_parse(&s, buf + PACKET_L4, len - PACKET_L4));
            assert_true(packet_is_source(&p, ip));
            assert_in_range(s.src_port, rows[row].port_first,
                            rows[row].port_first + PACKET_PORTS_EACH - 1);
            assert_int_equal(s.seq, packet_seq(ip, s.src_port));
            assert_int_equal(rows[row].kind == PACKET_HELLO ? packet_time_of(s.ack) : s.ts_val,
                             time);
        }
    }
    packets_fini(&p);
}

/* tcp_cookie_open is what a node in bench mode calls, with the same secret. */
static void a_replay_has_a_cookie_that_its_node_takes(void **state)
{
    static const uint8_t secret[PACKET_SECRET_BYTES] = {1, 2, 3};
    struct chunk_pool pool = {0};
    struct counters counters = {0};
    struct tcp_env env = {
        .pool = &pool, .counters = &counters, .mss_max = 1460, .cookies_last = true};
    struct packet_config with = config;
    struct packets p;
    memcpy(env.cookie_key, secret, sizeof(secret));
    memcpy(with.cookie_secret, secret, sizeof(secret));
    assert_true(packets_init(&p, &with));
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t buf[PACKET_BYTES_MAX], local[16], remote[16];
        struct tcp_segment s;
        struct tcp opened;
        uint32_t len = packet_write(&p, i % 2 ? PACKET_REPLAY : PACKET_REPLAY_HTTP, buf, i);
        assert_int_equal(csum_verify(buf, len), FRAME_CSUM_GOOD);
        assert_true(tcp_segment_parse(&s, buf + PACKET_L4, len - PACKET_L4));
        ip_from_ip4(local, buf + PACKET_L3 + IP4_DST);
        ip_from_ip4(remote, buf + PACKET_L3 + IP4_SRC);
        assert_true(tcp_cookie_open(&opened, &env, local, remote, &s, i * 1000000000ull));
        env.cookie_key[0] ^= 1;
        assert_false(tcp_cookie_open(&opened, &env, local, remote, &s, i * 1000000000ull));
        env.cookie_key[0] ^= 1;
    }
    packets_fini(&p);
}

static void the_same_seed_says_the_same(void **state)
{
    struct packets a, b;
    assert_true(packets_init(&a, &config) && packets_init(&b, &config));
    for (uint32_t i = 0; i < 1000; i++) {
        uint8_t x[PACKET_BYTES_MAX], y[PACKET_BYTES_MAX];
        enum packet_kind kind = (enum packet_kind)(i % PACKET_MIX_END);
        uint32_t len = packet_write(&a, kind, x, i);
        assert_int_equal(packet_write(&b, kind, y, i), len);
        assert_memory_equal(x, y, len);
    }
    packets_fini(&a);
    packets_fini(&b);
}

static void a_mix_is_read_or_refused(void **state)
{
    static const struct {
        const char *text;
        uint32_t slots; /* 0: refused */
    } rows[] = {{"syn", 1},
                {"syn=3,hello", 4},
                {"garbage", PACKET_GARBAGE_END - PACKET_GARBAGE_FIRST},
                {"garbage=2,syn", 2 * (PACKET_GARBAGE_END - PACKET_GARBAGE_FIRST) + 1},
                {"syn=0", 0},
                {"syn=101", 0},
                {"syn=", 0},
                {"syn=1x", 0},
                {"sync", 0},
                {"sy", 0},
                {"ack_hello", 0}, /* not for a mix */
                {",", 0}};
    char error[160];
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct mix m;
        bool is_good = mix_parse(&m, rows[i].text, error, sizeof(error));
        if (is_good != (rows[i].slots > 0) || (is_good && m.slots != rows[i].slots))
            fail_msg("%s: %d, %u slots", rows[i].text, is_good, m.slots);
    }
}

static void a_histogram_keeps_a_sixteenth(void **state)
{
    static struct histogram h;
    for (uint64_t ns = 1; ns < 1000000000000; ns = ns * 5 / 4 + 1) {
        h = (struct histogram){0};
        histogram_add(&h, ns);
        uint64_t kept = histogram_at(&h, 0.5);
        assert_true(kept <= ns && ns - kept <= ns / 16);
        assert_int_equal(histogram_at(&h, 1), ns);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_hello_is_one_that_hearth_accepts),
        cmocka_unit_test(a_name_of_the_greatest_length_fits),
        cmocka_unit_test(stamped_packets_have_right_checksums),
        cmocka_unit_test(a_replay_has_a_cookie_that_its_node_takes),
        cmocka_unit_test(the_same_seed_says_the_same),
        cmocka_unit_test(a_mix_is_read_or_refused),
        cmocka_unit_test(a_histogram_keeps_a_sixteenth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
