// From the worker's events to the script's handler, and from its answer back to the worker. The exports are the
// functions that main.js hands over; see entry points in runtime/worker/web.h.
import { freeSource, takeSource } from './body.js';
import { TextEncoder } from './encoding.js';
import { ERROR_EXCEPTION, ERROR_NOT_RESPONSE, host } from './host.js';
import { forgetIncoming, incomingStream, untouchedIncoming } from './incoming.js';
import { describe, inspectQuoted } from './inspect.js';
import { abortClient, forgetClient, requestOfJob } from './request.js';
import { encodeFields, statusOf } from './response.js';
import { Fetcher } from './service.js';

const encoder = new TextEncoder();
const { then } = Promise.prototype;
const { reject, resolve } = Promise;
const { apply, defineProperty } = Reflect;

let handler; // the default export
let handle; // its fetch
let env;

const writing = new Map(); // ref -> {wake, cancel} of a response body that streams

// The worker: the main module's default export, the script's vars and the names of its service bindings, in the order of their
// indexes. False: there is no handler.
export function load(exported, vars, services) {
    handler = exported;
    handle = handler?.fetch;
    env = vars;
    for (let i = 0; i < services?.length; i++)
        defineProperty(env, services[i], { value: new Fetcher(i, services[i]), writable: true, enumerable: true, configurable: true });
    return typeof handle === 'function';
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
    const body = takeSource(response);
    const fields = encodeFields(response);
    if (body === null) return void host.respond(ref, status, fields, undefined);
    if (typeof body === 'string' || body instanceof Uint8Array) {
        const taken = host.respond(ref, status, fields, body);
        if (taken >= 0) sendRest(ref, response, typeof body === 'string' ? encoder.encode(body) : body, taken);
        return;
    }
    if (host.respond(ref, status, fields, true) < 0) return discard(body);
    const incoming = untouchedIncoming(body);
    if (!incoming?.relayTo(ref)) pump(ref, incoming === body ? incomingStream(body) : body);
    else if (incoming !== body) body.getReader(); // used: the stream shows as locked
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
    freeSource(response);
    host.end(ref);
    writing.delete(ref);
}

async function pump(ref, stream) {
    const reader = stream.getReader();
    writing.set(ref, { cancel: () => reader.cancel(new TypeError('the client is gone')).catch(() => {}) });
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) break;
            if (!(value instanceof Uint8Array)) throw new TypeError('a response body stream must give Uint8Array chunks');
            if (!(await sendAll(ref, value, 0))) {
                reader.cancel(new TypeError('nobody reads the body')).catch(() => {});
                return;
            }
        }
        host.end(ref);
    } catch (error) {
        failed(ref, error);
        reader.cancel(error).catch(() => {});
    } finally {
        writing.delete(ref);
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
