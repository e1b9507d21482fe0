// Streams beyond the standard's classes: Workers' IdentityTransformStream and FixedLengthStream, and streams that go to another owner
// (Streams 8).
import { addAlgorithm } from './abort.js';
import { clone, dataCloneError, transferable } from './clone.js';
import { viewOf } from './encoding.js';
import { isReadable, ReadableStream } from './streams/readable.js';
import { isTransform, PAIR, TransformStream } from './streams/transform.js';
import { isWritable, WritableStream } from './streams/writable.js';
import { declare, enforceRange, isBufferSource, required, unsignedLongLong } from './webidl.js';

// ---- transfer: the old stream is locked, and the new one reads from it or writes to it. Chunks are cloned, as they would be on their
// way through a port.

const copyOf = (chunk) => clone(chunk, []).value;

function moveReadable(stream) {
    if (stream.locked) throw dataCloneError('a stream that is locked can not be transferred');
    const reader = stream.getReader();
    return new ReadableStream({
        async pull(controller) {
            const { done, value } = await reader.read();
            if (done) return controller.close();
            try {
                controller.enqueue(copyOf(value));
            } catch (error) {
                reader.cancel(error).catch(() => {});
                throw error;
            }
        },
        cancel(reason) { return reader.cancel(reason); },
    }, { highWaterMark: 0 });
}

function moveWritable(stream) {
    if (stream.locked) throw dataCloneError('a stream that is locked can not be transferred');
    const writer = stream.getWriter();
    writer.closed.catch(() => {});
    return new WritableStream({
        async write(chunk) {
            let copy;
            try {
                copy = copyOf(chunk);
            } catch (error) {
                writer.abort(error).catch(() => {});
                throw error;
            }
            await writer.ready;
            await writer.write(copy);
        },
        close() { return writer.close(); },
        abort(reason) { return writer.abort(reason); },
    });
}

transferable(isReadable, moveReadable);
transferable(isWritable, moveWritable);
transferable(isTransform, (stream) => {
    const { readable, writable } = stream;
    if (readable.locked || writable.locked) throw dataCloneError('a stream that is locked can not be transferred');
    return new TransformStream(PAIR, { readable: moveReadable(readable), writable: moveWritable(writable) });
});

// ---- Workers' streams of bytes

// Two sides: what is written to one is read from the other, chunk by chunk, when it is asked for. left: how many bytes may come and must;
// undefined: any.
function bytePair(left) {
    let out;
    let inner;
    let asked = Promise.withResolvers();
    let given = Promise.withResolvers();
    const readable = new ReadableStream({
        type: 'bytes',
        start(controller) { out = controller; },
        pull() {
            asked.resolve();
            return given.promise;
        },
        cancel(reason) {
            inner.error(reason);
            asked.resolve(); // the write that waits fails
        },
    }, { highWaterMark: 0 });
    const give = (act) => {
        act();
        given.resolve();
        [asked, given] = [Promise.withResolvers(), Promise.withResolvers()];
    };
    const fail = (error) => {
        give(() => out.error(error));
        throw error;
    };
    const writable = new WritableStream({
        start(controller) {
            inner = controller;
            addAlgorithm(controller.signal, () => asked.resolve());
        },
        async write(chunk) {
            if (!isBufferSource(chunk)) fail(new TypeError('a chunk of this stream is an ArrayBuffer or a view of one'));
            const bytes = viewOf(chunk).slice();
            if (bytes.length === 0) return;
            if (left !== undefined && bytes.length > left) fail(new TypeError('more bytes than the stream is long'));
            await asked.promise;
            if (left !== undefined) left -= bytes.length;
            give(() => out.enqueue(bytes));
        },
        close() {
            if (left) fail(new TypeError(`the stream was closed ${left} bytes before its end`));
            give(() => {
                out.close();
                out.byobRequest?.respond(0);
            });
        },
        abort(reason) { give(() => out.error(reason)); },
    });
    return { readable, writable };
}

let isIdentity;

export class IdentityTransformStream extends TransformStream {
    #brand;

    constructor(key = undefined, pair = undefined) {
        super(PAIR, key === PAIR ? pair : bytePair(undefined));
    }

    static {
        isIdentity = (value) => typeof value === 'object' && value !== null && #brand in value;
    }
}

declare(IdentityTransformStream, { is: isIdentity });

const lengths = new WeakMap(); // the readable side of a FixedLengthStream -> its length
// undefined: not known.
export const lengthOfStream = (stream) => lengths.get(stream);

export class FixedLengthStream extends IdentityTransformStream {
    constructor(length) {
        required(arguments, 1, 'FixedLengthStream');
        const bytes = enforceRange(unsignedLongLong)(length, 'FixedLengthStream, argument 1');
        const pair = bytePair(bytes);
        super(PAIR, pair);
        lengths.set(pair.readable, bytes);
    }
}

declare(FixedLengthStream, { constructor: 1 });
