#include "runtime/worker/codec.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "runtime/worker/codec_host.h"

enum {
    /* Quality 11 takes 130 times as long as 4 for 15 to 50 % less. Windows are what a stream's
     * memory is made of. */
    BROTLI_QUALITY = 4,
    BROTLI_WINDOW_LOG = 19,
    BROTLI_RESERVE = 5 << 20, /* 4.56 MB at most of 24 MB of zeros, text and noise */
    ZSTD_LEVEL = 3,
    ZSTD_COMPRESS_WINDOW_LOG = 19,
    ZSTD_WINDOW_LOG_MAX = 23,
    /* zlib's windowBits */
    WINDOW_BITS = 15,
    WINDOW_GZIP = 16,
    ZLIB_MEM_LEVEL = 8,
};

struct codec {
    enum codec_format format;
    enum codec_way way;
    struct codec_memory memory;
    size_t reserve; /* taken for the whole life */
    bool has_ended;
    bool is_at_member; /* lenient: nothing of the member or frame has come yet, and one has ended */
    union {
        z_stream z;
        BrotliEncoderState *brotli_encoder;
        BrotliDecoderState *brotli_decoder;
        ZSTD_CCtx *zstd_c;
        ZSTD_DCtx *zstd_d;
    };
};

/* ---- memory: a head says how much each piece is ---- */

enum { HEAD_BYTES = 16 };

static void *take(void *opaque, size_t bytes)
{
    struct codec_memory *memory = opaque;
    if (bytes > INT_MAX || !memory->take(memory->owner, bytes + HEAD_BYTES))
        return NULL;
    size_t *head = malloc(bytes + HEAD_BYTES);
    if (!head) {
        memory->give(memory->owner, bytes + HEAD_BYTES);
        return NULL;
    }
    *head = bytes + HEAD_BYTES;
    return (uint8_t *)head + HEAD_BYTES;
}

static void give(void *opaque, void *p)
{
    struct codec_memory *memory = opaque;
    if (!p)
        return;
    void *head = (uint8_t *)p - HEAD_BYTES;
    memory->give(memory->owner, *(size_t *)head);
    free(head);
}

static void *take_items(void *opaque, unsigned items, unsigned size)
{
    return take(opaque, (size_t)items * size);
}

/* Brotli's encoder, as it is built there, ends the process when memory is refused: what it can need
 * is taken before. */
static void *take_reserved(void *opaque, size_t bytes)
{
    return malloc(bytes);
}

static void give_reserved(void *opaque, void *p)
{
    free(p);
}

/* ---- begin and end ---- */

static int window_bits(enum codec_format format)
{
    return format == CODEC_GZIP      ? WINDOW_BITS + WINDOW_GZIP
           : format == CODEC_DEFLATE ? WINDOW_BITS
                                     : -WINDOW_BITS;
}

static bool begin_zlib(struct codec *c)
{
    c->z = (z_stream){.zalloc = take_items, .zfree = give, .opaque = &c->memory};
    int result = c->way == CODEC_COMPRESS
                     ? deflateInit2(&c->z, Z_DEFAULT_COMPRESSION, Z_DEFLATED,
                                    window_bits(c->format), ZLIB_MEM_LEVEL, Z_DEFAULT_STRATEGY)
                     : inflateInit2(&c->z, window_bits(c->format));
    assert(result == Z_OK || result == Z_MEM_ERROR);
    return result == Z_OK;
}

static bool begin_brotli(struct codec *c)
{
    if (c->way != CODEC_COMPRESS) {
        c->brotli_decoder = BrotliDecoderCreateInstance(take, give, &c->memory);
        return c->brotli_decoder;
    }
    if (!c->memory.take(c->memory.owner, BROTLI_RESERVE))
        return false;
    c->reserve = BROTLI_RESERVE;
    c->brotli_encoder = BrotliEncoderCreateInstance(take_reserved, give_reserved, NULL);
    return c->brotli_encoder &&
           BrotliEncoderSetParameter(c->brotli_encoder, BROTLI_PARAM_QUALITY, BROTLI_QUALITY) &&
           BrotliEncoderSetParameter(c->brotli_encoder, BROTLI_PARAM_LGWIN, BROTLI_WINDOW_LOG);
}

