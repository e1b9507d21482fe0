// Blob, File (File API 3, 4): bytes in memory, shared by slices.
import { TextDecoder, TextEncoder, viewOf } from './encoding.js';
import { ReadableStream } from './streams/index.js';
import { TextDecoderStream } from './text_streams.js';
import { BufferSource, clamp, declare, dictionary, DOMString, enumeration, isBufferSource, longLong, optional, promise, readonly, required, sequence, USVString } from './webidl.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

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
export let isBlob, isFile, blobOfBytes;

// (BufferSource or Blob or USVString)
function BlobPart(part, what) {
    return isBlob(part) ? part : isBufferSource(part) ? BufferSource(part, what) : USVString(part, what);
}

const BlobPropertyBag = dictionary('BlobPropertyBag', {
    endings: [enumeration('EndingType', ['transparent', 'native']), 'transparent'],
    type: [DOMString, ''],
});
const FilePropertyBag = dictionary('FilePropertyBag', { lastModified: longLong }, BlobPropertyBag);
const BlobParts = sequence(BlobPart);

function bytesOf(part, endings) {
    if (isBlob(part)) return blobBytes(part);
    if (typeof part !== 'string') return viewOf(part);
    return encoder.encode(endings === 'native' ? part.replace(/\r\n?/g, '\n') : part);
}

const normalized = (type) => (/^[\x20-\x7e]*$/.test(type) ? type.toLowerCase() : '');
const OF_BYTES = Symbol('bytes');

export class Blob {
    #bytes; #type;

    constructor(parts = undefined, options = undefined) {
        if (parts === OF_BYTES) {
            this.#bytes = options.bytes;
            this.#type = options.type;
            return;
        }
        const list = parts === undefined ? [] : BlobParts(parts, 'Blob, argument 1');
        const { endings, type } = BlobPropertyBag(options, 'Blob, argument 2');
        this.#bytes = concat(list.map((part) => bytesOf(part, endings)));
        this.#type = normalized(type);
    }

    static {
        isBlob = (value) => typeof value === 'object' && value !== null && #bytes in value;
        blobBytes = (blob) => blob.#bytes;
        blobOfBytes = (bytes, type) => new Blob(OF_BYTES, { bytes, type });
    }

    get size() { return this.#bytes.length; }
    get type() { return this.#type; }
    async text() { return decoder.decode(this.#bytes); }
    async bytes() { return this.#bytes.slice(); }
    async arrayBuffer() { return this.#bytes.slice().buffer; }

    slice(from, to, type) {
        const size = this.#bytes.length;
        const at = (n) => (n < 0 ? Math.max(size + n, 0) : Math.min(n, size));
        const begin = at(from);
        return blobOfBytes(this.#bytes.subarray(begin, Math.max(begin, to === undefined ? size : at(to))), normalized(type));
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

    textStream() { return this.stream().pipeThrough(new TextDecoderStream()); }
}

declare(Blob, {
    is: isBlob,
    operations: {
        arrayBuffer: promise(),
        bytes: promise(),
        slice: [optional(clamp(longLong), 0), optional(clamp(longLong)), optional(DOMString, '')],
        stream: [],
        text: promise(),
        textStream: [],
    },
    attributes: { size: readonly, type: readonly },
});

export class File extends Blob {
    #name; #lastModified;

    constructor(parts, name, options = undefined) {
        if (parts === OF_BYTES) {
            super(parts, options);
            this.#name = name;
            this.#lastModified = options.lastModified ?? Date.now();
            return;
        }
        required(arguments, 2, 'File');
        parts = BlobParts(parts, 'File, argument 1');
        name = USVString(name, 'File, argument 2');
        options = FilePropertyBag(options, 'File, argument 3');
        super(parts, options);
        this.#name = name;
        this.#lastModified = options.lastModified ?? Date.now();
    }

    static {
        isFile = (value) => typeof value === 'object' && value !== null && #name in value;
    }

    get name() { return this.#name; }
    get lastModified() { return this.#lastModified; }
}

declare(File, {
    constructor: 2,
    is: isFile,
    attributes: { name: readonly, lastModified: readonly },
});

// A File of bytes that are shared with who gave them.
export function fileOfBytes(bytes, type, name, lastModified = undefined) {
    return new File(OF_BYTES, name, { bytes, type, lastModified });
}
