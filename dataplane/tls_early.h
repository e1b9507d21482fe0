/* tls_early.h
 *
 * Tells early data that was not accepted from the client's second flight, the way RFC 8446 4.2.10
 * says: a record that the handshake's keys do not open is early data. Only tried while such data
 * may come, on records of bounded size, with the first record number: what is dropped does not
 * count.
 *
 * Thread: the core.
 */
#ifndef HEARTH_TLS_EARLY_H
#define HEARTH_TLS_EARLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct WOLFSSL;

/* Is the whole record the first that the client sealed with the keys the session reads with?
 * Without the library's keys at hand (a build without ATOMIC_USER): true, so that the library
 * judges. */
bool tls_early_opens(struct WOLFSSL *, const uint8_t *record, size_t bytes);

#endif
