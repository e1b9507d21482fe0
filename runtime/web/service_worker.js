// The older form of a script, without exports: addEventListener('fetch', (event) => event.respondWith(...)) (Service Workers 4.4, 4.6).
import { DOMException } from './dom_exception.js';
import { CONVERTED, Event, EventInit, fire, forgetListeners, hasListeners, theGlobal } from './event.js';
import { brand, converted } from './event_kinds.js';
import { isRequest } from './request.js';
import { any, declare, dictionary, DOMString, promise, readonly, requiredMember } from './webidl.js';

export { forgetListeners };

const { apply } = Reflect;
const { resolve } = Promise;
const promised = (value) => apply(resolve, Promise, [value]);

let isExtendableEvent;
let extendBy; // (event, (promise) => ...): where its waitUntil goes; of one that a script has made, nowhere

export class ExtendableEvent extends Event {
    #wait = undefined;

    constructor(type, init = undefined) {
        super(...(type === CONVERTED ? arguments : converted('ExtendableEvent', EventInit, arguments)));
    }

    static {
        isExtendableEvent = brand((value) => #wait in value);
        extendBy = (event, wait) => { event.#wait = wait; };
    }

    waitUntil(promise) {
        if (!this.#wait) throw new DOMException('waitUntil: the event is none of a request', 'InvalidStateError');
        this.#wait(promise);
    }
}

declare(ExtendableEvent, { constructor: 1, is: isExtendableEvent, operations: { waitUntil: [any] } });

const FetchEventInit = dictionary('FetchEventInit', {
    clientId: [DOMString, ''], handled: any, preloadResponse: any, replacesClientId: [DOMString, ''],
    request: requiredMember((value, what) => {
        if (!isRequest(value)) throw new TypeError(`${what}: not a Request`);
        return value;
    }),
    resultingClientId: [DOMString, ''],
}, EventInit);
let isFetchEvent;
let answerOf, endFetchEvent;

export class FetchEvent extends ExtendableEvent {
    #init;
    #answer = undefined;
    #isOver = false;

    constructor(type, init) {
        const given = converted('FetchEvent', FetchEventInit, arguments, 2);
        super(...given);
        this.#init = given[2];
    }

    static {
        isFetchEvent = brand((value) => #init in value);
        answerOf = (event) => event.#answer;
        endFetchEvent = (event) => { event.#isOver = true; };
    }

    get clientId() { return this.#init.clientId; }
    get handled() { return (this.#init.handled ??= promised(undefined)); }
    get preloadResponse() { return (this.#init.preloadResponse ??= promised(undefined)); }
    get replacesClientId() { return this.#init.replacesClientId; }
    get request() { return this.#init.request; }
    get resultingClientId() { return this.#init.resultingClientId; }

    respondWith(response) {
        if (this.#isOver) throw new DOMException('respondWith: the event was dispatched already', 'InvalidStateError');
        if (this.#answer) throw new DOMException('respondWith: it was called already', 'InvalidStateError');
        this.#answer = promised(response);
        this.stopImmediatePropagation();
    }

    // There is no origin behind a script to pass a request on to.
    passThroughOnException() {}
}

declare(FetchEvent, {
    constructor: 2,
    is: isFetchEvent,
    operations: { passThroughOnException: [], respondWith: [any] },
    attributes: {
        clientId: readonly, handled: promise(), preloadResponse: promise(), replacesClientId: readonly, request: readonly,
        resultingClientId: readonly,
    },
});

function answer(request, env, ctx) {
    const event = new FetchEvent('fetch', { cancelable: true, request });
    extendBy(event, (given) => ctx.waitUntil(given));
    fire(theGlobal, event);
    endFetchEvent(event);
    const given = answerOf(event);
    if (!given) throw new TypeError('no listener of "fetch" has called event.respondWith()');
    return given;
}

// What answers a request, with the arguments of a module's fetch; undefined: nobody listens.
export function listenerOfFetch() {
    return hasListeners(theGlobal, 'fetch') ? answer : undefined;
}
