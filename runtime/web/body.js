// Body (Fetch 5.2): what Request and Response have in common. A body stays what it was given as (a string, bytes, the job's
// incoming bytes) until somebody asks for a stream.
import { blobBytes, blobOfBytes, concat, freeBytes, isBlob } from './blob.js';
import { TextDecoder, TextEncoder, viewOf } from './encoding.js';
import { FormData, formDataBytes, isFormData, parseMultipart } from './form_data.js';
import { host } from './host.js';
import { incomingBytes, incomingStream, Incoming, standFor } from './incoming.js';
import { extractMimeType, serializeMimeType } from './mime.js';
import { codecPair, DECOMPRESS_LENIENT } from './compression.js';
import { isHandled, RESOLVED } from './streams/base.js';
import { newByteStream } from './streams/bytes.js';
import { acquireReader, isDisturbed, isReadable, stateOf } from './streams/readable.js';
import { ReadableStream } from './streams/index.js';
import { TextDecoderStream } from './text_streams.js';
import { isURLSearchParams, URLSearchParams } from './url.js';
import { BufferSource, isBufferSource, isUint8Array, promise, readonly, USVString } from './webidl.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const exactDecoder = new TextDecoder('utf-8', { ignoreBOM: true });

const FREED_BYTES_MIN = 65536;
const copies = new WeakSet(); // large bytes that one body has, and nobody else

function copyOf(bytes) {
    const copy = new Uint8Array(bytes);
    if (copy.length >= FREED_BYTES_MIN) copies.add(copy);
    return copy;
}

// (ReadableStream or XMLHttpRequestBodyInit)
export function BodyInit(init, what) {
    if (typeof init === 'string') return init.toWellFormed();
    if (isReadable(init) || isBlob(init) || isFormData(init) || isURLSearchParams(init)) return init;
    return isBufferSource(init) ? BufferSource(init, what) : USVString(init, what);
}

// A converted BodyInit or null -> what is kept, and the content-type it implies (Fetch, "extract a body").
export function extract(init) {
    if (init === null) return { source: null, type: null };
    if (typeof init === 'string') return { source: init, type: 'text/plain;charset=UTF-8' };
    if (isReadable(init)) {
        if (init.locked) throw new TypeError('the body stream is locked');
        if (isDisturbed(init)) throw new TypeError('the body stream was read from already');
        return { source: init, type: null };
    }
    if (isBlob(init)) return { source: blobBytes(init), type: init.type || null };
    if (isFormData(init)) {
        const { bytes, type } = formDataBytes(init);
        return { source: bytes, type };
    }
    if (isURLSearchParams(init))
        return { source: init.toString(), type: 'application/x-www-form-urlencoded;charset=UTF-8' };
    return { source: copyOf(viewOf(init)), type: null };
}

