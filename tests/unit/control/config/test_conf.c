/* The language of hearth.yaml: what each mistake says and where, the defaults, and that printing
 * reads back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "control/config/conf.h"

static const char small[] = "node: n1\n"
                            "port:\n"
                            "  device: auto:eth1\n"
                            "  addresses: [10.77.0.1/24, \"fd77::1/64\"]\n"
                            "cores: [1]\n"
                            "certificates:\n"
                            "  - chain: /c.pem\n"
                            "    key: /k.pem\n";

#define KEY1 "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
#define KEY2 "AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI="
#define KEY3 "AwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwM="

static struct conf_verdict verdict;

static struct conf *parse(const char *text)
{
    return conf_parse(text, strlen(text), &verdict);
}

static void what_is_not_said_has_a_default(void **state)
{
    struct conf *c = parse(small);

    if (!c)
        fail_msg("%u: %s", verdict.error[0].line, verdict.error[0].text);
    assert_string_equal(c->node, "n1");
    assert_string_equal(c->port.device, "auto:eth1");
    assert_int_equal(c->port.addresses_count, 2);
    assert_string_equal(c->port.addresses[1], "fd77::1/64");
    assert_int_equal(c->listen.https, 443);
    assert_int_equal(c->listen.http, 0);
    assert_int_equal(c->idle, CONF_IDLE_ADAPTIVE);
    assert_int_equal(c->huge, CONF_AUTO);
    assert_int_equal(c->memory_mb, 512);
    assert_int_equal(c->cells.max, 1024);
    assert_int_equal(c->cells.spares, 4);
    assert_int_equal(c->limits.cpu_ms, 50);
    assert_int_equal(c->limits.conns, CORE_CONNS_DEFAULT);
    assert_int_equal(c->limits.stall_timeout_ms, HTTP_BODY_STALL_MS);
    assert_int_equal(c->limits.min_rate, HTTP_MIN_RATE_DEFAULT);
    assert_string_equal(c->store, "/var/lib/hearth");
    assert_string_equal(c->ctl, "/run/hearth/ctl.sock");
    assert_int_equal(c->drain_ms, 10000);
    assert_false(c->debug_headers);
    assert_null(c->cluster);
    assert_string_equal(c->exception.tap, "");
    assert_int_equal(c->exception.rate, EXCEPTION_RATE_DEFAULT);
    assert_int_equal(c->decapsulate.kinds_count, 0);
    assert_int_equal(c->decapsulate.gue_port, 6080);
    assert_true(c->egress.enabled);
    assert_int_equal(c->egress.allow_count, 0);
    assert_string_equal(c->egress.ca_file, "");
    assert_memory_equal(&c->tune, &world_tune_default, sizeof(c->tune));
    conf_free(c);
}

static void members_have_defaults_too(void **state)
{
    char text[1024];
    struct conf *c;

    snprintf(text, sizeof(text), "%s%s", small,
             "cluster:\n  key: /n.key\n  secret: /c.secret\n  port: 5000\n  members:\n"
             "    - {name: n1, address: \"fd77::1\", key: " KEY1 "}\n"
             "    - {name: n2, address: 10.77.0.2, key: " KEY2
             ", weight: 0, cores: 3, port: 6000, role: edge}\n");
    c = parse(text);
    if (!c)
        fail_msg("%u: %s", verdict.error[0].line, verdict.error[0].text);
    assert_int_equal(c->cluster->members_count, 2);
    assert_int_equal(c->cluster->members[0].weight, 100);
    assert_int_equal(c->cluster->members[0].cores, 1);
    assert_int_equal(c->cluster->members[0].port, 5000);
    assert_int_equal(c->cluster->members[1].weight, 0);
    assert_int_equal(c->cluster->members[1].cores, 3);
    assert_int_equal(c->cluster->members[1].port, 6000);
    assert_int_equal(c->cluster->members[0].role, CONF_ROLE_OPERATOR);
    assert_int_equal(c->cluster->members[1].role, CONF_ROLE_EDGE);
    conf_free(c);
}

static void the_socket_follows_the_run_directory(void **state)
{
    char text[512];
    struct conf *c;

    snprintf(text, sizeof(text), "%srun: /run/other\n", small);
    c = parse(text);
    assert_non_null(c);
    assert_string_equal(c->ctl, "/run/other/ctl.sock");
    conf_free(c);
}

static void zero_that_is_said_is_not_a_default(void **state)
{
    struct conf *c = parse("node: n1\nport: {device: net_null0, addresses: [10.0.0.1/8]}\n"
                           "cores: [0, 0]\nlisten: {https: 0, http: 80}\ndrain_ms: 0\n");

    assert_non_null(c);
    assert_int_equal(c->listen.https, 0);
    assert_int_equal(c->listen.http, 80);
    assert_int_equal(c->drain_ms, 0);
    assert_int_equal(c->cores_count, 2);
    conf_free(c);
}

static void the_mtu_is_the_devices_unless_it_is_said(void **state)
{
    static const struct {
        const char *said;
        uint16_t mtu;
    } rows[] = {{"", 0}, {", mtu: 0", 0}, {", mtu: 576", 576}, {", mtu: 9000", 9000}};

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char text[256];
        struct conf *c;

        snprintf(text, sizeof(text),
                 "node: n1\nport: {device: x, addresses: [10.0.0.1/24]%s}\ncores: [1]\n"
                 "listen: {https: 0, http: 80}\n",
                 rows[i].said);
        c = parse(text);
        assert_non_null(c);
        assert_int_equal(c->port.mtu, rows[i].mtu);
        assert_int_equal(c->port.rx_descriptors, 1024);
        assert_int_equal(c->port.tx_descriptors, 1024);
        conf_free(c);
    }
}

static char *print(const struct conf *c)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);

    assert_int_equal(conf_print(c, out), 0);
    fclose(out);
    return text;
}

static void a_port_has_one_device_or_two(void **state)
{
    const char *device[CONF_DEVICES_MAX];
    struct conf *c = parse(small), *again;
    char *text;

    assert_non_null(c);
    assert_int_equal(conf_devices(&c->port, device), 1);
    assert_string_equal(device[0], "auto:eth1");
    conf_free(c);
    c = parse("node: n1\nport: {devices: [\"0000:03:02.0\", auto:eth1], addresses: [10.0.0.1/24],\n"
              "  mode: lacp, failback_s: 0}\ncores: [1]\nlisten: {https: 0, http: 80}\n");
    assert_non_null(c);
    assert_int_equal(conf_devices(&c->port, device), 2);
    assert_string_equal(device[0], "0000:03:02.0");
    assert_string_equal(device[1], "auto:eth1");
    assert_int_equal(c->port.mode, CONF_PORT_LACP);
    assert_int_equal(c->port.failback_s, 0);
    text = print(c);
    again = parse(text);
    assert_non_null(again);
    assert_memory_equal(&c->port, &again->port, sizeof(c->port));
    free(text);
    conf_free(again);
    conf_free(c);
}

static void what_is_printed_reads_back_equal(void **state)
{
    static const char *const extras[] = {
        "",
        "huge: off\nidle: poll\ndebug_headers: true\nzones: [a.test, b.test]\n",
        "cells: {max: 40, cpus: [2, 3], memory_mb: 100, spares: 1, larges: 2, per_script: 3, "
        "renew_s: "
        "60, sandbox: weaker, limit_speculation: true, node_exe: /n, program: /p, blob: /b}\n",
        "limits: {cpu_ms: 1, wall_ms: 10, heap_mb: 16, conns: 16, request_body_mb: 7}\n"
        "store: /s\nrun: /r\nctl: /x.sock\ncontrol_cpu: 3\nmemory_mb: 64\n",
        "cluster: {key: /n.key, secret: /c.secret, members: [{name: n2, address: 10.77.0.2, "
        "key: " KEY2
        ", weight: 200, cores: 4, port: 99, role: edge}, {name: n1, address: 10.77.0.1, key: " KEY1
        "}]}\n",
        "exception: {tap: h-0_x, addresses: [10.77.0.11/24, \"fd77::1/64\"], pass: [tcp/22, icmp, "
        "proto/89], rate: 7}\ndecapsulate: {kinds: [gue, ipip], from: [10.0.0.0/8, "
        "\"fd01::/64\"], gue_port: 9886}\n",
        "egress: {enabled: false, allow: [10.1.0.0/16, \"fd01::/64\"], deny: [8.8.8.0/24], "
        "resolvers: "
        "[9.9.9.9, \"2620:fe::fe\"], ca_file: /x, fetches: 7, kept: 0, keep_ms: 100}\n",
        "tune: {hot_enter_rpm: 7, hot_leave_rpm: 6, optimistic_bytes: 0, trace_one_in: 0}\n",
    };

    for (size_t i = 0; i < sizeof(extras) / sizeof(extras[0]); i++) {
        char text[1024];
        struct conf *a, *b;
        char *x, *y;

        snprintf(text, sizeof(text), "%s%s", small, extras[i]);
        a = parse(text);
        if (!a)
            fail_msg("%u: %s", verdict.error[0].line, verdict.error[0].text);
        x = print(a);
        b = parse(x);
        if (!b)
            fail_msg("%u: %s\n%s", verdict.error[0].line, verdict.error[0].text, x);
        y = print(b);
        assert_string_equal(x, y);
        assert_string_equal(b->certificates[0].chain, "/c.pem");
        assert_memory_equal(&a->limits, &b->limits, sizeof(a->limits));
        assert_memory_equal(&a->port, &b->port, sizeof(a->port));
        assert_memory_equal(&a->tune, &b->tune, sizeof(a->tune));
        assert_memory_equal(&a->exception, &b->exception, sizeof(a->exception));
        assert_memory_equal(&a->decapsulate, &b->decapsulate, sizeof(a->decapsulate));
        a->egress.ca_file_line = b->egress.ca_file_line;
        assert_memory_equal(&a->egress, &b->egress, sizeof(a->egress));
        assert_int_equal(a->cells.sandbox, b->cells.sandbox);
        assert_int_equal(a->cells.limits_speculation, b->cells.limits_speculation);
        assert_int_equal(!a->cluster, !b->cluster);
        if (a->cluster)
            assert_memory_equal(a->cluster->members, b->cluster->members,
                                2 * sizeof(struct conf_member));
        free(x);
        free(y);
        conf_free(a);
        conf_free(b);
    }
}

static void the_example_is_good(void **state)
{
    struct conf *c = conf_read(EXAMPLE_FILE, &verdict);

    if (!c)
        fail_msg("%u: %s", verdict.error[0].line, verdict.error[0].text);
    conf_free(c);
}

/* Rows: what, the text (SMALL stands for a good beginning of 8 lines), all that is said about
 * it. */
