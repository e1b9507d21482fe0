// From the worker's events to the script's handler, and from its answer back to the worker. The exports are the
// functions that main.js hands over; see entry points in runtime/worker/web.h.
import { TextEncoder } from './encoding.js';
import { ERROR_EXCEPTION, ERROR_NOT_RESPONSE, host } from './host.js';
import { forgetIncoming, incomingStream, untouchedIncoming } from './incoming.js';
import { describe, inspectQuoted } from './inspect.js';
import { abortClient, forgetClient, requestOfJob } from './request.js';
import { encodeFields, freeResponseBody, statusOf, takeResponseBody } from './response.js';
import { Fetcher } from './service.js';
import { forgetGlobalListeners, hasListeners, theGlobal } from './event.js';
import { fireFetch } from './event_kinds.js';
import { lengthOfStream } from './stream_kinds.js';
import { isHandled } from './streams/base.js';
import { acquireReader, stateOf } from './streams/readable.js';
import { isUint8Array } from './webidl.js';

const encoder = new TextEncoder();
const EMPTY = new Uint8Array(0);
const { then } = Promise.prototype;
const { reject, resolve } = Promise;
const { apply, defineProperty, ownKeys } = Reflect;

let handler; // the default export
let handle; // its fetch
let env;

const writing = new Map(); // ref -> {wake, cancel} of a response body that streams

// The worker: before the script's top level runs: its vars, and the names of its service bindings, in the order of their indexes.
// isGlobal: what is in env are global variables too, as service workers have it.
export function prepare(vars, services, isGlobal) {
    env = vars;
    forgetGlobalListeners();
    for (let i = 0; i < services?.length; i++)
        defineProperty(env, services[i], { value: new Fetcher(i, services[i]), writable: true, enumerable: true, configurable: true });
    if (isGlobal)
        for (const name of ownKeys(env))
            defineProperty(globalThis, name, { value: env[name], writable: true, enumerable: true, configurable: true });
}

export function envOfScript() {
    return env;
}

// The worker: the main module's default export, an object or a class; undefined: there is none, but perhaps a listener. False: there
// is no handler.
export function load(exported) {
    handler = exported;
    handle = handler?.fetch ?? (hasListeners(theGlobal, 'fetch') ? answerOfListeners : undefined);
    if (typeof exported === 'function' && typeof exported.prototype?.fetch === 'function')
        handle = (request, env, ctx) => new exported(ctx, env).fetch(request);
    return typeof handle === 'function';
}

// The older form of a script, without exports: addEventListener('fetch', (event) => event.respondWith(...)).
function answerOfListeners(request, env, ctx) {
    const answer = fireFetch(request, (promise) => ctx.waitUntil(promise));
    if (!answer) throw new TypeError('no listener of "fetch" has called event.respondWith()');
    return answer;
}

class ExecutionContext {
    #ref;
    constructor(ref) {
        this.#ref = ref;
    }

    waitUntil(promise) {
        const ref = this.#ref;
        let promised = promise;
        try {
            promised = apply(resolve, Promise, [promise]);
        } catch (error) {
            promised = apply(reject, Promise, [error]); // of a hostile "constructor"
        }
        host.hold(ref);
        const settled = () => host.release(ref);
        const failed = (error) => {
            host.log('error', describe(error));
            host.release(ref);
        };
        try {
            apply(then, promised, [settled, failed]);
        } catch (error) {
            failed(error);
        }
    }

    // There is no origin behind a script to pass a request on to: errors are answered as without it.
    passThroughOnException() {}

    props = {};
}

// Of the request whose code runs, wherever in it that is.
export function waitUntil(promise) {
    const ref = host.actor();
    if (!ref) throw new Error('waitUntil: this code runs for no request');
    new ExecutionContext(ref).waitUntil(promise);
}

function failed(ref, error) {
    host.fail(ref, ERROR_EXCEPTION, describe(error));
}

// The worker: a request. An exception goes to the worker.
export function dispatch(ref, hasBody) {
    const answer = apply(handle, handler, [requestOfJob(ref, hasBody), env, new ExecutionContext(ref)]);
    if (statusOf(answer) !== undefined) respond(ref, answer);
    else apply(then, apply(resolve, Promise, [answer]), [(response) => respond(ref, response), (e) => failed(ref, e)]);
}

function respond(ref, response) {
    try {
        answerWith(ref, response);
    } catch (error) {
        failed(ref, error);
    }
}

