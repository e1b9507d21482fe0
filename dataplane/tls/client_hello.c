#include "dataplane/tls/client_hello.h"

#include <arpa/inet.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "dataplane/base/host.h"
#include "dataplane/tls/key_share.h"

enum {
    SESSION_ID_BYTES_MAX = 32,
    NAME_TYPE_HOST = 0,
    SUITE_FALLBACK = 0x5600, /* TLS_FALLBACK_SCSV */
    ADDRESS_BYTES_MAX = 45,  /* of an IPv6 address as text */
    LOW_TYPES = 64,          /* extensions below are seen by a bit */
    HIGH_TYPES_MAX = 16,     /* and those above by a list: clients send a few */
};

/* The fields as views, before they are judged; undefined unless the extension is there. */
struct fields {
    uint32_t version;
    struct tls_reader suites, compression;
    struct tls_reader names, groups, versions, shares;
    struct {
        bool names, groups, versions, shares, signatures, psk_modes;
        bool duplicate, psk_last;
    } has;
};

static uint64_t hash(struct tls_reader part)
{
    return XXH3_64bits(part.p, tls_left(&part));
}

static bool may_change(uint32_t extension)
{
    switch (extension) {
    case TLS_EXTENSION_KEY_SHARE:
    case TLS_EXTENSION_EARLY_DATA:
    case TLS_EXTENSION_PRE_SHARED_KEY:
    case TLS_EXTENSION_PADDING:
    case TLS_EXTENSION_ENCRYPTED_CLIENT_HELLO: /* sealed anew, RFC 9849 6.1.5 */
        return true;
    default:
        return false;
    }
}

/* RFC 7301 3.1: names that are not empty. The library's own search runs off a list that lies. */
static bool is_good_alpn(struct tls_reader body)
{
    struct tls_reader list = tls_vector(&body, 2, 2, 1);
    while (tls_left(&list) > 0)
        tls_vector(&list, 1, 1, 1);
    return !body.bad && !list.bad && tls_left(&body) == 0;
}

/* One extension; false: it cannot be decoded. */
static bool read_extension(struct client_hello *h, struct fields *f, uint32_t type,
                           struct tls_reader body)
{
    switch (type) {
    case TLS_EXTENSION_SERVER_NAME:
        f->has.names = true;
        f->names = tls_vector(&body, 2, 1, 1);
        break;
    case TLS_EXTENSION_SUPPORTED_GROUPS:
        f->has.groups = true;
        f->groups = tls_vector(&body, 2, 2, 2);
        break;
    case TLS_EXTENSION_SIGNATURE_ALGORITHMS:
        f->has.signatures = true;
        tls_vector(&body, 2, 2, 2);
        break;
    case TLS_EXTENSION_SUPPORTED_VERSIONS:
        f->has.versions = true;
        f->versions = tls_vector(&body, 1, 2, 2);
        break;
    case TLS_EXTENSION_PSK_MODES:
        f->has.psk_modes = true;
        tls_vector(&body, 1, 1, 1);
        break;
    case TLS_EXTENSION_KEY_SHARE:
        f->has.shares = true;
        f->shares = tls_vector(&body, 2, 0, 1);
        break;
    case TLS_EXTENSION_PRE_SHARED_KEY:
        h->has_psk = true;
        return true;
    case TLS_EXTENSION_EARLY_DATA:
        h->has_early_data = true;
        break;
    case TLS_EXTENSION_ALPN:
        return is_good_alpn(body);
    default:
        return true;
    }
    return !body.bad && tls_left(&body) == 0;
}

/* Any number of extensions, with a bit for each type that there is: 8 KB to clear first. */
static bool is_any_twice(struct tls_reader list)
{
    uint64_t seen[0x10000 / 64] = {0};
    bool is_twice = false;
    while (tls_left(&list) > 0) {
        struct tls_reader body;
        uint32_t type = tls_extension(&list, &body);
        is_twice |= seen[type / 64] >> type % 64 & 1;
        seen[type / 64] |= 1ull << type % 64;
    }
    return is_twice;
}

struct seen_types {
    uint64_t low;
    uint16_t high[HIGH_TYPES_MAX];
    uint32_t high_count; /* above HIGH_TYPES_MAX: more than the list holds */
    bool is_twice;
};

static void see_type(struct seen_types *s, uint32_t type)
{
    if (type < LOW_TYPES) {
        s->is_twice |= s->low >> type & 1;
        s->low |= 1ull << type;
    } else if (s->high_count < HIGH_TYPES_MAX) {
        for (uint32_t i = 0; i < s->high_count; i++)
            s->is_twice |= s->high[i] == type;
        s->high[s->high_count++] = (uint16_t)type;
    } else {
        s->high_count = HIGH_TYPES_MAX + 1;
    }
}

