/* fetch_wire.h
 *
 * The request of a fetch as bytes: taken from the head that a cell wrote (runtime/head.h), and
 * written as the server gets it, HTTP/1.1 (RFC 9112).
 *
 * The head is a stranger's word. What would break the message, or is hearthd's to say, is refused
 * or left out here; whether the address may be reached is address.h's.
 */
#ifndef HEARTH_FETCH_WIRE_H
#define HEARTH_FETCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct core;
struct fetch;

/* Reads the head into f: host, port, scheme, method and length. False: it is none. */
bool fetch_wire_take(struct fetch *, const uint8_t *head, size_t len);

/* The head of the request, from f->head, into core->out. 0: there is no room for it. */
size_t fetch_wire_head(struct core *, struct fetch *);

/* A piece of its body into core->out: a chunk, or the bytes as they are where the length was told;
 * whole, so that TLS makes one record of it. */
size_t fetch_wire_body(struct core *, const struct fetch *, const uint8_t *bytes, size_t len,
                       bool is_end);

#endif
