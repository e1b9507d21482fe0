/* tls_early.h
 *
 * Tells early data that was not accepted from the client's second flight, the way RFC 8446 4.2.10
 * says: a record that the handshake's keys do not open is early data. Only tried while such data
 * may come, on records of bounded size, with the first record number: what is dropped does not
 * count.
 *
 *   library sends its first sealed record --> tls_early_keep --> tls_early_opens, once per record
 *
 * The library tells its keys in a build with ATOMIC_USER only, and Debian 12's sends its flight in
 * one piece, when the keys to be kept are gone: without them, every record passes for one that can
 * be opened, and the library ends the handshake with bad_record_mac. Thread: the core.
 *
 * Rejected: a HelloRetryRequest for every client with early data, which costs each a round trip;
 * wolfSSL's own early data, which skips only what it also announces in tickets.
 */
#ifndef HEARTH_TLS_EARLY_H
#define HEARTH_TLS_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct WOLFSSL;

struct tls_early {
    uint8_t cipher;    /* wolfSSL's BulkCipherAlgorithm; 0: no keys are kept */
    uint8_t key_bytes; /* of the client's handshake key */
    uint8_t key[32], iv[12];
};

/* Copies the keys that the session reads with. To be called between ServerHello and Finished:
 * behind its Finished, the library shows the keys of the data to come. */
void tls_early_keep(struct tls_early *, struct WOLFSSL *);

/* Is the whole record the first that the client sealed with these keys? */
bool tls_early_opens(const struct tls_early *, const uint8_t *record, size_t bytes);

/* Forgets them. */
void tls_early_fini(struct tls_early *);

#endif
