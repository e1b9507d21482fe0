// CryptoKey (Web Cryptography 13): what a script may see of a key. The key itself is outside of the heap, behind a handle of
// host.keySecret or host.key* (runtime/worker/key.h), which goes with this object.
import { declare, enumeration, illegal, interfaceOf, readonly } from './webidl.js';

// In the order of the standards: that of `usages`.
const USAGES = [
    'encrypt', 'decrypt', 'sign', 'verify', 'deriveKey', 'deriveBits', 'wrapKey', 'unwrapKey',
    'encapsulateKey', 'encapsulateBits', 'decapsulateKey', 'decapsulateBits',
];
export const KeyUsage = enumeration('KeyUsage', USAGES);

const MADE = Symbol('made');
export let isCryptoKey;
// What a key is made of: { type, extractable, algorithm, usages, handle }. Scripts never see this object.
export let keyOf;

function shown({ ...algorithm }) {
    if (algorithm.publicExponent) algorithm.publicExponent = new Uint8Array(algorithm.publicExponent);
    if (algorithm.hash) algorithm.hash = { name: algorithm.hash.name };
    return algorithm;
}

export class CryptoKey {
    #key; #algorithm; #usages; // the last two: what the script has been shown, the same object each time

    constructor(token = undefined, key = undefined) {
        if (token !== MADE) throw illegal('CryptoKey');
        this.#key = key;
    }

    static {
        isCryptoKey = (value) => typeof value === 'object' && value !== null && #key in value;
        keyOf = (value) => value.#key;
    }

    get type() { return this.#key.type; }
    get extractable() { return this.#key.extractable; }
    get algorithm() { return (this.#algorithm ??= shown(this.#key.algorithm)); }
    get usages() { return (this.#usages ??= [...this.#key.usages]); }
}

declare(CryptoKey, {
    is: isCryptoKey,
    attributes: { type: readonly, extractable: readonly, algorithm: readonly, usages: readonly },
});

export const CryptoKeyType = interfaceOf('CryptoKey', (value) => isCryptoKey(value));

// usages in any order, twice or not.
export function makeKey(type, algorithm, handle, extractable, usages) {
    return new CryptoKey(MADE, { type, extractable, algorithm, usages: USAGES.filter((usage) => usages.includes(usage)), handle });
}

// The same key again, within the isolate: for structured clones.
export function cloneKey(key) {
    return new CryptoKey(MADE, keyOf(key));
}
