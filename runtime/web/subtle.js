// SubtleCrypto (Web Cryptography 14, and the WICG's "Modern Algorithms"): what is the same for all algorithms, in the order of
// the standard. Each step that the standard has "in parallel" is taken at once, on the arguments as they are then; the promise is
// settled one microtask later. runtime/worker/natives_crypto.h says what that costs, and why.
import { AlgorithmIdentifier, allow, Bytes, bytesOf, fail, isRegistered, normalize } from './crypto_algorithm.js';
import './crypto_pair.js';
import './crypto_secret.js';
import { CryptoKeyType, has, isCryptoKey, keyOf, KeyUsage, makeKey } from './crypto_key.js';
import { host } from './host.js';
import { JsonWebKey } from './jwk.js';
import {
    any, boolean, BufferSource, declare, DOMString, enforceRange, enumeration, illegal, isBufferSource, nullable, optional, promise,
    sequence, unsignedLong,
} from './webidl.js';

const KeyFormat = enumeration('KeyFormat', ['raw-public', 'raw-private', 'raw-seed', 'raw-secret', 'raw', 'spki', 'pkcs8', 'jwk']);
const KeyData = (value, what) => (isBufferSource(value) ? BufferSource(value, what) : JsonWebKey(value, what));
const Usages = sequence(KeyUsage);
const uint32 = enforceRange(unsignedLong);

const { Uint8Array } = globalThis;
const { parse, stringify } = JSON;
const { setPrototypeOf } = Object;

async function later(work) {
    let result;
    try {
        result = work();
    } catch (error) {
        await undefined;
        throw error;
    }
    await undefined;
    return result;
}

// The key fits what is done with it.
function expect(key, algorithm, usage) {
    if (key.algorithm.name !== algorithm.name) fail('InvalidAccessError', `the key is of ${key.algorithm.name}, not of ${algorithm.name}`);
    if (!has(key.usages, usage)) fail('InvalidAccessError', `the key's usages lack ${usage}`);
}

function notIdle(key) {
    const { type, usages } = keyOf(key);
    if (type !== 'public' && usages.length === 0) fail('SyntaxError', `a ${type} key without a usage`);
    return key;
}

// bytes: a Uint8Array that is nobody else's, or a JWK.
function importInto(algorithm, format, data, extractable, usages) {
    return notIdle(algorithm.run(algorithm.params, format, data, extractable, usages));
}

function exportFrom(key, format) {
    const { name } = key.algorithm;
    if (!isRegistered('exportKey', name)) fail('NotSupportedError', `keys of ${name} are not exported`);
    if (!key.extractable) fail('InvalidAccessError', 'the key is not extractable');
    return normalize('exportKey', name).run(key, format);
}

// In 8s for AES-KW: JSON may end in spaces.
function jwkBytes(jwk, algorithm) {
    const text = stringify(jwk);
    return host.utf8Encode(algorithm.name === 'AES-KW' ? text.padEnd(Math.ceil(text.length / 8) * 8) : text);
}

function jwkFrom(bytes, what) {
    try {
        const jwk = parse(host.utf8Decode(bytes, true));
        if (typeof jwk === 'object' && jwk !== null) return JsonWebKey(setPrototypeOf(jwk, null), what);
    } catch {
        // said below
    }
    return fail('DataError', `${what}: what was wrapped is no JWK`);
}

export class SubtleCrypto {
    constructor() {
        throw illegal('SubtleCrypto');
    }

