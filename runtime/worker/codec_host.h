/* codec_host.h: the parts of Brotli's and Zstandard's C APIs that codec.c uses. The libraries are
 * in the executable that has V8 (runtime/libv8c/README.md), which brings headers of zlib alone.
 *
 * Source: brotli/encode.h and decode.h of 1.2, zstd.h of 1.5.7. */
#ifndef HEARTH_WORKER_CODEC_HOST_H
#define HEARTH_WORKER_CODEC_HOST_H

#include <stddef.h>
#include <stdint.h>

typedef void *(*brotli_alloc_func)(void *opaque, size_t size);
typedef void (*brotli_free_func)(void *opaque, void *address);

typedef struct BrotliDecoderStateStruct BrotliDecoderState;
enum {
    BROTLI_DECODER_RESULT_ERROR = 0,
    BROTLI_DECODER_RESULT_SUCCESS = 1,
    BROTLI_DECODER_RESULT_NEEDS_MORE_INPUT = 2,
    BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT = 3,
    BROTLI_DECODER_ERROR_ALLOC_FIRST = -30, /* down to the last: no memory */
    BROTLI_DECODER_ERROR_ALLOC_LAST = -21,
};
BrotliDecoderState *BrotliDecoderCreateInstance(brotli_alloc_func, brotli_free_func, void *opaque);
void BrotliDecoderDestroyInstance(BrotliDecoderState *);
int BrotliDecoderDecompressStream(BrotliDecoderState *, size_t *available_in,
                                  const uint8_t **next_in, size_t *available_out,
                                  uint8_t **next_out, size_t *total_out);
int BrotliDecoderGetErrorCode(const BrotliDecoderState *);

typedef struct BrotliEncoderStateStruct BrotliEncoderState;
enum {
    BROTLI_PARAM_QUALITY = 1,
    BROTLI_PARAM_LGWIN = 2,
    BROTLI_OPERATION_PROCESS = 0,
    BROTLI_OPERATION_FINISH = 2,
};
BrotliEncoderState *BrotliEncoderCreateInstance(brotli_alloc_func, brotli_free_func, void *opaque);
void BrotliEncoderDestroyInstance(BrotliEncoderState *);
int BrotliEncoderSetParameter(BrotliEncoderState *, int parameter, uint32_t value);
int BrotliEncoderCompressStream(BrotliEncoderState *, int operation, size_t *available_in,
                                const uint8_t **next_in, size_t *available_out, uint8_t **next_out,
                                size_t *total_out);
int BrotliEncoderIsFinished(BrotliEncoderState *);
int BrotliEncoderHasMoreOutput(BrotliEncoderState *);

typedef struct {
    void *(*alloc)(void *opaque, size_t size);
    void (*free)(void *opaque, void *address);
    void *opaque;
} ZSTD_customMem;
typedef struct {
    const void *src;
    size_t size, pos;
} ZSTD_inBuffer;
typedef struct {
    void *dst;
    size_t size, pos;
} ZSTD_outBuffer;
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct ZSTD_DCtx_s ZSTD_DCtx;
enum {
    ZSTD_C_COMPRESSION_LEVEL = 100,
    ZSTD_C_WINDOW_LOG = 101,
    ZSTD_D_WINDOW_LOG_MAX = 100,
    ZSTD_E_CONTINUE = 0,
    ZSTD_E_END = 2,
    ZSTD_ERROR_MEMORY_ALLOCATION = 64,
};
ZSTD_CCtx *ZSTD_createCCtx_advanced(ZSTD_customMem);
ZSTD_DCtx *ZSTD_createDCtx_advanced(ZSTD_customMem);
size_t ZSTD_freeCCtx(ZSTD_CCtx *);
size_t ZSTD_freeDCtx(ZSTD_DCtx *);
size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *, int parameter, int value);
size_t ZSTD_DCtx_setParameter(ZSTD_DCtx *, int parameter, int value);
size_t ZSTD_compressStream2(ZSTD_CCtx *, ZSTD_outBuffer *, ZSTD_inBuffer *, int operation);
size_t ZSTD_decompressStream(ZSTD_DCtx *, ZSTD_outBuffer *, ZSTD_inBuffer *);
unsigned ZSTD_isError(size_t result);
int ZSTD_getErrorCode(size_t result);

#endif
