// What the Streams Standard says at the edges: bytes, pipes, transforms, iteration, what scripts must not see.
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const error1 = new Error('one');
const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

// A sink that says what was done with it.
function recorder(mark = 1, late = undefined) {
    const events = [];
    const stream = new WritableStream({
        write(chunk) {
            events.push(`write ${chunk}`);
            return late;
        },
        close: () => void events.push('close'),
        abort: (reason) => void events.push(`abort ${reason?.message}`),
    }, { highWaterMark: mark });
    return { stream, events };
}

function sourceOf(...chunks) {
    return new ReadableStream({
        start(controller) {
            for (const chunk of chunks) controller.enqueue(chunk);
            controller.close();
        },
    });
}

export default suite({
    'nothing of a stream shows': () => {
        const streams = [new ReadableStream(), new WritableStream(), new TransformStream(), new ReadableStream({ type: 'bytes' })];
        for (const stream of streams) {
            equal(Reflect.ownKeys(stream), []);
            equal(Object.keys({ ...stream }), []);
        }
        equal(Reflect.ownKeys(new ReadableStream().getReader()), []);
    },
    'members are those of the standard': () => {
        const members = (value) => Reflect.ownKeys(value).filter((key) => typeof key === 'string' && key !== 'constructor').sort();
        equal(members(ReadableStream.prototype), ['cancel', 'getReader', 'locked', 'pipeThrough', 'pipeTo', 'tee', 'values']);
        equal(members(WritableStream.prototype), ['abort', 'close', 'getWriter', 'locked']);
        equal(members(TransformStream.prototype), ['readable', 'writable']);
        equal(members(ReadableByteStreamController.prototype), ['byobRequest', 'close', 'desiredSize', 'enqueue', 'error']);
        equal(ReadableStream.prototype[Symbol.asyncIterator] === ReadableStream.prototype.values, true);
        equal([ReadableStream.length, WritableStream.length, TransformStream.length, ReadableStreamBYOBReader.length], [0, 0, 0, 1]);
        equal(Object.prototype.toString.call(new ReadableStream()), '[object ReadableStream]');
        for (const key of members(ReadableStream.prototype)) ok(Object.getOwnPropertyDescriptor(ReadableStream.prototype, key).enumerable, key);
    },
    'another kind of this throws, or rejects where a promise is returned': async () => {
        throws(() => ReadableStream.prototype.getReader.call({}), TypeError);
        throws(() => Object.getOwnPropertyDescriptor(ReadableStream.prototype, 'locked').get.call(new WritableStream()), TypeError);
        await rejects(ReadableStream.prototype.cancel.call(new WritableStream()), TypeError);
        await rejects(WritableStreamDefaultWriter.prototype.write.call({}), TypeError);
        await rejects(Object.getOwnPropertyDescriptor(ReadableStreamDefaultReader.prototype, 'closed').get.call({}), TypeError);
        for (const Class of [ReadableStreamDefaultController, ReadableByteStreamController, ReadableStreamBYOBRequest, WritableStreamDefaultController, TransformStreamDefaultController])
            throws(() => new Class(), TypeError);
    },
    'constructors check what they are given': () => {
        throws(() => new ReadableStream(null), TypeError);
        throws(() => new ReadableStream({ type: 'text' }), TypeError);
        throws(() => new ReadableStream({ start: 1 }), TypeError);
        throws(() => new ReadableStream({ type: 'bytes' }, { size: () => 1 }), RangeError);
        throws(() => new ReadableStream({}, { highWaterMark: -1 }), RangeError);
        throws(() => new ReadableStream({}, { highWaterMark: NaN }), RangeError);
        throws(() => new ReadableStream({ type: 'bytes', autoAllocateChunkSize: 0 }), TypeError);
        throws(() => new WritableStream({ type: 'bytes' }), RangeError);
        throws(() => new TransformStream({ readableType: 'bytes' }), RangeError);
        throws(() => new ReadableStream({ start() { throw error1; } }), Error);
        throws(() => new CountQueuingStrategy({}), TypeError);
        throws(() => new ReadableStream().getReader({ mode: 'byob' }), TypeError);
        throws(() => new ReadableStream().getReader({ mode: 'other' }), TypeError);
    },
    'a size that is no size fails the stream': async () => {
        const stream = new ReadableStream({ start(controller) { throws(() => controller.enqueue('a'), RangeError); } }, { size: () => -1 });
        await rejects(stream.getReader().read(), RangeError);
    },
    'a released reader': async () => {
        const stream = new ReadableStream({ pull() {} });
        const reader = stream.getReader();
        const pending = reader.read();
        const before = reader.closed;
        reader.releaseLock();
        await rejects(pending, TypeError);
        await rejects(before, TypeError);
        await rejects(reader.read(), TypeError);
        await rejects(reader.cancel(), TypeError);
        equal(stream.locked, false);
    },
    'cancel gives the reason, once, and undefined': async () => {
        const reasons = [];
        const stream = new ReadableStream({ cancel(reason) { reasons.push(reason); return 7; } });
        equal(await stream.cancel('why'), undefined);
        equal(await stream.cancel('again'), undefined);
        equal(reasons, ['why']);
        const failing = new ReadableStream({ cancel() { throw error1; } });
        equal((await rejects(failing.cancel(), Error)) === error1, true);
    },
    'a byte stream fills what it is given': async () => {
        const stream = new ReadableStream({
            type: 'bytes',
            pull(controller) {
                const { view } = controller.byobRequest;
                view[0] = 5;
                controller.byobRequest.respond(1);
            },
        });
        const buffer = new ArrayBuffer(4);
        const reader = stream.getReader({ mode: 'byob' });
        const { value, done } = await reader.read(new Uint8Array(buffer, 1, 2));
        equal(done, false);
        equal([value.byteOffset, value.byteLength, value[0]], [1, 1, 5]);
        equal(buffer.detached, true);
        throws(() => structuredClone(buffer, { transfer: [buffer] }), 'DataCloneError');
    },
    'read({min}) waits for so many elements': async () => {
        let next = 0;
        const stream = new ReadableStream({ type: 'bytes', pull(controller) { controller.enqueue(new Uint8Array([next++])); } });
        const reader = stream.getReader({ mode: 'byob' });
        equal((await reader.read(new Uint8Array(8), { min: 3 })).value, new Uint8Array([0, 1, 2]));
        equal((await reader.read(new Uint16Array(2), { min: 1 })).value, new Uint16Array([0x0403]));
        await rejects(reader.read(new Uint8Array(1), { min: 2 }), RangeError);
        await rejects(reader.read(new Uint8Array(1), { min: 0 }), TypeError);
        await rejects(reader.read(new Uint8Array(0)), TypeError);
    },
    'a stream that ends within an element is an error': async () => {
        const stream = new ReadableStream({ type: 'bytes', start(controller) { controller.enqueue(new Uint8Array(1)); controller.close(); } });
        await rejects(stream.getReader({ mode: 'byob' }).read(new Uint16Array(1)), TypeError);
    },
    'chunks are transferred; the queue of bytes joins them': async () => {
        const chunk = new Uint8Array([1, 2, 3]);
        const stream = new ReadableStream({
            type: 'bytes',
            start(controller) {
                controller.enqueue(chunk);
                controller.enqueue(new Uint8Array([4]));
                throws(() => controller.enqueue(new Uint8Array(0)), TypeError);
                throws(() => controller.enqueue(chunk), TypeError);
                throws(() => controller.enqueue('text'), TypeError);
                controller.close();
            },
        });
        equal(chunk.length, 0);
        const reader = stream.getReader({ mode: 'byob' });
        equal((await reader.read(new Uint8Array(8))).value, new Uint8Array([1, 2, 3, 4]));
        const last = await reader.read(new Uint8Array(8));
        equal([last.done, last.value.length], [true, 0]);
    },
    'autoAllocateChunkSize makes the buffer for a default reader': async () => {
        const stream = new ReadableStream({
            type: 'bytes', autoAllocateChunkSize: 16,
            pull(controller) {
                equal(controller.byobRequest.view.byteLength, 16);
                controller.byobRequest.view.set([9, 8]);
                controller.byobRequest.respond(2);
            },
        });
        equal((await stream.getReader().read()).value, new Uint8Array([9, 8]));
    },
    'branches of a byte stream share no memory': async () => {
        const stream = new ReadableStream({ type: 'bytes', start(controller) { controller.enqueue(new Uint8Array([1, 2])); controller.close(); } });
        const [a, b] = stream.tee();
        const first = (await a.getReader().read()).value;
        first[0] = 77;
        equal((await b.getReader({ mode: 'byob' }).read(new Uint8Array(2))).value, new Uint8Array([1, 2]));
    },
    'both branches have to cancel': async () => {
        let cancelled;
        const [a, b] = new ReadableStream({ cancel(reason) { cancelled = reason; } }).tee();
        const first = a.cancel('a');
        await turn();
        equal(cancelled, undefined);
        await Promise.all([first, b.cancel('b')]);
        equal(cancelled, ['a', 'b']);
    },
    'a pipe closes its destination, or leaves it open': async () => {
        const closed = recorder();
        await sourceOf('a', 'b').pipeTo(closed.stream);
        equal(closed.events, ['write a', 'write b', 'close']);
        const open = recorder();
        await sourceOf('a').pipeTo(open.stream, { preventClose: true });
        equal(open.events, ['write a']);
        equal(open.stream.locked, false);
    },
    'a pipe carries errors both ways': async () => {
        const forward = recorder();
        const failing = new ReadableStream({ start(controller) { controller.error(error1); } });
        equal((await rejects(failing.pipeTo(forward.stream), Error)) === error1, true);
        equal(forward.events, ['abort one']);
        let reason;
        const source = new ReadableStream({ pull(controller) { controller.enqueue('x'); }, cancel(why) { reason = why; } });
        const sink = new WritableStream({ write() { throw error1; } });
        equal((await rejects(source.pipeTo(sink), Error)) === error1, true);
        equal(reason === error1, true);
    },
    'a pipe asks no faster than its destination takes': async () => {
        let pulls = 0;
        const source = new ReadableStream({ pull(controller) { controller.enqueue(++pulls); } }, { highWaterMark: 0 });
        const never = recorder(1, new Promise(() => {}));
        source.pipeTo(never.stream);
        await turn();
        equal(never.events, ['write 1']);
        equal(pulls <= 2, true);
    },
    'a signal ends a pipe': async () => {
        const controller = new AbortController();
        const sink = recorder();
        let reason;
        const source = new ReadableStream({ cancel(why) { reason = why; } });
        const piped = source.pipeTo(sink.stream, { signal: controller.signal });
        await turn();
        controller.abort(error1);
        equal((await rejects(piped, Error)) === error1, true);
        equal([reason === error1, sink.events], [true, ['abort one']]);
        await rejects(source.pipeTo(recorder().stream, { signal: AbortSignal.abort() }), 'AbortError');
        await rejects(new ReadableStream().pipeTo(recorder().stream, { signal: 'no' }), TypeError);
    },
    'pipeThrough checks its pair before it locks': () => {
        const stream = new ReadableStream();
        throws(() => stream.pipeThrough({ readable: new ReadableStream() }), TypeError);
        throws(() => stream.pipeThrough({ writable: new WritableStream(), readable: {} }), TypeError);
        equal(stream.locked, false);
    },
    'a writer says when it is ready, and what became of each write': async () => {
        let release;
        const stream = new WritableStream({ write: () => new Promise((resolve) => (release = resolve)) });
        const writer = stream.getWriter();
        await writer.ready;
        const first = writer.write('a');
        equal(writer.desiredSize, 0);
        let isReady = false;
        writer.ready.then(() => (isReady = true));
        await turn();
        equal(isReady, false);
        release();
        equal(await first, undefined);
        await writer.ready;
        equal(writer.desiredSize, 1);
    },
    'abort ends what waits, and its signal says so': async () => {
        let signal;
        const stream = new WritableStream({ start(controller) { signal = controller.signal; }, write: () => turn() });
        const writer = stream.getWriter();
        await writer.ready;
        const writes = [writer.write('a'), writer.write('b')];
        const aborted = writer.abort(error1);
        equal([signal.aborted, signal.reason === error1], [true, true]);
        await writes[0];
        equal((await rejects(writes[1], Error)) === error1, true);
        await aborted;
        await rejects(writer.closed, Error);
        equal(writer.desiredSize, null);
        await rejects(writer.write('c'), Error);
    },
    'a transform with flush and cancel': async () => {
        const transform = new TransformStream({
            transform: (chunk, controller) => controller.enqueue(chunk.toUpperCase()),
            flush: (controller) => controller.enqueue('.'),
        });
        const texts = [];
        for await (const chunk of sourceOf('a', 'b').pipeThrough(transform)) texts.push(chunk);
        equal(texts, ['A', 'B', '.']);
        let reason;
        const cancelled = new TransformStream({ cancel(why) { reason = why; } });
        await cancelled.readable.cancel('enough');
        equal(reason, 'enough');
        equal(await cancelled.writable.getWriter().write('x').catch((why) => why), 'enough');
    },
    'terminate closes one side and fails the other': async () => {
        const transform = new TransformStream({ transform: (_, controller) => controller.terminate() });
        const writer = transform.writable.getWriter();
        const reader = transform.readable.getReader();
        const read = reader.read();
        await writer.write('a').catch(() => {});
        equal((await read).done, true);
        await rejects(writer.write('b'), TypeError);
    },
    'from() takes iterables of both kinds, and returns them': async () => {
        let returned = 0;
        const iterable = {
            [Symbol.asyncIterator]: () => ({ next: async () => ({ done: false, value: 1 }), return: async () => (returned++, {}) }),
        };
        const stream = ReadableStream.from(iterable);
        equal((await stream.getReader().read()).value, 1);
        const other = ReadableStream.from(iterable);
        await other.cancel();
        equal(returned, 1);
        const texts = [];
        for await (const chunk of ReadableStream.from([Promise.resolve('a'), 'b'])) texts.push(chunk);
        equal(texts, ['a', 'b']);
        throws(() => ReadableStream.from(null), TypeError);
        throws(() => ReadableStream.from({}), TypeError);
    },
    'iteration: return() releases, preventCancel leaves the stream alone': async () => {
        let cancelled = false;
        const stream = new ReadableStream({ pull(controller) { controller.enqueue(1); }, cancel() { cancelled = true; } });
        for await (const chunk of stream.values({ preventCancel: true })) if (chunk) break;
        equal([stream.locked, cancelled], [false, false]);
        const iterator = stream.values();
        const [first, last] = await Promise.all([iterator.next(), iterator.return('end')]);
        equal([first, last], [{ value: 1, done: false }, { value: 'end', done: true }]);
        equal(await iterator.next(), { value: undefined, done: true });
        equal(cancelled, true);
        const prototype = Object.getPrototypeOf(iterator);
        equal([prototype[Symbol.toStringTag], Object.keys(prototype)], ['ReadableStream AsyncIterator', ['next', 'return']]);
    },
    'a thousand chunks that are there at once': async () => {
        let sum = 0;
        for await (const chunk of sourceOf(...Array.from({ length: 3000 }, (_, i) => i))) sum += chunk;
        equal(sum, 4498500);
    },
});