static bool begin_zstd(struct codec *c)
{
    const ZSTD_customMem memory = {take, give, &c->memory};
    if (c->way != CODEC_COMPRESS) {
        c->zstd_d = ZSTD_createDCtx_advanced(memory);
        return c->zstd_d && !ZSTD_isError(ZSTD_DCtx_setParameter(c->zstd_d, ZSTD_D_WINDOW_LOG_MAX,
                                                                 ZSTD_WINDOW_LOG_MAX));
    }
    c->zstd_c = ZSTD_createCCtx_advanced(memory);
    return c->zstd_c &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd_c, ZSTD_C_COMPRESSION_LEVEL, ZSTD_LEVEL)) &&
           !ZSTD_isError(
               ZSTD_CCtx_setParameter(c->zstd_c, ZSTD_C_WINDOW_LOG, ZSTD_COMPRESS_WINDOW_LOG));
}

struct codec *codec_new(enum codec_format format, enum codec_way way,
                        const struct codec_memory *memory)
{
    struct codec *c = calloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->format = format;
    c->way = way;
    c->memory = *memory;
    bool ok = format == CODEC_BROTLI ? begin_brotli(c)
              : format == CODEC_ZSTD ? begin_zstd(c)
                                     : begin_zlib(c);
    if (ok)
        return c;
    codec_free(c);
    return NULL;
}

void codec_free(struct codec *c)
{
    const bool compresses = c->way == CODEC_COMPRESS;
    if (c->format == CODEC_BROTLI && compresses) {
        if (c->brotli_encoder)
            BrotliEncoderDestroyInstance(c->brotli_encoder);
    } else if (c->format == CODEC_BROTLI) {
        if (c->brotli_decoder)
            BrotliDecoderDestroyInstance(c->brotli_decoder);
    } else if (c->format == CODEC_ZSTD) {
        if (compresses)
            ZSTD_freeCCtx(c->zstd_c);
        else
            ZSTD_freeDCtx(c->zstd_d);
    } else if (c->z.state) {
        if (compresses)
            deflateEnd(&c->z);
        else
            inflateEnd(&c->z);
    }
    if (c->reserve)
        c->memory.give(c->memory.owner, c->reserve);
    free(c);
}

/* ---- a piece ---- */

/* Of what has not failed: full, at its end, or hungry. */
static enum codec_result result_of(const struct codec *c, const struct codec_io *io)
{
    if (c->has_ended)
        return CODEC_END;
    if (io->out_bytes == 0)
        return CODEC_FULL;
    assert(io->in_bytes == 0);
    if (!io->is_last)
        return CODEC_MORE;
    /* A lenient stream may end where another member might begin. */
    return c->is_at_member ? CODEC_END : CODEC_BAD;
}

static enum codec_result run_zlib(struct codec *c, struct codec_io *io)
{
    const bool compresses = c->way == CODEC_COMPRESS;
    const uInt in = io->in_bytes < UINT_MAX ? (uInt)io->in_bytes : UINT_MAX;
    const uInt out = io->out_bytes < UINT_MAX ? (uInt)io->out_bytes : UINT_MAX;

    c->z.next_in = (Bytef *)(uintptr_t)io->in;
    c->z.avail_in = in;
    c->z.next_out = io->out;
    c->z.avail_out = out;
    int result = compresses
                     ? deflate(&c->z, io->is_last && in == io->in_bytes ? Z_FINISH : Z_NO_FLUSH)
                     : inflate(&c->z, Z_NO_FLUSH);
    io->in += in - c->z.avail_in;
    io->in_bytes -= in - c->z.avail_in;
    io->out += out - c->z.avail_out;
    io->out_bytes -= out - c->z.avail_out;
    if (result == Z_STREAM_END)
        c->has_ended = true;
    else if (result == Z_MEM_ERROR)
        return CODEC_MEMORY;
    else if (result != Z_OK && result != Z_BUF_ERROR)
        return CODEC_BAD;
    return result_of(c, io);
}

