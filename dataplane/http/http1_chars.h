/* http1_chars.h
 *
 * The character classes of HTTP/1.1, and scanners that run over them 16 bytes at a time. Private to
 * http1_*.c.
 */
#ifndef HEARTH_HTTP1_CHARS_H
#define HEARTH_HTTP1_CHARS_H

#include <stdbool.h>
#include <stdint.h>

#include <emmintrin.h>

/* RFC 9110 5.6.2. */
static inline bool http1_is_token(uint8_t c)
{
    static const uint8_t is_token[256] = {
        ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1,         ['&'] = 1,         ['\''] = 1,
        ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,         ['^'] = 1,         ['_'] = 1,
        ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
    };
    return is_token[c];
}

/* VCHAR, SP, HT, obs-text: what a field value is made of (RFC 9110 5.5). */
static inline bool http1_is_value(uint8_t c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\t';
}

/* VCHAR without '#' (no fragment is ever sent) and '\' (a URL parser reads it as '/'). Wider than
 * RFC 3986: browsers send '|', '"', '{' as they are. */
static inline bool http1_is_target(uint8_t c)
{
    return c > 0x20 && c < 0x7f && c != '#' && c != '\\';
}

static inline const char *http1_scan_token(const char *p, const char *end)
{
    while (p < end && http1_is_token((uint8_t)*p))
        p++;
    return p;
}

/* The first byte that is none of a value; end if there is none. */
static inline const char *http1_scan_value(const char *p, const char *end)
{
    const __m128i control = _mm_set1_epi8(0x1f), del = _mm_set1_epi8(0x7f),
                  tab = _mm_set1_epi8('\t');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        __m128i is_control = _mm_cmpeq_epi8(_mm_min_epu8(v, control), v);
        __m128i is_bad = _mm_or_si128(_mm_andnot_si128(_mm_cmpeq_epi8(v, tab), is_control),
                                      _mm_cmpeq_epi8(v, del));
        int mask = _mm_movemask_epi8(is_bad);
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
    while (p < end && http1_is_value((uint8_t)*p))
        p++;
    return p;
}

/* The first byte that is none of a target; end if there is none. */
static inline const char *http1_scan_target(const char *p, const char *end)
{
    const __m128i first = _mm_set1_epi8(0x21), del = _mm_set1_epi8(0x7f), hash = _mm_set1_epi8('#'),
                  backslash = _mm_set1_epi8('\\');
    for (; end - p >= 16; p += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
        /* Signed: bytes from 0x80 on are negative, so below too. */
        __m128i is_bad = _mm_cmplt_epi8(v, first);
        is_bad = _mm_or_si128(is_bad, _mm_cmpeq_epi8(v, del));
        is_bad = _mm_or_si128(is_bad, _mm_cmpeq_epi8(v, hash));
        is_bad = _mm_or_si128(is_bad, _mm_cmpeq_epi8(v, backslash));
        int mask = _mm_movemask_epi8(is_bad);
        if (mask)
            return p + __builtin_ctz((unsigned)mask);
    }
    while (p < end && http1_is_target((uint8_t)*p))
        p++;
    return p;
}

#endif
