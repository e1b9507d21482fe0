// Streams, and the two text transforms that belong to the Encoding Standard.
import { TextDecoder, TextEncoder } from './encoding.js';
import { TransformStream } from './streams/index.js';

export * from './streams/index.js';

export class TextEncoderStream {
    #transform;
    constructor() {
        const encoder = new TextEncoder();
        let high = ''; // half of a surrogate pair that a chunk ended with
        this.#transform = new TransformStream({
            transform(chunk, controller) {
                let text = high + String(chunk);
                const last = text.charCodeAt(text.length - 1);
                high = last >= 0xd800 && last <= 0xdbff ? text.at(-1) : '';
                text = high ? text.slice(0, -1) : text;
                if (text) controller.enqueue(encoder.encode(text));
            },
            flush(controller) {
                if (high) controller.enqueue(encoder.encode(high));
            },
        });
    }
    get encoding() { return 'utf-8'; }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
    get [Symbol.toStringTag]() { return 'TextEncoderStream'; }
}

export class TextDecoderStream {
    #decoder; #transform;
    constructor(label, options) {
        const decoder = (this.#decoder = new TextDecoder(label, options));
        this.#transform = new TransformStream({
            transform(chunk, controller) {
                const text = decoder.decode(chunk, { stream: true });
                if (text) controller.enqueue(text);
            },
            flush(controller) {
                const text = decoder.decode();
                if (text) controller.enqueue(text);
            },
        });
    }
    get encoding() { return this.#decoder.encoding; }
    get fatal() { return this.#decoder.fatal; }
    get ignoreBOM() { return this.#decoder.ignoreBOM; }
    get readable() { return this.#transform.readable; }
    get writable() { return this.#transform.writable; }
    get [Symbol.toStringTag]() { return 'TextDecoderStream'; }
}
