/* tls.h
 *
 * TLS 1.2 and 1.3 by wolfSSL over a connection's own buffers: the server's side, and the client's
 * for what scripts fetch. The handshake and the records are wolfSSL's; AES-GCM goes through
 * drivers/aead.
 *
 *   tcp bytes --> [ guard ] --> [ wolfSSL ] --tls_read--> plaintext
 *   tcp room  <------send------ [ held    ] <--tls_write-- plaintext
 *
 * What a client may say in its handshake is the guard's to judge (guard.h). An open session in
 * which TLS_IDLE_RECORDS_MAX records in a row bring no data (KeyUpdates and their parts, empty
 * ones) is ended, so is one with five warnings (the library's own limit). Hello requests, second
 * hellos and change_cipher_specs end it at once.
 *
 * What wolfSSL has encrypted and the stream has no room for is held in the session
 * (TLS_HELD_BYTES_MAX), so wolfSSL never sees a partial send. Held bytes leave first, with the next
 * call of any kind.
 *
 * Certificates: struct certs (cert.h) maps a host name to a context. Contexts are made by the
 * control thread, immutable afterwards, reference-counted: a session keeps its own alive after a
 * reload. Files are read by libcrypto, which also signs with short RSA keys (drivers/keypair.h).
 * Resumption: stateless tickets only (session cache off), sealed with AES-256-GCM by keys that
 * rotate (tls_ticket.h); a ticket of an older key is honoured and replaced. Early data is not
 * accepted, but skipped (tls_early.h). Refused: SSL 3 to TLS 1.1, anything but ECDHE + AEAD,
 * renegotiation, compression, a client whose ALPN has no "http/1.1". Groups: key_share.h.
 *
 * Client side: the server is verified by the authorities of a file, its certificate must be for
 * the name that was asked for, and is named in SNI (an address in a certificate is not read, as
 * wolfSSL is built here: who connects to one by https is refused); ALPN offers "http/1.1" alone,
 * and a server without ALPN is taken to speak it. There is no guard: the library reads what a
 * server says, at most TLS_BARREN_BYTES_MAX of it without a byte of data, in the handshake and
 * behind it. A session can be resumed by what tls_session_resumption gave.
 *
 * A handshake that fails ends with an alert, the library's or ours; but for a client that said one
 * itself or left.
 *
 * Truncation: a stream that ends without close_notify is TLS_FAILED, never TLS_CLOSED, so that
 * nobody takes it for the end of the data.
 *
 * Thread: a struct tls_session belongs to its core. Memory: wolfSSL's allocator is malloc.
 *
 * Rejected: wolfSSL's own retry of a partial send, which takes pending output for the caller's
 * bytes, and a KeyUpdate's answer with it.
 */
#ifndef HEARTH_TLS_H
#define HEARTH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/tls/guard.h"

enum {
    TLS_RECORD_BYTES = 16384, /* plaintext of one record */
    TLS_HELD_BYTES_MAX = 64 * 1024,
    TLS_BARREN_BYTES_MAX = 128 * 1024, /* of a server, that bring no data */
};

enum tls_result {
    TLS_OK,     /* progress; for handshake: done */
    TLS_WANT,   /* needs bytes from the peer, or room to send: call again after I/O */
    TLS_CLOSED, /* close_notify received */
    TLS_FAILED, /* alert sent or received, the peer broke the protocol or left without close_notify;
                   see tls_error */
};

struct tls_context;    /* one certificate chain and key */
struct tls_session;    /* one connection */
struct tls_resumption; /* of a session as a client */

/* ---- control thread ---- */

int tls_start(void); /* once per process, after aead_init: 0 or -errno */
void tls_stop(void);

struct tls_tickets; /* tls_ticket.h */

/* Files as drivers/keypair.h has them; the tickets' keys outlive all contexts and sessions. NULL
 * and a sentence in error. */
