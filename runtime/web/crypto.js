// Crypto (Web Cryptography 10), with Workers' DigestStream.
import { QuotaExceededError } from './dom_exception.js';
import { bytesOf, fail } from './crypto_algorithm.js';
import { DigestStream } from './digest_stream.js';
import { host } from './host.js';
import { subtle } from './subtle.js';
import { declare, illegal, readonly, typedArrayName } from './webidl.js';

const QUOTA_BYTES = 65536;
const FLOATS = /^Float/;
const hex = Array.from({ length: 256 }, (_, i) => (i < 16 ? '0' : '') + i.toString(16));

// ArrayBufferView
function View(value, what) {
    if (!ArrayBuffer.isView(value)) throw new TypeError(`${what}: not a view of an ArrayBuffer`);
    return value;
}

export class Crypto {
    constructor() {
        throw illegal('Crypto');
    }

    get subtle() { return subtle; }

    getRandomValues(array) {
        const name = typedArrayName(array);
        if (name === undefined || FLOATS.test(name)) fail('TypeMismatchError', 'getRandomValues: not an integer typed array');
        const bytes = bytesOf(array);
        if (bytes.length > QUOTA_BYTES) throw new QuotaExceededError(`getRandomValues: more than ${QUOTA_BYTES} bytes`);
        host.random(bytes);
        return array;
    }

    randomUUID() {
        const b = new Uint8Array(16);
        host.random(b);
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        let text = '';
        for (let i = 0; i < 16; i++) text += (i === 4 || i === 6 || i === 8 || i === 10 ? '-' : '') + hex[b[i]];
        return text;
    }

    get DigestStream() { return DigestStream; }
}

export const crypto = Object.create(Crypto.prototype);
declare(Crypto, {
    is: (value) => value === crypto,
    operations: { getRandomValues: [View], randomUUID: [] },
    attributes: { DigestStream: readonly, subtle: readonly },
});
