/* spelling.h
 *
 * How far apart two words are: for the guess which word was meant. Levenshtein's distance, letters
 * to insert, delete or replace. Pure.
 *
 * Source: Wagner and Fischer, "The string-to-string correction problem" (1974), with one row.
 */
#ifndef HEARTH_SPELLING_H
#define HEARTH_SPELLING_H

#include <limits.h>

enum { SPELLING_LETTERS_MAX = 64 };

/* UINT_MAX if one is longer than SPELLING_LETTERS_MAX: that is no slip of the finger. */
unsigned spelling_distance(const char *a, const char *b);

#endif
