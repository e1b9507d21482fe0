// AbortController, AbortSignal (DOM 3).
import { DOMException } from './dom_exception.js';
import { CONVERTED, Event, eventHandlers, EventTarget, fire, hasListeners, signalsBy } from './event.js';
import { DELAY_MAX, queueTimer } from './timers.js';
import {
    any, declare, enforceRange, EventHandler, illegal, interfaceOf, optional, readonly, sequence, unsignedLongLong,
} from './webidl.js';

const SWEEP = 16; // dependents of a signal, before those that are gone are looked for

export let isAbortSignal;
export let addAlgorithm, removeAlgorithm; // what the platform does when a signal is aborted, before its event is heard
export let abortSignal; // (signal, reason)
export let anySignal; // (signals, a new one): which follows them
export let newSignal; // (), or of a class derived from AbortSignal: what its constructor refuses to scripts

const INNER = Symbol('inner');

export class AbortSignal extends EventTarget {
    #isAborted = false;
    #reason = undefined;
    #algorithms = null; // a Set
    // Of one made by any(): the signals that it follows. They know it weakly, and hold it only while somebody listens to it: a
    // signal that lives as long as the script is not to collect those of all its requests.
    #sources = null;
    #followers = null; // a Set of WeakRefs
    #held = null; // a Set of followers
    #sweepAt = SWEEP;

    constructor(key) {
        if (key !== INNER) throw illegal('AbortSignal');
        super();
    }

    static {
        isAbortSignal = (value) => typeof value === 'object' && value !== null && #isAborted in value;
        newSignal = (Class = AbortSignal) => new Class(INNER);
        addAlgorithm = (signal, algorithm) => {
            if (signal.#isAborted) return;
            (signal.#algorithms ??= new Set()).add(algorithm);
            hold(signal);
        };
        removeAlgorithm = (signal, algorithm) => {
            signal.#algorithms?.delete(algorithm);
            hold(signal);
        };
        const hold = (signal) => {
            if (signal.#sources === null) return;
            const isListened = hasListeners(signal, 'abort') || signal.#algorithms?.size > 0;
            for (const source of signal.#sources)
                if (isListened) (source.#held ??= new Set()).add(signal);
                else source.#held?.delete(signal);
        };
        signalsBy({ isSignal: isAbortSignal, addAlgorithm, isListened: hold });
        const follow = (signal, source) => {
            if (signal.#sources.has(source)) return;
            signal.#sources.add(source);
            const followers = (source.#followers ??= new Set());
            if (followers.size >= source.#sweepAt) {
                for (const follower of followers) if (!follower.deref()) followers.delete(follower);
                source.#sweepAt = Math.max(SWEEP, 2 * followers.size);
            }
            followers.add(new WeakRef(signal));
        };
        const run = (signal) => {
            const algorithms = signal.#algorithms;
            signal.#algorithms = null;
            if (algorithms) for (const algorithm of algorithms) algorithm();
            if (hasListeners(signal, 'abort')) fire(signal, new Event('abort'));
        };
        const end = (signal, reason) => {
            signal.#isAborted = true;
            signal.#reason = reason;
        };
        abortSignal = (signal, reason) => {
            if (signal.#isAborted) return;
            end(signal, reason === undefined ? new DOMException('The operation was aborted', 'AbortError') : reason);
            const followers = [];
            for (const reference of signal.#followers ?? []) {
                const follower = reference.deref();
                if (!follower || follower.#isAborted) continue;
                end(follower, signal.#reason);
                followers.push(follower);
            }
            signal.#followers = signal.#held = null;
            run(signal);
            for (const follower of followers) {
                for (const source of follower.#sources) source.#held?.delete(follower);
                run(follower);
            }
        };
        anySignal = (signals, made) => {
            const aborted = signals.find((signal) => signal.#isAborted);
            if (aborted) {
                end(made, aborted.#reason);
                return made;
            }
            made.#sources = new Set();
            for (const signal of signals)
                if (signal.#sources === null) follow(made, signal);
                else for (const source of signal.#sources) follow(made, source);
            return made;
        };
    }

    get aborted() { return this.#isAborted; }
    get reason() { return this.#reason; }
    throwIfAborted() { if (this.#isAborted) throw this.#reason; }

    static abort(reason) {
        const signal = newSignal();
        abortSignal(signal, reason);
        return signal;
    }

    static timeout(ms) {
        const signal = newSignal();
        queueTimer(() => abortSignal(signal, new DOMException('The operation timed out', 'TimeoutError')), Math.min(ms, DELAY_MAX));
        return signal;
    }

    static any(signals) {
        return anySignal(signals, newSignal());
    }
}

eventHandlers(AbortSignal.prototype, 'abort');
export const AbortSignalType = interfaceOf('AbortSignal', isAbortSignal);
declare(AbortSignal, {
    is: isAbortSignal,
    operations: { throwIfAborted: [] },
    attributes: { aborted: readonly, onabort: EventHandler, reason: readonly },
    statics: {
        abort: [optional(any)],
        any: [sequence(AbortSignalType)],
        timeout: [enforceRange(unsignedLongLong)],
    },
});

export let isAbortController;

export class AbortController {
    #signal;

    // A class derived from it here gives its own signal; scripts have no CONVERTED.
    constructor(key = undefined, signal = undefined) {
        this.#signal = key === CONVERTED ? signal : newSignal();
    }

    static {
        isAbortController = (value) => typeof value === 'object' && value !== null && #signal in value;
    }

    get signal() { return this.#signal; }
    abort(reason) { abortSignal(this.#signal, reason); }
}

declare(AbortController, {
    is: isAbortController,
    operations: { abort: [optional(any)] },
    attributes: { signal: readonly },
});
