// Algorithms with one secret key: AES, ChaCha20-Poly1305, HMAC; those that derive from one, HKDF and PBKDF2; and hashes.
import { allow, Bytes, done, fail, Hash, register } from './crypto_algorithm.js';
import { has, makeKey } from './crypto_key.js';
import { host } from './host.js';
import { base64url, checkAlg, checkType, checkUse, jwkOf, octets } from './jwk.js';
import { dictionary, enforceRange, octet, requiredMember, unsignedLong, unsignedShort } from './webidl.js';

const uint32 = enforceRange(unsignedLong);
const isRaw = (format) => format === 'raw' || format === 'raw-secret';
const unsupported = (name, format) => fail('NotSupportedError', `${name}: no keys in the format "${format}"`);

// ---- hashes

for (const name of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512', 'SHA3-256', 'SHA3-384', 'SHA3-512'])
    register(name, { digest: [null, (algorithm, data) => host.digest(name, data)], hash: [null] });
register('MD5', { digest: [null, (algorithm, data) => host.digest('MD5', data)] });

const CShakeParams = dictionary('CShakeParams', {
    customization: Bytes, functionName: Bytes, length: uint32, outputLength: uint32,
});

// left_encode and encode_string of NIST SP 800-185.
function leftEncoded(number) {
    const bytes = [];
    for (; number > 0; number = Math.floor(number / 256)) bytes.unshift(number % 256);
    if (bytes.length === 0) bytes.push(0);
    return [bytes.length, ...bytes];
}

function prefixOf(rate, strings) {
    const parts = [Uint8Array.from(leftEncoded(rate))];
    for (const string of strings) parts.push(Uint8Array.from(leftEncoded(string.length * 8)), string);
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const prefix = new Uint8Array(Math.ceil(length / rate) * rate);
    let at = 0;
    for (const part of parts) {
        prefix.set(part, at);
        at += part.length;
    }
    return prefix;
}

const NOTHING = new Uint8Array(0);

function masked(buffer, bits) {
    if (bits % 8) new Uint8Array(buffer)[buffer.byteLength - 1] &= 0xff << (8 - (bits % 8));
    return buffer;
}

// The length was called `length` in earlier drafts.
for (const [strength, rate] of [[128, 168], [256, 136]]) {
    const run = ({ functionName = NOTHING, customization = NOTHING, length, outputLength = length }, data) => {
        const bytes = Math.ceil(outputLength / 8);
        if (functionName.length === 0 && customization.length === 0)
            return masked(done(host.digest(`SHAKE${strength}`, data, NOTHING, bytes), 'digest'), outputLength);
        const prefix = prefixOf(rate, [functionName, customization]);
        return masked(done(host.digest(`CSHAKE${strength}`, data, prefix, bytes), 'digest'), outputLength);
    };
    const params = (value, what) => {
        const given = CShakeParams(value, what);
        if ((given.outputLength ?? given.length) === undefined) throw new TypeError(`${what}: CShakeParams needs outputLength`);
        return given;
    };
    register(`cSHAKE${strength}`, { digest: [params, run] });
}

// ---- AES, ChaCha20-Poly1305

const AesKeyParams = dictionary('AesDerivedKeyParams', { length: requiredMember(enforceRange(unsignedShort)) });
const AesCbcParams = dictionary('AesCbcParams', { iv: requiredMember(Bytes) });
const AesCtrParams = dictionary('AesCtrParams', { counter: requiredMember(Bytes), length: requiredMember(enforceRange(octet)) });
const AeadParams = dictionary('AeadParams', { additionalData: Bytes, iv: requiredMember(Bytes), tagLength: enforceRange(octet) });

const cipher = (mode, encrypts, key, iv, data, additional, bits) =>
    done(host.cipher(mode, encrypts, key.handle, iv, data, additional, bits), encrypts ? 'encrypt' : 'decrypt');

const isAesLength = (bits) => bits === 128 || bits === 192 || bits === 256;

function aesLength({ length }) {
    if (!isAesLength(length)) fail('OperationError', 'a key of AES has 128, 192 or 256 bits');
    return length;
}

// suffix: of a JWK's "alg". fixed: bits of the only length there is.
function registerCipher(name, suffix, usages, operations, { fixed, isModern = false } = {}) {
    const algorithmOf = (length) => (fixed ? { name } : { name, length });
    const make = (handle, extractable, given) => makeKey('secret', algorithmOf(host.keyLength(handle) * 8), handle, extractable, given);
    const alg = (bits) => (fixed ? suffix : `A${bits}${suffix}`);
    const isHere = (format) => format === 'raw-secret' || (format === 'raw' && !isModern);

    register(name, {
        ...operations,
        generateKey: [fixed ? null : AesKeyParams, (algorithm, extractable, given) => {
            allow(given, usages, name);
            return make(host.keyRandom(fixed ?? aesLength(algorithm)), extractable, given);
        }],
        importKey: [null, (algorithm, format, data, extractable, given) => {
            allow(given, usages, name);
            let bytes = data;
            if (format === 'jwk') {
                checkType(data, 'oct');
                bytes = octets(data, 'k');
            } else if (!isHere(format)) unsupported(name, format);
            const handle = host.keySecret(bytes);
            const bits = host.keyLength(handle) * 8;
            if (fixed ? bits !== fixed : !isAesLength(bits)) fail('DataError', `${name}: no key has ${bits} bits`);
            if (format === 'jwk') {
                checkAlg(data, alg(bits));
                checkUse(data, 'enc', extractable, given);
            }
            return make(handle, extractable, given);
        }],
        exportKey: [null, (key, format) => {
            const bytes = host.keyBytes(key.handle);
            if (format === 'jwk') return jwkOf(key, { kty: 'oct', k: base64url(bytes), alg: alg(bytes.byteLength * 8) });
            return isHere(format) ? bytes : unsupported(name, format);
        }],
        getKeyLength: [fixed ? null : AesKeyParams, (algorithm) => fixed ?? aesLength(algorithm)],
    });
}

const ALL = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];
const both = (params, run) => ({
    encrypt: [params, (algorithm, key, data) => run(algorithm, key, data, true)],
    decrypt: [params, (algorithm, key, data) => run(algorithm, key, data, false)],
});

