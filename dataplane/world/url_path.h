/* url_path.h
 *
 * The path and query of a request target as a URL parser reads them and writes them again: what
 * routes match, and what is in a script's request.url, are the same bytes.
 *
 *   "/public/%2e%2E/admin/a"b?c=<1>"   ->   "/admin/a%22b?c=%3C1%3E"
 *   "?x=1", ""                         ->   "/?x=1", "/"
 *
 * Of the path, dot segments are taken out, also those written with %2e; empty segments stay. In
 * path and query, bytes that no URL holds are percent-encoded: it adds to the query, and changes
 * nothing else in it. Nothing is decoded: "%61" stays "%61" and is not "a", "%2f" is no slash.
 *
 * Source: WHATWG URL, "path state" and "query state" of a special scheme, and its URL serializer. A
 * property test compares with the URL class of scripts (tests/unit/runtime/test_one_path.c).
 * Pure.
 *
 * Rejected: routes on the target as sent; `/public/../admin/x` ran a script of another route than
 * its path. Refusing dot segments: browsers take them out before they send, so who sends them is a
 * simple client or an attacker, but RFC 3986 6.2.2.3 has an answer for both.
 */
#ifndef HEARTH_URL_PATH_H
#define HEARTH_URL_PATH_H

#include <stddef.h>

/* target: empty, or from its first '/' or '?' on, without a fragment. Returns bytes written, of
 * which *path_bytes are the path; 0: cap is too small. out and target do not overlap. */
size_t url_path_write(char *out, size_t cap, const char *target, size_t len, size_t *path_bytes);

#endif