function streamOf(source) {
    if (isReadable(source)) return source;
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

// All bytes of a stream (Streams, "read all bytes"): the read request of its reader.
class Drain {
    #reader; #resolve; #reject;
    #parts = [];
    #hasChunk = false;
    #isReading = false; // within pull(): chunk() comes before read() returns if one is queued

    constructor(stream, resolve, reject) {
        this.#reader = acquireReader(stateOf(stream));
        this.#resolve = resolve;
        this.#reject = reject;
    }

    pull() {
        if (this.#isReading) return;
        this.#isReading = true;
        do {
            this.#hasChunk = false;
            this.#reader.read(this);
        } while (this.#hasChunk);
        this.#isReading = false;
    }

    chunk(bytes) {
        if (!isUint8Array(bytes)) {
            const error = new TypeError('the body stream gave something that is not bytes');
            isHandled(this.#reader.stream.cancel(error));
            return this.#reject(error);
        }
        this.#parts.push(bytes);
        this.#hasChunk = true;
        this.pull();
    }

    close() {
        this.#resolve(concat(this.#parts)); // a copy: chunks are still their maker's
    }

    error(error) {
        this.#reject(error);
    }
}

function drain(stream) {
    return new Promise((resolve, reject) => new Drain(stream, resolve, reject).pull());
}

// The body of an answer from the world that came encoded, {format, undone()}. Handed on as it is it stays so, with its headers. Whoever
// reads it gets what was encoded, and undone() is called before.
function decoded(incoming, { format, undone }) {
    undone();
    return incomingStream(incoming).pipeThrough(codecPair(format, DECOMPRESS_LENIENT, 'the body of the answer'));
}

// The same as a stream that may never be read: it begins with the first read, and undone() when there is a reader.
function decodedLater(incoming, coding) {
    let reader = null;
    const stream = newByteStream((controller) => {
        reader ??= acquireReader(stateOf(decoded(incoming, coding)));
        return new Promise((resolve, reject) => reader.read({
            chunk(bytes) {
                controller.enqueue(bytes);
                resolve();
            },
            close() {
                controller.close();
                if (controller.pending.length > 0) controller.respond(0);
                resolve();
            },
            error: reject,
        }));
    }, (reason) => {
        if (reader) return reader.stream.cancel(reason);
        incoming.cancel(reason);
        return RESOLVED;
    });
    stateOf(stream).onLock = coding.undone;
    return standFor(stream, incoming);
}

// The body of one Request or Response, which keeps it in a private field.
export class Body {
    source;
    isTaken = false;
    coding = null; // of an encoded source, an Incoming

    constructor(source) {
        this.source = source;
    }

    get isUsed() {
        return this.isTaken || (isReadable(this.source) && isDisturbed(this.source));
    }

    get isUnusable() {
        return this.isUsed || (isReadable(this.source) && this.source.locked);
    }

    #checkUsable() {
        if (this.isUsed) throw new TypeError('the body was used already');
        if (isReadable(this.source) && this.source.locked) throw new TypeError('the body stream is locked');
    }

    // The source, which counts as used from here on.
    take() {
        this.#checkUsable();
        if (this.source !== null) this.isTaken = true;
        return this.source;
    }

    // The source of a copy; both can be read.
    copy() {
        this.#checkUsable();
        if (this.source instanceof Uint8Array) copies.delete(this.source);
        if (this.source === null || typeof this.source === 'string' || this.source instanceof Uint8Array) return this.source;
        const [mine, other] = this.stream().tee();
        this.source = mine;
        return other;
    }

    // It has been sent, to its end.
    free() {
        const bytes = this.source;
        if (!(bytes instanceof Uint8Array) || !copies.delete(bytes)) return;
        this.source = new Uint8Array(0);
        freeBytes(bytes);
    }

    stream() {
        if (this.source === null) return null;
        if (!isReadable(this.source)) {
            this.source = this.coding ? decodedLater(this.source, this.coding) : streamOf(this.source);
            if (this.isTaken) this.source.getReader(); // used: the stream shows as locked
        }
        return this.source;
    }

    async bytes() {
        const source = this.take();
        if (source === null) return new Uint8Array(0);
        if (typeof source === 'string') return encoder.encode(source);
        if (source instanceof Uint8Array) return source;
        if (source instanceof Incoming) return this.coding ? drain(decoded(source, this.coding)) : incomingBytes(source);
        return drain(source);
    }

    async ownBytes() {
        const bytes = await this.bytes();
        return bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice();
    }

    async text() {
        if (typeof this.source === 'string') {
            const text = this.take();
            return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
        }
        return decoder.decode(await this.bytes());
    }

    textStream() {
        if (this.isUnusable) throw new TypeError('the body was used already, or is locked');
        return (this.stream() ?? streamOf('')).pipeThrough(new TextDecoderStream());
    }

    // A body is often a stranger's: bytes that nest too deep or have too many names are a RangeError, as in V8 what its stack does
    // not hold. A script that wants them all the same parses text().
    async json() {
        if (typeof this.source === 'string') return JSON.parse(await this.text());
        return host.parseJson(await this.bytes());
    }

    async blob(contentType) {
        const bytes = await this.ownBytes();
        const type = extractMimeType(contentType);
        return blobOfBytes(bytes, type === null ? '' : serializeMimeType(type));
    }

    async formData(contentType) {
        const bytes = await this.bytes();
        const type = extractMimeType(contentType);
        if (type?.essence === 'application/x-www-form-urlencoded') {
            const form = new FormData();
            for (const [name, value] of new URLSearchParams('?' + exactDecoder.decode(bytes))) form.append(name, value);
            return form;
        }
        if (type?.essence === 'multipart/form-data' && type.parameters.has('boundary'))
            return parseMultipart(bytes, type.parameters.get('boundary'));
        throw new TypeError('formData: the content-type is no form');
    }
}

// The members of the mixin, on the prototype of a class that has a Body and headers. of: gives the Body of an object.
export function includeBody(Class, of) {
    const members = {
        get body() { return of(this).stream(); },
        get bodyUsed() { return of(this).isUsed; },
        async arrayBuffer() { return (await of(this).ownBytes()).buffer; },
        blob() { return of(this).blob(this.headers.get('content-type')); },
        bytes() { return of(this).ownBytes(); },
        formData() { return of(this).formData(this.headers.get('content-type')); },
        json() { return of(this).json(); },
        text() { return of(this).text(); },
        textStream() { return of(this).textStream(); },
    };
    Object.defineProperties(Class.prototype, Object.getOwnPropertyDescriptors(members));
}

export const bodyOperations = {
    arrayBuffer: promise(), blob: promise(), bytes: promise(), formData: promise(), json: promise(), text: promise(),
    textStream: [],
};
export const bodyAttributes = { body: readonly, bodyUsed: readonly };
