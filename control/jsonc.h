/* jsonc.h
 *
 * JSON with comments and trailing commas (wrangler.jsonc) as jansson reads it: comments and such
 * commas become blanks, so lines and columns of jansson's errors stay true.
 */
#ifndef HEARTH_JSONC_H
#define HEARTH_JSONC_H

#include <jansson.h>
#include <stddef.h>

/* Blanks comments and trailing commas in place. Strings are left alone. */
void jsonc_strip(char *text, size_t bytes);

/* NULL and a sentence with line and column. */
json_t *jsonc_parse(const char *text, size_t bytes, char *error, size_t error_bytes);

#endif
