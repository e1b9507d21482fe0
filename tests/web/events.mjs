// Event and its kinds, EventTarget, AbortSignal, DOMException, and the global object as a target.
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const later = (ms = 0) => new Promise((done) => setTimeout(done, ms));

// An element of the top level: heard in the tests below.
const heard = [];
self.addEventListener('error', (event) => heard.push(event));
self.addEventListener('unhandledrejection', (event) => heard.push(event));

// Runs, and gives what the global object heard.
async function hears(act, ms = 0) {
    heard.length = 0;
    await act();
    await later(ms);
    return heard.splice(0);
}

export default suite({
    'an event is what its init says': () => {
        const e = new Event('a', { bubbles: 1, cancelable: 'x', composed: {} });
        equal([e.type, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.returnValue, e.eventPhase, e.target, e.currentTarget,
            e.srcElement, e.isTrusted, e.cancelBubble, e.composedPath()],
        ['a', true, true, true, false, true, 0, null, null, null, false, false, []]);
        ok(e.timeStamp > 0);
        throws(() => new Event(), TypeError);
        throws(() => new Event('a', 1), TypeError);
        throws(() => Event('a'), TypeError);
        equal(new Event(undefined).type, 'undefined');
        equal(new Event('a', null).bubbles, false);
        equal([Event.NONE, Event.AT_TARGET, e.BUBBLING_PHASE, Event.length], [0, 2, 3, 1]);
        const own = Object.getOwnPropertyDescriptor(e, 'isTrusted');
        equal([typeof own.get, own.set, own.enumerable, own.configurable], ['function', undefined, true, false]);
        equal(own.get, Object.getOwnPropertyDescriptor(new Event('b'), 'isTrusted').get);
        equal(Object.keys(e), ['isTrusted']);
    },
    'an init is read once, base members first': () => {
        const read = [];
        const init = new Proxy({}, { get(_, key) { read.push(key); } });
        new CustomEvent('a', init);
        equal(read, ['bubbles', 'cancelable', 'composed', 'detail']);
        read.length = 0;
        new ErrorEvent('a', init);
        equal(read, ['bubbles', 'cancelable', 'composed', 'colno', 'error', 'filename', 'lineno', 'message']);
    },
    'initEvent, returnValue, cancelBubble': () => {
        const e = new Event('a', { cancelable: true });
        e.returnValue = true;
        ok(!e.defaultPrevented);
        e.returnValue = false;
        ok(e.defaultPrevented && !e.returnValue);
        e.initEvent('b', true);
        equal([e.type, e.bubbles, e.cancelable, e.defaultPrevented], ['b', true, false, false]);
        e.preventDefault();
        ok(!e.defaultPrevented);
        e.cancelBubble = true;
        ok(e.cancelBubble);
        e.cancelBubble = false;
        ok(e.cancelBubble);
        const seen = [];
        const t = new EventTarget();
        t.addEventListener('b', () => seen.push(1));
        t.dispatchEvent(e);
        equal([seen, e.cancelBubble], [[], false]);
        t.dispatchEvent(e);
        equal(seen, [1]);
        const c = new CustomEvent('x', { detail: 1 });
        c.initCustomEvent('y', false, true, 7);
        equal([c.type, c.cancelable, c.detail], ['y', true, 7]);
        c.initCustomEvent('y');
        equal(c.detail, null);
        throws(() => e.initEvent(), TypeError);
    },
    'capturing listeners come first, at the target too': () => {
        const t = new EventTarget();
        const seen = [];
        t.addEventListener('a', (e) => seen.push(`bubble ${e.eventPhase}`));
        t.addEventListener('a', (e) => seen.push(`capture ${e.eventPhase}`), true);
        t.dispatchEvent(new Event('a'));
        equal(seen, ['capture 2', 'bubble 2']);
        seen.length = 0;
        t.addEventListener('a', (e) => e.stopPropagation(), { capture: true });
        t.dispatchEvent(new Event('a'));
        equal(seen, ['capture 2']);
    },
    'listeners: kinds, once, passive, removed and added meanwhile': () => {
        const t = new EventTarget();
        const seen = [];
        const object = { handleEvent(e) { seen.push([this === object, e.currentTarget === t, e.composedPath()[0] === t]); } };
        t.addEventListener('a', object, undefined);
        t.addEventListener('a', object, false);
        t.addEventListener('a', function () { seen.push(this === t); }, { once: true });
        t.addEventListener('a', null);
        t.addEventListener('a', undefined);
        throws(() => t.addEventListener('a'), TypeError);
        throws(() => t.addEventListener('a', 'x'), TypeError);
        throws(() => t.addEventListener('a', Symbol()), TypeError);
        t.dispatchEvent(new Event('a'));
        t.dispatchEvent(new Event('a'));
        equal(seen, [[true, true, true], true, [true, true, true]]);
        const p = new EventTarget();
        p.addEventListener('a', (e) => e.preventDefault(), { passive: true });
        ok(p.dispatchEvent(new Event('a', { cancelable: true })));
        p.addEventListener('a', (e) => e.preventDefault());
        ok(!p.dispatchEvent(new Event('a', { cancelable: true })));
        const m = new EventTarget();
        const order = [];
        const gone = () => order.push('gone');
        m.addEventListener('a', () => {
            order.push('first');
            m.removeEventListener('a', gone);
            m.addEventListener('a', () => order.push('new'));
        }, { once: true });
        m.addEventListener('a', gone);
        m.dispatchEvent(new Event('a'));
        equal(order, ['first']);
        m.dispatchEvent(new Event('a'));
        equal(order, ['first', 'new']);
    },
    'a listener whose signal is aborted is gone': () => {
        const t = new EventTarget();
        const c = new AbortController();
        let n = 0;
        t.addEventListener('a', () => n++, { signal: c.signal });
        t.dispatchEvent(new Event('a'));
        c.abort();
        t.dispatchEvent(new Event('a'));
        t.addEventListener('a', () => n++, { signal: c.signal });
        t.dispatchEvent(new Event('a'));
        equal(n, 1);
        throws(() => t.addEventListener('a', () => {}, { signal: null }), TypeError);
        throws(() => t.addEventListener('a', () => {}, { signal: {} }), TypeError);
    },
    'what a listener throws is reported, and the others are heard': async () => {
        const t = new EventTarget();
        const order = [];
        t.addEventListener('a', () => { throw new Error('of a listener'); });
        t.addEventListener('a', { get handleEvent() { throw new RangeError('of a getter'); } });
        t.addEventListener('a', { handleEvent: 1 });
        t.addEventListener('a', () => order.push('heard'));
        const events = await hears(() => ok(t.dispatchEvent(new Event('a'))));
        equal(order, ['heard']);
        equal(events.map((e) => [e.error.name, e.isTrusted, e.cancelable]),
            [['Error', true, true], ['RangeError', true, true], ['TypeError', true, true]]);
    },
    'an event is dispatched once at a time': () => {
        const t = new EventTarget();
        let error;
        t.addEventListener('a', (e) => { error = throws(() => t.dispatchEvent(e), 'InvalidStateError'); e.initEvent('b'); });
        const e = new Event('a');
        t.dispatchEvent(e);
        ok(error);
        equal([e.type, e.target === t, e.currentTarget, e.eventPhase], ['a', true, null, 0]);
        throws(() => t.dispatchEvent(null), TypeError);
        throws(() => EventTarget.prototype.addEventListener.call({}, 'a', () => {}), TypeError);
    },
    'the other kinds of events': () => {
        const error = new ErrorEvent('e', { message: 'm', filename: 'f', lineno: 1, colno: 2, error: 3 });
        equal([error.message, error.filename, error.lineno, error.colno, error.error], ['m', 'f', 1, 2, 3]);
        equal(new ErrorEvent('e').error, undefined);
        const p = Promise.resolve();
        const rejection = new PromiseRejectionEvent('r', { promise: p, reason: 1 });
        equal([rejection.promise === p, rejection.reason], [true, 1]);
        throws(() => new PromiseRejectionEvent('r'), TypeError);
        throws(() => new PromiseRejectionEvent('r', {}), TypeError);
        const close = new CloseEvent('c', { code: 1000, reason: 'r', wasClean: true });
        equal([close.code, close.reason, close.wasClean, new CloseEvent('c').code], [1000, 'r', true, 0]);
        const message = new MessageEvent('m', { data: 1, origin: 'o', lastEventId: 'l' });
        equal([message.data, message.origin, message.lastEventId, message.source, message.ports], [1, 'o', 'l', null, []]);
        ok(Object.isFrozen(message.ports) && message.ports === message.ports);
        throws(() => new MessageEvent('m', { ports: [1] }), TypeError);
        const progress = new ProgressEvent('p', { lengthComputable: true, loaded: 1, total: 2 });
        equal([progress.lengthComputable, progress.loaded, progress.total], [true, 1, 2]);
        for (const Kind of [CustomEvent, ErrorEvent, MessageEvent, CloseEvent, ProgressEvent, ExtendableEvent])
            equal([Kind.length, new Kind('a') instanceof Event, Object.getPrototypeOf(Kind) === Event], [1, true, true], Kind.name);
        const request = new Request('https://a/');
        equal(new FetchEvent('fetch', { request }).request, request);
        throws(() => new FetchEvent('fetch'), TypeError);
        throws(() => new ExtendableEvent('x').waitUntil(1), 'InvalidStateError');
        class Mine extends CustomEvent { extra = 1; }
        equal([new Mine('a', { detail: 2 }).detail, new Mine('a').extra], [2, 1]);
    },
    'onx attributes keep their place, and return false to cancel': () => {
        const { signal } = new AbortController();
        const order = [];
        equal(signal.onabort, null);
        signal.onabort = 1;
        equal(signal.onabort, null);
        const object = {};
        signal.onabort = object;
        equal(signal.onabort, object);
        signal.onabort = () => order.push('a');
        signal.addEventListener('abort', () => order.push('b'));
        signal.onabort = () => { order.push('c'); return false; };
        ok(!signal.dispatchEvent(new Event('abort', { cancelable: true })));
        equal(order, ['c', 'b']);
        signal.onabort = null;
        signal.onabort = () => order.push('d');
        signal.dispatchEvent(new Event('abort'));
        equal(order, ['c', 'b', 'b', 'd']);
    },
    'abort: reasons and order': () => {
        const c = new AbortController();
        const order = [];
        const t = new EventTarget();
        t.addEventListener('x', () => order.push('removed too late'), { signal: c.signal });
        c.signal.addEventListener('abort', (e) => {
            t.dispatchEvent(new Event('x'));
            order.push([e.isTrusted, e.bubbles, c.signal.aborted, c.signal.reason.name]);
        });
        const any = AbortSignal.any([c.signal]);
        const anyOfAny = AbortSignal.any([any, new AbortController().signal]);
        anyOfAny.addEventListener('abort', () => order.push('any of any'));
        any.addEventListener('abort', () => order.push('any'));
        c.signal.addEventListener('abort', () => order.push([any.aborted, anyOfAny.aborted]));
        c.abort();
        equal(order, [[true, false, true, 'AbortError'], [true, true], 'any of any', 'any'].sort((a, b) => 0) && order);
        equal(order.slice(0, 2), [[true, false, true, 'AbortError'], [true, true]]);
        equal(order.slice(2), ['any', 'any of any']);
        equal([anyOfAny.reason === c.signal.reason, any.reason === c.signal.reason, c.signal.reason.code], [true, true, 20]);
        c.abort('again');
        equal(c.signal.reason.name, 'AbortError');
        equal(AbortSignal.abort(undefined).reason.name, 'AbortError');
        equal(AbortSignal.abort(null).reason, null);
        const none = AbortSignal.any([]);
        equal([none.aborted, none.reason], [false, undefined]);
        throws(() => AbortSignal.any([1]), TypeError);
        throws(() => AbortSignal.any(), TypeError);
        throws(() => AbortSignal.timeout(-1), TypeError);
        throws(() => AbortSignal.timeout(), TypeError);
        const aborted = AbortSignal.abort('first');
        equal(AbortSignal.any([aborted, AbortSignal.abort('second')]).reason, 'first');
    },
    'a signal of any() lives while it is listened to': async () => {
        const c = new AbortController();
        let n = 0;
        for (let i = 0; i < 100; i++) AbortSignal.any([c.signal]).addEventListener('abort', () => n++);
        for (let i = 0; i < 100; i++) AbortSignal.any([c.signal]);
        await later(1);
        c.abort();
        equal(n, 100);
    },
    'DOMException is an Error with attributes': () => {
        const e = new DOMException('text', 'AbortError');
        equal([Object.getPrototypeOf(DOMException) === Function.prototype,
            Object.getPrototypeOf(DOMException.prototype) === Error.prototype],
            [true, true]);
        equal([e instanceof Error, Error.isError(e), String(e), Object.keys(e), Object.hasOwn(e, 'message'), Object.hasOwn(e, 'stack')],
            [true, true, 'AbortError: text', [], false, true]);
        ok(e.stack.startsWith('AbortError: text\n    at '), e.stack);
        ok(!e.stack.includes('hearth:web'), e.stack);
        equal([new DOMException().name, new DOMException().message, new DOMException().code], ['Error', '', 0]);
        equal([new DOMException(null).message, new DOMException(undefined, undefined).name,
            new DOMException('', 'QuotaExceededError').code],
            ['null', 'Error', 22]);
        equal([DOMException.DATA_CLONE_ERR, e.TIMEOUT_ERR, DOMException.DOMSTRING_SIZE_ERR, DOMException.VALIDATION_ERR,
            DOMException.length],
            [25, 23, 2, 16, 0]);
        throws(() => DOMException.prototype.name, TypeError);
        throws(() => DOMException('x'), TypeError);
        const { enumerable, configurable, set } = Object.getOwnPropertyDescriptor(DOMException.prototype, 'message');
        equal([enumerable, configurable, set], [true, true, undefined]);
        const caused = new DOMException('m', { name: 'DataError', cause: 7 });
        equal([caused.name, caused.cause, e.cause, Object.hasOwn(caused, 'cause'), new DOMException('m', {}).name,
            new DOMException('m', null).name],
            ['DataError', 7, undefined, false, 'Error', 'null']);
        class Mine extends DOMException {}
        equal([new Mine('m', 'n') instanceof Mine, new Mine('m', 'n').name], [true, 'n']);
    },
    'QuotaExceededError': () => {
        const e = new QuotaExceededError('m', { quota: 10, requested: 20 });
        equal([e.name, e.code, e.message, e.quota, e.requested, e instanceof DOMException], ['QuotaExceededError', 22, 'm', 10, 20, true]);
        equal([new QuotaExceededError().quota, new QuotaExceededError('', { requested: 1 }).requested], [null, 1]);
        throws(() => new QuotaExceededError('', { quota: -1 }), RangeError);
        throws(() => new QuotaExceededError('', { requested: -1 }), RangeError);
        throws(() => new QuotaExceededError('', { quota: 2, requested: 1 }), RangeError);
        throws(() => new QuotaExceededError('', { quota: NaN }), TypeError);
        equal(Object.prototype.toString.call(e), '[object QuotaExceededError]');
    },
    'the global object is an event target': () => {
        ok(self instanceof EventTarget && self instanceof WorkerGlobalScope && self instanceof ServiceWorkerGlobalScope);
        equal(Object.prototype.toString.call(self), '[object ServiceWorkerGlobalScope]');
        throws(() => new ServiceWorkerGlobalScope(), TypeError);
        const seen = [];
        const listener = (e) => seen.push([e.target === self, e.type]);
        addEventListener('mine', listener);
        dispatchEvent(new Event('mine'));
        removeEventListener('mine', listener);
        self.dispatchEvent(new Event('mine'));
        equal(seen, [[true, 'mine']]);
    },
    'reportError, onerror': async () => {
        const error = new Error('told');
        let [event] = await hears(() => reportError(error));
        equal([event.error === error, event.message, event.lineno > 0, event.filename.includes('events.mjs')],
            [true, 'Uncaught Error: told', true, true]);
        [event] = await hears(() => reportError(1));
        equal([event.error, event.message, event.lineno > 0, event.filename.includes('events.mjs')], [1, 'Uncaught 1', true, true]);
        await hears(() => reportError({ get name() { throw heard.push('read'); }, get message() { throw heard.push('read'); } }));
        throws(() => reportError(), TypeError);
        let given;
        self.onerror = (...all) => { given = all; return true; };
        equal(typeof onerror, 'function');
        [event] = await hears(() => reportError(error));
        equal([given.length, given[0], given[4] === error, event.defaultPrevented], [5, 'Uncaught Error: told', true, true]);
        self.onerror = () => { throw new Error('of the handler'); };
        equal((await hears(() => reportError(error))).length, 1);
        self.onerror = null;
        equal(self.onerror, null);
    },
    'a throw in a timer or a microtask is reported, and the request goes on': async () => {
        const events = await hears(() => {
            setTimeout(() => { throw new Error('timer'); }, 0);
            queueMicrotask(() => { throw new Error('microtask'); });
        }, 2);
        equal(events.map((e) => e.error.message), ['microtask', 'timer']);
    },
    'unhandledrejection and rejectionhandled': async () => {
        let promise;
        const error = new Error('nobody');
        const [event] = await hears(() => { promise = Promise.reject(error); }, 1);
        equal([event.type, event.promise === promise, event.reason === error, event.cancelable, event.isTrusted],
            ['unhandledrejection', true, true, true, true]);
        let late;
        self.onrejectionhandled = (e) => { late = e; };
        promise.catch(() => {});
        await later(1);
        equal([late.type, late.promise === promise, late.reason === error, late.cancelable], ['rejectionhandled', true, true, false]);
        self.onrejectionhandled = null;
        const early = (e) => e.promise.catch(() => {});
        self.addEventListener('unhandledrejection', early);
        late = undefined;
        self.onrejectionhandled = (e) => { late = e; };
        Promise.reject(1);
        await later(1);
        equal(late, undefined);
        self.removeEventListener('unhandledrejection', early);
        self.onrejectionhandled = null;
        equal((await hears(async () => { const p = Promise.reject(1); await 0; p.catch(() => {}); }, 1)).length, 0);
        let told;
        self.onunhandledrejection = (e) => { told = e; e.preventDefault(); };
        Promise.reject(2);
        await later(1);
        equal([told.reason, told.defaultPrevented], [2, true]);
        self.onunhandledrejection = null;
    },
});
