/* client_hello.h
 *
 * A whole ClientHello, read once in front of the TLS library: who is asked for, and whether it
 * keeps the rules that the library does not hold it to. What breaks one gets the alert that the RFC
 * names.
 *
 *   version random session_id cipher_suites compression extensions
 *                               server_name ------------------> host
 *                               supported_versions -----------> 1.3, 1.2, or protocol_version
 *                               supported_groups, key_share --> sound shares, a group in common
 *
 * Names (RFC 6066 3): a canonical host (host.h); a literal address counts as no name, for clients
 * that connect by address send it against the RFC, and strict servers had to let them in; names
 * that no host can have are refused with illegal_parameter. Entries of an unknown type are skipped.
 *
 * A second ClientHello (after a HelloRetryRequest) must be the first but for the changes of RFC
 * 8446 4.1.2: a digest of all other fields is kept, in which the order of extensions does not
 * count. XXH3: a collision harms who makes it.
 *
 * GREASE (RFC 8701) is skipped like everything unknown. Thread: any. Memory: the caller's; a struct
 * client_hello keeps no view. Sources: RFC 8446 4.1 to 4.2.11 and 9.2, RFC 5246 7.4.1.2, RFC 6066
 * 3, RFC 7301 3.1, RFC 7507 3, RFC 8422 5.1.
 *
 * Rejected: a second hello that repeats the first byte for byte; another order harms nobody, and
 * clients that shuffle exist.
 */
#ifndef HEARTH_CLIENT_HELLO_H
#define HEARTH_CLIENT_HELLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/base/limits.h"
#include "dataplane/tls/tls_wire.h"

enum client_hello_name {
    CLIENT_HELLO_NO_NAME,
    CLIENT_HELLO_HOST,     /* host is set */
    CLIENT_HELLO_ADDRESS,  /* a literal address: no name */
    CLIENT_HELLO_BAD_NAME, /* refused for it */
};

struct client_hello {
    uint8_t name; /* enum client_hello_name */
    uint8_t host_bytes;
    bool is_tls13; /* the version that we are going to choose */
    bool has_psk, has_early_data;
    uint16_t share_count;
    uint16_t share_group; /* of the first share */
    uint64_t digest;      /* client_hello_digest, for client_hello_follows; 0 until it is set */
    char host[HOST_BYTES_MAX + 1]; /* canonical, zero-terminated; undefined behind that */
};

/* Reads the message, its header included. TLS_ALERT_NONE: it is fine. */
enum tls_alert client_hello_read(struct client_hello *, const uint8_t *message, size_t len);

/* Of what a second ClientHello repeats, in a message that client_hello_read has found fine. By
 * itself, so that only those pay whose handshake begins: it costs as much as reading. */
uint64_t client_hello_digest(const uint8_t *message, size_t len);

/* Is `second` what may follow `first` after a HelloRetryRequest for that group? */
bool client_hello_follows(const struct client_hello *first, const struct client_hello *second,
                          uint16_t group);

#endif
