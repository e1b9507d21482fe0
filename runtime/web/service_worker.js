// The older form of a script, without exports: addEventListener('fetch', (event) => event.respondWith(...)).
import { Event } from './event.js';
import { host } from './host.js';

const CONTEXT = Symbol('context');

let listeners = []; // of fetch

export class ExtendableEvent extends Event {
    #ctx;

    constructor(type, init) {
        super(type, init);
        this.#ctx = init?.[CONTEXT];
    }

    waitUntil(promise) {
        if (!this.#ctx) throw new TypeError('waitUntil: the event is not one of a request');
        this.#ctx.waitUntil(promise);
    }
}

export class FetchEvent extends ExtendableEvent {
    #request; #ctx; #answer;

    constructor(type, init) {
        super(type, init);
        if (!init?.request) throw new TypeError('FetchEvent: a request is required');
        this.#request = init.request;
        this.#ctx = init[CONTEXT];
    }

    get request() { return this.#request; }

    respondWith(answer) {
        if (this.#answer) throw new TypeError('respondWith: it was called before');
        this.#answer = { answer };
        this.stopImmediatePropagation();
    }

    passThroughOnException() {
        this.#ctx?.passThroughOnException();
    }

    static answerOf(event) {
        return event.#answer;
    }
}

const { answerOf } = FetchEvent;
delete FetchEvent.answerOf;

export function addEventListener(type, listener) {
    if (typeof listener !== 'function' && typeof listener?.handleEvent !== 'function')
        throw new TypeError('addEventListener: the listener is not a function');
    // Packages listen for what other places have; without it they do what they do.
    if (String(type) !== 'fetch') host.log('warn', `addEventListener: there are no "${type}" events here, only "fetch"`);
    else if (!listeners.includes(listener)) listeners.push(listener);
}

export function removeEventListener(type, listener) {
    if (String(type) === 'fetch') listeners = listeners.filter((one) => one !== listener);
}

// For another script.
export function forgetListeners() {
    listeners = [];
}

// What answers a request; undefined: nobody listens.
export function listenerOfFetch() {
    return listeners.length ? answer : undefined;
}

function answer(request, env, ctx) {
    const event = new FetchEvent('fetch', { request, [CONTEXT]: ctx });
    for (const listener of listeners) {
        if (typeof listener === 'function') listener.call(globalThis, event);
        else listener.handleEvent(event);
        const given = answerOf(event);
        if (given) return given.answer;
    }
    throw new TypeError('no listener of "fetch" has called event.respondWith()');
}
