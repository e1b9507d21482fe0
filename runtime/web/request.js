// Request (Fetch 5.4). The one a handler is given reads its method, url and fields from the worker when asked.
import { AbortController, AbortSignal, AbortSignalType } from './abort.js';
import { Body, bodyAttributes, BodyInit, bodyOperations, extract, includeBody } from './body.js';
import { DOMException } from './dom_exception.js';
import { encodeHeaders, headersOfJob, headersOfPairs, HeadersInit } from './headers.js';
import { host } from './host.js';
import { Incoming } from './incoming.js';
import { isReadable } from './streams/readable.js';
import { URL } from './url.js';
import {
    any, boolean, ByteString, declare, dictionary, DOMString, enumeration, nullable, readonly, required, USVString,
} from './webidl.js';

const FORBIDDEN = /^(?:connect|trace|track)$/i;
const NORMALIZED = /^(?:delete|get|head|options|post|put)$/i;
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function checkedMethod(method) {
    if (!TOKEN.test(method)) throw new TypeError(`Request: "${method}" is not a method`);
    if (FORBIDDEN.test(method)) throw new TypeError(`Request: the method ${method} is forbidden`);
    return NORMALIZED.test(method) ? method.toUpperCase() : method;
}

function checkedReferrer(text) {
    if (text === '') return '';
    const url = URL.parse(text, 'about:client');
    if (!url && text !== 'about:client') throw new TypeError(`Request: the referrer "${text}" is not a URL`);
    return 'about:client'; // a worker has no origin that another page could share
}

export const RequestInit = dictionary('RequestInit', {
    body: nullable(BodyInit),
    cache: enumeration('RequestCache', ['default', 'no-store', 'reload', 'no-cache', 'force-cache', 'only-if-cached']),
    cf: any,
    credentials: enumeration('RequestCredentials', ['omit', 'same-origin', 'include']),
    duplex: enumeration('RequestDuplex', ['half']),
    headers: HeadersInit,
    integrity: DOMString,
    keepalive: boolean,
    method: ByteString,
    mode: enumeration('RequestMode', ['navigate', 'same-origin', 'no-cors', 'cors']),
    priority: enumeration('RequestPriority', ['high', 'low', 'auto']),
    redirect: enumeration('RequestRedirect', ['follow', 'error', 'manual']),
    referrer: USVString,
    referrerPolicy: enumeration('ReferrerPolicy', [
        '', 'no-referrer', 'no-referrer-when-downgrade', 'same-origin', 'origin', 'strict-origin', 'origin-when-cross-origin',
        'strict-origin-when-cross-origin', 'unsafe-url']),
    signal: nullable(AbortSignalType),
    window: any,
});

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

const DEFAULTS = Object.freeze({
    cache: 'default', cf: undefined, credentials: 'same-origin', integrity: '', keepalive: false, mode: 'cors', redirect: 'follow',
    referrer: 'about:client', referrerPolicy: '',
});

// What an init says about the plain attributes; from: those of the request it changes.
function settingsOf(from, init) {
    if (init.window !== undefined && init.window !== null) throw new TypeError('Request: the window can only be null');
    if (init.mode === 'navigate') throw new TypeError('Request: the mode "navigate" is not a script\'s');
    const settings = { ...from };
    for (const key of Object.keys(DEFAULTS)) if (init[key] !== undefined) settings[key] = init[key];
    if (init.referrer !== undefined) settings.referrer = checkedReferrer(init.referrer);
    if (settings.cache === 'only-if-cached' && settings.mode !== 'same-origin')
        throw new TypeError('Request: the cache mode "only-if-cached" asks for the mode "same-origin"');
    return settings;
}

const INNER = Symbol('inner');
export let isRequest;
export let requestOfJob;
export let signalOfRequest; // undefined if it has none yet
export let takeRequestBody; // the body's source, which counts as used then
export let encodeRequestFields; // without making a Headers

export class Request {
    #body;
    #ref = 0;
    #client = 0; // ref of the request whose client's leaving aborts the signal; its copies have it too
    #method;
    #url;
    #headers;
    #signal; // the one that was given
    #own; // the one that is shown, made when somebody asks
    #settings = DEFAULTS;

