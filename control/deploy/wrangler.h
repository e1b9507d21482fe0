/* wrangler.h
 *
 * What the keys of wrangler.jsonc mean to hearth. Each key is one of these, by its place:
 *
 *   taken        hearth does what it says
 *   foreign      for other tools, or true here anyway: passes in silence
 *   ignored      has an effect elsewhere that the script can do without: a warning
 *   unsupported  the script depends on it (a binding, a handler, code that is rewritten):
 *                refused by name, unless it is empty
 *   unknown      a warning, with the key that was probably meant
 *
 * Source: the configuration of wrangler 4 (cloudflare/workers-sdk, packages/workers-utils config).
 * Pure; used by hearthctl.
 *
 * Rejected: refusing what is unknown; a schema. The file is other tools' too, and grows with them.
 * And an empty list binds nothing.
 */
#ifndef HEARTH_WRANGLER_H
#define HEARTH_WRANGLER_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* text: what jsonc_parse has read as root; file: its name, for the sentences. Appends {"line",
 * "key", "text"} to warnings. False: a sentence for each key that is refused, on lines of their
 * own. */
bool wrangler_judge(const char *file, const char *text, size_t bytes, const json_t *root,
                    json_t *warnings, char *error, size_t error_bytes);

#endif
