/* input.h
 *
 * What a fuzz target was given, read as numbers: its bytes are the program that the target runs.
 * Past its end there are zeros.
 */
#ifndef HEARTH_FUZZ_INPUT_H
#define HEARTH_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *p, *end;
};

/* The next number of so many bytes, at most 4, the lowest first. */
static inline uint32_t input_take(struct input *in, size_t bytes)
{
    uint32_t v = 0;
    for (size_t i = 0; i < bytes && in->p < in->end; i++)
        v |= (uint32_t)*in->p++ << (8 * i);
    return v;
}

#endif
