// The events that carry something: CustomEvent (DOM 2.4), ErrorEvent, PromiseRejectionEvent (HTML 8.1.4), MessageEvent (HTML 9.1),
// CloseEvent (WebSockets 6), ProgressEvent (XHR 5), ExtendableEvent and FetchEvent (Service Workers 4.4, 4.6).
import { DOMException } from './dom_exception.js';
import { CONVERTED, errorArgumentsBy, Event, EventInit, fire, theGlobal } from './event.js';
import {
    any, boolean, declare, dictionary, DOMString, nullable, object, optional, promise, readonly, required, requiredMember, sequence,
    double, unsignedLong, unsignedShort, USVString,
} from './webidl.js';

const { apply } = Reflect;
const { resolve } = Promise;
const promised = (value) => apply(resolve, Promise, [value]);

// The arguments of a constructor, converted, as Event's takes them.
function converted(name, Init, given, least = 1) {
    required(given, least, name);
    return [CONVERTED, DOMString(given[0], `${name}, argument 1`), Init(given[1], `${name}, argument 2`)];
}

const brand = (test) => (value) => typeof value === 'object' && value !== null && test(value);

const CustomEventInit = dictionary('CustomEventInit', { detail: [any, null] }, EventInit);
let isCustomEvent;

export class CustomEvent extends Event {
    #detail;

    constructor(type, init = undefined) {
        const given = converted('CustomEvent', CustomEventInit, arguments);
        super(...given);
        this.#detail = given[2].detail;
    }

