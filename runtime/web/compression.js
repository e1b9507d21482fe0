// CompressionStream, DecompressionStream (Compression Standard). The codecs are natives: runtime/worker/codec.h.
//
// One chunk may become any number of pieces of 64 KB at most. The next one is made when somebody reads, so what a small body
// unpacks to is bounded by who wants it; what is left of the chunk meanwhile is a copy, for its buffer may be taken away.
import { viewOf } from './encoding.js';
import { host } from './host.js';
import { ReadableStream, WritableStream } from './streams/index.js';
import { BufferSource, declare, enumeration, readonly, required } from './webidl.js';

// enum codec_format, codec_way, codec_result.
const FORMATS = ['gzip', 'deflate', 'deflate-raw', 'brotli', 'zstd'];
export const COMPRESS = 0;
export const DECOMPRESS = 1;
export const DECOMPRESS_LENIENT = 2; // gzip members and zstd frames may follow one another, as in HTTP (RFC 9110 8.4.1.3)
const MORE = 0;
const END = 2;
const BAD = 3;
const MEMORY = 4;

const EMPTY = new Uint8Array(0);
const counts = new Uint32Array(2);
const CompressionFormat = enumeration('CompressionFormat', FORMATS);

// {readable, writable} of bytes that become others on the way: for pipeThrough. what: for its errors.
export function codecPair(format, way, what) {
    let codec = null; // made for the first chunk
    let hasEnded = false; // decompressed all there is
    let isOver = false; // nobody wants more of it
    let isWanted = false; // somebody reads
    let wake = null;
    let output;
    let inputController;

    const release = () => {
        isOver = true;
        if (codec !== null) host.codecEnd(codec);
        codec = null;
        wake?.();
    };

    const fail = (error) => {
        if (!isOver) output.error(error);
        release();
        return error;
    };

    const malformed = (why) => new TypeError(`${what}: ${why}`);

    async function run(bytes, isLast) {
        codec ??= host.codecNew(FORMATS.indexOf(format), way);
        for (let from = 0; ;) {
            const piece = host.codecRun(codec, bytes, from, isLast, counts);
            from += counts[0];
            const result = counts[1];
            if (piece !== undefined) {
                if (!isWanted) {
                    if (from < bytes.length) {
                        bytes = bytes.slice(from);
                        from = 0;
                    }
                    await new Promise((resolve) => (wake = resolve));
                    wake = null;
                    if (isOver) return;
                }
                isWanted = false;
                output.enqueue(piece);
                if (isOver) return; // by what reads it
            }
            if (result === BAD) throw malformed(isLast ? `the ${format} data ends too early` : `this is no ${format} data`);
            if (result === MEMORY) throw new RangeError(`${what}: no memory is left for it`);
            hasEnded = result === END;
            if (hasEnded && from < bytes.length) throw malformed(`there is something behind the ${format} data`);
            if (hasEnded || (result === MORE && from >= bytes.length)) return;
        }
    }

    const readable = new ReadableStream({
        start(controller) { output = controller; },
        pull() {
            isWanted = true;
            wake?.();
        },
        cancel(reason) {
            if (isOver) return;
            release();
            inputController.error(reason);
        },
    }, { highWaterMark: 0 });

    const writable = new WritableStream({
        start(controller) { inputController = controller; },
        async write(chunk) {
            try {
                const bytes = viewOf(BufferSource(chunk, `${what}, a chunk`));
                if (bytes.length === 0) return;
                if (hasEnded) throw malformed(`there is something behind the ${format} data`);
                await run(bytes, false);
            } catch (error) {
                throw fail(error);
            }
        },
        async close() {
            try {
                if (!hasEnded) await run(EMPTY, true);
            } catch (error) {
                throw fail(error);
            }
            if (!isOver) output.close();
            release();
        },
        abort(reason) { fail(reason); },
    });
    return { readable, writable };
}

let isCompressionStream, isDecompressionStream;

export class CompressionStream {
    #pair;

    constructor(format) {
        required(arguments, 1, 'CompressionStream');
        this.#pair = codecPair(CompressionFormat(format, 'CompressionStream, argument 1'), COMPRESS, 'CompressionStream');
    }

    static {
        isCompressionStream = (value) => typeof value === 'object' && value !== null && #pair in value;
    }

    get readable() { return this.#pair.readable; }
    get writable() { return this.#pair.writable; }
}

declare(CompressionStream, {
    constructor: 1,
    is: isCompressionStream,
    attributes: { readable: readonly, writable: readonly },
});

export class DecompressionStream {
    #pair;

    constructor(format) {
        required(arguments, 1, 'DecompressionStream');
        this.#pair = codecPair(CompressionFormat(format, 'DecompressionStream, argument 1'), DECOMPRESS, 'DecompressionStream');
    }

    static {
        isDecompressionStream = (value) => typeof value === 'object' && value !== null && #pair in value;
    }

    get readable() { return this.#pair.readable; }
    get writable() { return this.#pair.writable; }
}

declare(DecompressionStream, {
    constructor: 1,
    is: isDecompressionStream,
    attributes: { readable: readonly, writable: readonly },
});
