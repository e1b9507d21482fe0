// Algorithms with pairs of keys: RSA, elliptic curves, ML-DSA, ML-KEM. Both keys of a pair have one handle.
import { allow, BigInteger, Bytes, done, expectType, fail, Hash, register } from './crypto_algorithm.js';
import { CryptoKeyType, has, keyOf, makeKey } from './crypto_key.js';
import { host } from './host.js';
import { base64url, checkAlg, checkType, checkUse, jwkOf, octets } from './jwk.js';
import { dictionary, DOMString, enforceRange, requiredMember, unsignedLong } from './webidl.js';

const uint32 = enforceRange(unsignedLong);
const unsupported = (name, format) => fail('NotSupportedError', `${name}: no keys in the format "${format}"`);
const read = (handle, name) => handle ?? fail('DataError', `${name}: the key is not valid`);

function pairOf(algorithm, handle, extractable, usages, { forPublic, forPrivate }) {
    return {
        privateKey: makeKey('private', algorithm, handle, extractable, usages, forPrivate),
        publicKey: makeKey('public', algorithm, handle, true, usages, forPublic),
    };
}

// What spki and pkcs8 have in common for all. type(): OpenSSL's name of the keys that the algorithm takes.
function readDer(format, data, type, name) {
    return read(host.keyRead(format, type, data), name);
}

function writeDer(format, key) {
    expectType(key, format === 'spki' ? 'public' : 'private');
    return done(host.keyWrite(format, key.handle), 'exportKey');
}

// ---- RSA

const RsaHashedKeyGenParams = dictionary('RsaHashedKeyGenParams', { hash: requiredMember(Hash) }, dictionary('RsaKeyGenParams', {
    modulusLength: requiredMember(uint32), publicExponent: requiredMember(BigInteger),
}));
const RsaHashedImportParams = dictionary('RsaHashedImportParams', { hash: requiredMember(Hash) });
const RsaPssParams = dictionary('RsaPssParams', { saltLength: requiredMember(uint32) });
const RsaOaepParams = dictionary('RsaOaepParams', { label: Bytes });
const RSA_PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi'];

const bitsOf = (number) => (number.length - 1) * 8 + 32 - Math.clz32(number[0]);

const privateRsa = (jwk, n, e) => host.keyOfParts('RSA', n, e, octets(jwk, 'd'), octets(jwk, 'p'), octets(jwk, 'q'),
    octets(jwk, 'dp'), octets(jwk, 'dq'), octets(jwk, 'qi'));

function rsaAlgorithm(name, handle, hash) {
    const [n, e] = host.keyParts(handle, false);
    return { name, modulusLength: bitsOf(new Uint8Array(n)), publicExponent: new Uint8Array(e), hash };
}

function registerRsa(name, use, usages, alg, operations) {
    const { forPublic, forPrivate } = usages;
    const algOf = ({ name: hash }) => (hash.startsWith('SHA3') ? undefined : alg(hash.slice(4)));

    register(name, {
        ...operations,
        generateKey: [RsaHashedKeyGenParams, ({ modulusLength, publicExponent, hash }, extractable, given) => {
            allow(given, [...forPublic, ...forPrivate], name);
            const handle = done(host.keyGenerate('RSA', modulusLength, publicExponent), 'generateKey');
            return pairOf(rsaAlgorithm(name, handle, hash), handle, extractable, given, usages);
        }],
        importKey: [RsaHashedImportParams, ({ hash }, format, data, extractable, given) => {
            let handle;
            let isPrivate = format === 'pkcs8';
            if (format === 'jwk') {
                isPrivate = data.d !== undefined;
                allow(given, isPrivate ? forPrivate : forPublic, name);
                checkType(data, 'RSA');
                checkUse(data, use, extractable, given);
                checkAlg(data, algOf(hash));
                if (data.oth !== undefined) fail('DataError', 'the JWK has more than two primes');
                const n = octets(data, 'n');
                const e = octets(data, 'e');
                handle = read(isPrivate ? privateRsa(data, n, e) : host.keyOfParts('RSA', n, e), name);
            } else if (format === 'spki' || format === 'pkcs8') {
                allow(given, isPrivate ? forPrivate : forPublic, name);
                handle = readDer(format, data, 'RSA', name);
            } else unsupported(name, format);
            return makeKey(isPrivate ? 'private' : 'public', rsaAlgorithm(name, handle, hash), handle, extractable, given);
        }],
        exportKey: [null, (key, format) => {
            if (format === 'spki' || format === 'pkcs8') return writeDer(format, key);
            if (format !== 'jwk') unsupported(name, format);
            const isPrivate = key.type === 'private';
            const members = { kty: 'RSA', alg: algOf(key.algorithm.hash) };
            const parts = host.keyParts(key.handle, isPrivate);
            ['n', 'e', ...(isPrivate ? RSA_PRIVATE : [])].forEach((member, i) => (members[member] = base64url(parts[i])));
            return jwkOf(key, members);
        }],
        getPublicKey: [null, forPublic],
    });
}

