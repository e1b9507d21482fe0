/* sni.h
 *
 * Reads the server name out of a TLS ClientHello before TLS consumes it: fed with the in-order
 * bytes of a connection as they come, in any split, over any number of records. Keeps the name and
 * its place in the message, no other byte.
 *
 *   record(22) [ handshake(1) ClientHello: version random session_id cipher_suites compression extensions ]
 *                                                                server_name(0) -> list -> host_name(0) -> HOST
 *
 * Outcomes: MORE (feed on), OK (name is set), NONE (a well-formed hello without a name), BAD (no
 * ClientHello, malformed, or over SNI_HELLO_BYTES_MAX). An outcome other than MORE is final and
 * does not depend on how the bytes were split. The name is canonical (host.h); an IP literal or an
 * invalid name is BAD. GREASE (RFC 8701) is skipped like every unknown extension. Refused as well:
 * a second server_name extension, more than one name in it, a record without content, and bytes
 * behind the ClientHello in its last record (a client says nothing more before it is answered).
 *
 * Sources: RFC 8446 4.1.2 and 5.1, RFC 5246 7.4.1.2, RFC 6066 3, RFC 8701.
 */
#ifndef HEARTH_SNI_H
#define HEARTH_SNI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/limits.h"

enum sni_result { SNI_MORE, SNI_OK, SNI_NONE, SNI_BAD };

struct sni {
    enum sni_result result;
    uint8_t host_bytes;
    char host[HOST_BYTES_MAX + 1]; /* zero-terminated; valid with SNI_OK */
    uint32_t fed_bytes;

    /* The reader's place: private. */
    uint8_t state;                        /* the field of the ClientHello that is being read */
    uint8_t record_state, number_bytes;   /* bytes read of the record header, of the number */
    bool has_name;                        /* a server_name extension was seen */
    uint16_t record_left;                 /* content of the record */
    uint32_t number;                      /* a length or a type being read */
    uint32_t message_left;                /* of the handshake message */
    uint32_t field_left, extensions_left; /* of the vector being skipped; of all extensions */
    uint32_t name_bytes;                  /* of the name being copied */
};

void sni_init(struct sni *);
/* Takes the next bytes of the stream; returns sni->result. */
enum sni_result sni_input(struct sni *, const uint8_t *bytes, size_t len);

#endif
