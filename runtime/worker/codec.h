/* codec.h
 *
 * One stream that is compressed or decompressed, a piece at a time:
 *
 *   codec_new -> codec_run(in, out) .. CODEC_MORE: next input .. CODEC_END -> codec_free
 *                               \__ CODEC_FULL: the output has no room left; call again
 *
 * gzip (RFC 1952), deflate (1950), deflate-raw (1951), brotli (7932), zstd (8878), by the libraries
 * that are in the executable with V8. What a strict stream has behind its end is the caller's to
 * judge: it is not consumed. A lenient one, as HTTP has them, may go on with another gzip member or
 * zstd frame.
 *
 * Memory: each byte is asked for first (struct codec_memory), so the owner has a limit. A deflater
 * has 285 KB, an inflater 42 KB, brotli 5 MB to compress and what its window asks for, 16 MB at
 * most, to decompress, zstd a window of 8 MB at most (RFC 9659) and what test_codec.c prints.
 * Single thread. Bytes of strangers end in CODEC_BAD, never worse.
 */
#ifndef HEARTH_WORKER_CODEC_H
#define HEARTH_WORKER_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum codec_format {
    CODEC_GZIP,
    CODEC_DEFLATE,
    CODEC_DEFLATE_RAW,
    CODEC_BROTLI,
    CODEC_ZSTD,
    CODEC_FORMATS,
};

enum codec_way {
    CODEC_COMPRESS,
    CODEC_DECOMPRESS,
    CODEC_DECOMPRESS_LENIENT,
    CODEC_WAYS,
};

enum codec_result {
    CODEC_MORE,   /* all input is consumed, and wants more */
    CODEC_FULL,   /* there may be more output: call again, with what input is left */
    CODEC_END,    /* the stream is complete; input that is left does not belong to it */
    CODEC_BAD,    /* the input is malformed, or ends too early */
    CODEC_MEMORY, /* there is none left */
};

/* Who owns the bytes: take says whether there is room for so many. */
struct codec_memory {
    bool (*take)(void *owner, size_t bytes);
    void (*give)(void *owner, size_t bytes);
    void *owner;
};

struct codec_io {
    const uint8_t *in;
    size_t in_bytes; /* consumed from the front */
    uint8_t *out;
    size_t out_bytes; /* filled from the front */
    bool is_last;     /* nothing follows this input */
};

struct codec;

/* NULL: no memory. The memory's owner outlives it. */
struct codec *codec_new(enum codec_format, enum codec_way, const struct codec_memory *);
/* Moves the pointers of io over what it has consumed and filled. Not after CODEC_BAD or
 * CODEC_MEMORY. */
enum codec_result codec_run(struct codec *, struct codec_io *io);
void codec_free(struct codec *);

#endif
