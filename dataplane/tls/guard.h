/* guard.h
 *
 * Stands between a connection's stream and the TLS library, and lets through what a client may say
 * at that point of its handshake. It looks at plaintext only: what is encrypted is the library's.
 *
 *   stream --peek--> [ guard ] --guard_read--> library --its first bytes--> guard_answered
 *
 *   awaits          lets through                          and
 *   HELLO           ClientHello                           what client_hello.h accepts
 *   ANSWER          nothing: the library's turn
 *   HELLO_AGAIN     ClientHello, alert                    drops change_cipher_spec and early data;
 *                                                         the hello repeats the first
 *   FLIGHT13        anything                              drops change_cipher_spec, and early data
 *                                                         until a record can be opened
 *   KEY12           anything                              a ClientKeyExchange has a sound point
 *   REST            anything                              counts records
 *
 * A plaintext message may come in any split over segments and records (RFC 8446 5.1); the library
 * gets it whole, in as few records as it fits into. Refused: empty records, other records between
 * its parts, bytes behind it in its last record.
 *
 * Bounds: HELLO_BYTES_MAX for a message, HELLO_WIRE_BYTES_MAX with its record headers, both unread
 * in the stream until the message is whole; EARLY_DATA_BYTES_MAX for all that is dropped. Outcomes:
 * GUARD_BAD is final, and alert is what the client must be told, in clear (before the answer, our
 * side encrypts nothing). Behind a ServerHello of TLS 1.3 the guard refuses nothing: the library
 * does, which has the keys for an alert. An outcome does not depend on how the bytes were split.
 * Thread: the core. Memory: the caller's.
 *
 * Sources: RFC 8446 4.1.2, 4.2.10, 5, 5.1, appendix D.4; RFC 8422 5.11.
 *
 * Rejected: patching the library for all this, or checks after the fact. The versions of wolfSSL at
 * hand break other MUSTs of RFC 8446 each, and what they refuse behind a ServerHello has no keys
 * for an alert. So a malformed ALPN list never meets wolfSSL 5.5.4's search, which reads beyond it
 * (found by fuzz_tls).
 */
#ifndef HEARTH_GUARD_H
#define HEARTH_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/tls/client_hello.h"

/* The stream, as its owner gives it. */
struct tls_io {
    /* A view of unread bytes from offset on, of any length; 0: none there yet. Valid until the next
     * call. */
    const uint8_t *(*peek)(void *arg, size_t offset, size_t *len);
    void (*consume)(void *arg, size_t len);
    size_t (*send)(void *arg, const void *buf, size_t len); /* how many were taken */
    bool (*is_finished)(void *arg); /* nothing more will come behind what is there */
};

enum guard_result {
    GUARD_MORE, /* nothing to read until more bytes come */
    GUARD_OK,   /* guard_read has something */
    GUARD_TRY,  /* a record that may be early data is whole: guard_copy_record, then guard_tried */
    GUARD_BAD,
};

enum guard_phase {
    GUARD_HELLO,
    GUARD_ANSWER,
    GUARD_HELLO_AGAIN,
    GUARD_FLIGHT13,
    GUARD_KEY12,
    GUARD_REST,
};

struct guard {
    struct client_hello hello; /* the first; whole when the phase is not HELLO any more */
    enum tls_alert alert;
    uint8_t phase; /* enum guard_phase */
    bool is_retried;
    bool is_changed;      /* refused: the second ClientHello is not what may follow the first */
    uint16_t retry_group; /* that the HelloRetryRequest asked for */
    uint16_t dropped_records;
    uint32_t dropped_bytes;
    uint32_t records; /* let through in REST */

    bool is_early_over;

    /* What is being looked at, private: seen_bytes of the stream. */
    uint32_t seen_bytes;
    uint32_t message_seen;   /* content of a plaintext message */
    uint32_t message_bytes;  /* all of it, its header included; 0: not known yet */
    uint32_t message_length; /* as far as it was read */
    uint16_t record_left;
    uint8_t header_bytes; /* seen of the record's header */
    uint8_t record_type, message_type;
    /* What is being read. */
    uint8_t frame_from;             /* of our header in front of what follows */
    uint16_t frame_left;            /* content under that header */
    uint32_t message_left, in_left; /* of the message, and of the stream's record in it */
    uint32_t pass_left;             /* stream bytes that pass as they are */
    uint8_t frame[TLS_RECORD_HEADER_BYTES];
};

void guard_init(struct guard *);

/* Looks at what the stream has, and drops what is to be dropped; reads nothing. In phase HELLO it
 * consumes nothing either, and may be called before there is a library. */
enum guard_result guard_look(struct guard *, const struct tls_io *, void *arg);

/* Moves up to len bytes for the library to buf; after GUARD_OK. */
size_t guard_read(struct guard *, const struct tls_io *, void *arg, uint8_t *buf, size_t len);

/* After GUARD_TRY: copies the record; its bytes. */
size_t guard_copy_record(struct guard *, const struct tls_io *, void *arg,
                         uint8_t record[TLS_RECORD_HEADER_BYTES + TLS_RECORD_SEALED_MAX]);
/* It could be opened: early data is over. Or not: it is dropped. Look again. */
void guard_tried(struct guard *, const struct tls_io *, void *arg, bool is_opened);

/* The library sent something: tell the guard before the stream is looked at again. */
void guard_answered(struct guard *, const uint8_t *bytes, size_t len);

/* The client may have sent early data that is still to come: GUARD_TRY may happen. */
bool guard_awaits_early_data(const struct guard *);

/* The handshake is over. */
void guard_open(struct guard *);

#endif
