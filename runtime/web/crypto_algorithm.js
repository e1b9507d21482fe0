// Algorithms of crypto.subtle and their registry (Web Cryptography 18): normalize(operation, algorithm) reads what a script has
// given, and returns the parameters with the canonical name and `run`, the function that was registered.
//
//   register('AES-GCM', { encrypt: [AesGcmParams, encrypt], importKey: [null, importAes], ... })
//
// A dictionary here is without `name`, which is read once. What a parameter refers to is copied: whatever runs later (getters of
// other arguments) changes nothing.
import { has } from './crypto_key.js';
import { DOMException } from './dom_exception.js';
import { BufferSource, DOMString, typedArrayName } from './webidl.js';

const { Uint8Array } = globalThis;
const registry = { __proto__: null }; // operation -> name in lower case -> { name, params, run }

export function register(name, operations) {
    for (const [operation, [params, run]] of Object.entries(operations)) {
        registry[operation] ??= { __proto__: null };
        registry[operation][name.toLowerCase()] = { name, params, run };
    }
}

// By its canonical name.
export function isRegistered(operation, name) {
    const all = registry[operation];
    for (const key in all) if (all[key].name === name) return true;
    return false;
}

export const fail = (name, message) => {
    throw new DOMException(message, name);
};

// (object or DOMString)
export const AlgorithmIdentifier = (value, what) =>
    (typeof value === 'function' || (typeof value === 'object' && value !== null) ? value : DOMString(value, what));

const NOT_ASCII = /[^\0-\x7f]/;

// otherwise: the operation to look for if there is none of that name in the first.
export function normalize(operation, algorithm, what = 'crypto.subtle', otherwise = operation) {
    let name = algorithm;
    if (typeof algorithm === 'string') algorithm = {};
    else {
        name = algorithm.name;
        if (name === undefined) throw new TypeError(`${what}: an algorithm needs a name`);
        name = DOMString(name, what);
    }
    const lower = NOT_ASCII.test(name) ? '' : name.toLowerCase();
    const found = registry[operation][lower] ?? registry[otherwise][lower];
    if (!found) fail('NotSupportedError', `${what}: no algorithm "${name}" for ${otherwise}`);
    const params = found.params ? found.params(algorithm, `${what}: ${found.name}`) : {};
    return { name: found.name, run: found.run, params };
}

// ---- members of dictionaries

export function bytesOf(source) {
    return ArrayBuffer.isView(source) ? new Uint8Array(source.buffer, source.byteOffset, source.byteLength) : new Uint8Array(source);
}

export const Bytes = (value, what) => new Uint8Array(bytesOf(BufferSource(value, what)));
export const BigInteger = (value, what) => {
    if (!ArrayBuffer.isView(value) || typedArrayName(value) !== 'Uint8Array') throw new TypeError(`${what}: not a Uint8Array`);
    return Bytes(value, what);
};
export const Hash = (value, what) => ({ name: normalize('hash', AlgorithmIdentifier(value, what), what).name });

// ---- what nearly all do

// The bytes of a native; undefined: it has refused.
export function done(result, what) {
    if (result === undefined) fail('OperationError', `${what}: the operation failed`);
    return result;
}

export function allow(usages, allowed, name) {
    for (let i = 0; i < usages.length; i++)
        if (!has(allowed, usages[i])) fail('SyntaxError', `a key of ${name} cannot be used to ${usages[i]}`);
}

export function expectType(key, type) {
    if (key.type !== type) fail('InvalidAccessError', `the key is no ${type} key`);
}
