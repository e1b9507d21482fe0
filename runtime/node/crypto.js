// node:crypto, as far as it computes at once: hashes, HMAC, random bytes, key derivation. The rest is crypto.subtle's.
import { Buffer } from 'node:buffer';
import { Transform } from 'node:stream';
import * as native from 'hearth:crypto';

const names = {
    md5: 'MD5', sha1: 'SHA-1', sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512',
    'sha3-256': 'SHA3-256', 'sha3-384': 'SHA3-384', 'sha3-512': 'SHA3-512',
};

function fault(code, text) {
    return Object.assign(new Error(text), { code });
}

function nameOf(algorithm) {
    const name = String(algorithm).toLowerCase().replace(/^rsa-/, '').replace(/^sha-(\d)/, 'sha$1');
    if (!names[name]) throw fault('ERR_OSSL_EVP_UNSUPPORTED', `the digest "${algorithm}" is not supported`);
    return names[name];
}

function bytesOf(data, encoding) {
    if (data instanceof KeyObject) return data.export();
    if (typeof data === 'string') return Buffer.from(data, encoding);
    if (ArrayBuffer.isView(data)) return Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (data instanceof ArrayBuffer) return Buffer.from(data);
    throw Object.assign(new TypeError('data must be a string, a Buffer, a TypedArray or a DataView'), { code: 'ERR_INVALID_ARG_TYPE' });
}

function done(bytes, what) {
    if (!bytes) throw fault('ERR_CRYPTO_OPERATION_FAILED', `${what} failed`);
    return Buffer.from(bytes);
}

function encoded(bytes, encoding) {
    return encoding && encoding !== 'buffer' ? bytes.toString(encoding) : bytes;
}

// What Hash and Hmac share: they are streams too, whose one chunk is the digest.
class Digest extends Transform {
    #isOver = false;

    update(data, encoding) {
        if (this.#isOver) throw fault('ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
        this.add(bytesOf(data, encoding));
        return this;
    }

    digest(encoding) {
        if (this.#isOver) throw fault('ERR_CRYPTO_HASH_FINALIZED', 'Digest already called');
        this.#isOver = true;
        return encoded(done(this.finish(), 'the digest'), encoding);
    }

    _transform(chunk, encoding, callback) {
        this.update(chunk, encoding);
        callback();
    }

    _flush(callback) {
        callback(null, this.digest());
    }
}

export class Hash extends Digest {
    #handle;

    constructor(algorithm, options) {
        super(options);
        this.#handle = native.digestStart(nameOf(algorithm));
    }

    add(bytes) { native.digestUpdate(this.#handle, bytes); }
    finish() { return native.digestEnd(this.#handle); }
}

export class Hmac extends Digest {
    #hash; #key;
    #chunks = [];

    constructor(algorithm, key, options) {
        super(options);
        this.#hash = nameOf(algorithm);
        this.#key = bytesOf(key);
    }

    add(bytes) { this.#chunks.push(Buffer.from(bytes)); }
    finish() { return native.hmac(this.#key, this.#hash, Buffer.concat(this.#chunks)); }
}

// Secret keys only.
export class KeyObject {
    #bytes;

    constructor(bytes) {
        this.#bytes = Buffer.from(bytes);
    }

    get type() { return 'secret'; }
    get symmetricKeySize() { return this.#bytes.length; }

    export({ format = 'buffer' } = {}) {
        return format === 'jwk' ? { kty: 'oct', k: this.#bytes.toString('base64url') } : Buffer.from(this.#bytes);
    }

    equals(other) { return other instanceof KeyObject && this.#bytes.equals(other.export()); }
}

export const createHash = (algorithm, options) => new Hash(algorithm, options);
export const createHmac = (algorithm, key, options) => new Hmac(algorithm, key, options);
export const createSecretKey = (key, encoding) => new KeyObject(bytesOf(key, encoding));
export const hash = (algorithm, data, encoding = 'hex') => createHash(algorithm).update(data).digest(encoding);
export const getHashes = () => Object.keys(names);

// Packages ask whether a key is one of these before they take it for a secret.
function noPair() {
    throw fault('ERR_OSSL_UNSUPPORTED', 'keys of a pair are not read here: crypto.subtle.importKey does');
}
export const createPrivateKey = noPair, createPublicKey = noPair;

export function timingSafeEqual(a, b) {
    const one = bytesOf(a), other = bytesOf(b);
    if (one.length !== other.length) throw fault('ERR_CRYPTO_TIMING_SAFE_EQUAL_LENGTH', 'Input buffers must have the same byte length');
    return native.equalBytes(one, other);
}

export function randomFillSync(bytes, offset = 0, size = bytes.byteLength - offset) {
    const view = new Uint8Array(bytes.buffer ?? bytes, (bytes.byteOffset ?? 0) + offset, size);
    for (let at = 0; at < view.length; at += 65536) crypto.getRandomValues(view.subarray(at, at + 65536));
    return bytes;
}

// What is done at once, told later.
function later(callback, work) {
    let result, error = null;
    try {
        result = work();
    } catch (caught) {
        error = caught;
    }
    queueMicrotask(() => (error ? callback(error) : callback(null, result)));
}

export function randomBytes(size, callback) {
    const work = () => randomFillSync(Buffer.alloc(size));
    return callback ? later(callback, work) : work();
}

export function randomInt(min, max, callback) {
    if (max === undefined || typeof max === 'function') [min, max, callback] = [0, min, max];
    const range = max - min;
    if (!Number.isSafeInteger(min) || !Number.isSafeInteger(max) || range <= 0 || range >= 2 ** 48)
        throw new RangeError('randomInt: no such range');
    const limit = 2 ** 48 - (2 ** 48 % range);
    const work = () => {
        for (;;) {
            const drawn = randomBytes(6).readUIntBE(0, 6);
            if (drawn < limit) return min + (drawn % range);
        }
    };
    return callback ? later(callback, work) : work();
}

export function pbkdf2Sync(password, salt, iterations, length, digest) {
    return done(native.pbkdf2(bytesOf(password), nameOf(digest), bytesOf(salt), iterations, length), 'pbkdf2');
}
export function pbkdf2(password, salt, iterations, length, digest, callback) {
    later(callback, () => pbkdf2Sync(password, salt, iterations, length, digest));
}
export function hkdfSync(digest, key, salt, info, length) {
    return new Uint8Array(done(native.hkdf(bytesOf(key), nameOf(digest), bytesOf(salt), bytesOf(info), length), 'hkdf')).buffer;
}
export function hkdf(digest, key, salt, info, length, callback) {
    later(callback, () => hkdfSync(digest, key, salt, info, length));
}

export const randomUUID = () => crypto.randomUUID();
export const getRandomValues = (bytes) => crypto.getRandomValues(bytes);
export const webcrypto = crypto, subtle = crypto.subtle;
export const constants = {};

export default {
    Hash, Hmac, KeyObject, constants, createHash, createHmac, createPrivateKey, createPublicKey, createSecretKey, getHashes,
    getRandomValues, hash, hkdf, hkdfSync,
    pbkdf2, pbkdf2Sync, randomBytes, randomFillSync, randomInt, randomUUID, subtle, timingSafeEqual, webcrypto,
};
