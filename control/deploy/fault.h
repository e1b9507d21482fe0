/* fault.h
 *
 * Why what somebody sent is refused: one sentence, in the caller's room. Of deploy/.
 */
#ifndef HEARTH_FAULT_H
#define HEARTH_FAULT_H

#include <stddef.h>

struct fault {
    char *text;
    size_t bytes;
};

/* Says it. -1, for the caller to return. */
int refuse(const struct fault *, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
