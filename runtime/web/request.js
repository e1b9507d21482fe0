// Request (Fetch 5.4). The one a handler is given reads its method, url and fields from the worker when asked.
import { AbortController, AbortSignal } from './abort.js';
import { Body, cloneSource, extract, setSource, takeSource } from './body.js';
import { DOMException } from './dom_exception.js';
import { Headers, headersOfJob } from './headers.js';
import { host } from './host.js';
import { Incoming } from './incoming.js';
import { ReadableStream } from './streams.js';
import { URL } from './url.js';

const INCOMING = Symbol('incoming');
const FORBIDDEN = /^(?:connect|trace|track)$/i;
const NORMALIZED = /^(?:delete|get|head|options|post|put)$/i;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function checkedMethod(method) {
    method = String(method);
    if (!TOKEN.test(method)) throw new TypeError(`Request: "${method}" is not a method`);
    if (FORBIDDEN.test(method)) throw new TypeError(`Request: the method ${method} is forbidden`);
    return NORMALIZED.test(method) ? method.toUpperCase() : method;
}

export let signalOfRequest; // undefined if it has none yet

const clients = new Map(); // ref -> AbortController of the signal that somebody asked for, until the request is over

function clientGone() {
    return new DOMException('the client is gone', 'AbortError');
}

function signalOfClient(ref) {
    let controller = clients.get(ref);
    if (controller) return controller.signal;
    controller = new AbortController();
    const is = host.watch(ref);
    if (is > 0) clients.set(ref, controller);
    else if (is < 0) controller.abort(clientGone());
    return controller.signal;
}

// The worker: the client has closed its half, and may wait for the answer still; and what happens to one that has left.
export function abortClient(ref) {
    clients.get(ref)?.abort(clientGone());
}

export function forgetClient(ref) {
    clients.delete(ref);
}

export class Request extends Body {
    #ref = 0;
    #client = 0; // ref of the request whose client's leaving aborts the signal; its copies have it too
    #method;
    #url;
    #headers;
    #signal;
    #redirect = 'follow';

    constructor(input, init, hasBody) {
        if (input === INCOMING) {
            super(hasBody ? new Incoming(init) : null);
            this.#ref = this.#client = init;
            return;
        }
        if (arguments.length === 0) throw new TypeError('Request: an argument is required');
        const from = input instanceof Request ? input : null;
        const how = init ?? {};
        if (typeof how !== 'object') throw new TypeError('Request: the second argument is not an object');

        const url = from ? from.url : new URL(input);
        if (!from && (url.username || url.password))
            throw new TypeError('Request: the url holds credentials');
        const method = how.method !== undefined ? checkedMethod(how.method) : from ? from.method : 'GET';
        const headers = new Headers(how.headers !== undefined ? how.headers : from ? from.headers : undefined);
        const bodiless = method === 'GET' || method === 'HEAD';
        let source = null;
        if (how.body !== undefined && how.body !== null) {
            if (bodiless) throw new TypeError(`Request: ${method} takes no body`);
            if (how.body instanceof ReadableStream && how.duplex !== undefined && how.duplex !== 'half')
                throw new TypeError('Request: duplex must be "half"');
            const body = extract(how.body);
            source = body.source;
            if (body.type !== null && !headers.has('content-type')) headers.append('content-type', body.type);
        } else if (from && how.body === undefined) {
            if (bodiless && from.method !== method && from.body) throw new TypeError(`Request: ${method} takes no body`);
            source = takeSource(from);
        }
        super(source);
        this.#method = method;
        this.#url = typeof url === 'string' ? url : url.href;
        this.#headers = headers;
        this.#signal = how.signal !== undefined ? how.signal ?? undefined : from?.#signal;
        if (from && how.signal === undefined) this.#client = from.#client;
        if (this.#signal !== undefined && !(this.#signal instanceof AbortSignal))
            throw new TypeError('Request: the signal is not an AbortSignal');
        this.#redirect = how.redirect ?? from?.redirect ?? 'follow';
        if (!['follow', 'error', 'manual'].includes(this.#redirect))
            throw new TypeError(`Request: redirect "${this.#redirect}" is not known`);
    }

    static {
        signalOfRequest = (request) => request.#signal;
    }

    get method() {
        return (this.#method ??= host.method(this.#ref));
    }

    get url() {
        return (this.#url ??= host.url(this.#ref));
    }

    get headers() {
        return (this.#headers ??= headersOfJob(this.#ref));
    }

    get signal() {
        return (this.#signal ??= this.#client ? signalOfClient(this.#client) : new AbortController().signal);
    }

    get redirect() { return this.#redirect; }
    get cache() { return 'default'; }
    get credentials() { return 'same-origin'; }
    get mode() { return 'cors'; }
    get referrer() { return 'about:client'; }
    get referrerPolicy() { return ''; }
    get integrity() { return ''; }
    get keepalive() { return false; }
    get destination() { return ''; }
    get duplex() { return 'half'; }

    clone() {
        const source = cloneSource(this);
        const copy = new Request(this.url, { method: this.method, headers: this.headers, redirect: this.redirect });
        setSource(copy, source);
        copy.#signal = this.#signal;
        copy.#client = this.#client;
        return copy;
    }

    get [Symbol.toStringTag]() { return 'Request'; }
}

export function requestOfJob(ref, hasBody) {
    return new Request(INCOMING, ref, hasBody);
}

for (const name of ['method', 'url', 'headers', 'signal', 'redirect', 'clone'])
    Object.defineProperty(Request.prototype, name, { enumerable: true });
