/* Compression: what runtime/web/compression.js does in C.
 *
 * A codec is a wrapped pointer, which goes with its stream or by the garbage collector. Its memory
 * counts as that of ArrayBuffers. One call consumes at most IN_BYTES_MAX and makes one piece of at
 * most OUT_BYTES_MAX, some milliseconds of work, so that a strike ends the loop around it.
 */
#include <stdlib.h>
#include <string.h>

#include "runtime/worker/codec.h"
#include "runtime/worker/natives.h"
#include "runtime/worker/natives_call.h"

enum {
    KIND_CODEC = 0x636f6465, /* of v8c_wrap_new */
    IN_BYTES_MAX = 256 << 10,
    OUT_BYTES_MAX = 64 << 10,
};

static bool take(void *isolate, size_t bytes)
{
    return v8c_isolate_take_buffer_bytes(isolate, bytes);
}

static void give(void *isolate, size_t bytes)
{
    v8c_isolate_give_buffer_bytes(isolate, bytes);
}

static void free_codec(void *codec)
{
    codec_free(codec);
}

/* (format, way) of codec.h, as numbers. Returns the codec. */
static void native_codec_new(struct v8c_call *c)
{
    const int32_t format = v8c_int_value(v8c_call_arg(c, 0)),
                  way = v8c_int_value(v8c_call_arg(c, 1));
    const struct codec_memory memory = {take, give, c->isolate};

    if (format < 0 || format >= CODEC_FORMATS || way < 0 || way >= CODEC_WAYS)
        return;
    struct codec *codec = codec_new((enum codec_format)format, (enum codec_way)way, &memory);
    if (!codec) { /* those that nobody has any more are still there */
        v8c_isolate_pressure(c->isolate, V8C_PRESSURE_CRITICAL);
        codec = codec_new((enum codec_format)format, (enum codec_way)way, &memory);
    }
    if (!codec) {
        v8c_throw_new(c->isolate, V8C_RANGE_ERROR,
                      "no memory is left for another compression stream");
        return;
    }
    struct v8c_value *value = v8c_wrap_new(c->isolate, codec, KIND_CODEC, free_codec);
    if (value)
        v8c_call_return(c, value);
    else
        codec_free(codec);
}

/* (codec, bytes, from, is last, counts): returns a piece of output, if there is any; counts: the
 * input consumed, and enum codec_result. */
static void native_codec_run(struct v8c_call *c)
{
    struct codec *codec = v8c_wrap_pointer(v8c_call_arg(c, 0), KIND_CODEC);
    const struct v8c_bytes bytes = v8c_bytes_of(v8c_call_arg(c, 1));
    const double at = v8c_number_value(v8c_call_arg(c, 2));
    const size_t from = at > 0 && at < (double)bytes.len ? (size_t)at : at > 0 ? bytes.len : 0;
    const bool is_last = v8c_bool_value(c->isolate, v8c_call_arg(c, 3));
    uint32_t counts[2] = {0, CODEC_BAD};
    const struct v8c_bytes to = v8c_bytes_of(v8c_call_arg(c, 4));
    uint8_t *out = malloc(OUT_BYTES_MAX);

    if (codec && out && to.len >= sizeof(counts)) {
        size_t in_bytes = bytes.len - from;
        if (in_bytes > IN_BYTES_MAX)
            in_bytes = IN_BYTES_MAX;
        struct codec_io io = {
            .in = bytes.data ? bytes.data + from : out,
            .in_bytes = in_bytes,
            .out = out,
            .out_bytes = OUT_BYTES_MAX,
            .is_last = is_last && from + in_bytes == bytes.len,
        };
        counts[1] = codec_run(codec, &io);
        counts[0] = (uint32_t)(in_bytes - io.in_bytes);
        memcpy(to.data, counts, sizeof(counts));
        size_t made = OUT_BYTES_MAX - io.out_bytes;
        struct v8c_value *piece = made ? v8c_uint8_array_copy(c->isolate, out, made) : NULL;
        if (piece)
            v8c_call_return(c, piece);
    } else {
        v8c_throw_new(c->isolate, V8C_TYPE_ERROR, "not a codec");
    }
    free(out);
}

/* (codec): it is not needed any more. */
static void native_codec_end(struct v8c_call *c)
{
    struct v8c_value *value = v8c_call_arg(c, 0);
    struct codec *codec = v8c_wrap_pointer(value, KIND_CODEC);
    if (!codec)
        return;
    v8c_wrap_clear(value);
    codec_free(codec);
}

const struct v8c_native_entry natives_codec[] = {
    {"codecNew", native_codec_new},
    {"codecRun", native_codec_run},
    {"codecEnd", native_codec_end},
    {0},
};
