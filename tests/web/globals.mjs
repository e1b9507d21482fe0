import { equal, ok, rejects, suite, throws } from './assert.mjs';

const topLevel = {};
try {
    setTimeout(() => {}, 1);
} catch (error) {
    topLevel.timer = error;
}

export default suite({
    'timers run in order of their time': async () => {
        const seen = [];
        await new Promise((done) => {
            setTimeout((x) => { seen.push(x); done(); }, 20, 'late');
            setTimeout(() => seen.push('early'), 1);
            const gone = setTimeout(() => seen.push('never'), 5);
            clearTimeout(gone);
        });
        equal(seen, ['early', 'late']);
    },
    'an interval repeats until it is cleared': async () => {
        let n = 0;
        await new Promise((done) => {
            const id = setInterval(() => { if (++n === 3) { clearInterval(id); done(); } }, 1);
        });
        equal(n, 3);
        throws(() => setTimeout('code'), TypeError);
        clearTimeout(undefined);
        clearTimeout(123456789);
    },
    'timers are refused at top level': () => ok(topLevel.timer?.message.includes('top level')),
    'time stands still while the script computes, and moves between events': async () => {
        const before = Date.now();
        const precise = performance.now();
        for (let i = 0, x = 0; i < 3e6; i++) x += Math.sqrt(i);
        equal(Date.now(), before);
        equal(performance.now(), precise);
        equal(new Date().getTime(), before);
        await new Promise((done) => setTimeout(done, 5));
        ok(Date.now() >= before + 5, 'later');
        ok(before > 1.7e12, 'a date of today');
    },
    'microtasks run before timers': async () => {
        const seen = [];
        setTimeout(() => seen.push('timer'), 0);
        queueMicrotask(() => seen.push('micro'));
        await new Promise((done) => setTimeout(done, 2));
        equal(seen, ['micro', 'timer']);
        throws(() => queueMicrotask(1), TypeError);
    },
    'structuredClone': () => {
        const value = { a: [1, new Date(5), /x/g], m: new Map([[1, new Set(['x'])]]), b: new Uint8Array([1, 2]), u: undefined, n: -0 };
        value.self = value;
        const copy = structuredClone(value);
        ok(copy !== value && copy.self === copy);
        delete value.self;
        delete copy.self;
        equal(copy, value);
        equal(structuredClone(new RangeError('x')) instanceof RangeError, true);
        throws(() => structuredClone(() => {}), 'DataCloneError');
        throws(() => structuredClone(Symbol()), 'DataCloneError');
        const buffer = new ArrayBuffer(8);
        const moved = structuredClone({ buffer, view: new Uint8Array(buffer, 4) }, { transfer: [buffer] });
        equal([buffer.byteLength, moved.buffer.byteLength, moved.view.byteOffset, moved.view.buffer === moved.buffer], [0, 8, 4, true]);
        throws(() => structuredClone(1, { transfer: [{}] }), 'DataCloneError');
    },
    'AbortController': async () => {
        const c = new AbortController();
        let seen = 0;
        c.signal.addEventListener('abort', () => seen++);
        c.signal.onabort = () => (seen += 10);
        c.abort();
        c.abort();
        equal([seen, c.signal.aborted, c.signal.reason.name], [11, true, 'AbortError']);
        throws(() => c.signal.throwIfAborted(), 'AbortError');
        equal(AbortSignal.abort('why').reason, 'why');
        const any = AbortSignal.any([new AbortController().signal, AbortSignal.abort(1)]);
        equal([any.aborted, any.reason], [true, 1]);
        const late = AbortSignal.timeout(2);
        await new Promise((done) => late.addEventListener('abort', done));
        equal(late.reason.name, 'TimeoutError');
        throws(() => new AbortSignal(), TypeError);
    },
    'EventTarget': () => {
        const target = new EventTarget();
        const seen = [];
        const listener = { handleEvent(e) { seen.push(e.type + e.detail); } };
        target.addEventListener('x', listener);
        target.addEventListener('x', listener);
        target.addEventListener('x', (e) => { seen.push('once'); e.preventDefault(); }, { once: true });
        equal(target.dispatchEvent(new CustomEvent('x', { detail: 1, cancelable: true })), false);
        equal(target.dispatchEvent(new CustomEvent('x', { detail: 2 })), true);
        target.removeEventListener('x', listener);
        target.dispatchEvent(new Event('x'));
        equal(seen, ['x1', 'once', 'x2']);
        throws(() => target.dispatchEvent({}), TypeError);
    },
    'DOMException': () => {
        const e = new DOMException('text', 'AbortError');
        equal([e.name, e.message, e.code, DOMException.ABORT_ERR, e instanceof Error], ['AbortError', 'text', 20, 20, true]);
        equal(Object.prototype.toString.call(e), '[object DOMException]');
        equal(DOMException.DATA_CLONE_ERR, 25);
    },
    'Blob and File': async () => {
        const b = new Blob(['abc', new Uint8Array([100])], { type: 'Text/Plain' });
        equal([b.size, b.type, await b.text(), await b.slice(1, -1).text()], [4, 'text/plain', 'abcd', 'bc']);
        equal(new Uint8Array(await b.arrayBuffer()), new Uint8Array([97, 98, 99, 100]));
        let all = '';
        for await (const part of b.stream()) all += new TextDecoder().decode(part);
        equal(all, 'abcd');
        const f = new File(['x'], 'n', { lastModified: 5 });
        equal([f.name, f.lastModified, f instanceof Blob], ['n', 5, true]);
    },
    'crypto': () => {
        ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID()));
        ok(crypto.randomUUID() !== crypto.randomUUID());
        const a = crypto.getRandomValues(new Uint32Array(8));
        ok(a.some((x) => x !== 0));
        throws(() => crypto.getRandomValues(new Uint8Array(65537)), 'QuotaExceededError');
        throws(() => crypto.getRandomValues(new Float64Array(1)), 'TypeMismatchError');
    },
    'Math.random looks like V8\'s own, and is spread over [0, 1)': () => {
        const { value, ...how } = Object.getOwnPropertyDescriptor(Math, 'random');
        equal(how, { writable: true, enumerable: false, configurable: true });
        equal([value.name, value.length, 'prototype' in value], ['random', 0, false]);
        throws(() => new Math.random(), TypeError);
        const drawn = Array.from({ length: 1000 }, () => Math.random());
        equal(new Set(drawn).size, 1000);
        ok(drawn.every((x) => x >= 0 && x < 1));
        for (let tenth = 0; tenth < 10; tenth++) ok(drawn.some((x) => Math.floor(x * 10) === tenth));
    },
    'no code from strings, no threads': () => {
        throws(() => eval('1'), EvalError);
        throws(() => new Function('return 1'), EvalError);
        throws(() => Reflect.construct((async () => {}).constructor, ['1']), EvalError);
        equal([typeof SharedArrayBuffer, typeof process, typeof require], ['undefined', 'undefined', 'undefined']);
    },
    'the natives are out of reach': () => {
        equal([typeof __host, typeof __entries], ['undefined', 'undefined']);
        ok(!Object.getOwnPropertyNames(globalThis).some((n) => n.startsWith('__')));
    },
    'navigator, self and names': () => {
        equal(navigator.userAgent, 'hearth');
        ok(self === globalThis);
        equal([Response.name, Event.name, setTimeout.name, URL.name, TextDecoder.name], ['Response', 'Event', 'setTimeout', 'URL', 'TextDecoder']);
        equal(Object.prototype.toString.call(new Response()), '[object Response]');
    },
    'import() finds files of the bundle': async () => {
        const { inspectable } = await import('./equal.mjs');
        equal(inspectable(-0), '-0');
        await rejects(import('./nothing.mjs'), Error);
        await rejects(import('../outside.mjs'), Error);
    },
    'console takes anything': () => {
        const loop = { a: 1 };
        loop.loop = loop;
        console.log('%s is %d, %j', 'x', 4.5, { a: 1 }, loop, [1, , 3], new Map([['k', new Set([1])]]), null, undefined);
        console.table([{ a: 1, b: 'x' }, { a: 2 }]);
        console.assert(false, 'told');
        console.trace('here');
        console.error(new Error('shown', { cause: new TypeError('inner') }));
        console.log(new Proxy({}, { ownKeys() { throw 1; } }));
        console.count();
        console.group('g');
        console.info('inside');
        console.groupEnd();
    },
});
