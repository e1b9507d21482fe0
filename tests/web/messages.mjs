// structuredClone, MessageChannel, streams that are transferred.
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const later = (ms = 0) => new Promise((done) => setTimeout(done, ms));
const heard = (port) => new Promise((done) => { port.onmessage = done; });

async function collect(stream) {
    const all = [];
    for await (const item of stream) all.push(item);
    return all;
}

export default suite({
    'primitives, boxes, dates, regular expressions': () => {
        for (const value of [undefined, null, true, false, '', 'a\ud800', 0, -0, NaN, Infinity, 5n, -12345678901234567890n])
            ok(Object.is(structuredClone(value), value), String(value));
        for (const value of [new Boolean(true), new Number(-0), new String('x'), Object(5n)]) {
            const copy = structuredClone(value);
            ok(copy !== value && Object.getPrototypeOf(copy) === Object.getPrototypeOf(value));
            ok(Object.is(copy.valueOf(), value.valueOf()));
        }
        ok(Number.isNaN(structuredClone(new Date(NaN)).getTime()));
        const r = /a\/b/giu;
        r.lastIndex = 2;
        equal([String(structuredClone(r)), structuredClone(r).lastIndex], ['/a\\/b/giu', 0]);
    },
    'objects, arrays, maps, sets': () => {
        const sparse = [1, , 3];
        sparse.extra = 'x';
        const copy = structuredClone(sparse);
        equal([copy.length, 1 in copy, copy.extra], [3, false, 'x']);
        class Point { constructor() { this.x = 1; } get y() { return 2; } }
        equal([structuredClone(new Point()), structuredClone(new Point()).constructor === Object], [{ x: 1 }, true]);
        equal(structuredClone(Object.create({ inherited: 1 }, { own: { value: 1 }, shown: { value: 2, enumerable: true } })), { shown: 2 });
        const getter = { get a() { return 5; } };
        equal(Object.getOwnPropertyDescriptor(structuredClone(getter), 'a').value, 5);
        equal(structuredClone({ [Symbol('s')]: 1 }), {});
        const map = new Map([[{ a: 1 }, new Set([1])]]);
        map.expando = 1;
        equal([structuredClone(map), structuredClone(map).expando], [new Map([[{ a: 1 }, new Set([1])]]), undefined]);
        const twice = {};
        const pair = structuredClone([twice, twice]);
        ok(pair[0] === pair[1]);
        equal(structuredClone(Object.create(null)) instanceof Object, true);
    },
    'errors': () => {
        for (const Kind of [Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError]) {
            const error = new Kind('m', { cause: { a: 1 } });
            const copy = structuredClone(error);
            equal([Object.getPrototypeOf(copy) === Kind.prototype, copy.message, copy.stack === error.stack, copy.cause],
                [true, 'm', true, { a: 1 }]);
        }
        const named = new Error('m');
        named.name = 'TypeError';
        ok(structuredClone(named) instanceof TypeError);
        named.name = 'Mine';
        equal([structuredClone(named).name, Object.hasOwn(structuredClone(new Error()), 'message')], ['Error', false]);
        named.extra = 1;
        equal(structuredClone(named).extra, undefined);
    },
    'buffers and views': () => {
        const buffer = new ArrayBuffer(8, { maxByteLength: 16 });
        const copy = structuredClone({ buffer, view: new Uint8Array(buffer), fixed: new Uint16Array(buffer, 2, 1),
            data: new DataView(buffer, 4) });
        equal([copy.buffer.resizable, copy.buffer.maxByteLength, copy.view.buffer === copy.buffer, copy.fixed.byteOffset,
            copy.data.byteOffset],
            [true, 16, true, 2, 4]);
        copy.buffer.resize(12);
        equal([copy.view.length, copy.fixed.length], [12, 1]);
        const moved = structuredClone(buffer, { transfer: [buffer] });
        equal([moved.resizable, moved.maxByteLength, buffer.detached], [true, 16, true]);
        throws(() => structuredClone(buffer), 'DataCloneError');
        throws(() => structuredClone(1, { transfer: [buffer] }), 'DataCloneError');
        throws(() => structuredClone(1, { transfer: [moved, moved] }), 'DataCloneError');
        throws(() => structuredClone(new Uint8Array(1), { transfer: [new Uint8Array(1)] }), 'DataCloneError');
        throws(() => structuredClone(1, { transfer: 1 }), TypeError);
        throws(() => structuredClone(1, { transfer: [1] }), TypeError);
        throws(() => structuredClone(1, 1), TypeError);
        throws(() => structuredClone(), TypeError);
        const kept = new ArrayBuffer(4);
        throws(() => structuredClone({ kept, bad() {} }, { transfer: [kept] }), 'DataCloneError');
        equal(kept.byteLength, 4);
        throws(() => structuredClone({ get kept() { kept.transfer(); return 1; } }, { transfer: [kept] }), 'DataCloneError');
    },
    'what can not be cloned': () => {
        const { port1 } = new MessageChannel();
        for (const value of [() => {}, Symbol(), new WeakMap(), Promise.resolve(), new Proxy({}, {}), new WeakRef({}), function* () {}(),
            new Headers(), new Request('https://a/'), new Response(), new FormData(),
            new EventTarget(), new Event('a'), new AbortController(), new ReadableStream(), new TransformStream(), port1, self,
            new ReadableStream().getReader(), performance]) {
            const error = throws(() => structuredClone(value), 'DataCloneError', Object.prototype.toString.call(value));
            equal(error.code, 25);
            throws(() => structuredClone({ a: [value] }), 'DataCloneError');
        }
        class Mine extends Headers {}
        throws(() => structuredClone(new Mine()), 'DataCloneError');
        equal(structuredClone(Object.create(Headers.prototype)), {});
        equal(throws(() => structuredClone({ get a() { throw new RangeError('own'); } }), RangeError).message, 'own');
    },
    'the platform\'s own objects': async () => {
        const blob = new Blob(['abc'], { type: 'text/plain' });
        const file = new File([blob, 'd'], 'n', { type: 'a/b', lastModified: 7 });
        const copy = structuredClone({ blob, file, again: blob });
        ok(copy.blob !== blob && copy.blob instanceof Blob && !(copy.blob instanceof File) && copy.again === copy.blob);
        equal([await copy.blob.text(), copy.blob.type], ['abc', 'text/plain']);
        equal([copy.file instanceof File, copy.file.name, copy.file.type, copy.file.lastModified, await copy.file.text()],
            [true, 'n', 'a/b', 7, 'abcd']);
        const error = new DOMException('m', 'AbortError');
        const clone = structuredClone({ error }).error;
        equal([clone !== error, clone instanceof DOMException, clone.name, clone.message, clone.code, clone.stack === error.stack],
            [true, true, 'AbortError', 'm', 20, true]);
        const quota = structuredClone(new QuotaExceededError('q', { quota: 1, requested: 2 }));
        equal([quota instanceof QuotaExceededError, quota.quota, quota.requested, quota.message], [true, 1, 2, 'q']);
        equal(structuredClone(new Map([[blob, error]])).size, 1);
    },
    'a channel carries messages in order, in tasks of their own': async () => {
        const { port1, port2 } = new MessageChannel();
        const seen = [];
        port2.onmessage = (e) => seen.push([e.data, e.isTrusted, e.target === port2, e.origin, e.source, e.ports.length]);
        port1.postMessage('a');
        port1.postMessage({ b: 1 });
        queueMicrotask(() => seen.push('microtask'));
        equal(seen, []);
        await later(2);
        equal(seen, ['microtask', ['a', true, true, '', null, 0], [{ b: 1 }, true, true, '', null, 0]]);
        throws(() => port1.postMessage(), TypeError);
        throws(() => port1.postMessage(() => {}), 'DataCloneError');
        throws(() => port1.postMessage(1, [port1]), 'DataCloneError');
        throws(() => port1.postMessage(1, 5), TypeError);
        throws(() => new MessagePort(), TypeError);
    },
    'messages wait for start()': async () => {
        const { port1, port2 } = new MessageChannel();
        const seen = [];
        port2.addEventListener('message', (e) => seen.push(e.data));
        port1.postMessage(1);
        port1.postMessage(2);
        await later(2);
        equal(seen, []);
        port2.start();
        port1.postMessage(3);
        await later(2);
        equal(seen, [1, 2, 3]);
    },
    'a port can be transferred, with the messages that wait': async () => {
        const outer = new MessageChannel();
        const inner = new MessageChannel();
        inner.port1.postMessage('early');
        const got = heard(outer.port2);
        outer.port1.postMessage({ port: inner.port2 }, [inner.port2]);
        const { data, ports } = await got;
        ok(data.port !== inner.port2 && data.port === ports[0] && data.port instanceof MessagePort && Object.isFrozen(ports));
        const seen = [];
        data.port.onmessage = (e) => seen.push(e.data);
        inner.port1.postMessage('late');
        inner.port2.postMessage('nowhere');
        await later(2);
        equal(seen, ['early', 'late']);
        throws(() => outer.port1.postMessage(1, { transfer: [inner.port2] }), 'DataCloneError');
        throws(() => structuredClone(data.port), 'DataCloneError');
        const again = structuredClone(data.port, { transfer: [data.port] });
        ok(again instanceof MessagePort);
    },
    'a closed port is silent, and the other one hears of it': async () => {
        const { port1, port2 } = new MessageChannel();
        let closed = 0;
        const seen = [];
        port2.onclose = () => closed++;
        port1.onmessage = port2.onmessage = (e) => seen.push(e.data);
        port1.postMessage('before');
        port1.close();
        port1.postMessage('after');
        port2.postMessage('back');
        await later(2);
        equal([seen, closed], [['before'], 1]);
        port1.close();
    },
    'streams are transferred': async () => {
        const readable = new ReadableStream({ start(c) { c.enqueue({ a: 1 }); c.enqueue('b'); c.close(); } });
        const moved = structuredClone(readable, { transfer: [readable] });
        ok(readable.locked && moved instanceof ReadableStream && moved !== readable);
        equal(await collect(moved), [{ a: 1 }, 'b']);
        throws(() => structuredClone(readable, { transfer: [readable] }), 'DataCloneError');
        const seen = [];
        const writable = new WritableStream({ write(x) { seen.push(x); }, close() { seen.push('closed'); } });
        const writer = structuredClone(writable, { transfer: [writable] }).getWriter();
        ok(writable.locked);
        await writer.write(1);
        await writer.close();
        equal(seen, [1, 'closed']);
        const transform = new TransformStream({ transform(x, c) { c.enqueue(2 * x); } });
        const other = structuredClone(transform, { transfer: [transform] });
        ok(other instanceof TransformStream && transform.readable.locked && transform.writable.locked);
        equal(await collect(new ReadableStream({ start(c) { c.enqueue(1); c.enqueue(2); c.close(); } }).pipeThrough(other)), [2, 4]);
        const bad = new ReadableStream({ start(c) { c.enqueue(() => {}); } });
        await rejects(collect(structuredClone(bad, { transfer: [bad] })), 'DataCloneError');
    },
    'IdentityTransformStream and FixedLengthStream': async () => {
        const text = async (stream) => new Response(stream).text();
        const one = new IdentityTransformStream();
        ok(one instanceof TransformStream);
        const writer = one.writable.getWriter();
        const all = Promise.all([writer.write(new Uint8Array([97])), writer.write(new Uint8Array([98]).buffer), writer.close()]);
        equal(await text(one.readable), 'ab');
        await all;
        const bad = new IdentityTransformStream();
        await rejects(bad.writable.getWriter().write('text'), TypeError);
        const byob = new IdentityTransformStream();
        const w = byob.writable.getWriter();
        w.write(new Uint8Array([1, 2, 3]));
        const { value } = await byob.readable.getReader({ mode: 'byob' }).read(new Uint8Array(2));
        equal([...value], [1, 2]);
        const fixed = new FixedLengthStream(3);
        const f = fixed.writable.getWriter();
        f.write(new Uint8Array([97, 98, 99]));
        f.close();
        equal(await text(fixed.readable), 'abc');
        const short = new FixedLengthStream(3);
        const s = short.writable.getWriter();
        s.write(new Uint8Array([97])).catch(() => {});
        const closing = s.close();
        closing.catch(() => {});
        await rejects(text(short.readable), TypeError);
        await rejects(closing, TypeError);
        const long = new FixedLengthStream(1);
        await rejects(long.writable.getWriter().write(new Uint8Array(2)), TypeError);
        throws(() => new FixedLengthStream(), TypeError);
        throws(() => new FixedLengthStream(-1), TypeError);
        const left = new IdentityTransformStream();
        const pending = left.writable.getWriter().write(new Uint8Array(1));
        await later();
        left.readable.cancel('enough');
        await rejects(pending, TypeError).catch(() => {});
    },
});
