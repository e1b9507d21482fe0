/* tls.h
 *
 * TLS 1.2 and 1.3, server side, by wolfSSL over a connection's own buffers. The handshake and the records are wolfSSL's; AES-GCM
 * goes through drivers/aead.
 *
 *   tcp bytes --recv--> [ wolfSSL ] --tls_read--> plaintext
 *   tcp room  <--send-- [         ] <--tls_write-- plaintext
 *
 * Certificates: struct certs maps a host name (exact, then *.parent, then default) to a context. Contexts are made by the control
 * thread, immutable afterwards, reference-counted by wolfSSL: a session keeps its own alive after a reload.
 * Session tickets are on; keys are the struct tls_ticket_keys of the world. Groups: X25519 first (measured 3x P-256 in wolfSSL).
 *
 * Thread: a struct tls belongs to its core. Memory: wolfSSL's allocator is jemalloc's (recorded in ARCHITECTURE.md).
 */
#ifndef HEARTH_TLS_H
#define HEARTH_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum tls_result {
    TLS_OK,     /* progress; for handshake: done */
    TLS_WANT,   /* needs bytes from the peer, or room to send: call again after I/O */
    TLS_CLOSED, /* close_notify received (or the stream ended after one) */
    TLS_FAILED, /* alert sent or received, or the peer broke the protocol; see tls_error */
};

/* How a session reaches its stream: each moves up to len bytes and returns how many (0: none now). */
struct tls_io {
    size_t (*recv)(void *arg, void *buf, size_t len);
    size_t (*send)(void *arg, const void *buf, size_t len);
    bool (*is_finished)(void *arg); /* no more bytes will ever come */
};

struct tls_context; /* one certificate chain and key */
struct tls_session; /* one connection */

/* ---- control thread ---- */

int tls_start(void); /* once per process: 0 or -errno */
void tls_stop(void);

struct tls_ticket_keys {
    uint8_t name[16], key[32];
};

/* PEM files: certificate chain (leaf first) and private key. NULL and a sentence in error. */
struct tls_context *tls_context_create(const char *chain_file, const char *key_file,
                                       const struct tls_ticket_keys *, char *error, size_t error_bytes);
void tls_context_destroy(struct tls_context *);
/* DNS names of the leaf (subjectAltName; common name if there is none), lower case: count written to out. */
size_t tls_context_names(const struct tls_context *, char (*out)[256], size_t max);
/* notAfter of the leaf, seconds since 1970. */
int64_t tls_context_expires(const struct tls_context *);

/* ---- dp core ---- */

/* NULL: no memory. */
struct tls_session *tls_session_create(const struct tls_context *, const struct tls_io *, void *io_arg);
void tls_session_destroy(struct tls_session *);
enum tls_result tls_handshake(struct tls_session *);
/* Decrypts up to cap bytes: *len > 0 with TLS_OK. */
enum tls_result tls_read(struct tls_session *, void *buf, size_t cap, size_t *len);
/* Encrypts and sends; *len is how many plaintext bytes are wholly taken (they will be sent; TLS_WANT: a record is partly sent,
 * call again with the same bytes from *len on once there is room). */
enum tls_result tls_write(struct tls_session *, const void *buf, size_t len, size_t *taken);
/* Sends close_notify. */
enum tls_result tls_finish(struct tls_session *);

bool tls_is_resumed(const struct tls_session *);
const char *tls_version(const struct tls_session *); /* "TLSv1.3" */
const char *tls_alpn(const struct tls_session *);    /* "http/1.1", or "" */
const char *tls_error(const struct tls_session *);   /* a sentence for the log */

/* Stream bytes that plaintext of len bytes can become at most: records of 16 KiB, 22+16 bytes each. */
static inline size_t tls_wire_bytes(size_t len)
{
    return len + (len / 16384 + 1) * 40;
}

#endif