    static { isCustomEvent = brand((value) => #detail in value); }

    get detail() { return this.#detail; }

    initCustomEvent(type, bubbles, cancelable, detail) {
        if (this.eventPhase !== 0) return;
        this.initEvent(type, bubbles, cancelable);
        this.#detail = detail;
    }
}

declare(CustomEvent, {
    constructor: 1,
    is: isCustomEvent,
    operations: { initCustomEvent: [DOMString, optional(boolean, false), optional(boolean, false), optional(any, null)] },
    attributes: { detail: readonly },
});

const ErrorEventInit = dictionary('ErrorEventInit', {
    colno: [unsignedLong, 0], error: any, filename: [USVString, ''], lineno: [unsignedLong, 0], message: [DOMString, ''],
}, EventInit);
let isErrorEvent;

export class ErrorEvent extends Event {
    #init;

    constructor(type, init = undefined) {
        const given = converted('ErrorEvent', ErrorEventInit, arguments);
        super(...given);
        this.#init = given[2];
    }

    static {
        isErrorEvent = brand((value) => #init in value);
        errorArgumentsBy((event) => {
            if (!isErrorEvent(event) || event.type !== 'error') return undefined;
            const { message, filename, lineno, colno, error } = event.#init;
            return [message, filename, lineno, colno, error];
        });
    }

    get colno() { return this.#init.colno; }
    get error() { return this.#init.error; }
    get filename() { return this.#init.filename; }
    get lineno() { return this.#init.lineno; }
    get message() { return this.#init.message; }
}

declare(ErrorEvent, {
    constructor: 1,
    is: isErrorEvent,
    attributes: { colno: readonly, error: readonly, filename: readonly, lineno: readonly, message: readonly },
});

// A Promise<any> is what promise is resolved with.
const PromiseRejectionEventInit = dictionary('PromiseRejectionEventInit', {
    promise: requiredMember(object), reason: any,
}, EventInit);
let isPromiseRejectionEvent;

export class PromiseRejectionEvent extends Event {
    #promise; #reason;

    constructor(type, init) {
        const given = converted('PromiseRejectionEvent', PromiseRejectionEventInit, arguments, 2);
        super(...given);
        this.#promise = given[2].promise;
        this.#reason = given[2].reason;
    }

    static { isPromiseRejectionEvent = brand((value) => #promise in value); }

    get promise() { return this.#promise; }
    get reason() { return this.#reason; }
}

declare(PromiseRejectionEvent, {
    constructor: 2,
    is: isPromiseRejectionEvent,
    attributes: { promise: readonly, reason: readonly },
});

let isPort = () => false;
// message_port.js: what a port is.
export function portsBy(given) {
    isPort = given;
}

const Port = (value, what) => {
    if (!isPort(value)) throw new TypeError(`${what}: not a MessagePort`);
    return value;
};
const MessageEventInit = dictionary('MessageEventInit', {
    data: [any, null], lastEventId: [DOMString, ''], origin: [USVString, ''], ports: [sequence(Port), () => []],
    source: [nullable(Port), null],
}, EventInit);
let isMessageEvent;

export class MessageEvent extends Event {
    #init;

    constructor(type, init = undefined) {
        const given = converted('MessageEvent', MessageEventInit, arguments);
        super(...given);
        this.#init = { ...given[2], ports: Object.freeze(given[2].ports) };
    }

    static { isMessageEvent = brand((value) => #init in value); }

    get data() { return this.#init.data; }
    get lastEventId() { return this.#init.lastEventId; }
    get origin() { return this.#init.origin; }
    get ports() { return this.#init.ports; }
    get source() { return this.#init.source; }

    initMessageEvent(type, bubbles, cancelable, data, origin, lastEventId, source, ports) {
        if (this.eventPhase !== 0) return;
        this.initEvent(type, bubbles, cancelable);
        this.#init = { data, origin, lastEventId, source, ports: Object.freeze(ports) };
    }
}

declare(MessageEvent, {
    constructor: 1,
    is: isMessageEvent,
    operations: {
        initMessageEvent: [
            DOMString, optional(boolean, false), optional(boolean, false), optional(any, null), optional(USVString, ''),
            optional(DOMString, ''), optional(nullable(Port), null), optional(sequence(Port), []),
        ],
    },
    attributes: { data: readonly, lastEventId: readonly, origin: readonly, ports: readonly, source: readonly },
});

const CloseEventInit = dictionary('CloseEventInit', {
    code: [unsignedShort, 0], reason: [USVString, ''], wasClean: [boolean, false],
}, EventInit);
let isCloseEvent;

export class CloseEvent extends Event {
    #init;

    constructor(type, init = undefined) {
        const given = converted('CloseEvent', CloseEventInit, arguments);
        super(...given);
        this.#init = given[2];
    }

    static { isCloseEvent = brand((value) => #init in value); }

    get code() { return this.#init.code; }
    get reason() { return this.#init.reason; }
    get wasClean() { return this.#init.wasClean; }
}

declare(CloseEvent, {
    constructor: 1,
    is: isCloseEvent,
    attributes: { code: readonly, reason: readonly, wasClean: readonly },
});

const ProgressEventInit = dictionary('ProgressEventInit', {
    lengthComputable: [boolean, false], loaded: [double, 0], total: [double, 0],
}, EventInit);
let isProgressEvent;

export class ProgressEvent extends Event {
    #init;

    constructor(type, init = undefined) {
        const given = converted('ProgressEvent', ProgressEventInit, arguments);
        super(...given);
        this.#init = given[2];
    }

    static { isProgressEvent = brand((value) => #init in value); }

    get lengthComputable() { return this.#init.lengthComputable; }
    get loaded() { return this.#init.loaded; }
    get total() { return this.#init.total; }
}

declare(ProgressEvent, {
    constructor: 1,
    is: isProgressEvent,
    attributes: { lengthComputable: readonly, loaded: readonly, total: readonly },
});

// ---- service workers: what an addEventListener('fetch') script is given

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

let isRequest = () => false;
// request.js: what a Request is.
export function requestsBy(given) {
    isRequest = given;
}

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

// A request for the global's listeners of "fetch"; wait(promise): their waitUntil. What respondWith was given, as a promise; undefined: it
// was not called, and comes too late from here on.
export function fireFetch(request, wait) {
    const event = new FetchEvent('fetch', { cancelable: true, request });
    extendBy(event, wait);
    fire(theGlobal, event);
    endFetchEvent(event);
    return answerOf(event);
}