const SIGN = { forPublic: ['verify'], forPrivate: ['sign'] };

// how: the scheme, as keySign takes it; hash, salt and context of the parameters and the key.
function signatures(params, how, details) {
    return {
        sign: [params, (algorithm, key, data) => {
            expectType(key, 'private');
            const { hash, salt, context } = details(algorithm, key);
            return done(host.keySign(key.handle, how, hash, salt, context, data), 'sign');
        }],
        verify: [params, (algorithm, key, signature, data) => {
            expectType(key, 'public');
            const { hash, salt, context } = details(algorithm, key);
            return host.keyVerify(key.handle, how, hash, salt, context, data, signature);
        }],
    };
}

const hashOf = (algorithm, key) => ({ hash: key.algorithm.hash.name });

registerRsa('RSASSA-PKCS1-v1_5', 'sig', SIGN, (hash) => `RS${hash}`, signatures(null, 'PKCS1', hashOf));
registerRsa('RSA-PSS', 'sig', SIGN, (hash) => `PS${hash}`, signatures(RsaPssParams, 'PSS', ({ saltLength }, key) =>
    ({ hash: key.algorithm.hash.name, salt: saltLength })));

const oaep = (key, encrypts, label, data) => done(host.keyCrypt(key.handle, encrypts, key.algorithm.hash.name, label, data), 'RSA-OAEP');

registerRsa('RSA-OAEP', 'enc', { forPublic: ['encrypt', 'wrapKey'], forPrivate: ['decrypt', 'unwrapKey'] },
    (hash) => (hash === '1' ? 'RSA-OAEP' : `RSA-OAEP-${hash}`), {
        encrypt: [RsaOaepParams, ({ label }, key, data) => {
            expectType(key, 'public');
            return oaep(key, true, label, data);
        }],
        decrypt: [RsaOaepParams, ({ label }, key, data) => {
            expectType(key, 'private');
            return oaep(key, false, label, data);
        }],
    });

// ---- ECDSA, ECDH

const EcKeyParams = dictionary('EcKeyParams', { namedCurve: requiredMember(DOMString) });
const EcdsaParams = dictionary('EcdsaParams', { hash: requiredMember(Hash) });
const CURVES = {
    __proto__: null,
    'P-256': { bytes: 32, alg: 'ES256' },
    'P-384': { bytes: 48, alg: 'ES384' },
    'P-521': { bytes: 66, alg: 'ES512' },
};

const curveOf = ({ namedCurve }) => CURVES[namedCurve] ?? fail('NotSupportedError', `no curve "${namedCurve}"`);

// 04, x, y
function pointOf(jwk, bytes) {
    const point = new Uint8Array(1 + 2 * bytes);
    point[0] = 4;
    ['x', 'y'].forEach((member, i) => {
        const number = octets(jwk, member);
        if (number.length !== bytes) fail('DataError', `the JWK's "${member}" has not ${bytes} bytes`);
        point.set(number, 1 + i * bytes);
    });
    return point;
}

