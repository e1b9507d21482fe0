import { equal, ok, rejects, suite, throws } from './assert.mjs';

const bytes = (text) => Uint8Array.fromBase64(text);
const TEXT = 'expected output';

// "expected output", by other programs
const KNOWN = {
    gzip: bytes('H4sIAAAAAAAAA0utKEhNLklNUcgvLSkoLQEAsAE5sw8AAAA='),
    deflate: bytes('eJxLrShITS5JTVHILy0pKC0BADCtBiQ='),
    'deflate-raw': bytes('S60oSE0uSU1RyC8tKSgtAQA='),
    brotli: bytes('Gw4A+CUAihBDqpRuphA='),
    zstd: bytes('KLUv/SAPeQAAZXhwZWN0ZWQgb3V0cHV0'),
};
const FORMATS = Object.keys(KNOWN);

async function joined(readable) {
    const chunks = [];
    let length = 0;
    for await (const chunk of readable) {
        ok(chunk instanceof Uint8Array && chunk.length > 0, 'a Uint8Array that is not empty');
        chunks.push(chunk);
        length += chunk.length;
    }
    const all = new Uint8Array(length);
    let at = 0;
    for (const chunk of chunks) {
        all.set(chunk, at);
        at += chunk.length;
    }
    return all;
}

// What comes out, as bytes; an error of the writer is the reader's too.
async function through(stream, chunks) {
    const writer = stream.writable.getWriter();
    const written = (async () => {
        for (const chunk of chunks) await writer.write(chunk);
        await writer.close();
    })();
    written.catch(() => {});
    const out = await joined(stream.readable);
    await written;
    return out;
}
const text = async (stream, chunks) => new TextDecoder().decode(await through(stream, chunks));

function noise(length) {
    const out = new Uint8Array(length);
    for (let i = 0, x = 1; i < length; i++) {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        out[i] = x;
    }
    return out;
}

