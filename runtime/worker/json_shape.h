/* json_shape.h
 *
 * How deep a JSON text is, and how many names it has, before the engine parses it.
 *
 *   bytes of a body --json_shape--> fine: parsed | too deep, too many names: RangeError
 *
 * A client decides what a body is like. The engine parses it in one step that nothing can stop; by
 * bytes alone that is 20 ns for each, but what is very deep takes seconds of collections, and each
 * new name 1 to 3 us: 6 MB of them ended a process, with everybody's isolates.
 *
 * It is no parser: of what is no JSON it may say anything, and the parser says what is wrong. One
 * pass, at most to the first excess; 2 MB while it looks at a text that could have so many names.
 * Names are told apart by a hash with a secret of the process. Any thread.
 * Source: RFC 8259 9, which allows such limits.
 */
#ifndef HEARTH_JSON_SHAPE_H
#define HEARTH_JSON_SHAPE_H

#include <stddef.h>
#include <stdint.h>

enum {
    /* Levels: as Go's encoding/json. No recursive function of a script gets deeper than some ten
     * thousand calls either. */
    JSON_DEPTH_MAX = 10000,
    JSON_NAMES_MAX = 100000, /* different ones, of all objects of a text: 0.1 to 0.3 s */
};

enum json_shape { JSON_FINE = 0, JSON_TOO_DEEP, JSON_TOO_MANY_NAMES };

enum json_shape json_shape(const uint8_t *text, size_t len, uint64_t secret);

#endif
