/* clean.h
 *
 * What scripts, tenants' files, cells and other nodes say, made fit to be shown: the
 * one way from a stranger's text to a log or a terminal.
 *
 *   invalid UTF-8                             U+FFFD for each byte, as it is for what follows
 *   C0 and DEL, C1, bidi controls             U+FFFD: visible, and without effect
 *   (U+061C, U+200E/F, U+202A..E, U+2066..9)
 *   line ends, tabs                           as enum clean says
 *
 * Never fails, never allocates but for clean_json. Source: Unicode Standard Annex 9, 2 (the bidi
 * controls); RFC 3629 (what UTF-8 is).
 *
 * Rejected: dropping them: what is left may be another word. A space: nobody sees that there was
 * something.
 */
#ifndef HEARTH_CLEAN_H
#define HEARTH_CLEAN_H

#include <jansson.h>
#include <stddef.h>

enum clean {
    CLEAN_UTF8,  /* valid UTF-8, nothing more: for JSON, which escapes the rest itself */
    CLEAN_TEXT,  /* \n and \t stay: they are structure */
    CLEAN_LINE,  /* \n, \r, \t, U+2028 and U+2029 become spaces */
    CLEAN_FIELD, /* the same, and " and \ get a \ before them: for the inside of key="..." */
};

/* Writes what fits of len bytes, whole characters only, and a zero byte. Returns the bytes before
 * that. room is at least 1; a zero byte is a C0 character. out is not in. */
size_t clean(char *out, size_t room, const char *in, size_t len, enum clean);

/* The same with every string in it. What there is no memory for becomes "". */
void clean_json(json_t *, enum clean);

#endif
