// TextEncoderStream, TextDecoderStream (Encoding Standard 7.4, 7.6).
import { TextDecoder, TextDecoderOptions, TextEncoder } from './encoding.js';
import { TransformStream } from './streams/index.js';
import { BufferSource, declare, DOMString, readonly } from './webidl.js';

let isTextEncoderStream, isTextDecoderStream;

export class TextEncoderStream {
    #transform;

    constructor() {
        const encoder = new TextEncoder();
        let high = ''; // half of a surrogate pair that a chunk ended with
        this.#transform = new TransformStream({
            transform(chunk, controller) {
                let text = high + DOMString(chunk, 'TextEncoderStream, a chunk');
                const last = text.charCodeAt(text.length - 1);
                high = last >= 0xd800 && last <= 0xdbff ? text[text.length - 1] : '';
                if (high !== '') text = text.slice(0, -1);
                if (text !== '') controller.enqueue(encoder.encode(text));
            },
            flush(controller) {
                if (high !== '') controller.enqueue(encoder.encode(high));
            },
        });
    }

    static {
        isTextEncoderStream = (value) => typeof value === 'object' && value !== null && #transform in value;
    }

    get encoding() { return 'utf-8'; }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
}

declare(TextEncoderStream, {
    is: isTextEncoderStream,
    attributes: { encoding: readonly, readable: readonly, writable: readonly },
});

export class TextDecoderStream {
    #decoder;
    #transform;

    constructor(label = 'utf-8', options = undefined) {
        label = DOMString(label, 'TextDecoderStream, argument 1');
        options = TextDecoderOptions(options, 'TextDecoderStream, argument 2');
        const decoder = (this.#decoder = new TextDecoder(label, options));
        this.#transform = new TransformStream({
            transform(chunk, controller) {
                const text = decoder.decode(BufferSource(chunk, 'TextDecoderStream, a chunk'), { stream: true });
                if (text !== '') controller.enqueue(text);
            },
            flush(controller) {
                const text = decoder.decode();
                if (text !== '') controller.enqueue(text);
            },
        });
    }

    static {
        isTextDecoderStream = (value) => typeof value === 'object' && value !== null && #decoder in value;
    }

    get encoding() { return this.#decoder.encoding; }
    get fatal() { return this.#decoder.fatal; }
    get ignoreBOM() { return this.#decoder.ignoreBOM; }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
}

declare(TextDecoderStream, {
    is: isTextDecoderStream,
    attributes: { encoding: readonly, fatal: readonly, ignoreBOM: readonly, readable: readonly, writable: readonly },
});
