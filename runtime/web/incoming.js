// A request body on its way in. Bytes are taken from the worker only when somebody wants them: taking is what
// gives the sender new credit.
import { concat, freeBytes } from './blob.js';
import { host } from './host.js';
import { isDisturbed, isReadable } from './streams/readable.js';
import { after, RESOLVED } from './streams/base.js';
import { newByteStream } from './streams/bytes.js';

const waiting = new Map(); // ref -> {resolve, reject} of the read that waits

// The body of the request; the replies of service.js are read in the same way.
export class Incoming {
    encoding = null; // its Content-Encoding, if whoever reads it gets it decoded (body.js)

    constructor(ref) {
        this.ref = ref;
    }

    // The next bytes, or a promise of them; undefined at the end.
    next() {
        const bytes = host.read(this.ref);
        if (bytes !== null) return bytes;
        return new Promise((resolve, reject) => waiting.set(this.ref, { resolve, reject }));
    }

    cancel() {
        host.discard(this.ref);
    }

    // It passes without JavaScript from here on: as the response's body, or as a sub-request's. False: it can not.
    relayTo(ref) {
        if (this.ref !== ref) return false;
        host.relay(ref);
        return true;
    }

    feedTo(sub) {
        return host.subFeed(sub, this.ref);
    }
}

// The worker: bytes came for a read that waits (undefined: the body is complete).
export function onBody(ref, bytes) {
    const read = waiting.get(ref);
    waiting.delete(ref);
    read?.resolve(bytes);
}

export function forgetIncoming(ref, why) {
    const read = waiting.get(ref);
    waiting.delete(ref);
    read?.reject(new TypeError(why));
}

export async function incomingBytes(incoming) {
    const parts = [];
    for (;;) {
        const bytes = await incoming.next();
        if (bytes === undefined) break;
        parts.push(bytes);
    }
    if (parts.length === 1) return parts[0];
    const all = concat(parts);
    parts.forEach(freeBytes);
    return all;
}

const streams = new WeakMap(); // stream -> its Incoming

// The Incoming whose bytes a body still holds in full: itself, or a stream of it that nobody touched.
export function untouchedIncoming(body) {
    if (body instanceof Incoming) return body;
    return isReadable(body) && !body.locked && !isDisturbed(body) ? streams.get(body) : undefined;
}

export function incomingStream(incoming) {
    const stream = newByteStream(
        (controller) => {
            let bytes;
            try {
                bytes = incoming.next();
            } catch (error) {
                return Promise.reject(error);
            }
            if (bytes instanceof Promise) return after(bytes, (later) => give(controller, later));
            give(controller, bytes);
            return RESOLVED;
        },
        (reason) => {
            incoming.cancel(reason);
            return RESOLVED;
        },
    );
    return standFor(stream, incoming);
}

// The stream holds the bytes of that Incoming, until somebody reads it.
export function standFor(stream, incoming) {
    streams.set(stream, incoming);
    return stream;
}

function give(controller, bytes) {
    if (bytes !== undefined) return controller.enqueue(bytes);
    controller.close();
    if (controller.pending.length > 0) controller.respond(0);
}
