/* test_tap.c: a real tap in a network namespace of the test's own: what the kernel knows of it, and
 * frames both ways. Skips without root or /dev/net/tun. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "drivers/tap.h"
#include "tests/unit/drivers/test_frame.h"

enum { PATIENCE_MS = 10000, SKIPPED = 77 };

static const struct tap_config config = {
    .name = "hxtap",
    .mac = {2, 0, 0, 0, 0, 1},
    .mtu = 1400,
    .address_count = 3,
    .address = {{false, {192, 0, 2, 11}, 24},
                {true, {0xfd, [15] = 0x11}, 64},
                {false, {192, 0, 2, 12}, 32}},
};

static struct tap open_tap(const struct tap_config *c)
{
    char error[256] = "";
    struct tap t;

    if (tap_open(&t, c, error, sizeof(error)))
        fail_msg("%s", error);
    return t;
}

static struct ifreq ask_kernel(unsigned long what)
{
    struct ifreq r = {0};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    strcpy(r.ifr_name, config.name);
    assert_int_equal(ioctl(fd, what, &r), 0);
    close(fd);
    return r;
}

static bool has_carrier(void)
{
    struct ethtool_value link = {.cmd = ETHTOOL_GLINK};
    struct ifreq r = {.ifr_data = (char *)&link};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);

    strcpy(r.ifr_name, config.name);
    assert_int_equal(ioctl(fd, SIOCETHTOOL, &r), 0);
    close(fd);
    return link.data;
}

static bool has_address(const char *wanted)
{
    struct ifaddrs *all;
    bool found = false;

    assert_int_equal(getifaddrs(&all), 0);
    for (struct ifaddrs *a = all; a; a = a->ifa_next) {
        char text[INET6_ADDRSTRLEN] = "";

        if (!a->ifa_addr || strcmp(a->ifa_name, config.name))
            continue;
        if (a->ifa_addr->sa_family == AF_INET)
            inet_ntop(AF_INET, &((struct sockaddr_in *)a->ifa_addr)->sin_addr, text, sizeof(text));
        if (a->ifa_addr->sa_family == AF_INET6)
            inet_ntop(AF_INET6, &((struct sockaddr_in6 *)a->ifa_addr)->sin6_addr, text,
                      sizeof(text));
        found |= !strcmp(text, wanted);
    }
    freeifaddrs(all);
    return found;
}

static void the_kernel_has_what_was_asked_for(void **state)
{
    struct tap t = open_tap(&config);

    assert_memory_equal(ask_kernel(SIOCGIFHWADDR).ifr_hwaddr.sa_data, config.mac, 6);
    assert_int_equal(ask_kernel(SIOCGIFMTU).ifr_mtu, 1400);
    assert_true(ask_kernel(SIOCGIFFLAGS).ifr_flags & IFF_UP);
    assert_true(has_address("192.0.2.11"));
    assert_true(has_address("192.0.2.12"));
    assert_true(access("/proc/net/if_inet6", F_OK) != 0 || has_address("fd00::11"));
    tap_close(&t);
    assert_int_equal(if_nametoindex(config.name), 0); /* gone with it */
}

static void the_mac_and_the_carrier_follow_the_port(void **state)
{
    static const uint8_t other[6] = {2, 0, 0, 0, 0, 9};
    struct tap t = open_tap(&config);

    assert_true(tap_set_mac(&t, other));
    assert_memory_equal(ask_kernel(SIOCGIFHWADDR).ifr_hwaddr.sa_data, other, 6);
    assert_true(has_carrier());
    assert_true(tap_set_carrier(&t, false));
    assert_false(has_carrier());
    assert_true(tap_set_carrier(&t, true));
    assert_true(has_carrier());
    tap_close(&t);
}

/* The next frame of that EtherType that the kernel sends. */
static size_t await_frame(const struct tap *t, uint8_t *frame, size_t room, uint16_t type)
{
    struct pollfd p = {.fd = t->fd, .events = POLLIN};

    while (poll(&p, 1, PATIENCE_MS) == 1) {
        size_t n = tap_read(t, frame, room);

        if (n >= 14 && (frame[12] << 8 | frame[13]) == type)
            return n;
    }
    return 0;
}

static void frames_go_both_ways(void **state)
{
    static const uint8_t who_has[] = {
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,   2, 0x08, 0x06, /* Ethernet */
        0,    1,    8,    0,    6,    4,    0, 1, 2, 0, 0,   0, 0,    2,
        192,  0,    2,    77,   0,    0,    0, 0, 0, 0, 192, 0, 2,    11};
    struct tap t = open_tap(&config);
    uint8_t frame[2048];
    int64_t n;

    assert_true(tap_write(&t, who_has, 12, who_has + 12, sizeof(who_has) - 12));
    do { /* its own announcements come first */
        n = (int64_t)await_frame(&t, frame, sizeof(frame), 0x0806);
        assert_true(n >= 42);
    } while (frame[21] != 2);
    assert_memory_equal(frame, who_has + 6, 6);
    assert_memory_equal(frame + 6, config.mac, 6);
    assert_memory_equal(frame + 28, who_has + 38, 4);

    /* Checksums are done: nobody behind us could. */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9)};
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    inet_pton(AF_INET, "192.0.2.77", &to.sin_addr);
    assert_int_equal(sendto(udp, "hello", 5, 0, (struct sockaddr *)&to, sizeof(to)), 5);
    n = (int64_t)await_frame(&t, frame, sizeof(frame), 0x0800);
    assert_int_equal(n, 14 + 20 + 8 + 5);
    assert_int_equal(test_sum(frame + 14, 20, 0), 0xffff);
    assert_int_equal(test_l4_sum(frame + 14, frame + 34, 13, TEST_UDP), 0xffff);
    close(udp);
    assert_false(tap_write(&t, who_has, 6, who_has, 0)); /* no frame */
    tap_close(&t);
}

static void without_ipv6_none_is_spoken(void **state)
{
    struct tap_config only4 = config;
    FILE *f;

    only4.address_count = 1;
    struct tap t = open_tap(&only4);
    f = fopen("/proc/sys/net/ipv6/conf/hxtap/disable_ipv6", "r");
    assert_true(!f || fgetc(f) == '1'); /* or the kernel has none at all */
    if (f)
        fclose(f);
    tap_close(&t);
}

static void what_cannot_be_is_a_sentence(void **state)
{
    struct tap_config c = config;
    char error[256];
    struct tap t, first = open_tap(&config);

    assert_int_equal(tap_open(&t, &config, error, sizeof(error)), -EBUSY);
    assert_string_equal(error, "making the interface hxtap: Device or resource busy");
    tap_close(&first);
    c.name = "lo";
    assert_int_equal(tap_open(&t, &c, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "making the interface lo: Invalid argument");
    c.name = config.name;
    c.mtu = 20;
    assert_int_equal(tap_open(&t, &c, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "the MTU of hxtap: Invalid argument");
    assert_int_equal(if_nametoindex(config.name), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_kernel_has_what_was_asked_for),
        cmocka_unit_test(the_mac_and_the_carrier_follow_the_port),
        cmocka_unit_test(frames_go_both_ways),
        cmocka_unit_test(without_ipv6_none_is_spoken),
        cmocka_unit_test(what_cannot_be_is_a_sentence),
    };

    if (access("/dev/net/tun", R_OK | W_OK) || unshare(CLONE_NEWNET))
        return SKIPPED;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