static enum codec_result run_brotli(struct codec *c, struct codec_io *io)
{
    if (c->way == CODEC_COMPRESS) {
        const int operation = io->is_last ? BROTLI_OPERATION_FINISH : BROTLI_OPERATION_PROCESS;
        if (!BrotliEncoderCompressStream(c->brotli_encoder, operation, &io->in_bytes, &io->in,
                                         &io->out_bytes, &io->out, NULL))
            return CODEC_MEMORY;
        c->has_ended = BrotliEncoderIsFinished(c->brotli_encoder);
        return !c->has_ended && io->in_bytes > 0 ? CODEC_FULL : result_of(c, io);
    }
    int result = BrotliDecoderDecompressStream(c->brotli_decoder, &io->in_bytes, &io->in,
                                               &io->out_bytes, &io->out, NULL);
    if (result == BROTLI_DECODER_RESULT_ERROR) {
        int code = BrotliDecoderGetErrorCode(c->brotli_decoder);
        return code >= BROTLI_DECODER_ERROR_ALLOC_FIRST && code <= BROTLI_DECODER_ERROR_ALLOC_LAST
                   ? CODEC_MEMORY
                   : CODEC_BAD;
    }
    if (result == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT)
        return CODEC_FULL;
    c->has_ended = result == BROTLI_DECODER_RESULT_SUCCESS;
    return c->has_ended ? CODEC_END : io->is_last ? CODEC_BAD : CODEC_MORE;
}

static enum codec_result run_zstd(struct codec *c, struct codec_io *io)
{
    ZSTD_inBuffer in = {io->in, io->in_bytes, 0};
    ZSTD_outBuffer out = {io->out, io->out_bytes, 0};
    const bool compresses = c->way == CODEC_COMPRESS;
    size_t left = compresses ? ZSTD_compressStream2(c->zstd_c, &out, &in,
                                                    io->is_last ? ZSTD_E_END : ZSTD_E_CONTINUE)
                             : ZSTD_decompressStream(c->zstd_d, &out, &in);
    io->in += in.pos;
    io->in_bytes -= in.pos;
    io->out += out.pos;
    io->out_bytes -= out.pos;
    if (ZSTD_isError(left))
        return ZSTD_getErrorCode(left) == ZSTD_ERROR_MEMORY_ALLOCATION ? CODEC_MEMORY : CODEC_BAD;
    if (left == 0)
        c->has_ended = !compresses || io->is_last;
    return !c->has_ended && io->in_bytes > 0 ? CODEC_FULL : result_of(c, io);
}

static enum codec_result run_once(struct codec *c, struct codec_io *io)
{
    return c->format == CODEC_BROTLI ? run_brotli(c, io)
           : c->format == CODEC_ZSTD ? run_zstd(c, io)
                                     : run_zlib(c, io);
}

/* gzip members and zstd frames may follow one another. */
static bool may_go_on(const struct codec *c)
{
    return c->way == CODEC_DECOMPRESS_LENIENT &&
           (c->format == CODEC_GZIP || c->format == CODEC_ZSTD);
}

enum codec_result codec_run(struct codec *c, struct codec_io *io)
{
    if (c->has_ended)
        return CODEC_END;
    for (;;) {
        if (c->is_at_member && io->in_bytes == 0)
            return io->is_last ? CODEC_END : CODEC_MORE;
        c->is_at_member = false;
        enum codec_result result = run_once(c, io);
        if (result != CODEC_END || !may_go_on(c))
            return result;
        c->has_ended = false;
        c->is_at_member = true;
        if (c->format == CODEC_GZIP && inflateReset(&c->z) != Z_OK)
            return CODEC_BAD;
        if (io->out_bytes == 0)
            return CODEC_FULL;
    }
}
