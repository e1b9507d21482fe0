#include "fixture.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/net/ip.h"
#include "dataplane/net/net_wire.h"

#define MACS        "020000000001 020000000002 "
#define HOST6       "fd000000000000000000000000000002 "
#define NODE6       "fd000000000000000000000000000001 "
#define NODE6_GROUP "ff0200000000000000000001ff000001 "
#define TCP_HEADER  "c000 01bb 00000001 00000002 5010 ffff 0000 0000 "

static const char *const base_hex[BASES] = {
    [TCP4] = MACS "0800 45000028 12344000 40060000 0a000002 0a000001 " TCP_HEADER,
    [UDP4] = MACS "0800 45000020 12344000 40110000 0a000002 0a000001 c000 2000 000c 0000 01020304",
    [ECHO4] = MACS
    "0800 45000024 12344000 40010000 0a000002 0a000001 0800 0000 00010002 0102030405060708",
    [TOO_BIG4] = MACS "0800 45000038 12344000 40010000 0a000002 0a000001 0304 0000 00000578 "
                      "450005dc 00014000 40060000 0a000001 08080808 01bb c000 11223344",
    [ARP_ASK] = "ffffffffffff 020000000002 0806 0001 0800 0604 0001 020000000002 0a000002 "
                "000000000000 0a000001",
    [ARP_ANSWER] = MACS "0806 0001 0800 0604 0002 020000000002 0a000002 020000000001 0a000001",
    [TCP6] = MACS "86dd 60000000 0014 06 40 " HOST6 NODE6 TCP_HEADER,
    [UDP6] = MACS "86dd 60000000 000c 11 40 " HOST6 NODE6 "c000 2000 000c 0000 01020304",
    [ECHO6] = MACS "86dd 60000000 0010 3a 40 " HOST6 NODE6 "8000 0000 00010002 0102030405060708",
    [TOO_BIG6] =
        MACS "86dd 60000000 0040 3a 40 " HOST6 NODE6 "0200 0000 00000578 60000000 05b4 06 40 " NODE6
             "20010db8000000000000000000000008 01bb c000 11223344 00000000 5010 0000",
    [NS] = "3333ff000001 020000000002 86dd 60000000 0020 3a ff " HOST6 NODE6_GROUP
           "8700 0000 00000000 " NODE6 "0101 020000000002",
    [NA] = MACS "86dd 60000000 0020 3a ff " HOST6 NODE6 "8800 0000 60000000 " HOST6
                "0201 020000000002",
    [RA] = "333300000001 020000000002 86dd 60000000 0010 3a ff fe8000000000000000000000000000fe "
           "ff020000000000000000000000000001 8600 0000 40000708 0000000000000000",
};

