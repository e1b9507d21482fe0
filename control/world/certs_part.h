/* certs_part.h
 *
 * The certificates of a world: hearth.yaml names files, cores look a context up by a host's name.
 * Control thread only.
 */
#ifndef HEARTH_CERTS_PART_H
#define HEARTH_CERTS_PART_H

#include <stddef.h>
#include <stdint.h>

#include "control/config/conf.h"
#include "control/world/part.h"
#include "dataplane/tls/tls.h"

struct certs_part {
    struct part part;
    uint32_t context_count;
    struct tls_context **contexts; /* of conf->certificates, in their order */
    struct certs *certs;
};

/* NULL and a sentence that names the file. */
struct certs_part *certs_part_build(const struct conf *, const struct tls_tickets *, char *error,
                                    size_t error_bytes);

#endif