    constructor(input, init = undefined) {
        if (input === INNER) return;
        required(arguments, 1, 'Request');
        const from = isRequest(input) ? input : null;
        const url = from ? null : USVString(input, 'Request, argument 1');
        const how = init === undefined ? null : RequestInit(init, 'Request, argument 2');
        if (from) this.#url = from.url;
        else this.#parseUrl(url);
        this.#method = how?.method !== undefined ? checkedMethod(how.method) : from ? from.method : 'GET';
        if (from) this.#settings = from.#settings;
        if (how) this.#settings = settingsOf(this.#settings, how);
        this.#signal = how && how.signal !== undefined ? how.signal ?? undefined : from?.#signal;
        if (from && !(how && how.signal !== undefined)) this.#client = from.#client;
        if (how?.headers === undefined && from) this.#headers = headersOfPairs(from.headers);
        else this.#headers = headersOfPairs(how?.headers);
        this.#takeBody(from, how);
    }

    #parseUrl(text) {
        const url = URL.parse(text);
        if (!url) throw new TypeError(`Request: "${text}" is not a URL`);
        if (url.username || url.password) throw new TypeError('Request: the url holds credentials');
        this.#url = url.href;
    }

    #takeBody(from, how) {
        const isBodiless = this.#method === 'GET' || this.#method === 'HEAD';
        const given = how?.body ?? null;
        if (isBodiless && (given !== null || (from && from.#body.source !== null)))
            throw new TypeError(`Request: ${this.#method} takes no body`);
        if (given === null) {
            // A body that is null leaves the other request's as it is, and out.
            if (from && from.#body.source !== null && from.#body.isUnusable) throw new TypeError('Request: the body was used already');
            this.#body = new Body(from ? from.#body.take() : null);
            return;
        }
        const { source, type } = extract(given);
        if (isReadable(given) && how.keepalive) throw new TypeError('Request: a stream can not be kept alive');
        if (type !== null && !this.#headers.has('content-type')) this.#headers.append('content-type', type);
        this.#body = new Body(source);
    }

    static {
        isRequest = (value) => typeof value === 'object' && value !== null && #settings in value;
        signalOfRequest = (request) => request.#signal;
        takeRequestBody = (request) => request.#body.take();
        encodeRequestFields = (request) => encodeHeaders(request.headers);
        requestOfJob = (ref, hasBody) => {
            const request = new Request(INNER);
            request.#body = new Body(hasBody ? new Incoming(ref) : null);
            request.#ref = request.#client = ref;
            return request;
        };
        includeBody(Request, (request) => request.#body);
    }

    get method() { return (this.#method ??= host.method(this.#ref)); }
    get url() { return (this.#url ??= host.url(this.#ref)); }
    get headers() { return (this.#headers ??= headersOfJob(this.#ref)); }

    get signal() {
        if (this.#own) return this.#own;
        if (this.#signal) return (this.#own = AbortSignal.any([this.#signal]));
        return (this.#own = this.#signal = this.#client ? signalOfClient(this.#client) : new AbortController().signal);
    }

    get cache() { return this.#settings.cache; }
    get cf() { return this.#settings.cf; }
    get credentials() { return this.#settings.credentials; }
    get destination() { return ''; }
    get duplex() { return 'half'; }
    get integrity() { return this.#settings.integrity; }
    get isHistoryNavigation() { return false; }
    get isReloadNavigation() { return false; }
    get keepalive() { return this.#settings.keepalive; }
    get mode() { return this.#settings.mode; }
    get redirect() { return this.#settings.redirect; }
    get referrer() { return this.#settings.referrer; }
    get referrerPolicy() { return this.#settings.referrerPolicy; }

    clone() {
        if (this.#body.isUnusable) throw new TypeError('Request.clone: the body was used already');
        const copy = new Request(INNER);
        copy.#body = new Body(this.#body.copy());
        copy.#method = this.method;
        copy.#url = this.url;
        copy.#headers = headersOfPairs(this.headers);
        copy.#signal = this.#signal;
        copy.#client = this.#client;
        copy.#settings = this.#settings;
        return copy;
    }
}

declare(Request, {
    constructor: 1,
    is: isRequest,
    operations: { clone: [], ...bodyOperations },
    attributes: {
        ...bodyAttributes, cache: readonly, cf: readonly, credentials: readonly, destination: readonly, duplex: readonly,
        headers: readonly, integrity: readonly, isHistoryNavigation: readonly, isReloadNavigation: readonly, keepalive: readonly,
        method: readonly, mode: readonly, redirect: readonly, referrer: readonly, referrerPolicy: readonly, signal: readonly,
        url: readonly,
    },
});
