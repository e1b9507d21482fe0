// A script whose modules replace what JavaScript itself brings sees no key that is not extractable, and not what it is made of.
import { equal, ok, suite } from './assert.mjs';

const { subtle } = crypto;
const { apply, construct, ownKeys, getOwnPropertyDescriptor, defineProperty } = Reflect;
const bytesOf = Uint8Array;
const lengthOf = getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), 'length').get;
const { isView } = ArrayBuffer;
const buffers = ArrayBuffer.prototype;
const { isPrototypeOf } = Object.prototype;
const isBuffer = (value) => apply(isPrototypeOf, buffers, [value]);

const secrets = []; // as text: bytes with commas, and base64url
let caught = [];
let on = false;

function look(value) {
    if (typeof value === 'string') {
        for (let i = 0; i < secrets.length; i++) if (secrets[i].text === value) caught[caught.length] = 'text';
    } else if (typeof value === 'object' && value !== null) {
        if (isView(value) || isBuffer(value)) {
            const view = new bytesOf(isView(value) ? value.buffer : value);
            for (let i = 0; i < secrets.length; i++) {
                let same = apply(lengthOf, view, []) >= secrets[i].bytes.length;
                for (let k = 0; same && k < secrets[i].bytes.length; k++) same = view[k] === secrets[i].bytes[k];
                if (same) caught[caught.length] = 'bytes';
            }
        } else {
            for (const name of ['handle', 'extractable', 'k', 'd', 'p', 'priv'])
                if (getOwnPropertyDescriptor(value, name)) caught[caught.length] = `an object with ${name}`;
        }
    }
}

function watched(name, fn) {
    const seen = function (...args) {
        if (!on) return new.target ? construct(fn, args, new.target === seen ? fn : new.target) : apply(fn, this, args);
        on = false;
        const before = caught.length;
        look(this);
        for (let i = 0; i < args.length; i++) look(args[i]);
        if (caught.length > before) caught[before] = `${name}: ${caught[before]}`;
        on = true;
        return new.target ? construct(fn, args, new.target === seen ? fn : new.target) : apply(fn, this, args);
    };
    seen.prototype = fn.prototype;
    return Object.setPrototypeOf(seen, fn);
}

const undo = [];

function replace(target, key, descriptor) {
    const before = getOwnPropertyDescriptor(target, key);
    if (before && !before.configurable && !before.writable) return;
    undo.push(() => (before ? defineProperty(target, key, before) : delete target[key]));
    defineProperty(target, key, { ...(before ?? {}), ...descriptor, configurable: true });
}

function replaceAll() {
    const prototypes = {
        Array: Array.prototype, Map: Map.prototype, Set: Set.prototype, String: String.prototype, RegExp: RegExp.prototype, Promise: Promise.prototype,
        Function: Function.prototype, ArrayBuffer: ArrayBuffer.prototype, TypedArray: Object.getPrototypeOf(Uint8Array.prototype), Uint8Array: Uint8Array.prototype,
        Iterator: Object.getPrototypeOf([][Symbol.iterator]()), TextDecoder: TextDecoder.prototype, TextEncoder: TextEncoder.prototype,
        JSON, Object, Reflect, Math, Promises: Promise, Uint8Arrays: Uint8Array, Arrays: Array, ArrayBuffers: ArrayBuffer,
    };
    for (const [owner, target] of Object.entries(prototypes))
        for (const key of ownKeys(target)) {
            if (key === 'constructor' || key === 'prototype') continue;
            const { value, get } = getOwnPropertyDescriptor(target, key);
            if (typeof value === 'function') replace(target, key, { value: watched(`${owner}.${String(key)}`, value) });
            else if (get) replace(target, key, { get: watched(`${owner}.${String(key)}`, get) });
        }
    for (const name of ['Uint8Array', 'ArrayBuffer', 'Map', 'Set', 'Array', 'Object']) replace(globalThis, name, { value: watched(name, globalThis[name]) });
    for (const name of ['name', 'run', 'params', 'handle', 'type', 'extractable', 'usages', 'algorithm', 'hash', 'length', 'iv', 'k', 'd', 'p', 'q', 'alg', 'use', 'ext', 'key_ops', 'oth',
        'priv', 'get', 'set', 'then', 'isPromise', 'value', '0', '1']) {
        if (name === 'value' || name === 'get' || name === 'set' || name === 'then') continue; // descriptors and promises are everybody's
        replace(Object.prototype, name, {
            get: watched(`Object.prototype.${name}`, () => undefined),
            set: watched(`Object.prototype.${name} =`, function (value) { defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true }); }),
        });
    }
}

