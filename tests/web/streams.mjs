import { equal, ok, rejects, suite } from './assert.mjs';

const source = (...items) => new ReadableStream({ start(c) { items.forEach((i) => c.enqueue(i)); c.close(); } });

async function collect(stream) {
    const all = [];
    for await (const item of stream) all.push(item);
    return all;
}

export default suite({
    'pull is called as the reader asks': async () => {
        let n = 0;
        const stream = new ReadableStream({ pull(c) { c.enqueue(++n); if (n === 3) c.close(); } }, { highWaterMark: 0 });
        equal(n, 0);
        equal(await collect(stream), [1, 2, 3]);
    },
    'tee gives both branches everything': async () => {
        const [a, b] = source(1, 2).tee();
        equal([await collect(a), await collect(b)], [[1, 2], [1, 2]]);
    },
    'pipeThrough and pipeTo': async () => {
        const doubled = source(1, 2, 3).pipeThrough(new TransformStream({ transform(v, c) { c.enqueue(v * 2); } }));
        const seen = [];
        await doubled.pipeTo(new WritableStream({ write(v) { seen.push(v); } }));
        equal(seen, [2, 4, 6]);
    },
    'a writer feels back-pressure': async () => {
        const stream = new TransformStream(undefined, undefined, { highWaterMark: 1 });
        const writer = stream.writable.getWriter();
        writer.write('a');
        writer.write('b').catch(() => {});
        ok(writer.desiredSize <= 0);
        const reader = stream.readable.getReader();
        equal((await reader.read()).value, 'a');
        equal((await reader.read()).value, 'b');
    },
    'cancel reaches the source': async () => {
        let reason;
        const stream = new ReadableStream({ cancel(r) { reason = r; } });
        await stream.cancel('enough');
        equal(reason, 'enough');
    },
    'leaving a for await cancels': async () => {
        let cancelled = false;
        const stream = new ReadableStream({ pull(c) { c.enqueue(1); }, cancel() { cancelled = true; } });
        for await (const v of stream) break;
        ok(cancelled);
    },
    'byte streams read into a buffer': async () => {
        const stream = new ReadableStream({ type: 'bytes', start(c) { c.enqueue(new Uint8Array([1, 2, 3, 4])); c.close(); } });
        const reader = stream.getReader({ mode: 'byob' });
        const { value } = await reader.read(new Uint8Array(3));
        equal(value, new Uint8Array([1, 2, 3]));
    },
    'ReadableStream.from': async () => {
        equal(await collect(ReadableStream.from(['a', 'b'])), ['a', 'b']);
    },
    'errors go through a pipe': async () => {
        const bad = new ReadableStream({ start(c) { c.error(new RangeError('x')); } });
        await rejects(bad.pipeTo(new WritableStream()), RangeError);
    },
    'text streams split characters where they may': async () => {
        const bytes = new TextEncoder().encode('aä€😀');
        const parts = [...bytes].map((b) => new Uint8Array([b]));
        equal((await collect(source(...parts).pipeThrough(new TextDecoderStream()))).join(''), 'aä€😀');
        const encoded = await collect(source('a\ud83d', '\ude00b').pipeThrough(new TextEncoderStream()));
        equal(encoded.map((e) => [...e]).flat(), [97, 0xf0, 0x9f, 0x98, 0x80, 98]);
    },
    'their state does not show': () => {
        const stream = new ReadableStream();
        const all = [stream, stream.getReader(), new WritableStream(), new WritableStream().getWriter(), new TransformStream(),
            new CountQueuingStrategy({ highWaterMark: 1 }), new ReadableStream().values()];
        for (const one of all) equal([Object.keys(one), JSON.stringify(one)], [[], '{}'], String(one));
        const names = [];
        for (const name in stream) names.push(name);
        equal(names.sort(), ['cancel', 'getReader', 'locked', 'pipeThrough', 'pipeTo', 'tee', 'values']);
    },
    'a writer that aborts tells the sink by a signal': async () => {
        let signal;
        const stream = new WritableStream({ start(c) { signal = c.signal; } });
        ok(signal instanceof AbortSignal && !signal.aborted);
        await stream.abort('why');
        equal([signal.aborted, signal.reason], [true, 'why']);
        const c = new AbortController();
        const pipe = new ReadableStream().pipeTo(new WritableStream(), { signal: c.signal });
        c.abort();
        await rejects(pipe, 'AbortError');
        await rejects(new ReadableStream().pipeTo(new WritableStream(), { signal: {} }), TypeError);
    },
    'iterators are as others are': () => {
        const iterator = new ReadableStream().values();
        const prototype = Object.getPrototypeOf(iterator);
        equal(Object.getPrototypeOf(prototype), Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype));
        equal(Object.getOwnPropertyNames(prototype).sort(), ['next', 'return']);
        equal([iterator.next.length, iterator.return.length, iterator.next.name], [0, 1, 'next']);
        equal(String(iterator), '[object ReadableStream AsyncIterator]');
        ok(iterator[Symbol.asyncIterator]() === iterator);
    },
    'strategies': () => {
        equal(new CountQueuingStrategy({ highWaterMark: 3 }).highWaterMark, 3);
        equal(new ByteLengthQueuingStrategy({ highWaterMark: 4 }).size(new Uint8Array(5)), 5);
    },
});