registerCipher('AES-CBC', 'CBC', ALL, both(AesCbcParams, ({ iv }, key, data, encrypts) => {
    if (iv.length !== 16) fail('OperationError', 'AES-CBC: the iv has not 16 bytes');
    return cipher('CBC', encrypts, key, iv, data, undefined, 0);
}));

registerCipher('AES-CTR', 'CTR', ALL, both(AesCtrParams, ({ counter, length }, key, data, encrypts) => {
    if (counter.length !== 16) fail('OperationError', 'AES-CTR: the counter has not 16 bytes');
    if (length < 1 || length > 128) fail('OperationError', 'AES-CTR: the length is not within 1 and 128');
    return cipher('CTR', encrypts, key, counter, data, undefined, length);
}));

const aead = (mode, tags, ivs) => ({ iv, additionalData, tagLength = 128 }, key, data, encrypts) => {
    if (!has(tags, tagLength)) fail('OperationError', `no tag has ${tagLength} bits`);
    if (iv.length < ivs[0] || iv.length > ivs[1]) fail('OperationError', `no iv has ${iv.length} bytes`);
    return cipher(mode, encrypts, key, iv, data, additionalData, tagLength / 8);
};

registerCipher('AES-GCM', 'GCM', ALL, both(AeadParams, aead('GCM', [32, 64, 96, 104, 112, 120, 128], [1, 128])));
registerCipher('AES-OCB', 'OCB', ALL, both(AeadParams, aead('OCB', [64, 96, 128], [1, 15])), { isModern: true });
registerCipher('ChaCha20-Poly1305', 'C20P', ALL, both(AeadParams, aead('ChaCha20', [128], [12, 12])), { fixed: 256, isModern: true });

registerCipher('AES-KW', 'KW', ['wrapKey', 'unwrapKey'], {
    wrapKey: [null, (algorithm, key, data) => cipher('KW', true, key, undefined, data, undefined, 0)],
    unwrapKey: [null, (algorithm, key, data) => cipher('KW', false, key, undefined, data, undefined, 0)],
});

// ---- HMAC

const HmacImportParams = dictionary('HmacImportParams', { hash: requiredMember(Hash), length: uint32 });
const HMAC_ALG = { 'SHA-1': 'HS1', 'SHA-256': 'HS256', 'SHA-384': 'HS384', 'SHA-512': 'HS512' };
const BLOCK_BITS = { 'SHA-1': 512, 'SHA-256': 512, 'SHA-384': 1024, 'SHA-512': 1024 };

