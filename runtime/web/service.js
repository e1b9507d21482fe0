// Service bindings: env.NAME.fetch() calls another script. What NAME means, and where it runs, is hearthd's business.
import { TextEncoder } from './encoding.js';
import { host } from './host.js';
import { Incoming, incomingStream, untouchedIncoming } from './incoming.js';
import { encodeRequestFields, isRequest, Request, signalOfRequest, takeRequestBody } from './request.js';
import { responseOfReply } from './response.js';
import { lengthOfStream } from './stream_kinds.js';

const encoder = new TextEncoder();
const calls = new Map(); // sub -> Call, until it is over

class Call {
    failed = undefined; // why the reply's body can not be read any more
    ended = false; // it was read to its end
    wake = undefined; // of the upload that waits for room
    read = undefined; // {resolve, reject} of the read that waits
    stop = undefined; // of an upload from a stream: nobody wants the rest

    constructor(sub, name, signal, settle) {
        this.sub = sub;
        this.name = name;
        this.signal = signal;
        this.settle = settle; // {resolve, reject} of fetch's promise
        this.abort = signal && (() => this.fail(signal.reason));
        signal?.addEventListener('abort', this.abort);
        calls.set(sub, this);
    }

    // No more events for it: the call is over, or its reply passes without JavaScript.
    leave() {
        calls.delete(this.sub);
        this.signal?.removeEventListener('abort', this.abort);
        this.wake?.();
        this.stop?.();
    }

    end() {
        this.ended = true;
        this.leave();
    }

    fail(error) {
        if (!calls.has(this.sub)) return;
        host.subCancel(this.sub);
        this.failed = { error };
        this.leave();
        this.settle.reject(error);
        this.read?.reject(error);
    }

    error(text) {
        return new Error(`env.${this.name}.fetch: ${text}`);
    }
}

// The body of a reply, on its way in.
class Reply extends Incoming {
    #call;
    constructor(call) {
        super(call.sub);
        this.#call = call;
    }

    next() {
        const call = this.#call;
        if (call.failed) throw call.failed.error;
        if (call.ended) return undefined;
        const bytes = host.subRead(call.sub);
        if (bytes === null) return new Promise((resolve, reject) => (call.read = { resolve, reject }));
        if (bytes === undefined) call.end();
        return bytes;
    }

    cancel() {
        host.subCancel(this.ref);
        this.#call.end();
    }

    relayTo(ref) {
        // What a signal can abort stays in JavaScript.
        if (this.#call.signal || !host.subAnswer(ref, this.ref)) return false;
        this.#call.end();
        return true;
    }

    feedTo() {
        return false;
    }
}

// Sends bytes, as credit comes. False: nobody wants them.
async function sendAll(call, bytes, isEnd) {
    for (let at = 0; ; ) {
        const taken = host.subWrite(call.sub, bytes, at, isEnd);
        if (taken === true) return true;
        if (taken < 0) return false;
        at += taken;
        await new Promise((wake) => (call.wake = wake));
    }
}

async function pump(call, stream) {
    const reader = stream.getReader();
    call.stop = () => reader.cancel(new TypeError('the called script wants no more of the body')).catch(() => {});
    try {
        for (;;) {
            const { done, value } = await reader.read();
            if (done) return void (await sendAll(call, new Uint8Array(0), true));
            if (!(value instanceof Uint8Array)) throw new TypeError('a request body stream must give Uint8Array chunks');
            if (!(await sendAll(call, value, false))) return void call.stop();
        }
    } catch (error) {
        call.fail(error);
        reader.cancel(error).catch(() => {});
    }
}

function upload(call, source) {
    if (source instanceof Uint8Array) return void sendAll(call, source, true);
    const incoming = untouchedIncoming(source);
    if (!incoming?.feedTo(call.sub)) pump(call, incoming === source ? incomingStream(source) : source);
    else if (incoming !== source) source.getReader(); // used: the stream shows as locked
}

function call(binding, name, request) {
    const signal = signalOfRequest(request);
    signal?.throwIfAborted();
    let source = takeRequestBody(request);
    if (typeof source === 'string') source = encoder.encode(source);
    // Of a body that is handed on as it came, the fields are right about the length. Of any other stream but a FixedLengthStream
    // nobody knows it.
    const isPassed = source && untouchedIncoming(source);
    const bytes = source instanceof Uint8Array ? source.length : isPassed ? undefined : lengthOfStream(source) ?? -1;
    const sub = host.sub(binding, request.method, request.url, encodeRequestFields(request), source !== null, bytes);
    if (typeof sub === 'string') throw new Error(`env.${name}.fetch: ${sub}`);
    return new Promise((resolve, reject) => {
        const made = new Call(sub, name, signal, { resolve, reject });
        if (source !== null) upload(made, source);
    });
}

export class Fetcher {
    #binding; #name;
    constructor(binding, name) {
        this.#binding = binding;
        this.#name = name;
        Object.freeze(this);
    }

    async fetch(input, init) {
        const request = isRequest(input) && init === undefined ? input : new Request(input, init);
        return call(this.#binding, this.#name, request);
    }

    get [Symbol.toStringTag]() { return 'Fetcher'; }
}

// The worker: the called script answered.
export function onReply(sub, status, fields, hasBody) {
    const made = calls.get(sub);
    if (!made) return;
    if (!hasBody) made.end();
    made.settle.resolve(responseOfReply(status, fields, hasBody ? new Reply(made) : null));
}

// The worker: bytes came for a read that waits (undefined: the body is complete).
export function onReplyBody(sub, bytes) {
    const made = calls.get(sub);
    if (!made) return;
    const { read } = made;
    made.read = undefined;
    if (bytes === undefined) made.end();
    read?.resolve(bytes);
}

export function onReplyError(sub, text) {
    const made = calls.get(sub);
    made?.fail(made.error(text));
}

// The worker: there is room for more of a request body whose write took less than all, or nobody wants it.
export function onSubCredit(sub) {
    calls.get(sub)?.wake?.();
}

// The worker: the call went with the request that made it.
export function forgetCall(sub) {
    const made = calls.get(sub);
    made?.fail(made.error('the request that made this call is over'));
}
