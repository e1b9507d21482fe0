// CryptoKey (Web Cryptography 13): what a script may see of a key. The key itself is outside of the heap, behind a handle of
// host.keySecret or host.key* (runtime/worker/key.h), which goes with this object.
import { declare, enumeration, illegal, interfaceOf, readonly } from './webidl.js';

// A script may replace Array.prototype.includes, Map.prototype.get, Uint8Array and so on. Nothing that it can reach so is given a
// key that is not extractable, or its bytes: here and in the files of the algorithms such values meet natives, operators and own
// functions only, and objects without a prototype or with all their members of their own.

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

export function has(list, item) {
    for (let i = 0; i < list.length; i++) if (list[i] === item) return true;
    return false;
}

// Those of `allowed`, each once, in order; allowed undefined: all.
function ordered(usages, allowed = USAGES) {
    const all = [];
    for (let i = 0, n = 0; i < USAGES.length; i++) if (has(usages, USAGES[i]) && has(allowed, USAGES[i])) all[n++] = USAGES[i];
    return all;
}

// usages in any order, twice or not; of them those that are allowed.
export function makeKey(type, algorithm, handle, extractable, usages, allowed = undefined) {
    return new CryptoKey(MADE, { type, extractable, algorithm, usages: ordered(usages, allowed), handle });
}

// The same key again, within the isolate: for structured clones.
export function cloneKey(key) {
    return new CryptoKey(MADE, keyOf(key));
}
