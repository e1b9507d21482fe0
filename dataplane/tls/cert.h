/* cert.h
 *
 * Which certificate serves a host name: exact name, then "*.parent" (one label, RFC 6125 6.4.3),
 * then the default. Immutable after certs_build; part of the world; any number of threads may look
 * up. Host names are lower case, without a trailing dot. A name may have several contexts: the
 * first in the list serves it, each of them covers it.
 */
#ifndef HEARTH_CERT_H
#define HEARTH_CERT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct tls_context;
struct certs;

struct cert_source {
    const char *name; /* "example.com", "*.example.com": every name of the context's certificate */
    uint32_t context; /* index into contexts */
};

enum { CERT_NONE = UINT32_MAX };

/* Takes over nothing; contexts outlive it. default_context CERT_NONE: none. NULL: no memory. */
struct certs *certs_build(struct tls_context *const *contexts, uint32_t context_count,
                          const struct cert_source *, uint32_t source_count,
                          uint32_t default_context);
void certs_destroy(struct certs *);
/* host NULL or "": the default. NULL: none serves it. */
struct tls_context *certs_find(const struct certs *, const char *host, size_t host_bytes);
/* Does this context's certificate cover the host (421 otherwise)? */
bool certs_covers(const struct certs *, const struct tls_context *, const char *host,
                  size_t host_bytes);

#endif