/* False: the extensions cannot be decoded. */
static bool read_extensions(struct client_hello *h, struct fields *f, struct tls_reader list)
{
    struct tls_reader all = list;
    struct seen_types seen;
    seen.low = seen.high_count = 0;
    seen.is_twice = false;
    while (tls_left(&list) > 0) {
        struct tls_reader body;
        uint32_t type = tls_extension(&list, &body);
        if (list.bad || !read_extension(h, f, type, body))
            return false;
        see_type(&seen, type);
        f->has.psk_last = type == TLS_EXTENSION_PRE_SHARED_KEY;
    }
    f->has.duplicate = seen.high_count > HIGH_TYPES_MAX ? is_any_twice(all) : seen.is_twice;
    return true;
}

/* Of a vector in steps of 2. */
static bool has_u16(struct tls_reader list, uint16_t wanted)
{
    uint16_t next, is = htons(wanted);
    for (; list.p < list.end; list.p += sizeof(next)) {
        memcpy(&next, list.p, sizeof(next));
        if (next == is)
            return true;
    }
    return false;
}

static enum tls_alert choose_version(struct client_hello *h, const struct fields *f)
{
    bool has12 = f->version >= TLS_VERSION_1_2;
    if (f->has.versions) {
        h->is_tls13 = has_u16(f->versions, TLS_VERSION_1_3);
        has12 = has_u16(f->versions, TLS_VERSION_1_2);
    }
    if (!h->is_tls13 && !has12)
        return TLS_ALERT_PROTOCOL_VERSION;
    if (!h->is_tls13 && has_u16(f->suites, SUITE_FALLBACK))
        return TLS_ALERT_INAPPROPRIATE_FALLBACK;
    return TLS_ALERT_NONE;
}

static bool is_address(const struct client_hello *h, struct tls_reader name)
{
    char text[ADDRESS_BYTES_MAX + 1];
    uint8_t ip[16];
    size_t len = tls_left(&name);
    if (h->host_bytes > 0)
        return host_is_numeric(h->host, h->host_bytes);
    if (len > 2 && name.p[0] == '[' && name.end[-1] == ']') {
        name.p++;
        len -= 2;
    }
    if (len > ADDRESS_BYTES_MAX)
        return false;
    memcpy(text, name.p, len);
    text[len] = 0;
    return strlen(text) == len && inet_pton(AF_INET6, text, ip) == 1;
}

static enum tls_alert read_host(struct client_hello *h, struct tls_reader name)
{
    h->host_bytes = (uint8_t)host_canonical(h->host, (const char *)name.p, tls_left(&name));
    if (is_address(h, name)) {
        h->name = CLIENT_HELLO_ADDRESS;
        h->host_bytes = 0;
    } else {
        h->name = h->host_bytes > 0 ? CLIENT_HELLO_HOST : CLIENT_HELLO_BAD_NAME;
    }
    h->host[h->host_bytes] = 0;
    return h->name == CLIENT_HELLO_BAD_NAME ? TLS_ALERT_ILLEGAL_PARAMETER : TLS_ALERT_NONE;
}

static enum tls_alert read_names(struct client_hello *h, struct tls_reader list)
{
    enum tls_alert alert = TLS_ALERT_NONE;
    while (tls_left(&list) > 0) {
        uint32_t type = tls_number(&list, 1);
        struct tls_reader name = tls_vector(&list, 2, type == NAME_TYPE_HOST, 1);
        if (list.bad)
            return TLS_ALERT_DECODE_ERROR;
        if (type != NAME_TYPE_HOST)
            continue;
        if (h->name != CLIENT_HELLO_NO_NAME) /* RFC 6066 3: one of each type */
            alert = TLS_ALERT_ILLEGAL_PARAMETER;
        else
            alert = read_host(h, name);
        if (alert)
            return alert;
    }
    return alert;
}

static bool has_common_group(struct tls_reader groups)
{
    while (tls_left(&groups) > 0) {
        if (key_share_is_spoken((uint16_t)tls_number(&groups, 2)))
            return true;
    }
    return false;
}

