// node:events. The package is Node.js 12's; what came later and is asked for is ours.
const EventEmitter = require('../../node_modules/events/events.js');

const errorMonitor = Symbol('events.errorMonitor');
const { emit } = EventEmitter.prototype;

EventEmitter.prototype.emit = function (type, ...args) {
    if (type === 'error' && this.listenerCount(errorMonitor)) emit.call(this, errorMonitor, ...args);
    return emit.call(this, type, ...args);
};

function getEventListeners(emitter, type) {
    return emitter.listeners(type);
}

function setMaxListeners(count = EventEmitter.defaultMaxListeners, ...emitters) {
    if (!emitters.length) EventEmitter.defaultMaxListeners = count;
    for (const emitter of emitters) emitter.setMaxListeners?.(count); // an EventTarget has no such limit
}

function addAbortListener(signal, listener) {
    if (signal.aborted) queueMicrotask(() => listener());
    else signal.addEventListener('abort', listener, { once: true });
    return { [Symbol.dispose]: () => signal.removeEventListener('abort', listener) };
}

// Events as an async iterator: those that came before they are asked for wait.
function on(emitter, type, { signal } = {}) {
    const events = [], asked = [];
    let failed, ended = false;
    const settle = (wake) => {
        const one = asked.shift();
        if (one) wake(one);
        return Boolean(one);
    };
    const came = (...args) => settle(({ resolve }) => resolve({ value: args, done: false })) || events.push(args);
    const fail = (error) => settle(({ reject }) => reject(error)) || (failed = { error });
    const aborted = () => fail(signal.reason);
    const end = () => {
        ended = true;
        emitter.removeListener(type, came);
        emitter.removeListener('error', fail);
        signal?.removeEventListener('abort', aborted);
        while (settle(({ resolve }) => resolve({ value: undefined, done: true })));
        return Promise.resolve({ value: undefined, done: true });
    };
    signal?.throwIfAborted();
    emitter.on(type, came);
    if (type !== 'error') emitter.on('error', fail);
    signal?.addEventListener('abort', aborted, { once: true });
    return {
        next() {
            if (events.length) return Promise.resolve({ value: events.shift(), done: false });
            if (failed) {
                const { error } = failed;
                failed = undefined;
                end();
                return Promise.reject(error);
            }
            if (ended) return Promise.resolve({ value: undefined, done: true });
            return new Promise((resolve, reject) => asked.push({ resolve, reject }));
        },
        return: end,
        throw(error) {
            fail(error);
            return end();
        },
        [Symbol.asyncIterator]() { return this; },
    };
}

module.exports = Object.assign(EventEmitter, {
    EventEmitter, addAbortListener, captureRejectionSymbol: Symbol.for('nodejs.rejection'), errorMonitor, getEventListeners, on,
    setMaxListeners,
});
