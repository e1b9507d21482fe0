/* reserved.h
 *
 * Names of request fields in which a script reads hearth's word: who the client is, how it came,
 * which request this is, who calls.
 *
 *   x-hearth-*, x-forwarded-*, cf-connecting-*, x-real-ip, forwarded, traceparent
 *
 * Whoever takes a head from a stranger, a client or a script, leaves them out, and then says what
 * is known. In any case of letters: the head of a compromised process has what its bytes say.
 *
 * In an answer only x-hearth-* is hearth's word: which request it was, and where it ran. A script's
 * own are left out.
 *
 * Pure. Rejected: dropping only those that hearth sets. A script that was written for another proxy
 * believes what that one set, and here it would be the client who says so.
 */
#ifndef HEARTH_RESERVED_H
#define HEARTH_RESERVED_H

#include <stdbool.h>
#include <stddef.h>

bool reserved_field(const char *name, size_t bytes);
bool reserved_answer_field(const char *name, size_t bytes);

#endif
