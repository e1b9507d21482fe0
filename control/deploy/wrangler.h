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
 * With an environment, keys of env.NAME are judged like those of the top level, and what that has
 * and the environment does not inherit is not looked at.
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

struct wrangler_text {
    const char *file; /* its name, for the sentences */
    const char *text; /* what jsonc_parse has read as root */
    size_t bytes;
    const json_t *root;
    const char *env; /* NULL: the top level is what counts */
    bool has_lines;  /* else the text was made of another one, and its lines say nothing */
};

/* Appends {"line", "key", "text"} to warnings; line 0: not known. False: a sentence for each key
 * that is refused, on lines of their own. */
bool wrangler_judge(const struct wrangler_text *, json_t *warnings, char *error,
                    size_t error_bytes);

/* Has an environment this key of the top level, where it has none of its own? */
bool wrangler_is_inherited(const char *key);

#endif