function answerWith(ref, response) {
    const status = statusOf(response);
    if (status === undefined)
        return host.fail(ref, ERROR_NOT_RESPONSE, `the handler returned ${inspectQuoted(response)}, which is not a Response`);
    if (status === 0) return host.fail(ref, ERROR_NOT_RESPONSE, 'the handler returned Response.error(), which cannot be sent');
    const body = takeResponseBody(response);
    const length = lengthOfStream(body); // of a FixedLengthStream: the answer promises it
    const isPromised = length !== undefined && !response.headers.has('content-length');
    const fields = encodeFields(response) + (isPromised ? `content-length\0${length}\0` : '');
    if (body === null) return void host.respond(ref, status, fields, undefined);
    if (typeof body === 'string' || body instanceof Uint8Array) {
        const taken = host.respond(ref, status, fields, body);
        if (taken >= 0) sendRest(ref, response, typeof body === 'string' ? encoder.encode(body) : body, taken);
        return;
    }
    if (host.respond(ref, status, fields, true) < 0) return discard(body);
    const incoming = untouchedIncoming(body);
    // What came encoded is handed on so if the answer says it is.
    const isAsSaid = !incoming?.encoding || response.headers.get('content-encoding') === incoming.encoding;
    if (!incoming || !isAsSaid) return new Pump(ref, body).pull();
    if (incoming !== body) acquireReader(stateOf(body)); // used: the stream shows as locked
    if (!incoming.relayTo(ref)) new Pump(ref, incomingStream(incoming)).pull();
}

// Nobody reads it: to a HEAD, or when the client has left.
function discard(body) {
    const incoming = untouchedIncoming(body);
    if (incoming) incoming.cancel();
    else body.cancel(new TypeError('nobody reads the body')).catch(() => {});
}

// Sends bytes from `at` on, as credit comes. False: nobody wants them.
async function sendAll(ref, bytes, at) {
    for (;;) {
        const taken = host.write(ref, bytes, at);
        if (taken < 0) return false;
        at += taken;
        if (at >= bytes.length) return true;
        await new Promise((wake) => writing.set(ref, { ...writing.get(ref), wake }));
    }
}

async function sendRest(ref, response, bytes, at) {
    await sendAll(ref, bytes, at);
    freeResponseBody(response);
    host.end(ref);
    writing.delete(ref);
}

// A response's body on its way from a stream to the worker: a chunk is asked for when the one before was taken, and no promise is
// made for it. It is the read request of its reader.
class Pump {
    #ref; #reader;
    #bytes = null; // the chunk that is not taken to its end
    #at = 0;
    #isReading = false; // within pull(): chunk() comes before read() returns if one is queued

    constructor(ref, stream) {
        this.#ref = ref;
        this.#reader = acquireReader(stateOf(stream));
        writing.set(ref, this);
    }

    pull() {
        if (this.#isReading) return;
        this.#isReading = true;
        do {
            this.#bytes = EMPTY;
            this.#reader.read(this);
        } while (this.#bytes === null);
        this.#isReading = false;
    }

    chunk(bytes) {
        if (!isUint8Array(bytes)) return this.#stop(new TypeError('a response body stream must give Uint8Array chunks'), true);
        this.#bytes = bytes;
        this.#at = 0;
        this.wake();
    }

    // There is room.
    wake() {
        const bytes = this.#bytes;
        if (bytes === null || bytes === EMPTY) return;
        const taken = host.write(this.#ref, bytes, this.#at);
        if (taken < 0) return this.#stop(new TypeError('nobody reads the body'), false);
        this.#at += taken;
        if (this.#at < bytes.length) return;
        this.#bytes = null;
        this.pull();
    }

    close() {
        writing.delete(this.#ref);
        host.end(this.#ref);
    }

    error(error) {
        writing.delete(this.#ref);
        failed(this.#ref, error);
    }

    // The client has left.
    cancel() {
        this.#cancel(new TypeError('the client is gone'));
    }

    #stop(error, isFailure) {
        writing.delete(this.#ref);
        if (isFailure) failed(this.#ref, error);
        this.#cancel(error);
    }

    #cancel(error) {
        this.#bytes = EMPTY;
        isHandled(this.#reader.stream.cancel(error));
    }
}

// The worker: there is room for more of a body whose write took less than all.
export function onCredit(ref) {
    writing.get(ref)?.wake?.();
}

function stop(ref, why) {
    const writer = writing.get(ref);
    writing.delete(ref);
    writer?.cancel?.();
    forgetIncoming(ref, why);
}

// The worker: the client has left. The request lives on if waitUntil holds it when this is over.
export function left(ref) {
    abortClient(ref);
    stop(ref, 'the client is gone');
}

// The worker: the job is over, or answered, while it streamed in or out or had a signal.
export function forget(ref) {
    forgetClient(ref);
    stop(ref, 'the request was answered before its whole body had come');
}