function registerEc(name, use, usages, operations) {
    const { forPublic, forPrivate } = usages;

    const importJwk = (curve, namedCurve, jwk, extractable, given) => {
        const isPrivate = jwk.d !== undefined;
        allow(given, isPrivate ? forPrivate : forPublic, name);
        checkType(jwk, 'EC');
        checkUse(jwk, use, extractable, given);
        if (jwk.crv !== namedCurve) fail('DataError', `the JWK's "crv" is not "${namedCurve}"`);
        if (name === 'ECDSA') checkAlg(jwk, curve.alg);
        const point = pointOf(jwk, curve.bytes);
        const d = isPrivate ? octets(jwk, 'd') : undefined;
        return [isPrivate, host.keyOfParts(namedCurve, point, d)];
    };

    register(name, {
        ...operations,
        generateKey: [EcKeyParams, (algorithm, extractable, given) => {
            allow(given, [...forPublic, ...forPrivate], name);
            curveOf(algorithm);
            const { namedCurve } = algorithm;
            const handle = done(host.keyGenerate(namedCurve), 'generateKey');
            return pairOf({ name, namedCurve }, handle, extractable, given, usages);
        }],
        importKey: [EcKeyParams, ({ namedCurve }, format, data, extractable, given) => {
            const curve = curveOf({ namedCurve });
            let handle;
            let isPrivate = format === 'pkcs8';
            if (format === 'jwk') [isPrivate, handle] = importJwk(curve, namedCurve, data, extractable, given);
            else if (format === 'spki' || format === 'pkcs8') {
                allow(given, isPrivate ? forPrivate : forPublic, name);
                handle = host.keyRead(format, namedCurve, data);
            } else if (format === 'raw' || format === 'raw-public') {
                allow(given, forPublic, name);
                handle = host.keyOfParts(namedCurve, data);
            } else unsupported(name, format);
            return makeKey(isPrivate ? 'private' : 'public', { name, namedCurve }, read(handle, name), extractable, given);
        }],
        exportKey: [null, (key, format) => {
            if (format === 'spki' || format === 'pkcs8') return writeDer(format, key);
            const { namedCurve } = key.algorithm;
            const [point, d] = host.keyParts(key.handle, key.type === 'private');
            if (format === 'raw' || format === 'raw-public') {
                expectType(key, 'public');
                return point;
            }
            if (format !== 'jwk') unsupported(name, format);
            const { bytes } = CURVES[namedCurve];
            return jwkOf(key, {
                kty: 'EC', crv: namedCurve, x: base64url(point.slice(1, 1 + bytes)), y: base64url(point.slice(1 + bytes)),
                d: key.type === 'private' ? base64url(d) : undefined,
            });
        }],
        getPublicKey: [null, forPublic],
    });
}

const AGREE = { forPublic: [], forPrivate: ['deriveKey', 'deriveBits'] };

registerEc('ECDSA', 'sig', SIGN, signatures(EcdsaParams, 'ECDSA', ({ hash }) => ({ hash: hash.name })));

// ECDH and its kin (X25519, X448).
const EcdhKeyDeriveParams = dictionary('EcdhKeyDeriveParams', { public: requiredMember(CryptoKeyType) });

function agree({ public: peer }, key, length) {
    expectType(key, 'private');
    peer = keyOf(peer);
    expectType(peer, 'public');
    if (peer.algorithm.name !== key.algorithm.name || peer.algorithm.namedCurve !== key.algorithm.namedCurve)
        fail('InvalidAccessError', 'the public key is of another algorithm or curve');
    return done(host.keyAgree(key.handle, peer.handle, length ?? undefined), 'deriveBits');
}

registerEc('ECDH', 'enc', AGREE, { deriveBits: [EcdhKeyDeriveParams, agree] });

// ---- Ed25519, Ed448, X25519, X448

const ContextParams = dictionary('ContextParams', { context: Bytes });