static unsigned nibble(char c)
{
    assert((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'));
    return c <= '9' ? (unsigned)(c - '0') : (unsigned)(c - 'a' + 10);
}

/* Blanks are skipped; `end` ends the text. Returns the bytes written. */
static size_t from_hex(uint8_t *out, const char *hex, const char *end)
{
    size_t n = 0;

    for (; hex < end; hex++) {
        if (*hex == ' ')
            continue;
        assert(n < FIXTURE_BYTES && hex + 1 < end);
        out[n++] = (uint8_t)(nibble(hex[0]) << 4 | nibble(hex[1]));
        hex++;
    }
    return n;
}

static void fix_l4(uint8_t *l4, size_t bytes, uint8_t protocol, const uint8_t src[16],
                   const uint8_t dst[16])
{
    static const struct {
        uint8_t protocol, at, needs;
    } where[] = {{PROTOCOL_TCP, 16, 20},
                 {PROTOCOL_UDP, 6, 8},
                 {PROTOCOL_ICMP4, 2, 4},
                 {PROTOCOL_ICMP6, 2, 4}};

    for (size_t i = 0; i < sizeof(where) / sizeof(where[0]); i++) {
        uint16_t sum = 0;

        if (where[i].protocol != protocol || bytes < where[i].needs)
            continue;
        memcpy(l4 + where[i].at, &sum, 2);
        sum = ip_sum_end(ip_sum(
            l4, bytes, protocol == PROTOCOL_ICMP4 ? 0 : ip_sum_pseudo(src, dst, protocol, bytes)));
        memcpy(l4 + where[i].at, &sum, 2);
    }
}

void frame_fix_checksums(uint8_t *bytes, size_t len)
{
    size_t at = ETHER_BYTES;
    uint8_t src[16], dst[16];

    if (len < at + 4)
        return;
    uint16_t type = wire_u16(bytes + ETHER_TYPE);

    if (type == ETHERTYPE_VLAN) {
        type = wire_u16(bytes + ETHER_BYTES + 2);
        at += VLAN_TAG_BYTES;
    }
    uint8_t *ip = bytes + at;
    size_t left = len - at;

    if (type == ETHERTYPE_IP4 && left >= IP4_BYTES) {
        size_t header = (size_t)(ip[0] & 0xf) * 4, total = wire_u16(ip + IP4_LENGTH);
        uint16_t sum = 0;

        if (header < IP4_BYTES || header > left)
            return;
        memcpy(ip + IP4_CHECKSUM, &sum, 2);
        sum = ip_sum_end(ip_sum(ip, header, 0));
        memcpy(ip + IP4_CHECKSUM, &sum, 2);
        if (total < header || total > left)
            return;
        ip_from_ip4(src, ip + IP4_SRC);
        ip_from_ip4(dst, ip + IP4_DST);
        fix_l4(ip + header, total - header, ip[IP4_PROTOCOL], src, dst);
    } else if (type == ETHERTYPE_IP6 && left >= IP6_BYTES) {
        size_t payload = wire_u16(ip + IP6_LENGTH);
        uint8_t protocol = ip[IP6_NEXT], *l4 = ip + IP6_BYTES;

        if (payload > left - IP6_BYTES)
            return;
        while ((protocol == 0 || protocol == 43 || protocol == 44 || protocol == 60) &&
               payload >= 8) {
            size_t bytes_of = protocol == 44 ? 8 : ((size_t)l4[1] + 1) * 8;

            if (bytes_of > payload)
                return;
            protocol = l4[0];
            l4 += bytes_of;
            payload -= bytes_of;
        }
        fix_l4(l4, payload, protocol, ip + IP6_SRC, ip + IP6_DST);
    }
}

static void insert(struct fixture_frame *f, size_t at, const uint8_t *bytes, size_t len)
{
    assert(f->frame.len + len <= FIXTURE_BYTES && at <= f->frame.len);
    memmove(f->bytes + at + len, f->bytes + at, f->frame.len - at);
    memcpy(f->bytes + at, bytes, len);
    f->frame.len += (uint32_t)len;
}

static bool is_word(const char *word, size_t len, const char *what)
{
    return len == strlen(what) && memcmp(word, what, len) == 0;
}

void frame_make(struct fixture_frame *f, enum base base, const char *changes)
{
    bool raw = false, raw_l4 = false;
    uint8_t bytes[FIXTURE_BYTES];

    memset(f, 0, sizeof(*f));
    f->frame.bytes = f->bytes;
    f->frame.len =
        (uint32_t)from_hex(f->bytes, base_hex[base], base_hex[base] + strlen(base_hex[base]));

    for (const char *word = changes + strspn(changes, " "); *word != 0;) {
        size_t len = strcspn(word, " ");
        const char *end = word + len;

        if (is_word(word, len, "raw")) {
            raw = true;
        } else if (is_word(word, len, "rawl4")) {
            raw_l4 = true;
        } else if (is_word(word, len, "good")) {
            f->frame.rx_csum = FRAME_CSUM_GOOD;
        } else if (is_word(word, len, "ip")) {
            f->frame.rx_csum = FRAME_CSUM_BAD_IP;
        } else if (is_word(word, len, "l4")) {
            f->frame.rx_csum = FRAME_CSUM_BAD_L4;
        } else if (memcmp(word, "len:", 4) == 0) {
            f->frame.len = (uint32_t)atoi(word + 4);
            assert(f->frame.len <= FIXTURE_BYTES);
        } else if (memcmp(word, "vlan:", 5) == 0) {
            memcpy(bytes, (uint8_t[2]){0x81, 0}, 2);
            from_hex(bytes + 2, word + 5, end);
            insert(f, ETHER_TYPE, bytes, 4);
        } else if (memcmp(word, "ext:", 4) == 0) {
            uint8_t type;
            size_t n = from_hex(bytes, word + 7, end);
            uint8_t *ip = f->bytes + ETHER_BYTES;

            from_hex(&type, word + 4, word + 6);
            bytes[0] = ip[IP6_NEXT];
            ip[IP6_NEXT] = type;
            wire_put_u16(ip + IP6_LENGTH, (uint16_t)(wire_u16(ip + IP6_LENGTH) + n));
            insert(f, ETHER_BYTES + IP6_BYTES, bytes, n);
        } else {
            char *colon;
            size_t at = strtoul(word, &colon, 10);

            assert(*colon == ':');
            size_t n = from_hex(bytes, colon + 1, end);

            assert(at + n <= FIXTURE_BYTES);
            memcpy(f->bytes + at, bytes, n);
        }
        word = end + strspn(end, " ");
    }
    memcpy(bytes, f->bytes, sizeof(bytes));
    if (!raw)
        frame_fix_checksums(f->bytes, f->frame.len);
    if (raw_l4)
        memcpy(f->bytes + 34, bytes + 34, sizeof(bytes) - 34);
}

void config_make(struct net_config *c, uint8_t host)
{
    char text[64];

    memset(c, 0, sizeof(*c));
    memcpy(c->mac, (uint8_t[6]){2, 0, 0, 0, 0, host}, 6);
    c->mtu = 1500;
    c->address_count = 2;
    snprintf(text, sizeof(text), "10.0.0.%u/24", host);
    bool ok = net_parse_address(text, &c->address[0]);

    snprintf(text, sizeof(text), "fd00::%x/64", host);
    ok = ok && net_parse_address(text, &c->address[1]);

    struct net_address gateway;

    ok = ok && net_parse_address("10.0.0.254", &gateway);
    memcpy(c->gateway4, gateway.ip, 16);
    ok = ok && net_parse_address("fd00::fe", &gateway);
    memcpy(c->gateway6, gateway.ip, 16);
    assert(ok);
}