function blockBits({ hash, length }) {
    if (length !== undefined) return length;
    return BLOCK_BITS[hash.name] ?? fail('NotSupportedError', `HMAC: with ${hash.name} a length must be given`);
}

const makeHmac = (handle, hash, length, extractable, usages) =>
    makeKey('secret', { name: 'HMAC', length, hash }, handle, extractable, usages);

register('HMAC', {
    sign: [null, (algorithm, key, data) => done(host.hmac(key.handle, key.algorithm.hash.name, data), 'sign')],
    verify: [null, (algorithm, key, signature, data) =>
        host.equalBytes(signature, done(host.hmac(key.handle, key.algorithm.hash.name, data), 'verify'))],
    generateKey: [HmacImportParams, (algorithm, extractable, usages) => {
        allow(usages, ['sign', 'verify'], 'HMAC');
        const length = blockBits(algorithm);
        if (length === 0 || length > 8 << 20) fail('OperationError', `HMAC: no key has ${length} bits`);
        return makeHmac(host.keyRandom(length), algorithm.hash, length, extractable, usages);
    }],
    importKey: [HmacImportParams, ({ hash, length }, format, data, extractable, usages) => {
        allow(usages, ['sign', 'verify'], 'HMAC');
        let bytes = data;
        if (format === 'jwk') {
            checkType(data, 'oct');
            bytes = octets(data, 'k');
            checkAlg(data, HMAC_ALG[hash.name]);
            checkUse(data, 'sig', extractable, usages);
        } else if (!isRaw(format)) unsupported('HMAC', format);
        const handle = host.keySecret(bytes, length);
        const bits = host.keyLength(handle) * 8;
        if (bits === 0) fail('DataError', 'HMAC: the key is empty');
        if (length !== undefined && (length > bits || length <= bits - 8))
            fail('DataError', `HMAC: the key has ${bits} bits, the length says ${length}`);
        return makeHmac(handle, hash, length ?? bits, extractable, usages);
    }],
    exportKey: [null, (key, format) => {
        const bytes = host.keyBytes(key.handle);
        if (format === 'jwk') return jwkOf(key, { kty: 'oct', k: base64url(bytes), alg: HMAC_ALG[key.algorithm.hash.name] });
        return isRaw(format) ? bytes : unsupported('HMAC', format);
    }],
    getKeyLength: [HmacImportParams, (algorithm) => {
        if (algorithm.length === 0) throw new TypeError('HMAC: the length is 0');
        return blockBits(algorithm);
    }],
});

// ---- HKDF, PBKDF2

const HkdfParams = dictionary('HkdfParams', {
    hash: requiredMember(Hash), info: requiredMember(Bytes), salt: requiredMember(Bytes),
});
const Pbkdf2Params = dictionary('Pbkdf2Params', {
    hash: requiredMember(Hash), iterations: requiredMember(uint32), salt: requiredMember(Bytes),
});

function bytesWanted(length) {
    if (length === null || length % 8) fail('OperationError', 'the length is not a number of whole bytes');
    return length / 8;
}

function registerDerivation(name, params, run) {
    register(name, {
        deriveBits: [params, run],
        importKey: [null, (algorithm, format, data, extractable, usages) => {
            if (!isRaw(format)) unsupported(name, format);
            allow(usages, ['deriveKey', 'deriveBits'], name);
            if (extractable) fail('SyntaxError', `a key of ${name} is not extractable`);
            return makeKey('secret', { name }, host.keySecret(data), false, usages);
        }],
        getKeyLength: [null, () => null],
    });
}

registerDerivation('HKDF', HkdfParams, ({ hash, salt, info }, key, length) =>
    done(host.hkdf(key.handle, hash.name, salt, info, bytesWanted(length)), 'HKDF'));
registerDerivation('PBKDF2', Pbkdf2Params, ({ hash, salt, iterations }, key, length) => {
    const bytes = bytesWanted(length);
    if (iterations === 0) fail('OperationError', 'PBKDF2: no iterations');
    return done(host.pbkdf2(key.handle, hash.name, salt, iterations, bytes), 'PBKDF2');
});