// crv: of a JWK. named: the algorithm has a namedCurve, equal to its name (Workers' NODE-ED25519).
function registerOctets(name, crv, use, usages, operations, { named = false } = {}) {
    const type = crv.toUpperCase();
    const { forPublic, forPrivate } = usages;
    const algorithm = named ? { name, namedCurve: name } : { name };
    const isSigned = use === 'sig';
    const params = named ? EcKeyParams : null;
    const checkCurve = ({ namedCurve }) => {
        if (named && namedCurve !== name) fail('NotSupportedError', `${name}: no curve "${namedCurve}"`);
    };

    const importJwk = (jwk, extractable, given) => {
        const isPrivate = jwk.d !== undefined;
        allow(given, isPrivate ? forPrivate : forPublic, name);
        checkType(jwk, 'OKP');
        if (jwk.crv !== crv) fail('DataError', `the JWK's "crv" is not "${crv}"`);
        if (isSigned) checkAlg(jwk, crv, 'EdDSA');
        checkUse(jwk, use, extractable, given);
        const x = octets(jwk, 'x');
        return [isPrivate, isPrivate ? host.keyOfParts(type, x, octets(jwk, 'd')) : host.keyOfParts(type, x)];
    };

    register(name, {
        ...operations,
        generateKey: [params, (given, extractable, keyUsages) => {
            allow(keyUsages, [...forPublic, ...forPrivate], name);
            checkCurve(given);
            return pairOf(algorithm, done(host.keyGenerate(type), 'generateKey'), extractable, keyUsages, usages);
        }],
        importKey: [params, (given, format, data, extractable, keyUsages) => {
            let handle;
            let isPrivate = format === 'pkcs8';
            checkCurve(given);
            if (format === 'jwk') [isPrivate, handle] = importJwk(data, extractable, keyUsages);
            else if (format === 'spki' || format === 'pkcs8') {
                allow(keyUsages, isPrivate ? forPrivate : forPublic, name);
                handle = host.keyRead(format, type, data);
            } else if (format === 'raw' || format === 'raw-public') {
                allow(keyUsages, forPublic, name);
                handle = host.keyOfParts(type, data);
            } else unsupported(name, format);
            return makeKey(isPrivate ? 'private' : 'public', algorithm, read(handle, name), extractable, keyUsages);
        }],
        exportKey: [null, (key, format) => {
            if (format === 'spki' || format === 'pkcs8') return writeDer(format, key);
            const [x, d] = host.keyParts(key.handle, key.type === 'private');
            if (format === 'raw' || format === 'raw-public') {
                expectType(key, 'public');
                return x;
            }
            if (format !== 'jwk') unsupported(name, format);
            return jwkOf(key, {
                kty: 'OKP', crv, alg: isSigned ? (named ? 'EdDSA' : crv) : undefined,
                x: base64url(x), d: key.type === 'private' ? base64url(d) : undefined,
            });
        }],
        getPublicKey: [null, forPublic],
    });
}

const withContext = ({ context }) => {
    if (context && context.length > 255) fail('OperationError', 'the context has more than 255 bytes');
    return { context };
};
const none = () => ({});

registerOctets('Ed25519', 'Ed25519', 'sig', SIGN, signatures(null, 'whole', none));
registerOctets('NODE-ED25519', 'Ed25519', 'sig', SIGN, signatures(null, 'whole', none), { named: true });
registerOctets('Ed448', 'Ed448', 'sig', SIGN, signatures(ContextParams, 'whole', withContext));
registerOctets('X25519', 'X25519', 'enc', AGREE, { deriveBits: [EcdhKeyDeriveParams, agree] });
registerOctets('X448', 'X448', 'enc', AGREE, { deriveBits: [EcdhKeyDeriveParams, agree] });

// ---- ML-DSA, ML-KEM

// PKCS #8 of a seed alone, the form that the draft exports: 30 len 02 01 00 30 0b 06 09 oid 04 len 80 len seed.
const SEED = [0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04];

function seedDer(oid, seed) {
    return Uint8Array.from([0x30, seed.length + 20, ...SEED, ...oid, 0x04, seed.length + 2, 0x80, seed.length, ...seed]);
}

