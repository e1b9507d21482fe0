/* encodings.h
 *
 * The encodings of the Encoding Standard, and the labels that mean them. "replacement" has no
 * decoder that anybody could ask for, so its labels are none.
 *
 * Pure functions. Source: Encoding Standard 4.2, "names and labels".
 */
#ifndef HEARTH_WORKER_ENCODINGS_H
#define HEARTH_WORKER_ENCODINGS_H

#include <stddef.h>

enum encoding {
    ENCODING_UNKNOWN = -1,
    ENCODING_UTF_8,
    ENCODING_UTF_16LE,
    ENCODING_UTF_16BE,
    ENCODING_X_USER_DEFINED,
    ENCODING_IBM866, /* the first of those of one byte */
    ENCODING_ISO_8859_2,
    ENCODING_ISO_8859_3,
    ENCODING_ISO_8859_4,
    ENCODING_ISO_8859_5,
    ENCODING_ISO_8859_6,
    ENCODING_ISO_8859_7,
    ENCODING_ISO_8859_8,
    ENCODING_ISO_8859_10,
    ENCODING_ISO_8859_13,
    ENCODING_ISO_8859_14,
    ENCODING_ISO_8859_15,
    ENCODING_ISO_8859_16,
    ENCODING_KOI8_R,
    ENCODING_KOI8_U,
    ENCODING_MACINTOSH,
    ENCODING_WINDOWS_874,
    ENCODING_WINDOWS_1250,
    ENCODING_WINDOWS_1251,
    ENCODING_WINDOWS_1252,
    ENCODING_WINDOWS_1253,
    ENCODING_WINDOWS_1254,
    ENCODING_WINDOWS_1255,
    ENCODING_WINDOWS_1256,
    ENCODING_WINDOWS_1257,
    ENCODING_WINDOWS_1258,
    ENCODING_X_MAC_CYRILLIC,
    ENCODING_ISO_8859_8_I, /* decodes as ISO-8859-8 */
    ENCODING_GBK,
    ENCODING_GB18030,
    ENCODING_BIG5,
    ENCODING_EUC_JP,
    ENCODING_ISO_2022_JP,
    ENCODING_SHIFT_JIS,
    ENCODING_EUC_KR,
    ENCODINGS,

    ENCODING_SINGLE_FIRST = ENCODING_IBM866,
    ENCODING_SINGLE_LAST = ENCODING_X_MAC_CYRILLIC,
    ENCODING_LABEL_BYTES_MAX = 32, /* longer ones are none */
};

/* What a label means: in any case of letters, with ASCII whitespace around it. */
enum encoding encoding_of(const char *label, size_t len);

/* As TextDecoder.encoding has it, in lower case. */
const char *encoding_name(enum encoding);

#endif
