// Crypto, SubtleCrypto, CryptoKey as they look; how algorithms are read; which error comes first; what calls may not change.
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const { subtle } = crypto;
const atTopLevel = await subtle.digest('SHA-256', new Uint8Array(0));

const shape = (object) => Object.fromEntries(Reflect.ownKeys(object).map((key) => {
    const { value, get, enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(object, key);
    return [String(key), [enumerable, configurable, writable, get ? 'get' : typeof value === 'function' ? value.length : typeof value]];
}));
const method = (length) => [true, true, true, length];
const getter = [true, true, undefined, 'get'];
const tag = [false, true, false, 'string'];

export default suite({
    'interfaces': () => {
        for (const Interface of [Crypto, SubtleCrypto, CryptoKey]) {
            throws(() => new Interface(), TypeError);
            throws(() => Interface(), TypeError);
            equal(Interface.length, 0);
            equal(Object.getOwnPropertyDescriptor(globalThis, Interface.name).enumerable, false);
        }
        equal(shape(CryptoKey.prototype), {
            constructor: [false, true, true, 0], type: getter, extractable: getter, algorithm: getter, usages: getter,
            'Symbol(Symbol.toStringTag)': tag,
        });
        equal(shape(SubtleCrypto.prototype), {
            constructor: [false, true, true, 0], encrypt: method(3), decrypt: method(3), sign: method(3), verify: method(4), digest: method(2),
            generateKey: method(3), deriveKey: method(5), deriveBits: method(2), importKey: method(5), exportKey: method(2), wrapKey: method(4),
            unwrapKey: method(7), encapsulateKey: method(5), encapsulateBits: method(2), decapsulateKey: method(6), decapsulateBits: method(3),
            getPublicKey: method(2), timingSafeEqual: method(2), 'Symbol(Symbol.toStringTag)': tag,
        });
        equal([String(crypto), String(subtle), crypto.subtle === subtle], ['[object Crypto]', '[object SubtleCrypto]', true]);
        equal(Object.getOwnPropertyDescriptor(globalThis, 'crypto').enumerable, true);
        throws(() => Object.getOwnPropertyDescriptor(Crypto.prototype, 'subtle').get.call({}), TypeError);
    },
    'what is wrong with a call rejects it': async () => {
        for (const name of ['encrypt', 'digest', 'importKey', 'exportKey', 'deriveBits', 'encapsulateBits', 'getPublicKey']) {
            await rejects(subtle[name](), TypeError, name);
            await rejects(subtle[name].call({}, 1, 2, 3, 4, 5), TypeError, `${name} of something else`);
        }
        await rejects(subtle.importKey('x', new Uint8Array(16), 'AES-GCM', true, ['encrypt']), TypeError, 'a format');
        await rejects(subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', true, ['x']), TypeError, 'a usage');
        await rejects(subtle.importKey('raw', {}, 'AES-GCM', true, ['encrypt']), TypeError, 'a JWK as raw');
        await rejects(subtle.importKey('jwk', new Uint8Array(16), 'AES-GCM', true, ['encrypt']), TypeError, 'bytes as JWK');
        await rejects(subtle.exportKey('raw', {}), TypeError, 'no key');
        await rejects(subtle.digest('SHA-256', 'text'), TypeError, 'no bytes');
    },
    'algorithms are names in any case, or objects': async () => {
        for (const algorithm of ['sha-256', 'SHA-256', { name: 'Sha-256', extra: 1 }, Object.assign(() => {}, { toString: 1 }, {})])
            if (typeof algorithm !== 'function') equal((await subtle.digest(algorithm, new Uint8Array(1))).byteLength, 32);
        for (const algorithm of ['SHA', 'SHA_256', '', 'AES-GCM', 'HMAC', null, undefined, 5, { name: null }])
            await rejects(subtle.digest(algorithm, new Uint8Array(1)), 'NotSupportedError', String(algorithm));
        for (const algorithm of [{}, { name: undefined }, []]) await rejects(subtle.digest(algorithm, new Uint8Array(1)), TypeError);
        await rejects(subtle.generateKey({ name: 'AES-\u212aW', length: 128 }, true, ['wrapKey']), 'NotSupportedError', 'the Kelvin sign is no K');
        await rejects(subtle.generateKey({ name: 'AES-GCM' }, true, ['encrypt']), TypeError, 'no length');
        await rejects(subtle.generateKey({ name: 'AES-GCM', length: 128 + 2 ** 32 }, true, ['encrypt']), TypeError, 'a length out of range');
        await rejects(subtle.generateKey({ name: 'HMAC', hash: 'MD5' }, true, ['sign']), 'NotSupportedError', 'MD5 is for digest only');
        await rejects(subtle.generateKey({ name: 'HMAC', hash: 'AES-GCM' }, true, ['sign']), 'NotSupportedError');
    },
    'usages: which are allowed, and one at least': async () => {
        const rows = [
            [{ name: 'AES-GCM', length: 128 }, ['encrypt', 'sign'], 'SyntaxError'], [{ name: 'AES-GCM', length: 100 }, ['sign'], 'SyntaxError'],
            [{ name: 'AES-GCM', length: 100 }, ['encrypt'], 'OperationError'], [{ name: 'AES-KW', length: 128 }, ['encrypt'], 'SyntaxError'],
            [{ name: 'AES-GCM', length: 128 }, [], 'SyntaxError'], ['Ed25519', [], 'SyntaxError'], ['Ed25519', ['verify'], 'SyntaxError'],
            ['X25519', ['sign'], 'SyntaxError'], [{ name: 'ECDSA', namedCurve: 'P-256' }, ['deriveBits'], 'SyntaxError'],
            [{ name: 'ECDSA', namedCurve: 'P-512' }, ['sign'], 'NotSupportedError'], [{ name: 'HMAC', hash: 'SHA-256', length: 0 }, ['sign'], 'OperationError'],
            ['ML-KEM-768', ['encapsulateBits'], 'SyntaxError'], ['ML-DSA-44', ['encrypt'], 'SyntaxError'],
        ];
        for (const [algorithm, usages, error] of rows) await rejects(subtle.generateKey(algorithm, true, usages), error, `${JSON.stringify(algorithm)} ${usages}`);
    },
    'a rejection of the operation comes a microtask later than one of the arguments': async () => {
        const order = [];
        const early = subtle.generateKey('AES', true, []).catch(() => order.push('early'));
        const late = subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, []).catch(() => order.push('late'));
        Promise.resolve().then(() => order.push('microtask'));
        await Promise.all([early, late]);
        equal(order, ['early', 'microtask', 'late']);
    },
    'CryptoKey: attributes are cached, and a script that changes them changes nothing': async () => {
        const key = await subtle.generateKey({ name: 'hmac', hash: 'sha-256' }, true, ['verify', 'sign', 'verify']);
        ok(key instanceof CryptoKey && String(key) === '[object CryptoKey]');
        equal([key.type, key.extractable, key.algorithm, key.usages], ['secret', true, { name: 'HMAC', length: 512, hash: { name: 'SHA-256' } }, ['sign', 'verify']]);
        ok(key.algorithm === key.algorithm && key.usages === key.usages && key.algorithm.hash === key.algorithm.hash);
        const before = new Uint8Array(await subtle.sign('HMAC', key, new Uint8Array(1)));
        key.algorithm.name = 'AES-GCM';
        key.algorithm.hash.name = 'SHA-1';
        key.usages.length = 0;
        equal(new Uint8Array(await subtle.sign('HMAC', key, new Uint8Array(1))), before);
        throws(() => { key.type = 'public'; }, TypeError);
        throws(() => Object.getOwnPropertyDescriptor(CryptoKey.prototype, 'type').get.call({}), TypeError);
        const pair = await subtle.generateKey({ name: 'RSA-PSS', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: 'SHA-256' }, false, ['sign', 'verify']);
        equal(Object.keys(pair), ['privateKey', 'publicKey']);
        equal(pair.publicKey.algorithm, { name: 'RSA-PSS', modulusLength: 1024, publicExponent: new Uint8Array([1, 0, 1]), hash: { name: 'SHA-256' } });
        equal([pair.publicKey.extractable, pair.privateKey.extractable, pair.publicKey.usages, pair.privateKey.usages], [true, false, ['verify'], ['sign']]);
    },
    'keys are used as they say': async () => {
        const key = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt']);
        const params = { name: 'AES-GCM', iv: new Uint8Array(12) };
        await rejects(subtle.decrypt(params, key, new Uint8Array(20)), 'InvalidAccessError', 'without the usage');
        await rejects(subtle.encrypt({ name: 'AES-CBC', iv: new Uint8Array(16) }, key, new Uint8Array(20)), 'InvalidAccessError', 'of another algorithm');
        await rejects(subtle.exportKey('raw', key), 'InvalidAccessError', 'not extractable');
        const { publicKey, privateKey } = await subtle.generateKey('Ed25519', false, ['sign', 'verify']);
        await rejects(subtle.sign('Ed25519', publicKey, new Uint8Array(1)), 'InvalidAccessError');
        await rejects(subtle.exportKey('jwk', privateKey), 'InvalidAccessError');
        const hkdf = await subtle.importKey('raw', new Uint8Array(8), 'HKDF', false, ['deriveKey']);
        await rejects(subtle.exportKey('raw', hkdf), 'NotSupportedError', 'nothing exports it');
        await rejects(subtle.deriveBits({ name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: new Uint8Array(0) }, hkdf, 128), 'InvalidAccessError');
        await rejects(subtle.importKey('raw', new Uint8Array(8), 'HKDF', true, ['deriveKey']), 'SyntaxError', 'extractable');
    },
    'getters see and change bytes before they are read, nothing does afterwards': async () => {
        const data = new Uint8Array(16);
        const digest = async (algorithm) => new Uint8Array(await subtle.digest(algorithm, data));
        const zeros = await digest('SHA-256');
        data[0] = 1;
        equal(await digest({ get name() { data[0] ^= 1; return 'SHA-256'; } }), zeros, 'the name is read once');
        const promise = digest('SHA-256');
        data[0] = 5;
        equal(await promise, zeros);
        equal(await digest({ get name() { data.buffer.transfer(); return 'SHA-256'; } }), new Uint8Array(atTopLevel), 'transferred: empty');
        const key = await subtle.importKey('raw', new Uint8Array(16), 'AES-CTR', false, ['encrypt']);
        const counter = new Uint8Array(16);
        const first = await subtle.encrypt({ name: 'AES-CTR', counter, length: 64 }, key, new Uint8Array(16));
        const again = await subtle.encrypt({ name: 'AES-CTR', counter, get length() { counter[15] = 9; return 64; } }, key, new Uint8Array(16));
        equal(new Uint8Array(again), new Uint8Array(first), 'a parameter is copied when it is read');
    },
    'getRandomValues': () => {
        for (const Type of [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array]) {
            const array = new Type(64 / Type.BYTES_PER_ELEMENT);
            ok(crypto.getRandomValues(array) === array && array.some((x) => x != 0), Type.name);
            equal(crypto.getRandomValues(new Type(0)).length, 0);
            const error = throws(() => crypto.getRandomValues(new Type(65536 / Type.BYTES_PER_ELEMENT + 1)), QuotaExceededError, Type.name);
            ok(error instanceof DOMException && error.name === 'QuotaExceededError' && error.code === 22 && error.quota === null && error.requested === null);
            class Sub extends Type {}
            crypto.getRandomValues(new Sub(4));
        }
        for (const Type of [Float32Array, Float64Array, DataView])
            for (const bytes of [8, 65536 + 8]) throws(() => crypto.getRandomValues(new Type(new ArrayBuffer(bytes))), 'TypeMismatchError', Type.name);
        for (const value of [undefined, null, 5, [], new ArrayBuffer(8)]) throws(() => crypto.getRandomValues(value), TypeError);
        const inside = new Uint8Array(8);
        crypto.getRandomValues(inside.subarray(4));
        equal(inside.subarray(0, 4), new Uint8Array(4));
        throws(() => crypto.getRandomValues.call({}, inside), TypeError);
    },
    'randomUUID': () => {
        const seen = new Set();
        for (let i = 0; i < 100; i++) {
            const id = crypto.randomUUID();
            ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id), id);
            seen.add(id);
        }
        equal(seen.size, 100);
    },
    'DigestStream': async () => {
        const stream = new crypto.DigestStream('SHA-256');
        ok(stream instanceof WritableStream && stream instanceof crypto.DigestStream);
        await new Response('the body').body.pipeTo(stream);
        equal(new Uint8Array(await stream.digest), new Uint8Array(await subtle.digest('SHA-256', new TextEncoder().encode('the body'))));
        equal(stream.bytesWritten, 8n);
        const writer = new crypto.DigestStream({ name: 'md5' }).getWriter();
        writer.write(new Uint8Array(3).buffer);
        writer.write('abc');
        await writer.close();
        throws(() => new crypto.DigestStream('x'), 'NotSupportedError');
        throws(() => new crypto.DigestStream(), TypeError);
        const broken = new crypto.DigestStream('SHA-1');
        await rejects(broken.getWriter().write(5), TypeError);
        await rejects(broken.digest, TypeError);
        const aborted = new crypto.DigestStream('SHA-1');
        await aborted.abort('why');
        equal(await aborted.digest.catch((reason) => reason), 'why');
    },
    'timingSafeEqual': () => {
        ok(subtle.timingSafeEqual(new Uint8Array([1, 2]), new Uint8Array([1, 2]).buffer));
        ok(!subtle.timingSafeEqual(new Uint8Array([1, 2]), new Uint8Array([1, 3])));
        ok(subtle.timingSafeEqual(new Uint8Array(0), new ArrayBuffer(0)));
        throws(() => subtle.timingSafeEqual(new Uint8Array(1), new Uint8Array(2)), TypeError);
        throws(() => subtle.timingSafeEqual('a', 'a'), TypeError);
    },
    'supports': () => {
        const rows = [
            ['digest', 'SHA-256', undefined, true], ['digest', 'AES-GCM', undefined, false], ['generateKey', { name: 'AES-GCM', length: 256 }, undefined, true],
            ['generateKey', 'AES-GCM', undefined, false], ['generateKey', 'ML-KEM-768', undefined, true], ['encapsulateKey', 'ML-KEM-768', { name: 'AES-GCM', length: 256 }, true],
            ['sign', 'ML-DSA-65', undefined, true], ['getPublicKey', 'Ed25519', undefined, true], ['getPublicKey', 'HMAC', undefined, false],
            ['exportKey', 'HKDF', undefined, false], ['exportKey', 'AES-GCM', undefined, true], ['nothing', 'AES-GCM', undefined, false],
            ['deriveBits', { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: new Uint8Array(0) }, 256, true],
            ['deriveBits', { name: 'HKDF', hash: 'SHA-256', salt: new Uint8Array(0), info: new Uint8Array(0) }, 7, false],
        ];
        for (const [operation, algorithm, more, expected] of rows) equal(SubtleCrypto.supports(operation, algorithm, more), expected, `${operation} ${JSON.stringify(algorithm)}`);
    },
});
