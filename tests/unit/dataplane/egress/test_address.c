#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/egress/address.h"
#include "dataplane/net/net.h"

static struct net_address parse(const char *text)
{
    struct net_address a;
    if (!net_parse_address(text, &a))
        fail_msg("not an address: %s", text);
    return a;
}

static void allow(struct address_rules *r, const char *text)
{
    r->allow[r->allow_count++] = parse(text);
}

static struct address_rules node(void)
{
    struct address_rules r = {0};
    struct net_address own4 = parse("8.8.8.10/24"), own6 = parse("2a00:1::10/64");
    memcpy(r.self[r.self_count++], own4.ip, 16);
    memcpy(r.self[r.self_count++], own6.ip, 16);
    assert_true(address_rules_own(&r, own4.ip, own4.prefix_len));
    assert_true(address_rules_own(&r, own6.ip, own6.prefix_len));
    return r;
}

static void check(const struct address_rules *r, const char *text, enum address_verdict want)
{
    enum address_verdict is = address_judge(r, parse(text).ip);
    if (is != want)
        fail_msg("%s: %d, not %d", text, is, want);
}

/* The first and the last of each block, and what lies beside it. */
static void special_addresses_are_refused_to_their_edges(void **state)
{
    static const struct {
        const char *what, *first, *last, *before, *after; /* NULL: special too, or none */
    } rows[] = {
        {"this network", "0.0.0.1", "0.255.255.255", NULL, "1.0.0.0"},
        {"private 10/8", "10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0"},
        {"shared", "100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0"},
        {"loopback", "127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0"},
        {"link-local", "169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0"},
        {"private 172.16/12", "172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0"},
        {"protocol assignments", "192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0"},
        {"documentation 1", "192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0"},
        {"6to4 relays", "192.88.99.0", "192.88.99.255", "192.88.98.255", "192.88.100.0"},
        {"private 192.168/16", "192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0"},
        {"benchmarks", "198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0"},
        {"documentation 2", "198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0"},
        {"documentation 3", "203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0"},
        {"reserved", "240.0.0.0", "255.255.255.254", NULL, NULL},
        {"below 2000::/3", "::1", "1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, "2000::"},
        {"IPv4-compatible", "::1.2.3.4", "::8.8.8.8", NULL, NULL},
        {"NAT64", "64:ff9b::", "64:ff9b::ffff:ffff", NULL, NULL},
        {"local NAT64", "64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
        {"discard", "100::", "100::ffff:ffff:ffff:ffff", NULL, NULL},
        {"Teredo", "2001::", "2001:0:ffff:ffff:ffff:ffff:ffff:ffff", "2000:ffff::", NULL},
        {"protocol assignments 6", "2001:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", NULL,
         "2001:200::"},
        {"documentation 6", "2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
         "2001:db7::", "2001:db9::"},
        {"6to4", "2002::", "2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "2001:ffff::", "2003::"},
        {"documentation 6, new", "3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
         "3ffe:ffff::", "3fff:1000::"},
        {"above 2000::/3", "4000::", "feff::", "3fff:ffff::", NULL},
        {"segment routing", "5f00::", "5f00:ffff::", NULL, NULL},
        {"unique local", "fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
        {"link-local 6", "fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", NULL, NULL},
        {"site-local", "fec0::", "feff:ffff::", NULL, NULL},
    };
    struct address_rules r = node();
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check(&r, rows[i].first, ADDRESS_SPECIAL);
        check(&r, rows[i].last, ADDRESS_SPECIAL);
        if (rows[i].before)
            check(&r, rows[i].before, ADDRESS_OPEN);
        if (rows[i].after)
            check(&r, rows[i].after, ADDRESS_OPEN);
    }
}

static void public_addresses_are_open(void **state)
{
    static const char *const open[] = {"1.1.1.1",         "9.9.9.9",        "93.184.216.34",
                                       "223.255.255.255", "192.31.196.1",   "2606:4700::1111",
                                       "2a00:2::1",       "2620:4f:8000::1"};
    struct address_rules r = node();
    for (size_t i = 0; i < sizeof(open) / sizeof(open[0]); i++)
        check(&r, open[i], ADDRESS_OPEN);
}

static void what_is_never_reached_is_not_to_be_allowed(void **state)
{
    static const char *const never[] = {"0.0.0.0",   "255.255.255.255",
                                        "224.0.0.1", "239.255.255.255",
                                        "::",        "ff02::1",
                                        "ff0e::1",   "8.8.8.10",
                                        "2a00:1::10"};
    struct address_rules r = node();
    allow(&r, "0.0.0.0/0");
    r.allow[r.allow_count++] = (struct net_address){{0}, 0}; /* ::/0 */
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        check(&r, never[i], ADDRESS_NEVER);
    check(&r, "127.0.0.1", ADDRESS_ALLOWED);
    check(&r, "fd00::1", ADDRESS_ALLOWED);
}

static void the_nodes_own_networks_are_refused_unless_allowed(void **state)
{
    struct address_rules r = node();
    check(&r, "8.8.8.1", ADDRESS_OWN);
    check(&r, "8.8.9.1", ADDRESS_OPEN);
    check(&r, "2a00:1::1", ADDRESS_OWN);
    allow(&r, "8.8.8.1/32");
    check(&r, "8.8.8.1", ADDRESS_ALLOWED);
    check(&r, "8.8.8.2", ADDRESS_OWN);
}

static void what_is_denied_is_not_to_be_allowed(void **state)
{
    struct address_rules r = node();
    r.deny[r.deny_count++] = parse("10.1.0.0/16");
    allow(&r, "10.0.0.0/8");
    check(&r, "10.1.2.3", ADDRESS_DENIED);
    check(&r, "10.2.2.3", ADDRESS_ALLOWED);
    r.deny[r.deny_count++] = parse("1.1.1.0/24");
    check(&r, "1.1.1.1", ADDRESS_DENIED);
}

static void a_prefix_of_one_family_says_nothing_of_the_other(void **state)
{
    struct address_rules r = node();
    r.allow[r.allow_count++] = (struct net_address){{0}, 0}; /* ::/0: all of IPv6 */
    check(&r, "10.0.0.1", ADDRESS_SPECIAL);
    check(&r, "fd00::1", ADDRESS_ALLOWED);
}

static void ports_of_other_protocols_are_bad(void **state)
{
    static const uint16_t bad[] = {0, 1, 22, 25, 53, 110, 6000, 6667, 10080},
                          good[] = {80, 443, 8080, 8443, 3000, 65535, 12288};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_true(address_port_is_bad(bad[i]));
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_false(address_port_is_bad(good[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(special_addresses_are_refused_to_their_edges),
        cmocka_unit_test(public_addresses_are_open),
        cmocka_unit_test(what_is_never_reached_is_not_to_be_allowed),
        cmocka_unit_test(the_nodes_own_networks_are_refused_unless_allowed),
        cmocka_unit_test(what_is_denied_is_not_to_be_allowed),
        cmocka_unit_test(a_prefix_of_one_family_says_nothing_of_the_other),
        cmocka_unit_test(ports_of_other_protocols_are_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
