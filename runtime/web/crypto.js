// crypto, as far as it goes without keys: getRandomValues and randomUUID (Web Cryptography 10).
import { DOMException } from './dom_exception.js';
import { viewOf } from './encoding.js';
import { host } from './host.js';

const QUOTA_BYTES = 65536;
const hex = Array.from({ length: 256 }, (_, i) => (i < 16 ? '0' : '') + i.toString(16));

export class Crypto {
    getRandomValues(array) {
        if (!ArrayBuffer.isView(array) || array instanceof DataView || array instanceof Float32Array ||
            array instanceof Float64Array)
            throw new DOMException('getRandomValues: not an integer typed array', 'TypeMismatchError');
        if (array.byteLength > QUOTA_BYTES)
            throw new DOMException(`getRandomValues: more than ${QUOTA_BYTES} bytes`, 'QuotaExceededError');
        host.random(viewOf(array));
        return array;
    }

    randomUUID() {
        const b = new Uint8Array(16);
        host.random(b);
        b[6] = (b[6] & 0x0f) | 0x40;
        b[8] = (b[8] & 0x3f) | 0x80;
        const h = (from, to) => b.subarray(from, to).reduce((text, byte) => text + hex[byte], '');
        return `${h(0, 4)}-${h(4, 6)}-${h(6, 8)}-${h(8, 10)}-${h(10, 16)}`;
    }

    get [Symbol.toStringTag]() { return 'Crypto'; }
}
