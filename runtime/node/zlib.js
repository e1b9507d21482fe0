// node:zlib, over the runtime's codecs (runtime/worker/codec.h). Levels and strategies are theirs.
import { Buffer } from 'node:buffer';
import { Transform } from 'node:stream';
import { codecEnd, codecNew, codecRun } from 'hearth:zlib';

// enum codec_format, codec_way, codec_result.
const FORMATS = { gzip: 0, deflate: 1, raw: 2, brotli: 3, zstd: 4 };
const COMPRESS = 0, DECOMPRESS = 2;
const FULL = 1, BAD = 3, MEMORY = 4;

const counts = new Uint32Array(2);

function bytesOf(data) {
    if (typeof data === 'string') return Buffer.from(data);
    if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer) return new Uint8Array(data);
    throw Object.assign(new TypeError('the data must be a string, bytes or an ArrayBuffer'), { code: 'ERR_INVALID_ARG_TYPE' });
}

// Gives each piece of output to put.
function feed(codec, bytes, isLast, put) {
    for (let from = 0; ;) {
        const piece = codecRun(codec, bytes, from, isLast, counts);
        from += counts[0];
        const result = counts[1];
        if (result === BAD) throw Object.assign(new Error('incorrect or incomplete data'), { code: 'Z_DATA_ERROR' });
        if (result === MEMORY) throw Object.assign(new RangeError('no memory is left'), { code: 'Z_MEM_ERROR' });
        if (piece !== undefined) put(piece);
        if (result !== FULL) return;
    }
}

function whole(format, way, data, maxOutputLength = Infinity) {
    const codec = codecNew(FORMATS[format], way);
    const pieces = [];
    let length = 0;
    try {
        feed(codec, bytesOf(data), true, (piece) => {
            length += piece.length;
            if (length > maxOutputLength)
                throw Object.assign(new RangeError('the output is longer than maxOutputLength'), { code: 'ERR_BUFFER_TOO_LARGE' });
            pieces.push(piece);
        });
    } finally {
        codecEnd(codec);
    }
    return Buffer.concat(pieces);
}

function isGzip(data) {
    const bytes = bytesOf(data);
    return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

function streamed(format, way) {
    const codec = codecNew(FORMATS[format], way);
    const run = (stream, bytes, isLast, callback) => {
        try {
            feed(codec, bytes, isLast, (piece) => stream.push(Buffer.from(piece)));
            callback();
        } catch (error) {
            callback(error);
        }
    };
    return new Transform({
        transform(chunk, encoding, callback) { run(this, bytesOf(chunk), false, callback); },
        flush(callback) { run(this, new Uint8Array(0), true, callback); },
        destroy(error, callback) {
            codecEnd(codec);
            callback(error);
        },
    });
}

const at = (format, way) => (data, options) => whole(format, way, data, options?.maxOutputLength);
const told = (sync) => (data, options, callback) => {
    if (typeof options === 'function') [options, callback] = [undefined, options];
    let result, error = null;
    try {
        result = sync(data, options);
    } catch (caught) {
        error = caught;
    }
    queueMicrotask(() => (error ? callback(error) : callback(null, result)));
};

export const gzipSync = at('gzip', COMPRESS), gunzipSync = at('gzip', DECOMPRESS);
export const deflateSync = at('deflate', COMPRESS), inflateSync = at('deflate', DECOMPRESS);
export const deflateRawSync = at('raw', COMPRESS), inflateRawSync = at('raw', DECOMPRESS);
export const brotliCompressSync = at('brotli', COMPRESS), brotliDecompressSync = at('brotli', DECOMPRESS);
export const zstdCompressSync = at('zstd', COMPRESS), zstdDecompressSync = at('zstd', DECOMPRESS);
export const unzipSync = (data, options) => (isGzip(data) ? gunzipSync : inflateSync)(data, options);

export const gzip = told(gzipSync), gunzip = told(gunzipSync), deflate = told(deflateSync), inflate = told(inflateSync);
export const deflateRaw = told(deflateRawSync), inflateRaw = told(inflateRawSync), unzip = told(unzipSync);
export const brotliCompress = told(brotliCompressSync), brotliDecompress = told(brotliDecompressSync);
export const zstdCompress = told(zstdCompressSync), zstdDecompress = told(zstdDecompressSync);

export const createGzip = () => streamed('gzip', COMPRESS), createGunzip = () => streamed('gzip', DECOMPRESS);
export const createDeflate = () => streamed('deflate', COMPRESS), createInflate = () => streamed('deflate', DECOMPRESS);
export const createDeflateRaw = () => streamed('raw', COMPRESS), createInflateRaw = () => streamed('raw', DECOMPRESS);
export const createBrotliCompress = () => streamed('brotli', COMPRESS), createBrotliDecompress = () => streamed('brotli', DECOMPRESS);

export const constants = {
    Z_NO_FLUSH: 0, Z_PARTIAL_FLUSH: 1, Z_SYNC_FLUSH: 2, Z_FULL_FLUSH: 3, Z_FINISH: 4,
    Z_DEFAULT_COMPRESSION: -1, Z_BEST_SPEED: 1, Z_BEST_COMPRESSION: 9,
};

export default {
    brotliCompress, brotliCompressSync, brotliDecompress, brotliDecompressSync, constants, createBrotliCompress, createBrotliDecompress,
    createDeflate, createDeflateRaw, createGunzip, createGzip, createInflate, createInflateRaw, deflate, deflateRaw, deflateRawSync,
    deflateSync, gunzip, gunzipSync, gzip, gzipSync, inflate, inflateRaw, inflateRawSync, inflateSync, unzip, unzipSync, zstdCompress,
    zstdCompressSync, zstdDecompress, zstdDecompressSync,
};
