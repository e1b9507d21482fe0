/* host.h
 *
 * A host name and its one canonical form, so that SNI, Host, certificates and routes compare bytes.
 *
 *   "Shop.Example.COM."  ->  "shop.example.com"
 *
 * Labels of letters, digits, '-' and '_', 1 to 63 bytes each, no hyphen at an end; HOST_BYTES_MAX
 * bytes in all without the trailing dot. (RFC 1123 2.1; '_' is no host name there, but browsers ask
 * for such names and certificates have them.)
 */
#ifndef HEARTH_HOST_H
#define HEARTH_HOST_H

#include <stdbool.h>
#include <stddef.h>

#include "dataplane/base/limits.h"

/* Writes the canonical form, zero-terminated; returns its bytes, 0: no host name. out may equal
 * name if it has the room. */
size_t host_canonical(char out[HOST_BYTES_MAX + 1], const char *name, size_t len);

/* The last label is a number, also a hexadecimal one: an IPv4 literal or nothing that exists
 * (WHATWG URL, "ends in a
 * number"). host is canonical. */
bool host_is_numeric(const char *host, size_t len);

#endif