export default suite({
    'what others have compressed': async () => {
        for (const format of FORMATS) {
            equal(await text(new DecompressionStream(format), [KNOWN[format]]), TEXT, format);
            const single = [...KNOWN[format]].map((b) => new Uint8Array([b]));
            equal(await text(new DecompressionStream(format), single), TEXT, `${format}, in single bytes`);
            const gaps = [new Uint8Array(0), KNOWN[format].subarray(0, 5), new Uint8Array(0), KNOWN[format].subarray(5), new Uint8Array(0)];
            equal(await text(new DecompressionStream(format), gaps), TEXT, `${format}, with nothing between`);
        }
    },
    'there and back': async () => {
        const zeros = new Uint8Array(3000000);
        const inputs = [[], [new Uint8Array(0)], [new TextEncoder().encode(TEXT)], [noise(500000)], [zeros], [zeros, noise(70000), new Uint8Array(0), zeros]];
        for (const format of FORMATS) {
            for (const chunks of inputs) {
                const packed = await through(new CompressionStream(format), chunks);
                const out = await through(new DecompressionStream(format), [packed]);
                equal(out.length, chunks.reduce((sum, c) => sum + c.length, 0), format);
                let at = 0;
                for (const chunk of chunks) {
                    ok(chunk.every((b, i) => out[at + i] === b), `${format}: the same bytes`);
                    at += chunk.length;
                }
            }
        }
    },
    'any BufferSource, and nothing else': async () => {
        for (const source of [KNOWN.gzip.slice().buffer, new DataView(KNOWN.gzip.buffer), new Int8Array(KNOWN.gzip.slice().buffer)])
            equal(await text(new DecompressionStream('gzip'), [source]), TEXT);
        for (const bad of [undefined, null, 3.14, {}, [1], 'text', new ArrayBuffer(1, { maxByteLength: 2 })]) {
            for (const Stream of [CompressionStream, DecompressionStream]) {
                const stream = new Stream('gzip');
                const writer = stream.writable.getWriter();
                const reader = stream.readable.getReader();
                const write = writer.write(bad);
                const read = reader.read();
                await rejects(write, TypeError, String(bad));
                await rejects(read, TypeError, String(bad));
                await rejects(writer.closed, TypeError);
            }
        }
    },
    'formats': () => {
        for (const Stream of [CompressionStream, DecompressionStream]) {
            for (const bad of ['', 'GZIP', 'br', 'zlib', 'gzip ', undefined, null]) throws(() => new Stream(bad), TypeError, String(bad));
            throws(() => new Stream(), TypeError);
            throws(() => Stream('gzip'), TypeError);
            class Mine extends Error {}
            throws(() => new Stream({ toString() { throw new Mine(); } }), Mine);
            throws(() => Stream.prototype.readable, TypeError);
            equal([Stream.length, Object.prototype.toString.call(new Stream('gzip'))], [1, `[object ${Stream.name}]`]);
            const stream = new Stream('deflate');
            equal([stream.readable === stream.readable, stream.readable instanceof ReadableStream, stream.writable instanceof WritableStream],
                [true, true, true]);
        }
    },
    'data that ends too early': async () => {
        for (const format of FORMATS) {
            await rejects(text(new DecompressionStream(format), []), TypeError, format);
            for (const cut of [1, 4, KNOWN[format].length - 1])
                await rejects(text(new DecompressionStream(format), [KNOWN[format].subarray(0, cut)]), TypeError, `${format} ${cut}`);
        }
    },
    'data that is no such data': async () => {
        const rows = [
            ['gzip', 0], ['gzip', 2], ['gzip', 10], ['gzip', KNOWN.gzip.length - 1], ['gzip', KNOWN.gzip.length - 5],
            ['deflate', 0], ['deflate', 1], ['deflate', KNOWN.deflate.length - 1], ['deflate-raw', 0], ['zstd', 0], ['zstd', 5],
        ];
        for (const [format, at] of rows) {
            const bad = KNOWN[format].slice();
            bad[at] ^= 0xff;
            await rejects(text(new DecompressionStream(format), [bad]), TypeError, `${format}, byte ${at}`);
        }
        await rejects(text(new DecompressionStream('brotli'), [new Uint8Array(64).fill(0xff)]), TypeError, 'brotli');
    },
    'something behind the end': async () => {
        for (const format of FORMATS) {
            const padded = new Uint8Array(KNOWN[format].length + 1);
            padded.set(KNOWN[format]);
            for (const chunks of [[padded], [KNOWN[format], new Uint8Array(1)]]) {
                const stream = new DecompressionStream(format);
                const writer = stream.writable.getWriter();
                const reader = stream.readable.getReader();
                const writes = Promise.allSettled(chunks.map((chunk) => writer.write(chunk)));
                equal(new TextDecoder().decode((await reader.read()).value), TEXT, format);
                await rejects(reader.read(), TypeError, format);
                equal((await writes).at(-1).status, 'rejected');
            }
        }
        const two = new Uint8Array([...KNOWN.gzip, ...KNOWN.gzip]);
        await rejects(text(new DecompressionStream('gzip'), [two]), TypeError, 'a second member');
    },
    'a bomb unpacks as it is read': async () => {
        const bomb = await through(new CompressionStream('gzip'), Array(16).fill(new Uint8Array(1 << 20)));
        const stream = new DecompressionStream('gzip');
        const writer = stream.writable.getWriter();
        let isWritten = false;
        const write = writer.write(bomb).then(() => (isWritten = true));
        const reader = stream.readable.getReader();
        let length = 0;
        for (let i = 0; i < 100; i++) {
            const { value } = await reader.read();
            ok(value.length <= 65536, 'a piece');
            length += value.length;
        }
        equal(isWritten, false);
        await reader.cancel();
        await write;
        ok(length < 7 << 20);
        await rejects(writer.write(new Uint8Array(1)), Error).catch(() => {});
    },
    'a chunk whose buffer goes meanwhile': async () => {
        for (const format of FORMATS) {
            const input = noise(500000);
            const stream = new CompressionStream(format);
            const writer = stream.writable.getWriter();
            writer.write(input);
            writer.close();
            const reader = stream.readable.getReader();
            const parts = [(await reader.read()).value];
            structuredClone(input.buffer, { transfer: [input.buffer] });
            for (;;) {
                const { value, done } = await reader.read();
                if (done) break;
                parts.push(value);
            }
            const out = await through(new DecompressionStream(format), parts);
            ok(out.length === 500000 && noise(500000).every((b, i) => out[i] === b), format);
        }
    },
    'abort and cancel': async () => {
        const aborted = new CompressionStream('zstd');
        const read = aborted.readable.getReader().read();
        await aborted.writable.abort(new RangeError('why'));
        await rejects(read, RangeError);
        const cancelled = new DecompressionStream('brotli');
        await cancelled.readable.cancel('why');
        let reason;
        await cancelled.writable.getWriter().closed.catch((error) => (reason = error));
        equal(reason, 'why');
    },
    'pipes': async () => {
        const body = new Response('text '.repeat(10000)).body;
        const back = body.pipeThrough(new CompressionStream('brotli')).pipeThrough(new DecompressionStream('brotli'));
        equal((await new Response(back).text()).length, 50000);
    },
    'any bytes are data or a TypeError': async () => {
        let x = 7;
        const below = (n) => {
            x ^= x << 13;
            x ^= x >>> 17;
            x ^= x << 5;
            return (x >>> 0) % n;
        };
        for (const format of FORMATS) {
            const packed = await through(new CompressionStream(format), [new TextEncoder().encode(TEXT.repeat(200)), noise(300)]);
            for (let i = 0; i < 300; i++) {
                const bad = packed.slice(0, below(4) ? packed.length : 1 + below(packed.length));
                for (let n = below(4); n >= 0; n--) bad[below(bad.length)] = below(256);
                const at = below(bad.length);
                try {
                    await through(new DecompressionStream(format), [bad.subarray(0, at), bad.subarray(at)]);
                } catch (error) {
                    ok(error instanceof TypeError, `${format}: ${error}`);
                }
            }
        }
    },
    'memory has an end': async () => {
        const kept = [];
        let refused = null;
        for (let i = 0; i < 2000 && refused === null; i++) {
            const stream = new CompressionStream('deflate');
            const writer = stream.writable.getWriter();
            kept.push(stream);
            writer.write(new Uint8Array(10)).catch((error) => (refused = error));
            writer.closed.catch(() => {});
            if (i % 10 === 0) await null;
        }
        ok(refused instanceof RangeError, 'a RangeError');
        for (const stream of kept) stream.readable.cancel().catch(() => {});
        equal(await text(new DecompressionStream('zstd'), [KNOWN.zstd]), TEXT);
    },
    'streams that nobody finished go': async () => {
        for (let i = 0; i < 400; i++) {
            const writer = new CompressionStream('deflate').writable.getWriter();
            writer.write(new Uint8Array(10)); // waits for who reads
            if (i % 50 === 0) await null;
        }
    },
});