#define SMALL                                                                                      \
    "node: n1\nport:\n  device: auto:eth1\n  addresses: [10.77.0.1/24]\ncores: [1]\n"              \
    "certificates:\n  - chain: /c.pem\n    key: /k.pem\n"
/* A port of its own, in line 2. */
#define PORT_OF(more)                                                                              \
    "node: n1\nport: {device: x, " more "}\ncores: [1]\nlisten: {https: 0, http: 80}\n"
/* One with devices of its own. */
#define TWO_OF(devices)                                                                            \
    "node: n1\nport: {" devices ", addresses: [10.0.0.1/24]}\ncores: [1]\n"                        \
    "listen: {https: 0, http: 80}\n"
/* And a cluster: its members begin in line 13. */
#define CLUSTER SMALL "cluster:\n  key: /n.key\n  secret: /c.secret\n  members:\n"
#define N1      "    - {name: n1, address: 10.77.0.1, key: " KEY1 "}\n"
#define N2      "    - {name: n2, address: 10.77.0.2, key: " KEY2 "}\n"

static void each_mistake_is_told_with_its_line(void **state)
{
    static const struct {
        const char *what, *text, *said;
    } rows[] = {
        {"nothing at all", "", "1: cores: is missing\n1: node: is missing\n1: port: is missing\n"},
        {"no mapping", "- a\n", "1: the file: is a list, must be a mapping\n"},
        {"not YAML", "node: [\n",
         "2: not YAML: did not find expected node content while parsing a "
         "flow node\n"},
        {"two documents", "node: a\n---\nnode: b\n", "2: more than one document\n"},
        {"an alias", "node: &a n1\n", "1: anchors and tags are not supported\n"},
        {"a slip of the finger", SMALL "limts: {cpu_ms: 1}\n",
         "9: limts: unknown key, did you mean \"limits\"?\n"},
        {"a slip inside", SMALL "limits:\n  heap_mb: 64\n  cpu_m: 1\n",
         "11: limits.cpu_m: unknown key, did you mean \"cpu_ms\"?\n"},
        {"a word from nowhere", SMALL "colour: blue\n", "9: colour: unknown key\n"},
        {"a key given twice", SMALL "node: n2\n", "9: node: given twice, first in line 1\n"},
        {"not a number", SMALL "memory_mb: lots\n",
         "9: memory_mb: \"lots\" is not a whole number\n"},
        {"a negative number", SMALL "drain_ms: -1\n",
         "9: drain_ms: \"-1\" is not a whole number\n"},
        {"a number too large for its field", SMALL "listen: {http: 70000}\n",
         "9: listen.http: 70000 is too large\n"},
        {"a number out of its range", SMALL "limits:\n  cpu_ms: 0\n",
         "10: limits.cpu_ms: 0 is out of range (1 to 300000)\n"},
        {"a socket for guests by a relative path", SMALL "control:\n  accounts_socket: x.sock\n",
         "10: control.accounts_socket: \"x.sock\" must be an absolute path\n"},
        {"the operator's own socket for guests",
         SMALL "control: {accounts_socket: /run/hearth/ctl.sock}\n",
         "9: control.accounts_socket: it is the operator's own (ctl)\n"},
        {"no device",
         "node: n1\nport: {addresses: [10.0.0.1/24]}\ncores: [1]\nlisten: {https: 0, http: 80}\n",
         "2: port.device: is missing\n"},
        {"one device of two", TWO_OF("devices: [a]"),
         "2: port.devices: names two, or give port.device\n"},
        {"three devices", TWO_OF("devices: [a, b, c]"),
         "2: port.devices: has 3 entries, at most 2 are possible\n"},
        {"the same device twice", TWO_OF("devices: [a, a]"), "2: port.devices: both are a\n"},
        {"one device and two", TWO_OF("device: a, devices: [b, c]"),
         "2: port.devices: beside port.device; give the one or the other\n"},
        {"two devices without an interface", TWO_OF("devices: [auto, \"auto:\"]"),
         "2: port.devices[0]: name the interface, like auto:eth1\n"
         "2: port.devices[1]: name the interface, like auto:eth1\n"},
        {"a mode from nowhere", TWO_OF("devices: [a, b], mode: balance-rr"),
         "2: port.mode: \"balance-rr\" is not one of failover, lacp\n"},
        {"LACP of one device", TWO_OF("device: a, mode: lacp"),
         "2: port.mode: lacp is of two, port.devices\n"},
        {"an MTU that no host takes", PORT_OF("addresses: [10.0.0.1/24], mtu: 575"),
         "2: port.mtu: 575 is out of range (576 to 9000, or 0: the device's)\n"},
        {"an MTU above jumbo frames", PORT_OF("addresses: [10.0.0.1/24], mtu: 9001"),
         "2: port.mtu: 9001 is out of range (576 to 9000, or 0: the device's)\n"},
        {"an MTU too small for IPv6", PORT_OF("addresses: [\"fd00::1/64\"], mtu: 1279"),
         "2: port.mtu: 1279, but IPv6 needs 1280 at least (port.addresses[0])\n"},
        {"an MTU too small for a cluster",
         PORT_OF("addresses: [10.77.0.1/24], mtu: 1279") "cluster:\n  key: /n.key\n"
                                                         "  secret: /c.secret\n  members:\n" N1,
         "2: port.mtu: 1279, but nodes of a cluster need 1280 at least\n"},
        {"a user that no machine has", SMALL "user: \"../x\"\n",
         "9: user: \"../x\" is not a name of lower-case letters, digits, '_', '-' and '.'\n"},
        {"a user's name that is too long", SMALL "user: abcdefghijabcdefghijabcdefghijabc\n",
         "9: user: longer than 32 bytes\n"},
#ifdef HEARTH_BENCH_MODE
        {"a cookie secret that is too short", SMALL "bench_cookie_secret: \"00\"\n",
         "9: bench_cookie_secret: must be 32 digits of 0-9 and a-f\n"},
#else
        {"a cookie secret in a build for production",
         SMALL "bench_cookie_secret: \"00112233445566778899aabbccddeeff\"\n",
         "9: bench_cookie_secret: only builds with -Dbench_mode=true take it: whoever knows it "
         "opens connections without having had an answer\n"},
#endif
        {"a tap of no name that an interface can have",
         SMALL "exception:\n  tap: a/b\n  addresses: [10.77.0.11/24]\n",
         "10: exception.tap: \"a/b\" is not a name of letters, digits, '_' and '-'\n"},
        {"a tap without an address", SMALL "exception: {tap: hearth0}\n",
         "9: exception.addresses: the host needs one on its tap\n"},
        {"the host's addresses without a tap",
         SMALL "exception:\n  rate: 5\n  addresses: [10.77.0.11/24]\n",
         "11: exception.tap: addresses without a tap lead nowhere\n"},
        {"a host's address that is none",
         SMALL "exception: {tap: hearth0, addresses: [10.77.0.11]}\n",
         "9: exception.addresses[0]: \"10.77.0.11\" needs a prefix length, like 10.77.0.11/24\n"},
        {"rules without a shared address",
         SMALL "exception:\n  tap: h\n  addresses: [10.77.0.11/24]\n  pass: [tcp/22]\n",
         "12: exception.pass: says what the host gets of an address that is hearth's too, and none "
         "of exception.addresses is in port.addresses\n"},
        {"rules that are none, or for what is hearth's own",
         SMALL "exception:\n  tap: h\n  addresses: [10.77.0.1/32]\n  pass:\n    - tcp/443\n"
               "    - ssh\n    - tcp/22\n    - udp/6080\n    - proto/4\n    - proto/6\n"
               "decapsulate: {kinds: [ipip, gue], from: [10.0.0.0/8]}\n",
         "13: exception.pass[0]: tcp/443 is hearth's own (listen.https)\n"
         "14: exception.pass[1]: \"ssh\" is none of tcp/PORT, udp/PORT, icmp and proto/NUMBER\n"
         "16: exception.pass[3]: udp/6080 is hearth's own (decapsulate)\n"
         "17: exception.pass[4]: proto/4 is hearth's own (decapsulate)\n"
         "18: exception.pass[5]: \"proto/6\" is none of tcp/PORT, udp/PORT, icmp and "
         "proto/NUMBER\n"},
        {"a rule for the cluster's port",
         CLUSTER N1 "exception: {tap: h, addresses: [10.77.0.1/24], pass: [udp/4433, udp/4434]}\n",
         "14: exception.pass[0]: udp/4433 is hearth's own (cluster.port)\n"},
        {"balancers that are nobody", SMALL "decapsulate:\n  kinds: [ipip]\n",
         "10: decapsulate.from: name the balancers' addresses: whoever can encapsulate can send as "
         "anybody\n"},
        {"balancers that send nothing", SMALL "decapsulate:\n  from: [10.0.0.0/8]\n",
         "10: decapsulate.kinds: none of ipip, gue is given\n"},
        {"what balancers do not send", SMALL "decapsulate: {kinds: [gre], from: [10.0.0.0/8]}\n",
         "9: decapsulate.kinds[0]: \"gre\" is not one of ipip, gue\n"},
        {"a way out that is none",
         SMALL "egress:\n  allow: [10.0.0.1]\n  deny: [x/8]\n  resolvers: [9.9.9.9/32]\n  ca_file: "
               "ca.pem\n  fetches: 0\n",
         "10: egress.allow[0]: \"10.0.0.1\" needs a prefix length, like 10.0.0.1/24\n"
         "11: egress.deny[0]: \"x\" is not an IPv4 address\n"
         "12: egress.resolvers[0]: an address without a prefix is wanted here\n"
         "13: egress.ca_file: \"ca.pem\" must be an absolute path\n"
         "14: egress.fetches: 0 is out of range (1 to 1024)\n"},
        {"the same twice", SMALL "decapsulate: {kinds: [gue, gue], from: [10.0.0.0/8]}\n",
         "9: decapsulate.kinds[1]: given twice\n"},
        {"neither true nor false", SMALL "debug_headers: maybe\n",
         "9: debug_headers: \"maybe\" is not true or false\n"},
        {"a word that is none of these", SMALL "huge: yes\n",
         "9: huge: \"yes\" is not one of auto, on, off\n"},
        {"a list where a value belongs", SMALL "store: [a]\n",
         "9: store: is a list, must be a value\n"},
        {"a value where a list belongs", SMALL "zones: a.test\n",
         "9: zones: is a value, must be a list\n"},
        {"a relative path", SMALL "store: var/lib\n",
         "9: store: \"var/lib\" must be an absolute path\n"},
        {"a zone in upper case", SMALL "zones:\n  - a.test\n  - B.test\n",
         "11: zones[1]: \"B.test\" is not a domain in lower case\n"},
        {"the same port twice", SMALL "listen:\n  https: 80\n  http: 80\n",
         "11: listen.http: the same port as https\n"},
        {"nothing to listen on", SMALL "listen: {https: 0}\n",
         "9: listen: https and http are both off\n"},
        {"https without a certificate",
         "node: n1\nport: {device: net_null0, addresses: [10.0.0.1/8]}\ncores: [1]\n"
         "listen:\n  https: 443\n",
         "5: certificates: one is needed to listen on https (or set listen.https: 0)\n"},
        {"two defaults",
         SMALL "    default: true\n  - chain: /d.pem\n    key: /d.key\n    default: true\n",
         "12: certificates[1].default: another certificate is the default already\n"},
        {"a certificate without its key", SMALL "  - chain: /d.pem\n",
         "9: certificates[1].key: is missing\n"},
        {"a name that is no host name", SMALL "zones: [a..b]\n",
         "9: zones[0]: \"a..b\" is not a domain in lower case\n"},
        {"more wall clock than CPU is needed", SMALL "limits: {cpu_ms: 100, wall_ms: 50}\n",
         "9: limits.wall_ms: 50 is less than limits.cpu_ms, 100\n"},
        {"a cluster without this node", CLUSTER N2,
         "12: cluster.members: this node, \"n1\", is not among them\n"},
        {"a cluster of nobody", SMALL "cluster:\n  key: /k\n  secret: /s\n  members: []\n",
         "12: cluster.members: needs at least 1 entry\n"},
        {"a cluster without its files", SMALL "cluster:\n  members:\n" N1,
         "9: cluster.key: is missing\n9: cluster.secret: is missing\n"},
        {"relative key files", SMALL "cluster:\n  key: n.key\n  secret: s\n  members:\n" N1,
         "10: cluster.key: \"n.key\" must be an absolute path\n"
         "11: cluster.secret: \"s\" must be an absolute path\n"},
        {"two members of one name",
         CLUSTER N1 "    - {name: n1, address: 10.77.0.2, key: " KEY2 "}\n",
         "14: cluster.members[1].name: \"n1\" is the name of members[0] too\n"},
        {"two members at one address",
         CLUSTER N1 N2 "    - {name: n3, address: 10.77.0.2, key: " KEY3 "}\n",
         "15: cluster.members[2].address: 10.77.0.2 is the address of members[1] too\n"},
        {"two members with one key",
         CLUSTER N1 "    - {name: n2, address: 10.77.0.2, key: " KEY1 "}\n",
         "14: cluster.members[1].key: is the key of members[0] too\n"},
        {"a key that is no key", CLUSTER N1 "    - {name: n2, address: 10.77.0.2, key: abc}\n",
         "14: cluster.members[1].key: is not the base64 of a public key (hearthctl key show)\n"},
        {"a member's address with a prefix",
         CLUSTER N1 "    - {name: n2, address: 10.77.0.2/24, key: " KEY2 "}\n",
         "14: cluster.members[1].address: an address without a prefix is wanted here\n"},
        {"an address that this node has not",
         CLUSTER "    - {name: n1, address: 10.77.0.9, key: " KEY1 "}\n" N2,
         "13: cluster.members[0].address: 10.77.0.9 is this node, but port.addresses has no such "
         "address\n"},
        {"cores that this node has not",
         CLUSTER "    - {name: n1, address: 10.77.0.1, key: " KEY1 ", cores: 2}\n",
         "13: cluster.members[0].cores: 2, but this node has 1 (cores)\n"},
        {"a port that is not this node's",
         CLUSTER "    - {name: n1, address: 10.77.0.1, key: " KEY1 ", port: 5000}\n",
         "13: cluster.members[0].port: 5000, but this node's is 4433 (cluster.port)\n"},
        {"a weight and a count of cores out of range",
         CLUSTER N1 "    - name: n2\n      address: 10.77.0.2\n      key: " KEY2
                    "\n      weight: 1001\n      cores: 33\n",
         "17: cluster.members[1].weight: 1001 is out of range (0 to 1000)\n"
         "18: cluster.members[1].cores: 33 is out of range (1 to 32)\n"},
        {"ports beyond the last",
         CLUSTER N1 "    - {name: n2, address: 10.77.0.2, key: " KEY2 ", cores: 2, port: 65535}\n",
         "14: cluster.members[1].port: 65535 and one more for each core pass 65535\n"},
        {"a knob out of its range", SMALL "tune:\n  optimistic_bytes: 65537\n",
         "10: tune.optimistic_bytes: 65537 is out of range (0 to 65536)\n"},
        {"a knob of another name", SMALL "tune:\n  hot_entr_rpm: 5\n",
         "10: tune.hot_entr_rpm: unknown key, did you mean \"hot_enter_rpm\"?\n"},
        {"hysteresis the wrong way round",
         SMALL "tune:\n  hot_enter_rpm: 10\n  hot_leave_rpm: 11\n",
         "11: tune.hot_leave_rpm: 11 is more than hot_enter_rpm, 10: scripts would not stay\n"},
        {"widening that would narrow at once", SMALL "tune:\n  widen_rps: 10\n",
         "9: tune.narrow_rps: 8 is more than half of widen_rps, 10: what widens would narrow "
         "at "
         "once\n"},
        {"every mistake at once",
         "node: N1\nprt: 1\nport:\n  device: auto\n  addresses:\n    - 10.0.0.1\n    - "
         "10.0.0.2/33\n"
         "    - fd77::1/64\n    - 1.2.3/8\n  gateway4: fd77::1\n  gateway6: fd77::1/64\n"
         "cores: [1]\ncertificates:\n  - {chain: /c, key: k}\n",
         "2: prt: unknown key, did you mean \"port\"?\n"},
        {"every mistake of meaning at once",
         "node: N1\nport:\n  device: auto\n  addresses:\n    - 10.0.0.1\n    - 10.0.0.2/33\n"
         "    - fd77::1/64\n    - 1.2.3/8\n  gateway4: fd77::1\n  gateway6: fd77::1/64\n"
         "cores: [2000]\ncertificates:\n  - {chain: /c, key: k}\n",
         "1: node: \"N1\" is not a name of lower-case letters, digits, '-' and '.'\n"
         "3: port.device: name the interface, like auto:eth1\n"
         "5: port.addresses[0]: \"10.0.0.1\" needs a prefix length, like 10.0.0.1/24\n"
         "6: port.addresses[1]: \"33\" is not a prefix length (1 to 32)\n"
         "8: port.addresses[3]: \"1.2.3\" is not an IPv4 address\n"
         "9: port.gateway4: \"fd77::1\" is not an IPv4 address\n"
         "10: port.gateway6: an address without a prefix is wanted here\n"
         "11: cores[0]: CPU 2000 is out of range (0 to 1023)\n"
         "13: certificates[0].key: \"k\" must be an absolute path\n"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char said[4096] = "";
        struct conf *c = parse(rows[i].text);

        if (c)
            fail_msg("%s: taken for good", rows[i].what);
        for (uint32_t k = 0; k < verdict.count; k++)
            snprintf(said + strlen(said), sizeof(said) - strlen(said), "%u: %s\n",
                     verdict.error[k].line, verdict.error[k].text);
        if (strcmp(said, rows[i].said))
            fail_msg("%s:\n%s-- instead of\n%s", rows[i].what, said, rows[i].said);
    }
}

/* A list of so many members with so many cores each; of one core is the first, which is this node.
 * */
static char *write_members(uint32_t count, uint32_t cores)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);

    fprintf(f, "node: n0\nport:\n  device: auto:eth1\n  addresses: [10.9.0.1/16]\ncores: [1]\n"
               "listen: {https: 0, http: 80}\ncluster:\n  key: /k\n  secret: /s\n  members:\n");
    for (uint32_t i = 0; i < count; i++)
        fprintf(f, "  - {name: n%u, address: 10.9.%u.%u, cores: %u, key: \"%08x%035x=\"}\n", i,
                i / 250, 1 + i % 250, i ? cores : 1, i, 0);
    fclose(f);
    return text;
}

