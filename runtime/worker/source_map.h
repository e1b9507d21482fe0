/* source_map.h
 *
 * A source map: which line of the author's files became which place of a module that was built.
 *
 *   "mappings": "AAAA,SAASA;;GAET"    lines of the module end in ;  segments in ,
 *                                     a segment: column, source, line, column, each relative to the
 *                                     one before, as base64 digits of 5 bits (VLQ)
 *
 * Lines and columns count from 1. What the map says is the script's own text and may be anything:
 * it leads to a wrong place at worst. Reads the mappings once, to know where lines begin (20 bytes
 * for each), and one line for each question. Single thread. Source: ECMA-426.
 */
#ifndef HEARTH_WORKER_SOURCE_MAP_H
#define HEARTH_WORKER_SOURCE_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SOURCE_MAP_LINES_MAX = 1 << 20 };

struct source_map;

struct source_place {
    const char *source; /* the map's own */
    uint32_t line, column;
};

/* NULL: it is none. */
struct source_map *source_map_new(const char *json, size_t len);
void source_map_free(struct source_map *);

/* Where that place comes from; false: nobody knows. */
bool source_map_find(const struct source_map *, uint32_t line, uint32_t column,
                     struct source_place *);

#endif