/* Shares are for groups that were asked for, one each, and sound (4.2.8). */
static enum tls_alert read_shares(struct client_hello *h, const struct fields *f)
{
    struct tls_reader list = f->shares;
    while (tls_left(&list) > 0) {
        struct tls_reader before = {.p = f->shares.p, .end = list.p};
        uint16_t group = (uint16_t)tls_number(&list, 2);
        struct tls_reader key = tls_vector(&list, 2, 1, 1);
        if (list.bad)
            return TLS_ALERT_DECODE_ERROR;
        if (h->share_count++ == 0)
            h->share_group = group;
        if (h->share_count > HELLO_SHARES_MAX || !has_u16(f->groups, group))
            return TLS_ALERT_ILLEGAL_PARAMETER;
        while (tls_left(&before) > 0) {
            if (tls_number(&before, 2) == group)
                return TLS_ALERT_ILLEGAL_PARAMETER;
            tls_vector(&before, 2, 1, 1);
        }
        if (!key_share_is_sound(group, key.p, tls_left(&key)))
            return TLS_ALERT_ILLEGAL_PARAMETER;
    }
    return TLS_ALERT_NONE;
}

static enum tls_alert judge13(struct client_hello *h, const struct fields *f)
{
    if (tls_left(&f->compression) != 1 || f->compression.p[0] != 0)
        return TLS_ALERT_ILLEGAL_PARAMETER;
    if (h->has_psk && !f->has.psk_last)
        return TLS_ALERT_ILLEGAL_PARAMETER;
    /* 9.2 and 4.2.9 */
    if (f->has.groups != f->has.shares || (h->has_psk && !f->has.psk_modes) ||
        (!h->has_psk && !(f->has.signatures && f->has.groups)))
        return TLS_ALERT_MISSING_EXTENSION;
    if (!f->has.groups)
        return TLS_ALERT_NONE; /* a PSK alone: the library refuses that */
    enum tls_alert alert = read_shares(h, f);
    if (!alert && !has_common_group(f->groups)) /* 4.1.1 */
        alert = TLS_ALERT_HANDSHAKE_FAILURE;
    return alert;
}

static enum tls_alert judge12(const struct fields *f)
{
    if (!memchr(f->compression.p, 0, tls_left(&f->compression)))
        return TLS_ALERT_ILLEGAL_PARAMETER;
    /* All our suites are ECDHE; without the extension any group may be chosen (RFC 8422 4). */
    if (f->has.groups && !has_common_group(f->groups))
        return TLS_ALERT_HANDSHAKE_FAILURE;
    return TLS_ALERT_NONE;
}

enum tls_alert client_hello_read(struct client_hello *h, const uint8_t *message, size_t len)
{
    struct tls_reader r = {.p = message, .end = message + len};
    struct fields f;
    memset(h, 0, offsetof(struct client_hello, host) + 1); /* the rest of host takes 8 ns */

    memset(&f.has, 0, sizeof(f.has));

    tls_take(&r, TLS_MESSAGE_HEADER_BYTES);
    f.version = tls_number(&r, 2);
    tls_take(&r, TLS_RANDOM_BYTES);
    struct tls_reader session_id = tls_vector(&r, 1, 0, 1);
    f.suites = tls_vector(&r, 2, 2, 2);
    f.compression = tls_vector(&r, 1, 1, 1);
    if (r.bad || tls_left(&session_id) > SESSION_ID_BYTES_MAX)
        return TLS_ALERT_DECODE_ERROR;
    if (tls_left(&r) > 0) {
        struct tls_reader extensions = tls_vector(&r, 2, 0, 1);
        if (r.bad || tls_left(&r) > 0 || !read_extensions(h, &f, extensions))
            return TLS_ALERT_DECODE_ERROR;
    }
    if (f.has.duplicate)
        return TLS_ALERT_ILLEGAL_PARAMETER;

    enum tls_alert alert = choose_version(h, &f);
    if (!alert && f.has.names)
        alert = read_names(h, f.names);
    if (!alert)
        alert = h->is_tls13 ? judge13(h, &f) : judge12(&f);
    return alert;
}

uint64_t client_hello_digest(const uint8_t *message, size_t len)
{
    struct tls_reader r = {.p = message + TLS_MESSAGE_HEADER_BYTES, .end = message + len};
    struct tls_reader fixed = r;
    tls_take(&r, 2 + TLS_RANDOM_BYTES);
    tls_vector(&r, 1, 0, 1); /* session id */
    tls_vector(&r, 2, 0, 1); /* suites */
    tls_vector(&r, 1, 0, 1); /* compression */
    fixed.end = r.p;
    uint64_t digest = hash(fixed);
    struct tls_reader extensions = tls_vector(&r, 2, 0, 1);
    while (tls_left(&extensions) > 0) {
        struct tls_reader whole = extensions, body;
        uint32_t type = tls_extension(&extensions, &body);
        whole.end = extensions.p;
        if (!may_change(type))
            digest += hash(whole);
    }
    return digest;
}

bool client_hello_follows(const struct client_hello *first, const struct client_hello *second,
                          uint16_t group)
{
    return second->digest == first->digest && second->share_count == 1 &&
           second->share_group == group && !second->has_early_data &&
           (first->has_psk || !second->has_psk);
}
