// AsyncLocalStorage and AsyncResource, as node:async_hooks has them. The worker lets a frame follow promises, microtasks and timers
// (runtime/worker/frame.h); a frame is a list, the newest value first, that is never changed.
import { host } from './host.js';

function without(frame, storage) {
    if (frame === undefined) return undefined;
    const outer = without(frame.outer, storage);
    return frame.storage === storage ? outer : outer === frame.outer ? frame : { storage: frame.storage, value: frame.value, outer };
}

// Calls fn in that frame.
export function runIn(frame, fn) {
    const before = host.frame();
    if (frame === before) return fn();
    host.setFrame(frame);
    try {
        return fn();
    } finally {
        host.setFrame(before);
    }
}

export function currentFrame() {
    return host.frame();
}

function bound(fn) {
    if (typeof fn !== 'function') throw new TypeError('bind: not a function');
    const frame = host.frame();
    return function (...args) {
        return runIn(frame, () => Reflect.apply(fn, this, args));
    };
}

export class AsyncLocalStorage {
    #defaultValue;
    #name;

    constructor({ defaultValue, name = '' } = {}) {
        this.#defaultValue = defaultValue;
        this.#name = String(name);
    }

    get name() { return this.#name; }

    getStore() {
        for (let frame = host.frame(); frame !== undefined; frame = frame.outer)
            if (frame.storage === this) return frame.value;
        return this.#defaultValue;
    }

    run(value, fn, ...args) {
        return runIn({ storage: this, value, outer: without(host.frame(), this) }, () => fn(...args));
    }

    exit(fn, ...args) {
        return this.run(undefined, fn, ...args);
    }

    enterWith(value) {
        host.setFrame({ storage: this, value, outer: without(host.frame(), this) });
    }

    disable() {
        host.setFrame(without(host.frame(), this));
    }

    static bind(fn) {
        return bound(fn);
    }

    static snapshot() {
        return bound((fn, ...args) => fn(...args));
    }
}

export class AsyncResource {
    #frame = host.frame();

    constructor(type) {
        if (typeof type !== 'string') throw new TypeError('AsyncResource: a type is required');
    }

    runInAsyncScope(fn, self, ...args) {
        return runIn(this.#frame, () => Reflect.apply(fn, self, args));
    }

    bind(fn, self) {
        return runIn(this.#frame, () => bound(self === undefined ? fn : fn.bind(self)));
    }

    emitDestroy() { return this; }
    asyncId() { return 0; }
    triggerAsyncId() { return 0; }

    static bind(fn, type, self) {
        return new AsyncResource(type || 'bound-anonymous-fn').bind(fn, self);
    }
}
