// Blob and File (File API), held in memory.
import { TextDecoder, TextEncoder, viewOf } from './encoding.js';
import { ReadableStream } from './streams.js';

const encoder = new TextEncoder();

function bytesOf(part) {
    if (part instanceof Blob) return blobBytes(part);
    if (part instanceof ArrayBuffer || ArrayBuffer.isView(part)) return viewOf(part);
    return encoder.encode(String(part));
}

export function concat(parts) {
    const all = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
    let at = 0;
    for (const part of parts) {
        all.set(part, at);
        at += part.length;
    }
    return all;
}

const { transfer } = ArrayBuffer.prototype;
const { apply } = Reflect;

// Of bytes that nobody can see any more: they do not wait for a collection, which many of them would make the more frequent.
export function freeBytes(bytes) {
    apply(transfer, bytes.buffer, [0]);
}

export let blobBytes; // the bytes of a Blob, not to be changed

export class Blob {
    #bytes; #type;

    constructor(parts = [], options = {}) {
        if (typeof parts !== 'object' || parts === null || typeof parts[Symbol.iterator] !== 'function')
            throw new TypeError('Blob: the parts are not a sequence');
        this.#bytes = concat(Array.from(parts, bytesOf));
        const type = String(options?.type ?? '');
        this.#type = /^[\x20-\x7e]*$/.test(type) ? type.toLowerCase() : '';
    }

    static {
        blobBytes = (blob) => blob.#bytes;
    }

    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    async text() { return new TextDecoder().decode(this.#bytes); }
    async bytes() { return this.#bytes.slice(); }
    async arrayBuffer() { return this.#bytes.slice().buffer; }

    slice(from = 0, to = this.size, type = '') {
        const at = (n) => (n < 0 ? Math.max(this.size + n, 0) : Math.min(n, this.size));
        return new Blob([this.#bytes.subarray(at(from), Math.max(at(from), at(to)))], { type });
    }

    stream() {
        const bytes = this.#bytes;
        return new ReadableStream({
            type: 'bytes',
            start(controller) {
                if (bytes.length) controller.enqueue(bytes.slice());
                controller.close();
            },
        });
    }

    get [Symbol.toStringTag]() { return 'Blob'; }
}

export class File extends Blob {
    #name; #lastModified;
    constructor(parts, name, options = {}) {
        if (arguments.length < 2) throw new TypeError('File: parts and a name are required');
        super(parts, options);
        this.#name = String(name);
        this.#lastModified = Number(options?.lastModified ?? Date.now());
    }
    get name() { return this.#name; }
    get lastModified() { return this.#lastModified; }
    get webkitRelativePath() { return ''; }
    get [Symbol.toStringTag]() { return 'File'; }
}
