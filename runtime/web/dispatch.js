// From the worker's events to the script's handler, and from its answer back to the worker. The exports are the
// functions that main.js hands over; see entry points in runtime/worker/web.h.
import { takeSource } from './body.js';
import { TextEncoder } from './encoding.js';
import { ERROR_EXCEPTION, ERROR_NO_RESPONSE, host } from './host.js';
import { forgetIncoming, incomingStream, untouchedIncoming } from './incoming.js';
import { inspect } from './inspect.js';
import { requestOfJob } from './request.js';
import { encodeFields, Response } from './response.js';
import { Fetcher } from './service.js';

const encoder = new TextEncoder();
const { then } = Promise.prototype;
const { apply, defineProperty } = Reflect;

let handler; // the default export
let handle; // its fetch
let env;

const writing = new Map(); // ref -> {wake, cancel} of a response body that streams

// An error as text for the log.
export function describe(error) {
    return error instanceof Error && typeof error.stack === 'string' ? inspect(error) : `Uncaught ${inspect(error)}`;
}

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
        host.hold(ref);
        Promise.resolve(promise).then(
            () => host.release(ref),
            (error) => {
                host.log('error', describe(error));
                host.release(ref);
            },
        );
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
    if (answer instanceof Response) respond(ref, answer);
    else if (answer instanceof Promise) apply(then, answer, [(response) => respond(ref, response), (e) => failed(ref, e)]);
    else Promise.resolve(answer).then((response) => respond(ref, response), (e) => failed(ref, e));
}

function respond(ref, response) {
    let body;
    try {
        if (!(response instanceof Response))
            return host.fail(ref, ERROR_NO_RESPONSE, `the handler answered ${inspect(response)}, which is no Response`);
        if (response.status === 0)
            return host.fail(ref, ERROR_NO_RESPONSE, 'the handler answered Response.error()');
        body = takeSource(response);
    } catch (error) {
        return failed(ref, error);
    }
    const { status } = response;
    const fields = encodeFields(response);
    if (body === null) return void host.respond(ref, status, fields, undefined);
    if (typeof body === 'string' || body instanceof Uint8Array) {
        const taken = host.respond(ref, status, fields, body);
        if (taken >= 0) sendRest(ref, typeof body === 'string' ? encoder.encode(body) : body, taken);
        return;
    }
    host.respond(ref, status, fields, true);
    const incoming = untouchedIncoming(body);
    if (!incoming?.relayTo(ref)) pump(ref, incoming === body ? incomingStream(body) : body);
    else if (incoming !== body) body.getReader(); // used: the stream shows as locked
}

// Sends bytes from `at` on, as credit comes.
async function sendAll(ref, bytes, at) {
    for (;;) {
        at += host.write(ref, bytes, at);
        if (at >= bytes.length) return;
        await new Promise((wake) => writing.set(ref, { ...writing.get(ref), wake }));
    }
}

async function sendRest(ref, bytes, at) {
    await sendAll(ref, bytes, at);
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
            await sendAll(ref, value, 0);
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

// The worker: the job is over while it streamed in or out.
export function forget(ref) {
    const writer = writing.get(ref);
    writing.delete(ref);
    writer?.cancel?.();
    forgetIncoming(ref);
}