static void a_cluster_that_is_too_large_is_told_with_its_line(void **state)
{
    static const struct {
        uint32_t members, cores;
        const char *said; /* NULL: it is good */
    } rows[] = {
        {MEMBERS_MAX, 2, NULL},
        {MEMBERS_MAX + 1, 1, "cluster.members: has 513 entries, at most 512 are possible"},
        {33, 32, NULL},
        {34, 32,
         "cluster.members: their cores need 1056 channels of each core here, at most 1024 are "
         "possible: give this node more cores, or them fewer"},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *text = write_members(rows[i].members, rows[i].cores);
        struct conf *c = parse(text);

        if ((c != NULL) != !rows[i].said)
            fail_msg("%u members: %s", rows[i].members, verdict.count ? verdict.error[0].text : "");
        if (rows[i].said) {
            assert_int_equal(verdict.count, 1);
            assert_string_equal(verdict.error[0].text, rows[i].said);
            assert_int_equal(verdict.error[0].line, 10);
        }
        conf_free(c);
        free(text);
    }
}

static void more_mistakes_than_room_are_counted(void **state)
{
    char text[8192] = SMALL;

    for (int i = 0; i < 100; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "unknown%d: 1\n", i);
    assert_null(parse(text));
    assert_int_equal(verdict.count, 100);
    assert_int_equal(verdict.error[CONF_ERRORS_MAX - 1].line, 8 + CONF_ERRORS_MAX);
}

static void a_file_that_is_not_there_is_an_error(void **state)
{
    assert_null(conf_read("/nonexistent/hearth.yaml", &verdict));
    assert_int_equal(verdict.count, 1);
    assert_string_equal(verdict.error[0].text, "No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_a_default),
        cmocka_unit_test(members_have_defaults_too),
        cmocka_unit_test(the_socket_follows_the_run_directory),
        cmocka_unit_test(zero_that_is_said_is_not_a_default),
        cmocka_unit_test(the_mtu_is_the_devices_unless_it_is_said),
        cmocka_unit_test(a_port_has_one_device_or_two),
        cmocka_unit_test(what_is_printed_reads_back_equal),
        cmocka_unit_test(the_example_is_good),
        cmocka_unit_test(each_mistake_is_told_with_its_line),
        cmocka_unit_test(a_cluster_that_is_too_large_is_told_with_its_line),
        cmocka_unit_test(more_mistakes_than_room_are_counted),
        cmocka_unit_test(a_file_that_is_not_there_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
