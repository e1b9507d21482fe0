#include "dataplane/tls/client_hello.h"

#include <arpa/inet.h>
#include <string.h>

#include <xxhash.h>

#include "dataplane/base/host.h"
#include "dataplane/tls/key_share.h"

enum {
    SESSION_ID_BYTES_MAX = 32,
    NAME_TYPE_HOST = 0,
    SUITE_FALLBACK = 0x5600, /* TLS_FALLBACK_SCSV */
    ADDRESS_BYTES_MAX = 45,  /* of an IPv6 address as text */
};

/* The fields as views, before they are judged. */
struct fields {
    uint32_t version;
    struct tls_reader suites, compression;
    struct tls_reader names, groups, versions, shares;
    bool has_names, has_groups, has_versions, has_shares, has_signatures, has_psk_modes;
    bool has_duplicate, is_psk_last;
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
        f->has_names = true;
        f->names = tls_vector(&body, 2, 1, 1);
        break;
    case TLS_EXTENSION_SUPPORTED_GROUPS:
        f->has_groups = true;
        f->groups = tls_vector(&body, 2, 2, 2);
        break;
    case TLS_EXTENSION_SIGNATURE_ALGORITHMS:
        f->has_signatures = true;
        tls_vector(&body, 2, 2, 2);
        break;
    case TLS_EXTENSION_SUPPORTED_VERSIONS:
        f->has_versions = true;
        f->versions = tls_vector(&body, 1, 2, 2);
        break;
    case TLS_EXTENSION_PSK_MODES:
        f->has_psk_modes = true;
        tls_vector(&body, 1, 1, 1);
        break;
    case TLS_EXTENSION_KEY_SHARE:
        f->has_shares = true;
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

/* False: the extensions cannot be decoded. */
static bool read_extensions(struct client_hello *h, struct fields *f, struct tls_reader list)
{
    uint64_t seen[0x10000 / 64] = {0};
    while (tls_left(&list) > 0) {
        struct tls_reader whole = list;
        uint32_t type = tls_number(&list, 2);
        struct tls_reader body = tls_vector(&list, 2, 0, 1);
        if (list.bad || !read_extension(h, f, type, body))
            return false;
        whole.end = list.p;
        if (!may_change(type))
            h->digest += hash(whole);
        f->has_duplicate |= seen[type / 64] >> type % 64 & 1;
        seen[type / 64] |= 1ull << type % 64;
        f->is_psk_last = type == TLS_EXTENSION_PRE_SHARED_KEY;
    }
    return true;
}

static bool has_u16(struct tls_reader list, uint32_t wanted)
{
    while (tls_left(&list) > 0) {
        if (tls_number(&list, 2) == wanted)
            return true;
    }
    return false;
}

static enum tls_alert choose_version(struct client_hello *h, const struct fields *f)
{
    bool has12 = f->version >= TLS_VERSION_1_2;
    if (f->has_versions) {
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
    char host[HOST_BYTES_MAX + 1];
    h->host_bytes = (uint8_t)host_canonical(host, (const char *)name.p, tls_left(&name));
    memcpy(h->host, host, h->host_bytes);
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
    if (h->has_psk && !f->is_psk_last)
        return TLS_ALERT_ILLEGAL_PARAMETER;
    /* 9.2 and 4.2.9 */
    if (f->has_groups != f->has_shares || (h->has_psk && !f->has_psk_modes) ||
        (!h->has_psk && !(f->has_signatures && f->has_groups)))
        return TLS_ALERT_MISSING_EXTENSION;
    if (!f->has_groups)
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
    if (f->has_groups && !has_common_group(f->groups))
        return TLS_ALERT_HANDSHAKE_FAILURE;
    return TLS_ALERT_NONE;
}

enum tls_alert client_hello_read(struct client_hello *h, const uint8_t *message, size_t len)
{
    struct tls_reader r = {.p = message, .end = message + len};
    struct fields f = {0};
    *h = (struct client_hello){0};

    tls_take(&r, TLS_MESSAGE_HEADER_BYTES);
    struct tls_reader fixed = r;
    f.version = tls_number(&r, 2);
    tls_take(&r, TLS_RANDOM_BYTES);
    struct tls_reader session_id = tls_vector(&r, 1, 0, 1);
    f.suites = tls_vector(&r, 2, 2, 2);
    f.compression = tls_vector(&r, 1, 1, 1);
    fixed.end = r.p;
    if (r.bad || tls_left(&session_id) > SESSION_ID_BYTES_MAX)
        return TLS_ALERT_DECODE_ERROR;
    h->digest = hash(fixed);
    if (tls_left(&r) > 0) {
        struct tls_reader extensions = tls_vector(&r, 2, 0, 1);
        if (r.bad || tls_left(&r) > 0 || !read_extensions(h, &f, extensions))
            return TLS_ALERT_DECODE_ERROR;
    }
    if (f.has_duplicate)
        return TLS_ALERT_ILLEGAL_PARAMETER;

    enum tls_alert alert = choose_version(h, &f);
    if (!alert && f.has_names)
        alert = read_names(h, f.names);
    if (!alert)
        alert = h->is_tls13 ? judge13(h, &f) : judge12(&f);
    return alert;
}

bool client_hello_follows(const struct client_hello *first, const struct client_hello *second,
                          uint16_t group)
{
    return second->digest == first->digest && second->share_count == 1 &&
           second->share_group == group && !second->has_early_data &&
           (first->has_psk || !second->has_psk);
}
