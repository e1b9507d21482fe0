/* decoder_tables.h: the indexes of the Encoding Standard, from pointers to code points; 0: none.
 *
 * Those of one byte are in decoder_single.c. The others are made while building, by
 * decoder_tables.py of what an npm package has: half a megabyte of source that nobody would read.
 * They are constants of the program, so all cells share them: 190 KB.
 */
#ifndef HEARTH_WORKER_DECODER_TABLES_H
#define HEARTH_WORKER_DECODER_TABLES_H

#include <stdint.h>

#include "runtime/worker/encodings.h"

extern const uint16_t index_single[ENCODING_SINGLE_LAST - ENCODING_SINGLE_FIRST + 1][128];

extern const uint16_t index_jis0208[11104];
extern const uint16_t index_jis0212[7211];
extern const uint16_t index_euc_kr[23750];
extern const uint16_t index_gb18030[23940];
extern const uint16_t index_big5[19782];
extern const uint8_t index_big5_plane2[2473]; /* a bit for each pointer: + 0x20000 */
extern const uint32_t gb18030_range_pointer[207], gb18030_range_code[207];

#endif