    encrypt(algorithm, key, data) {
        algorithm = normalize('encrypt', algorithm, 'encrypt');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'encrypt');
            return algorithm.run(algorithm.params, key, data);
        });
    }

    decrypt(algorithm, key, data) {
        algorithm = normalize('decrypt', algorithm, 'decrypt');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'decrypt');
            return algorithm.run(algorithm.params, key, data);
        });
    }

    sign(algorithm, key, data) {
        algorithm = normalize('sign', algorithm, 'sign');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'sign');
            return algorithm.run(algorithm.params, key, data);
        });
    }

    verify(algorithm, key, signature, data) {
        algorithm = normalize('verify', algorithm, 'verify');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'verify');
            return algorithm.run(algorithm.params, key, signature, data);
        });
    }

    digest(algorithm, data) {
        algorithm = normalize('digest', algorithm, 'digest');
        return later(() => algorithm.run(algorithm.params, data) ?? fail('OperationError', 'digest: the operation failed'));
    }

    generateKey(algorithm, extractable, usages) {
        algorithm = normalize('generateKey', algorithm, 'generateKey');
        return later(() => {
            const made = algorithm.run(algorithm.params, extractable, usages);
            notIdle(isCryptoKey(made) ? made : made.privateKey);
            return made;
        });
    }

    deriveKey(algorithm, key, keyType, extractable, usages) {
        algorithm = normalize('deriveBits', algorithm, 'deriveKey');
        const imported = normalize('importKey', keyType, 'deriveKey');
        const measured = normalize('getKeyLength', keyType, 'deriveKey');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'deriveKey');
            const bits = algorithm.run(algorithm.params, key, measured.run(measured.params));
            return importInto(imported, 'raw-secret', new Uint8Array(bits), extractable, usages);
        });
    }

    deriveBits(algorithm, key, length) {
        algorithm = normalize('deriveBits', algorithm, 'deriveBits');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'deriveBits');
            return algorithm.run(algorithm.params, key, length);
        });
    }

    importKey(format, data, algorithm, extractable, usages) {
        algorithm = normalize('importKey', algorithm, 'importKey');
        const isBytes = isBufferSource(data);
        if (isBytes === (format === 'jwk'))
            throw new TypeError(`importKey: "${format}" wants ${isBytes ? 'a JWK' : 'bytes'}`);
        if (isBytes) data = Bytes(data, 'importKey');
        return later(() => importInto(algorithm, format, data, extractable, usages));
    }

    exportKey(format, key) {
        key = keyOf(key);
        return later(() => exportFrom(key, format));
    }

    wrapKey(format, key, wrappingKey, algorithm) {
        algorithm = normalize('wrapKey', algorithm, 'wrapKey', 'encrypt');
        key = keyOf(key);
        wrappingKey = keyOf(wrappingKey);
        return later(() => {
            expect(wrappingKey, algorithm, 'wrapKey');
            const exported = exportFrom(key, format);
            return algorithm.run(algorithm.params, wrappingKey, format === 'jwk' ? jwkBytes(exported, algorithm) : exported);
        });
    }

    unwrapKey(format, wrapped, unwrappingKey, algorithm, keyAlgorithm, extractable, usages) {
        algorithm = normalize('unwrapKey', algorithm, 'unwrapKey', 'decrypt');
        const imported = normalize('importKey', keyAlgorithm, 'unwrapKey');
        unwrappingKey = keyOf(unwrappingKey);
        return later(() => {
            expect(unwrappingKey, algorithm, 'unwrapKey');
            const bytes = new Uint8Array(algorithm.run(algorithm.params, unwrappingKey, wrapped));
            return importInto(imported, format, format === 'jwk' ? jwkFrom(bytes, 'unwrapKey') : bytes, extractable, usages);
        });
    }

    encapsulateKey(algorithm, key, keyAlgorithm, extractable, usages) {
        algorithm = normalize('encapsulate', algorithm, 'encapsulateKey');
        const imported = normalize('importKey', keyAlgorithm, 'encapsulateKey');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'encapsulateKey');
            const both = algorithm.run(algorithm.params, key);
            const sharedKey = importInto(imported, 'raw-secret', new Uint8Array(both[0]), extractable, usages);
            return { ciphertext: both[1], sharedKey };
        });
    }

    encapsulateBits(algorithm, key) {
        algorithm = normalize('encapsulate', algorithm, 'encapsulateBits');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'encapsulateBits');
            const both = algorithm.run(algorithm.params, key);
            return { ciphertext: both[1], sharedKey: both[0] };
        });
    }

    decapsulateKey(algorithm, key, ciphertext, keyAlgorithm, extractable, usages) {
        algorithm = normalize('decapsulate', algorithm, 'decapsulateKey');
        const imported = normalize('importKey', keyAlgorithm, 'decapsulateKey');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'decapsulateKey');
            const secret = algorithm.run(algorithm.params, key, ciphertext);
            return importInto(imported, 'raw-secret', new Uint8Array(secret), extractable, usages);
        });
    }

    decapsulateBits(algorithm, key, ciphertext) {
        algorithm = normalize('decapsulate', algorithm, 'decapsulateBits');
        key = keyOf(key);
        return later(() => {
            expect(key, algorithm, 'decapsulateBits');
            return algorithm.run(algorithm.params, key, ciphertext);
        });
    }

    getPublicKey(key, usages) {
        key = keyOf(key);
        return later(() => {
            const { name } = key.algorithm;
            if (!isRegistered('getPublicKey', name)) fail('NotSupportedError', `a key of ${name} has no public key`);
            if (key.type !== 'private') fail('InvalidAccessError', 'the key is no private key');
            allow(usages, normalize('getPublicKey', name).run, name);
            return makeKey('public', key.algorithm, key.handle, true, usages);
        });
    }

    // Workers' own: throws if the lengths differ, for they are no secret.
    timingSafeEqual(a, b) {
        if (bytesOf(a).length !== bytesOf(b).length) throw new TypeError('timingSafeEqual: the lengths differ');
        return host.equalBytes(a, b);
    }

    static supports(operation, algorithm, additional) {
        try {
            return isSupported(operation, algorithm, additional);
        } catch {
            return false;
        }
    }
}

