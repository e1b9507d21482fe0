/* jsonc.h
 *
 * JSON with comments and trailing commas (wrangler.jsonc) as jansson reads it: comments and such
 * commas become blanks, so lines and columns of jansson's errors stay true.
 */
#ifndef HEARTH_JSONC_H
#define HEARTH_JSONC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Blanks comments and trailing commas in place. Strings are left alone. */
void jsonc_strip(char *text, size_t bytes);

/* NULL and a sentence with line and column. */
json_t *jsonc_parse(const char *text, size_t bytes, char *error, size_t error_bytes);

enum { JSONC_PATH_BYTES_MAX = 512, JSONC_DEPTH_MAX = 32 };

/* A key of an object: where it stands. path: "services[].limits.cpu_ms", without the places in
 * lists. */
struct jsonc_key {
    const char *path, *name;
    uint32_t line;
    const json_t *value;
};

/* Goes through the keys of a text that jsonc_parse has read as root, in the order of the text. fn
 * says whether to go into the key's value. What is deeper than JSONC_DEPTH_MAX, or behind a longer
 * path, is left out. False: no memory. */
bool jsonc_walk(const char *text, size_t bytes, const json_t *root,
                bool (*fn)(void *arg, const struct jsonc_key *), void *arg);

#endif
