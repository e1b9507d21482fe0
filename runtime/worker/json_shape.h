/* json_shape.h
 *
 * How deep a JSON text is, and what its parse will cost, before the engine parses it.
 *
 *   bytes of a body --json_shape--> fine: parsed | too deep, too costly: RangeError
 *
 * A client decides what a body is like. The engine parses it in one step that nothing can stop, and
 * what is very deep takes seconds of collections. Length says little about the rest: ordinary texts
 * take 10 to 25 ns for each byte, but objects of new shapes, tables of many names or empty objects
 * up to 200. So the cost is estimated, from what V8 spends its time on: a text that would cost more
 * than 300 ms, and more than an ordinary one of its length, is refused.
 *
 *   {"a":1,"b":2} {"a":3,"b":4}   2 shapes: a, ab. The second object finds them
 *   {"a":1,"c":2}                 one more: ac
 *
 * It is no parser: of what is no JSON it may say anything, and the parser says what is wrong. One
 * pass, at most to the first excess; 420 KB while it looks at a text that can cost so much. What
 * was met before is told by hashes with a secret of the process. Any thread.
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
    /* The estimate: any text may cost so much, and a long one so much for each byte. */
    JSON_NS_MAX = 300 * 1000 * 1000,
    JSON_NS_PER_BYTE_MAX = 30,
    /* And its parts. */
    JSON_NS_BYTE = 6,
    JSON_NS_CONTAINER = 200, /* an object or array, and its share of the collections */
    JSON_NS_SHAPE = 2500,    /* names of an object, in this order, that none began with before */
    JSON_NARROW_MAX = 128,   /* names: an object of more is a hash table, without shapes */
    JSON_NS_WIDE = 250,      /* each of its names */
    JSON_NS_NEW = 400,       /* and more if it was not met before, as of any short string */
};

enum json_shape { JSON_FINE = 0, JSON_TOO_DEEP, JSON_TOO_COSTLY };

enum json_shape json_shape(const uint8_t *text, size_t len, uint64_t secret);

#endif
