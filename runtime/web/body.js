// Body (Fetch 5.2): what Request and Response have in common. A body stays what it was given as (a string, bytes,
// the job's incoming bytes) until somebody asks for a stream.
import { Blob, blobBytes, concat, freeBytes } from './blob.js';
import { TextDecoder, TextEncoder, viewOf } from './encoding.js';
import { FormData, formDataBytes, parseMultipart } from './form_data.js';
import { host } from './host.js';
import { incomingBytes, incomingStream, Incoming } from './incoming.js';
import { ReadableStream } from './streams.js';
import { URLSearchParams } from './url.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

const FREED_BYTES_MIN = 65536;
const copies = new WeakSet(); // large bytes that one body has, and nobody else

function copyOf(bytes) {
    const copy = new Uint8Array(bytes);
    if (copy.length >= FREED_BYTES_MIN) copies.add(copy);
    return copy;
}

// BodyInit -> what is kept, and the content-type it implies (Fetch, "extract a body").
export function extract(init) {
    if (init === null || init === undefined) return { source: null, type: null };
    if (typeof init === 'string') return { source: init, type: 'text/plain;charset=UTF-8' };
    if (init instanceof ReadableStream) {
        if (init.locked) throw new TypeError('the body stream is locked');
        return { source: init, type: null };
    }
    if (init instanceof URLSearchParams)
        return { source: init.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    if (init instanceof Blob) return { source: blobBytes(init), type: init.type || null };
    if (init instanceof FormData) {
        const { bytes, type } = formDataBytes(init);
        return { source: bytes, type };
    }
    if (init instanceof ArrayBuffer || ArrayBuffer.isView(init)) return { source: copyOf(viewOf(init)), type: null };
    return { source: String(init), type: 'text/plain;charset=UTF-8' };
}

function streamOf(source) {
    if (source instanceof ReadableStream) return source;
    if (source instanceof Incoming) return incomingStream(source);
    const bytes = typeof source === 'string' ? encoder.encode(source) : source.slice();
    return new ReadableStream({
        type: 'bytes',
        start(controller) {
            if (bytes.length) controller.enqueue(bytes);
            controller.close();
        },
    });
}

async function drain(stream) {
    const parts = [];
    for await (const part of stream) {
        if (!(part instanceof Uint8Array)) throw new TypeError('the body stream gave something that is not bytes');
        parts.push(part);
    }
    return concat(parts);
}

export let takeSource, cloneSource, setSource, freeSource; // for Request, Response and the dispatcher

export class Body {
    #source = null;
    #used = false;

    constructor(source) {
        this.#source = source;
    }

    static {
        // The body's source, which counts as used from here on.
        takeSource = (body) => {
            body.#checkUsable();
            if (body.#source !== null) body.#used = true;
            return body.#source;
        };
        cloneSource = (body) => {
            body.#checkUsable();
            if (body.#source instanceof Uint8Array) copies.delete(body.#source);
            if (body.#source === null || typeof body.#source === 'string' || body.#source instanceof Uint8Array)
                return body.#source;
            const [mine, other] = streamOf(body.#source).tee();
            body.#source = mine;
            return other;
        };
        setSource = (body, source) => (body.#source = source);
        // It has been sent.
        freeSource = (body) => {
            const bytes = body.#source;
            if (!(bytes instanceof Uint8Array) || !copies.delete(bytes)) return;
            body.#source = new Uint8Array(0);
            freeBytes(bytes);
        };
    }

    #checkUsable() {
        if (this.bodyUsed) throw new TypeError('the body was used already');
        if (this.#source instanceof ReadableStream && this.#source.locked)
            throw new TypeError('the body stream is locked');
    }

    get body() {
        if (this.#source === null) return null;
        if (!(this.#source instanceof ReadableStream)) {
            this.#source = streamOf(this.#source);
            if (this.#used) this.#source.getReader(); // used: the stream shows as locked
        }
        return this.#source;
    }

    get bodyUsed() {
        return this.#used || (this.#source instanceof ReadableStream && disturbed(this.#source));
    }

    async #bytes() {
        const source = takeSource(this);
        if (source === null) return new Uint8Array(0);
        if (typeof source === 'string') return encoder.encode(source);
        if (source instanceof Uint8Array) return source;
        if (source instanceof Incoming) return incomingBytes(source);
        return drain(source);
    }

    async bytes() {
        const bytes = await this.#bytes();
        return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    }

    async arrayBuffer() {
        return (await this.bytes()).buffer;
    }

    async text() {
        if (typeof this.#source === 'string') return takeSource(this).toWellFormed();
        return decoder.decode(await this.#bytes());
    }

    // A body is often a stranger's: bytes that nest too deep or have too many names are a RangeError, as in V8 what its stack does
    // not hold. A script that wants them all the same parses text().
    async json() {
        if (typeof this.#source === 'string') return JSON.parse(await this.text());
        return host.parseJson(await this.#bytes());
    }

    async blob() {
        return new Blob([await this.#bytes()], { type: this.headers.get('content-type') ?? '' });
    }

    async formData() {
        const type = this.headers.get('content-type') ?? '';
        const essence = type.split(';')[0].trim().toLowerCase();
        if (essence === 'application/x-www-form-urlencoded') {
            const form = new FormData();
            for (const [name, value] of new URLSearchParams(decoder.decode(await this.#bytes())))
                form.append(name, value);
            return form;
        }
        const boundary = /;\s*boundary=(?:"([^"]+)"|([^;\s]+))/i.exec(type);
        if (essence === 'multipart/form-data' && boundary)
            return parseMultipart(await this.#bytes(), boundary[1] ?? boundary[2]);
        throw new TypeError('formData: the content-type is no form');
    }
}

// The ponyfill keeps this in a plain property; the standard has no public way to ask.
function disturbed(stream) {
    return Boolean(stream._disturbed);
}