const LATTICE_FORMATS = ['spki', 'pkcs8', 'raw-public', 'raw-seed'];

// oid: its last two bytes.
function registerLattice(name, oid, use, usages, operations) {
    const { forPublic, forPrivate } = usages;
    const algorithm = { name };

    const importJwk = (jwk, extractable, given) => {
        const isPrivate = jwk.priv !== undefined;
        allow(given, isPrivate ? forPrivate : forPublic, name);
        checkType(jwk, 'AKP');
        if (jwk.alg !== name) fail('DataError', `the JWK's "alg" is not "${name}"`);
        checkUse(jwk, use, extractable, given);
        const pub = octets(jwk, 'pub');
        return [isPrivate, isPrivate ? host.keyOfParts(name, pub, octets(jwk, 'priv')) : host.keyOfParts(name, pub)];
    };

    const importDer = (format, data) => {
        const handle = read(host.keyRead(format, name, data), name);
        if (format === 'pkcs8' && host.keyParts(handle, true)[1] === undefined)
            fail('NotSupportedError', `${name}: a private key without its seed`);
        return handle;
    };

    register(name, {
        ...operations,
        generateKey: [null, (given, extractable, keyUsages) => {
            allow(keyUsages, [...forPublic, ...forPrivate], name);
            return pairOf(algorithm, done(host.keyGenerate(name), 'generateKey'), extractable, keyUsages, usages);
        }],
        importKey: [null, (given, format, data, extractable, keyUsages) => {
            let handle;
            let isPrivate = format === 'pkcs8' || format === 'raw-seed';
            if (format === 'jwk') [isPrivate, handle] = importJwk(data, extractable, keyUsages);
            else {
                if (!has(LATTICE_FORMATS, format)) unsupported(name, format);
                allow(keyUsages, isPrivate ? forPrivate : forPublic, name);
                if (format === 'spki' || format === 'pkcs8') handle = importDer(format, data);
                else if (format === 'raw-public') handle = host.keyOfParts(name, data);
                else handle = host.keyOfParts(name, undefined, data);
            }
            return makeKey(isPrivate ? 'private' : 'public', algorithm, read(handle, name), extractable, keyUsages);
        }],
        exportKey: [null, (key, format) => {
            const isPrivate = key.type === 'private';
            if (format === 'spki') return writeDer(format, key);
            const [pub, seed] = host.keyParts(key.handle, isPrivate);
            if (format === 'raw-public') {
                expectType(key, 'public');
                return pub;
            }
            if (format === 'raw-seed' || format === 'pkcs8') {
                expectType(key, 'private');
                return format === 'pkcs8' ? seedDer(oid, new Uint8Array(seed)).buffer : seed;
            }
            if (format !== 'jwk') unsupported(name, format);
            return jwkOf(key, { kty: 'AKP', alg: name, pub: base64url(pub), priv: isPrivate ? base64url(seed) : undefined });
        }],
        getPublicKey: [null, forPublic],
    });
}

for (const [size, oid] of [[44, 0x11], [65, 0x12], [87, 0x13]])
    registerLattice(`ML-DSA-${size}`, [0x03, oid], 'sig', SIGN, signatures(ContextParams, 'whole', withContext));

const KEM = { forPublic: ['encapsulateKey', 'encapsulateBits'], forPrivate: ['decapsulateKey', 'decapsulateBits'] };

for (const [size, oid] of [[512, 0x01], [768, 0x02], [1024, 0x03]])
    registerLattice(`ML-KEM-${size}`, [0x04, oid], 'enc', KEM, {
        encapsulate: [null, (algorithm, key) => {
            expectType(key, 'public');
            return done(host.keyEncapsulate(key.handle), 'encapsulate');
        }],
        decapsulate: [null, (algorithm, key, ciphertext) => {
            expectType(key, 'private');
            return done(host.keyDecapsulate(key.handle, ciphertext), 'decapsulate');
        }],
    });
