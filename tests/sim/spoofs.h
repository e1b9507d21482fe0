/* spoofs.h
 *
 * Request fields that only hearth may say (dataplane/http/reserved.h), said by somebody else, and
 * the check that no script believes them.
 */
#ifndef HEARTH_SPOOFS_H
#define HEARTH_SPOOFS_H

#include <stddef.h>
#include <stdint.h>

#include "runtime/head.h"

/* As a client says them: lines of a head. */
#define SPOOFS_OF_CLIENT                                                                           \
    "X-Real-IP: spoofed\r\nx-hearth-caller: spoofed\r\nX-HEARTH-Request-Id: spoofed\r\n"           \
    "x-real-ip: spoofed\r\nFORWARDED: spoofed\r\nx-Forwarded-For: spoofed\r\n"                     \
    "Traceparent: spoofed\r\nCF-Connecting-IP: spoofed\r\n"

/* As a script says them, in the head of a sub-request. */
void spoofs_write(struct head_writer *);

/* Of a head that a script gets: hearth's fields are there once, or none of them is (heads that a
 * test made by hand), and they are hearth's own. */
void spoofs_check(const uint8_t *head, size_t bytes);

#endif