async function watch(run) {
    caught = [];
    replaceAll();
    on = true;
    try {
        await run();
    } finally {
        on = false;
        while (undo.length) undo[undo.length - 1](), undo.length--;
    }
    return caught;
}

function secret(buffer) {
    const bytes = new Uint8Array(buffer);
    secrets.push({ bytes: Array.from(bytes), text: bytes.toBase64({ alphabet: 'base64url', omitPadding: true }) });
}

const iv = new Uint8Array(12);
const pbkdf2 = { name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(4), iterations: 3 };
const password = await subtle.importKey('raw', new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]), 'PBKDF2', false, ['deriveBits', 'deriveKey']);
secret(await subtle.deriveBits(pbkdf2, password, 256));

export default suite({
    'what looks sees what it should': async () => {
        const seen = await watch(async () => {
            const bits = new Uint8Array(await subtle.deriveBits(pbkdf2, password, 256));
            bits.slice();
        });
        ok(seen.length > 0, 'something that was seen');
    },
    'a derived key': async () => {
        for (const algorithm of [{ name: 'AES-GCM', length: 256 }, { name: 'HMAC', hash: 'SHA-256', length: 256 }])
            equal(await watch(async () => subtle.deriveKey(pbkdf2, password, algorithm, false, algorithm.hash ? ['sign'] : ['encrypt'])), []);
    },
    'an unwrapped key, raw, as PKCS #8 and as JWK': async () => {
        const wrapping = await subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['wrapKey', 'unwrapKey']);
        const params = { name: 'AES-GCM', iv };
        const rows = [
            [await subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']), { name: 'HMAC', hash: 'SHA-256' }, ['raw', 'jwk'], 'k'],
            [(await subtle.generateKey('Ed25519', true, ['sign'])).privateKey, 'Ed25519', ['pkcs8', 'jwk'], 'd'],
            [(await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])).privateKey, { name: 'ECDSA', namedCurve: 'P-256' }, ['pkcs8', 'jwk'], 'd'],
            [(await subtle.generateKey('ML-KEM-768', true, ['decapsulateBits'])).privateKey, 'ML-KEM-768', ['pkcs8', 'jwk', 'raw-seed'], 'priv'],
        ];
        for (const [key, algorithm, formats, member] of rows) {
            secret(Uint8Array.fromBase64((await subtle.exportKey('jwk', key))[member], { alphabet: 'base64url' }));
            for (const format of formats) {
                if (format !== 'jwk') secret(await subtle.exportKey(format, key));
                const wrapped = await subtle.wrapKey(format, key, wrapping, params);
                equal(await watch(async () => subtle.unwrapKey(format, wrapped, wrapping, params, algorithm, false, key.usages)), [], `${key.algorithm.name} ${format}`);
            }
        }
    },
    'keys that are made, agreed and used': async () => {
        const seen = await watch(async () => {
            const aes = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt', 'decrypt']);
            await subtle.decrypt({ name: 'AES-GCM', iv }, aes, await subtle.encrypt({ name: 'AES-GCM', iv }, aes, iv));
            const { publicKey, privateKey } = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveKey']);
            await subtle.deriveKey({ name: 'ECDH', public: publicKey }, privateKey, { name: 'AES-GCM', length: 128 }, false, ['encrypt']);
            const kem = await subtle.generateKey('ML-KEM-512', false, ['encapsulateKey', 'decapsulateKey']);
            const { ciphertext } = await subtle.encapsulateKey('ML-KEM-512', kem.publicKey, 'AES-GCM', false, ['encrypt']);
            await subtle.decapsulateKey('ML-KEM-512', kem.privateKey, ciphertext, 'AES-GCM', false, ['encrypt']);
            const rsa = await subtle.generateKey({ name: 'RSA-PSS', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['sign']);
            await subtle.sign({ name: 'RSA-PSS', saltLength: 0 }, rsa.privateKey, iv);
            await subtle.exportKey('jwk', rsa.privateKey).catch(() => {});
            await subtle.wrapKey('jwk', rsa.privateKey, aes, { name: 'AES-GCM', iv }).catch(() => {});
        });
        equal(seen, []);
    },
});