struct tls_context *tls_context_create(const char *chain_file, const char *key_file,
                                       const struct tls_tickets *, char *error, size_t error_bytes);
/* Client side, for all cores: ca_file holds the authorities (PEM); those in it that the library
 * cannot use are left out. NULL and a sentence in error. */
struct tls_context *tls_context_create_client(const char *ca_file, char *error, size_t error_bytes);
/* Gives the creator's reference back; the context goes with the last of its sessions. Any thread.
 * */
void tls_context_destroy(struct tls_context *);
/* DNS names of the leaf (subjectAltName; common name if there is none), lower case: count written
 * to out. */
size_t tls_context_names(const struct tls_context *, char (*out)[256], size_t max);
/* notAfter of the leaf, seconds since 1970. */
int64_t tls_context_expires(const struct tls_context *);

/* ---- dp core ---- */

/* The guard, which has looked at the ClientHello or not yet, and io must outlive the session. NULL:
 * no memory. */
struct tls_session *tls_session_create(struct tls_context *, struct guard *, const struct tls_io *,
                                       void *io_arg);
/* Client side, to a server of that name (a host name, or an address as text, which goes into no
 * SNI). resumption: of an earlier session with it, or NULL. NULL: no memory. */
struct tls_session *tls_session_create_client(struct tls_context *, const char *name,
                                              bool is_address,
                                              const struct tls_resumption *resumption,
                                              const struct tls_io *, void *io_arg);
/* What the next session with this server may begin with, the caller's; NULL: it gave nothing, or
 * the session is not open. */
struct tls_resumption *tls_session_resumption(struct tls_session *);
void tls_resumption_free(struct tls_resumption *);
void tls_session_destroy(struct tls_session *);
/* What a session takes from malloc after its handshake, at most: for the list of limits. */
size_t tls_session_bytes(void);
enum tls_result tls_handshake(struct tls_session *);
/* Decrypts up to cap bytes: *len > 0 with TLS_OK only. Call until TLS_WANT: decrypted bytes may
 * wait inside. */
enum tls_result tls_read(struct tls_session *, void *buf, size_t cap, size_t *len);
/* The same bytes, left where they are: at most the rest of one record. */
enum tls_result tls_look(struct tls_session *, void *buf, size_t cap, size_t *len);
/* Decrypted bytes that wait inside. */
size_t tls_pending(const struct tls_session *);
/* Encrypts and sends; *taken is how many plaintext bytes are wholly on their way. TLS_OK: all of
 * them. TLS_WANT: a record is partly sent, call again with the same bytes from *taken on (at any
 * address) once there is room. len 0 only sends what is held. */
enum tls_result tls_write(struct tls_session *, const void *buf, size_t len, size_t *taken);
/* Ends a handshake that is under way with close_notify, and with user_canceled before it where that
 * can be said in clear. */
void tls_cancel(struct tls_session *);
/* Sends close_notify, once. TLS_OK: it is on its way; TLS_WANT: call again when there is room. */
enum tls_result tls_finish(struct tls_session *);

/* Bytes for the wire are held: call again when there is room. */
bool tls_is_holding(const struct tls_session *);
/* It ended for records that bring no data: too many in a row, or too many warnings in all. */
bool tls_is_flooded(const struct tls_session *);
bool tls_is_resumed(const struct tls_session *);
const char *tls_version(const struct tls_session *); /* "TLSv1.3" */
const char *tls_cipher(const struct tls_session *);  /* "TLS_AES_128_GCM_SHA256" */
const char *tls_alpn(const struct tls_session *);    /* "http/1.1", or "" */
const char *tls_error(const struct tls_session *);   /* a sentence for the log */

/* Stream bytes that plaintext of len bytes can become at most: records of 16 KiB, 22+16 bytes each.
 */
static inline size_t tls_wire_bytes(size_t len)
{
    return len + (len / TLS_RECORD_BYTES + 1) * 40;
}

#endif
