// TextEncoder, TextDecoder (Encoding Standard). The work is done by natives: runtime/worker/encodings.h, decoder.h.
import { host } from './host.js';
import {
    boolean, BufferSource, declare, dictionary, DOMString, isArrayBuffer, optional, readonly, typedArrayName,
} from './webidl.js';

let isTextEncoder, isTextDecoder;

const EMPTY = new Uint8Array(0);
const counts = new Uint32Array(2); // of encodeInto: read, written

// The bytes that a BufferSource shows, without a copy.
export function viewOf(source) {
    if (source instanceof Uint8Array) return source;
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    if (isArrayBuffer(source)) return new Uint8Array(source);
    throw new TypeError('not an ArrayBuffer or a view of one');
}

const destination = (value, what) => {
    if (typedArrayName(value) !== 'Uint8Array') throw new TypeError(`${what}: not a Uint8Array`);
    return BufferSource(value, what);
};

export class TextEncoder {
    #brand;

    static {
        isTextEncoder = (value) => typeof value === 'object' && value !== null && #brand in value;
    }

    get encoding() { return 'utf-8'; }

    encode(text) { return host.utf8Encode(text); }

    encodeInto(text, into) {
        host.encodeInto(text, into, counts);
        return { read: counts[0], written: counts[1] };
    }
}

// USVString is what the natives make of a DOMString.
declare(TextEncoder, {
    is: isTextEncoder,
    operations: { encode: [optional(DOMString, '')], encodeInto: [DOMString, destination] },
    attributes: { encoding: readonly },
});

export const TextDecoderOptions = dictionary('TextDecoderOptions', { fatal: [boolean, false], ignoreBOM: [boolean, false] });
const TextDecodeOptions = dictionary('TextDecodeOptions', { stream: [boolean, false] });
// BufferSource, or one over shared memory: there is none.
const input = (value, what) => (typedArrayName(value) === 'Uint8Array' ? value : viewOf(BufferSource(value, what)));

const UTF_8 = 0; // of enum encoding; what else there is only C knows
const FATAL = 1;
const IGNORE_BOM = 2;
const MORE = 4;
const STATE_BYTES = 16;

export class TextDecoder {
    #encoding = UTF_8;
    #flags = 0;
    #state = undefined; // what a stream keeps, the natives' business

    constructor(label = 'utf-8', options = undefined) {
        label = DOMString(label, 'TextDecoder, argument 1');
        options = TextDecoderOptions(options, 'TextDecoder, argument 2');
        if (label !== 'utf-8') {
            this.#encoding = host.encodingOf(label);
            if (this.#encoding < 0) throw new RangeError(`TextDecoder: "${label}" is no label of an encoding`);
        }
        if (options.fatal) this.#flags |= FATAL;
        if (options.ignoreBOM) this.#flags |= IGNORE_BOM;
    }

    static {
        isTextDecoder = (value) => typeof value === 'object' && value !== null && #flags in value;
    }

    get encoding() { return host.encodingName(this.#encoding); }
    get fatal() { return (this.#flags & FATAL) !== 0; }
    get ignoreBOM() { return (this.#flags & IGNORE_BOM) !== 0; }

    decode(bytes, options) {
        let flags = this.#flags;
        if (options.stream) {
            flags |= MORE;
            this.#state ??= new Uint8Array(STATE_BYTES);
        }
        const text = host.decode(this.#encoding, bytes, flags, this.#state);
        if (text === undefined) throw new TypeError(`TextDecoder: the bytes are not valid ${this.encoding}`);
        return text;
    }
}

declare(TextDecoder, {
    is: isTextDecoder,
    operations: { decode: [optional(input, EMPTY), optional(TextDecodeOptions)] },
    attributes: { encoding: readonly, fatal: readonly, ignoreBOM: readonly },
});
