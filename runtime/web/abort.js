// AbortController, AbortSignal (DOM 3).
import { DOMException } from './dom_exception.js';
import { Event, EventTarget, eventHandler } from './event.js';

const CREATE = Symbol('create');
let abort; // AbortSignal's private half, for the controller

export class AbortSignal extends EventTarget {
    #aborted = false;
    #reason = undefined;

    constructor(key) {
        if (key !== CREATE) throw new TypeError('Illegal constructor');
        super();
    }

    static {
        abort = (signal, reason) => {
            if (signal.#aborted) return;
            signal.#aborted = true;
            signal.#reason = reason === undefined ? new DOMException('The operation was aborted', 'AbortError') : reason;
            signal.dispatchEvent(new Event('abort'));
        };
    }

    get aborted() { return this.#aborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#aborted) throw this.#reason; }

    static abort(reason) {
        const signal = new AbortSignal(CREATE);
        abort(signal, reason);
        return signal;
    }

    static timeout(ms) {
        const signal = new AbortSignal(CREATE);
        setTimeout(() => abort(signal, new DOMException('The operation timed out', 'TimeoutError')), ms);
        return signal;
    }

    static any(signals) {
        const all = [...signals];
        const signal = new AbortSignal(CREATE);
        const first = all.find((s) => s.aborted);
        if (first) abort(signal, first.reason);
        else for (const s of all) s.addEventListener('abort', () => abort(signal, s.reason), { once: true });
        return signal;
    }

    get [Symbol.toStringTag]() { return 'AbortSignal'; }
}
eventHandler(AbortSignal.prototype, 'abort');

export class AbortController {
    #signal = new AbortSignal(CREATE);
    get signal() { return this.#signal; }
    abort(reason) { abort(this.#signal, reason); }
    get [Symbol.toStringTag]() { return 'AbortController'; }
}