// What would be asked of the arguments before any key is.
const SUPPORTED = {
    __proto__: null,
    encrypt: 'encrypt', decrypt: 'decrypt', sign: 'sign', verify: 'verify', digest: 'digest', generateKey: 'generateKey',
    importKey: 'importKey', exportKey: 'exportKey', wrapKey: 'wrapKey', unwrapKey: 'unwrapKey', deriveBits: 'deriveBits',
    deriveKey: 'deriveBits', encapsulateKey: 'encapsulate', encapsulateBits: 'encapsulate', decapsulateKey: 'decapsulate',
    decapsulateBits: 'decapsulate', getPublicKey: 'getPublicKey',
};

const OTHERWISE = { __proto__: null, wrapKey: 'encrypt', unwrapKey: 'decrypt' };

function isSupported(operation, algorithm, additional) {
    const asked = SUPPORTED[operation];
    if (!asked) return false;
    const isOfKeys = asked === 'exportKey' || asked === 'getPublicKey';
    const found = normalize(asked, isOfKeys ? (algorithm.name ?? algorithm) : algorithm, 'supports', OTHERWISE[asked]);
    if (operation === 'deriveKey' || operation === 'encapsulateKey' || operation === 'decapsulateKey') {
        const imported = AlgorithmIdentifier(additional, 'supports');
        normalize('importKey', imported);
        const measured = normalize('getKeyLength', imported);
        const bits = measured.run(measured.params);
        return operation === 'deriveKey' ? canDerive(found, bits) : bits === null || bits === 256;
    }
    if (operation === 'deriveBits') return canDerive(found, additional === undefined ? null : nullable(uint32)(additional, 'supports'));
    if (operation === 'wrapKey') normalize('exportKey', AlgorithmIdentifier(additional, 'supports').name ?? additional);
    if (operation === 'unwrapKey') normalize('importKey', AlgorithmIdentifier(additional, 'supports'));
    if ((operation === 'generateKey' || operation === 'importKey') && found.params.namedCurve !== undefined)
        return ['P-256', 'P-384', 'P-521', found.name].includes(found.params.namedCurve);
    return true;
}

function canDerive({ name, params: { public: peer } }, bits) {
    if (!peer) return bits !== null && bits % 8 === 0;
    const { algorithm, type } = keyOf(peer);
    const most = { 'P-256': 256, 'P-384': 384, 'P-521': 528, X25519: 256, X448: 448 }[algorithm.namedCurve ?? algorithm.name];
    return type === 'public' && algorithm.name === name && (bits === null || bits <= most);
}

const isSubtle = (value) => value === subtle;

declare(SubtleCrypto, {
    is: isSubtle,
    operations: {
        encrypt: promise(AlgorithmIdentifier, CryptoKeyType, BufferSource),
        decrypt: promise(AlgorithmIdentifier, CryptoKeyType, BufferSource),
        sign: promise(AlgorithmIdentifier, CryptoKeyType, BufferSource),
        verify: promise(AlgorithmIdentifier, CryptoKeyType, BufferSource, BufferSource),
        digest: promise(AlgorithmIdentifier, BufferSource),
        generateKey: promise(AlgorithmIdentifier, boolean, Usages),
        deriveKey: promise(AlgorithmIdentifier, CryptoKeyType, AlgorithmIdentifier, boolean, Usages),
        deriveBits: promise(AlgorithmIdentifier, CryptoKeyType, optional(nullable(uint32), null)),
        importKey: promise(KeyFormat, KeyData, AlgorithmIdentifier, boolean, Usages),
        exportKey: promise(KeyFormat, CryptoKeyType),
        wrapKey: promise(KeyFormat, CryptoKeyType, CryptoKeyType, AlgorithmIdentifier),
        unwrapKey: promise(KeyFormat, BufferSource, CryptoKeyType, AlgorithmIdentifier, AlgorithmIdentifier, boolean, Usages),
        encapsulateKey: promise(AlgorithmIdentifier, CryptoKeyType, AlgorithmIdentifier, boolean, Usages),
        encapsulateBits: promise(AlgorithmIdentifier, CryptoKeyType),
        decapsulateKey: promise(AlgorithmIdentifier, CryptoKeyType, BufferSource, AlgorithmIdentifier, boolean, Usages),
        decapsulateBits: promise(AlgorithmIdentifier, CryptoKeyType, BufferSource),
        getPublicKey: promise(CryptoKeyType, Usages),
        timingSafeEqual: [BufferSource, BufferSource],
    },
    statics: { supports: [DOMString, AlgorithmIdentifier, optional(any)] },
});

export const subtle = Object.create(SubtleCrypto.prototype);
