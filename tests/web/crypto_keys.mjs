// Keys of crypto.subtle in and out: every format of every algorithm, JWKs that are not right, wrapped keys, and use after import.
import { equal, ok, rejects, suite } from './assert.mjs';

const { subtle } = crypto;
const EXPONENT = new Uint8Array([1, 0, 1]);
const rsa = (name, hash = 'SHA-256') => ({ name, hash, modulusLength: 2048, publicExponent: EXPONENT });
const bytesOf = (value) => new Uint8Array(value);
const same = (a, b) => equal(bytesOf(a).toHex(), bytesOf(b).toHex());

const CIPHERS = ['encrypt', 'decrypt', 'wrapKey', 'unwrapKey'];
// algorithm of generateKey, usages, formats of (secret) or (public, private) keys
const SECRET = [
    [{ name: 'AES-CBC', length: 128 }, CIPHERS, ['raw', 'raw-secret', 'jwk']],
    [{ name: 'AES-CTR', length: 192 }, CIPHERS, ['raw', 'raw-secret', 'jwk']],
    [{ name: 'AES-GCM', length: 256 }, CIPHERS, ['raw', 'raw-secret', 'jwk']],
    [{ name: 'AES-OCB', length: 256 }, CIPHERS, ['raw-secret', 'jwk']],
    [{ name: 'ChaCha20-Poly1305' }, CIPHERS, ['raw-secret', 'jwk']],
    [{ name: 'AES-KW', length: 128 }, ['wrapKey', 'unwrapKey'], ['raw', 'raw-secret', 'jwk']],
    [{ name: 'HMAC', hash: 'SHA-1' }, ['sign', 'verify'], ['raw', 'raw-secret', 'jwk']],
    [{ name: 'HMAC', hash: 'SHA-512', length: 13 }, ['sign', 'verify'], ['raw', 'raw-secret', 'jwk']],
];
const ofRaw = ['raw', 'raw-public', 'spki', 'jwk'];
const PAIRS = [
    [{ name: 'ECDSA', namedCurve: 'P-256' }, ['sign', 'verify'], ofRaw, ['pkcs8', 'jwk']],
    [{ name: 'ECDSA', namedCurve: 'P-384' }, ['sign', 'verify'], ofRaw, ['pkcs8', 'jwk']],
    [{ name: 'ECDH', namedCurve: 'P-521' }, ['deriveBits', 'deriveKey'], ofRaw, ['pkcs8', 'jwk']],
    [{ name: 'Ed25519' }, ['sign', 'verify'], ofRaw, ['pkcs8', 'jwk']],
    [{ name: 'Ed448' }, ['sign', 'verify'], ofRaw, ['pkcs8', 'jwk']],
    [{ name: 'NODE-ED25519', namedCurve: 'NODE-ED25519' }, ['sign', 'verify'], ofRaw, ['pkcs8', 'jwk']],
    [{ name: 'X25519' }, ['deriveBits', 'deriveKey'], ofRaw, ['pkcs8', 'jwk']],
    [{ name: 'X448' }, ['deriveBits', 'deriveKey'], ofRaw, ['pkcs8', 'jwk']],
    [rsa('RSASSA-PKCS1-v1_5'), ['sign', 'verify'], ['spki', 'jwk'], ['pkcs8', 'jwk']],
    [rsa('RSA-PSS', 'SHA-512'), ['sign', 'verify'], ['spki', 'jwk'], ['pkcs8', 'jwk']],
    [rsa('RSA-OAEP', 'SHA-1'), CIPHERS, ['spki', 'jwk'], ['pkcs8', 'jwk']],
    [{ name: 'ML-DSA-65' }, ['sign', 'verify'], ['raw-public', 'spki', 'jwk'], ['raw-seed', 'pkcs8', 'jwk']],
    [{ name: 'ML-KEM-1024' }, ['encapsulateBits', 'decapsulateBits'], ['raw-public', 'spki', 'jwk'], ['raw-seed', 'pkcs8', 'jwk']],
];
const ALL_FORMATS = ['raw', 'raw-public', 'raw-private', 'raw-seed', 'raw-secret', 'spki', 'pkcs8', 'jwk'];

async function goesRound(key, algorithm, formats) {
    for (const format of ALL_FORMATS) {
        if (!formats.includes(format)) {
            await rejects(subtle.exportKey(format, key), DOMException, `${algorithm.name} ${key.type} ${format}`);
            continue;
        }
        const out = await subtle.exportKey(format, key);
        const back = await subtle.importKey(format, out, algorithm, true, key.usages);
        equal([back.type, back.algorithm, back.usages, back.extractable], [key.type, key.algorithm, key.usages, true], `${algorithm.name} ${format}`);
        const again = await subtle.exportKey(format, back);
        if (format === 'jwk') {
            equal(again, out, algorithm.name);
            equal(Object.keys(out), Object.keys(out).sort(), 'members in order');
        } else {
            ok(out instanceof ArrayBuffer);
            same(out, again);
            for (const bad of [bytesOf(out).subarray(1), new Uint8Array([...bytesOf(out), 0]), new Uint8Array(0)])
                if (algorithm.name !== 'HMAC') await rejects(subtle.importKey(format, bad, algorithm, true, key.usages), 'DataError', `${algorithm.name} ${format} ${bad.length}`);
        }
        const closed = await subtle.importKey(format, out, algorithm, false, key.usages);
        await rejects(subtle.exportKey(format, closed), 'InvalidAccessError');
    }
}

const b64 = (hex) => Uint8Array.fromHex(hex).toBase64({ alphabet: 'base64url', omitPadding: true });

export default suite({
    'secret keys go out and in in all their formats, and in no other': async () => {
        for (const [algorithm, usages, formats] of SECRET) await goesRound(await subtle.generateKey(algorithm, true, usages), algorithm, formats);
    },
    'and so do pairs': async () => {
        for (const [algorithm, usages, forPublic, forPrivate] of PAIRS) {
            const { publicKey, privateKey } = await subtle.generateKey(algorithm, true, usages);
            await goesRound(publicKey, algorithm, forPublic);
            await goesRound(privateKey, algorithm, forPrivate);
            const made = await subtle.getPublicKey(privateKey, publicKey.usages);
            same(await subtle.exportKey('spki', made), await subtle.exportKey('spki', publicKey));
            await rejects(subtle.getPublicKey(publicKey, []), 'InvalidAccessError');
            await rejects(subtle.getPublicKey(privateKey, ['wrapKey', 'sign']), 'SyntaxError');
        }
    },
    'imported keys do what the exported ones do': async () => {
        const data = new Uint8Array(100);
        for (const [algorithm, params] of [
            [rsa('RSASSA-PKCS1-v1_5'), 'RSASSA-PKCS1-v1_5'], [rsa('RSA-PSS', 'SHA-384'), { name: 'RSA-PSS', saltLength: 48 }],
            [rsa('RSA-PSS', 'SHA3-256'), { name: 'RSA-PSS', saltLength: 0 }],
            ...['P-256', 'P-384', 'P-521'].flatMap((namedCurve) => ['SHA-1', 'SHA-256', 'SHA-512', 'SHA3-512'].map((hash) =>
                [{ name: 'ECDSA', namedCurve }, { name: 'ECDSA', hash }])),
            [{ name: 'Ed25519' }, 'Ed25519'], [{ name: 'Ed448' }, { name: 'Ed448', context: new Uint8Array(255) }],
            ...['ML-DSA-44', 'ML-DSA-65', 'ML-DSA-87'].map((name) => [{ name }, { name, context: new Uint8Array(7) }]),
        ]) {
            const pair = await subtle.generateKey(algorithm, true, ['sign', 'verify']);
            const privateKey = await subtle.importKey('pkcs8', await subtle.exportKey('pkcs8', pair.privateKey), algorithm, false, ['sign']);
            const publicKey = await subtle.importKey('jwk', await subtle.exportKey('jwk', pair.publicKey), algorithm, false, ['verify']);
            const signature = await subtle.sign(params, privateKey, data);
            ok(await subtle.verify(params, publicKey, signature, data), algorithm.name);
            ok(!(await subtle.verify(params, publicKey, signature, data.subarray(1))), algorithm.name);
            const wrong = bytesOf(signature.slice());
            wrong[wrong.length >> 1] ^= 1;
            ok(!(await subtle.verify(params, publicKey, wrong, data)));
            ok(!(await subtle.verify(params, publicKey, wrong.subarray(1), data)));
            ok(!(await subtle.verify(params, publicKey, new Uint8Array(0), data)));
        }
        const { publicKey, privateKey } = await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
        equal((await subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, data)).byteLength, 64, 'two numbers, no DER');
        ok(!(await subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, publicKey, new Uint8Array(64), data)), 'zeros');
        await rejects(subtle.sign({ name: 'RSA-PSS', saltLength: 500 }, (await subtle.generateKey(rsa('RSA-PSS'), true, ['sign'])).privateKey, data), 'OperationError');
    },
    'agreement': async () => {
        for (const [algorithm, bits] of [[{ name: 'ECDH', namedCurve: 'P-256' }, 256], [{ name: 'ECDH', namedCurve: 'P-384' }, 384], [{ name: 'ECDH', namedCurve: 'P-521' }, 528],
            [{ name: 'X25519' }, 256], [{ name: 'X448' }, 448]]) {
            const { name } = algorithm;
            const a = await subtle.generateKey(algorithm, false, ['deriveBits', 'deriveKey']);
            const b = await subtle.generateKey(algorithm, false, ['deriveBits']);
            const ab = await subtle.deriveBits({ name, public: b.publicKey }, a.privateKey);
            same(ab, await subtle.deriveBits({ name, public: a.publicKey }, b.privateKey, null));
            equal(ab.byteLength * 8, bits);
            same(await subtle.deriveBits({ name, public: b.publicKey }, a.privateKey, 80), ab.slice(0, 10));
            await rejects(subtle.deriveBits({ name, public: b.publicKey }, a.privateKey, bits + 1), 'OperationError');
            await rejects(subtle.deriveBits({ name, public: b.privateKey }, a.privateKey, null), 'InvalidAccessError', 'a private key as public');
            await rejects(subtle.deriveBits({ name, public: b.publicKey }, b.publicKey, null), 'InvalidAccessError');
            await rejects(subtle.deriveBits({ name, public: {} }, a.privateKey, null), TypeError);
            for (const length of [NaN, -8, Infinity, 2 ** 32 + 8]) await rejects(subtle.deriveBits({ name, public: b.publicKey }, a.privateKey, length), TypeError);
            const key = await subtle.deriveKey({ name, public: b.publicKey }, a.privateKey, { name: 'HMAC', hash: 'SHA-256', length: 120 }, true, ['sign']);
            same(await subtle.exportKey('raw', key), ab.slice(0, 15));
            await rejects(subtle.deriveKey({ name, public: b.publicKey }, a.privateKey, { name: 'AES-GCM', length: 128 }, true, []), 'SyntaxError');
        }
        const p256 = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-256' }, false, ['deriveBits']);
        const p384 = await subtle.generateKey({ name: 'ECDH', namedCurve: 'P-384' }, false, ['deriveBits']);
        await rejects(subtle.deriveBits({ name: 'ECDH', public: p384.publicKey }, p256.privateKey, null), 'InvalidAccessError', 'two curves');
    },
    'RSA-OAEP': async () => {
        for (const hash of ['SHA-1', 'SHA-256', 'SHA-384', 'SHA-512']) {
            const { publicKey, privateKey } = await subtle.generateKey(rsa('RSA-OAEP', hash), false, CIPHERS);
            const label = new Uint8Array(20);
            const encrypted = await subtle.encrypt({ name: 'RSA-OAEP', label }, publicKey, new Uint8Array(50));
            equal(encrypted.byteLength, 256);
            same(await subtle.decrypt({ name: 'RSA-OAEP', label }, privateKey, encrypted), new Uint8Array(50));
            await rejects(subtle.decrypt('RSA-OAEP', privateKey, encrypted), 'OperationError', 'without the label');
            await rejects(subtle.encrypt('RSA-OAEP', publicKey, new Uint8Array(240)), 'OperationError', 'too much');
            same(await subtle.decrypt('RSA-OAEP', privateKey, await subtle.encrypt('RSA-OAEP', publicKey, new Uint8Array(0))), new Uint8Array(0));
        }
    },
    'JWKs that are not right': async () => {
        const ec = await subtle.exportKey('jwk', (await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])).privateKey);
        const other = await subtle.exportKey('jwk', (await subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign'])).privateKey);
        const okp = await subtle.exportKey('jwk', (await subtle.generateKey('Ed25519', true, ['sign'])).privateKey);
        const aes = await subtle.exportKey('jwk', await subtle.generateKey({ name: 'AES-GCM', length: 128 }, true, ['encrypt']));
        const pss = await subtle.exportKey('jwk', (await subtle.generateKey(rsa('RSA-PSS'), true, ['sign'])).privateKey);
        const dsa = await subtle.exportKey('jwk', (await subtle.generateKey('ML-DSA-44', true, ['sign'])).privateKey);
        const rows = [
            [ec, { name: 'ECDSA', namedCurve: 'P-256' }, ['sign'], [{ kty: 'RSA' }, { kty: undefined }, { crv: 'P-384' }, { crv: undefined }, { x: undefined }, { y: undefined },
                { d: '' }, { d: ec.d + 'AA' }, { x: other.x }, { x: other.x, y: other.y }, { d: other.d }, { x: ec.x.slice(1) }, { x: ec.x + '=' }, { x: '+' + ec.x.slice(1) },
                { alg: 'ES384' }, { alg: 'es256' }, { use: 'enc' }, { key_ops: ['verify'] }, { key_ops: ['sign', 'sign'] }, { ext: false }, { d: b64('00'.repeat(32)) }, { d: b64('ff'.repeat(32)) }]],
            [okp, 'Ed25519', ['sign'], [{ kty: 'EC' }, { crv: 'X25519' }, { x: undefined }, { x: b64('00'.repeat(32)) }, { d: okp.d.slice(4) }, { d: '' }, { alg: 'ed25519' }, { use: 'x' }]],
            [aes, 'AES-GCM', ['encrypt'], [{ kty: 'EC' }, { k: undefined }, { k: 'a' }, { k: '' }, { k: aes.k + '==' }, { alg: 'A256GCM' }, { alg: 'A128CBC' }, { use: 'sig' }, { ext: false }, { key_ops: [] }]],
            [pss, rsa('RSA-PSS'), ['sign'], [{ kty: 'oct' }, { n: undefined }, { e: undefined }, { e: '' }, { e: 'AA' }, { p: undefined }, { qi: undefined }, { q: pss.p }, { d: pss.p }, { dp: pss.dq },
                { n: pss.n.slice(4) }, { alg: 'PS384' }, { alg: 'RS256' }, { oth: [] }, { use: 'enc' }]],
            [dsa, 'ML-DSA-44', ['sign'], [{ kty: 'OKP' }, { alg: undefined }, { alg: 'ML-DSA-65' }, { pub: undefined }, { pub: '' }, { priv: '' }, { priv: b64('00'.repeat(32)) }, { pub: dsa.pub.slice(4) }]],
        ];
        for (const [jwk, algorithm, usages, changes] of rows) {
            await subtle.importKey('jwk', jwk, algorithm, true, usages);
            for (const change of changes) await rejects(subtle.importKey('jwk', { ...jwk, ...change }, algorithm, true, usages), 'DataError', `${jwk.kty} ${JSON.stringify(change)}`);
            await subtle.importKey('jwk', { ...jwk, ext: false }, algorithm, false, usages);
            await subtle.importKey('jwk', { ...jwk, ext: undefined, key_ops: undefined, use: undefined }, algorithm, true, usages);
            await rejects(subtle.importKey('jwk', jwk, algorithm, true, []), 'SyntaxError', 'a private key without usages');
            await rejects(subtle.importKey('jwk', jwk, algorithm, true, ['deriveBits']), 'SyntaxError');
        }
        await subtle.importKey('jwk', { ...okp, alg: 'EdDSA' }, 'Ed25519', true, ['sign']);
        await rejects(subtle.importKey('jwk', { ...ec, key_ops: 5 }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign']), TypeError);
        const zero = { ...pss, d: b64('00' + Uint8Array.fromBase64(pss.d, { alphabet: 'base64url' }).toHex()) };
        await subtle.importKey('jwk', zero, rsa('RSA-PSS'), true, ['sign']);
    },
    'points: compressed ones are taken, others than the curve\'s are not': async () => {
        const ecdh = (namedCurve) => ({ name: 'ECDH', namedCurve });
        for (const curve of ['P-256', 'P-384', 'P-521']) {
            const { publicKey } = await subtle.generateKey(ecdh(curve), true, ['deriveBits']);
            const raw = bytesOf(await subtle.exportKey('raw', publicKey));
            const half = (raw.length - 1) / 2;
            const compressed = new Uint8Array([2 + (raw.at(-1) & 1), ...raw.subarray(1, 1 + half)]);
            same(await subtle.exportKey('raw', await subtle.importKey('raw', compressed, ecdh(curve), true, [])), raw);
            const off = raw.slice();
            off[raw.length - 1] ^= 1;
            for (const bad of [off, new Uint8Array([0]), new Uint8Array([4]), new Uint8Array(raw.length), raw.subarray(1)])
                await rejects(subtle.importKey('raw', bad, ecdh(curve), true, []), 'DataError', `${curve} ${bad.length}`);
            await rejects(subtle.importKey('spki', await subtle.exportKey('spki', publicKey), ecdh(curve === 'P-256' ? 'P-384' : 'P-256'), true, []), 'DataError');
            await rejects(subtle.importKey('spki', await subtle.exportKey('spki', publicKey), 'X25519', true, []), 'DataError');
        }
    },
    'Ed25519 keys and signatures of small order verify nothing': async () => {
        const y = ['00'.repeat(32), '01' + '00'.repeat(31), 'ec' + 'ff'.repeat(30) + '7f', 'ed' + 'ff'.repeat(30) + '7f', 'ee' + 'ff'.repeat(30) + '7f',
            '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05', 'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'];
        for (const hex of y) {
            const key = await subtle.importKey('raw', Uint8Array.fromHex(hex), 'Ed25519', true, ['verify']);
            equal(await subtle.verify('Ed25519', key, Uint8Array.fromHex(hex + '00'.repeat(32)), new Uint8Array(3)), false, hex);
            equal(await subtle.verify('Ed25519', key, Uint8Array.fromHex('01' + '00'.repeat(63)), new Uint8Array(3)), false, hex);
        }
    },
    'a private key of ML-KEM or ML-DSA without its seed is not supported': async () => {
        // PKCS #8 of the expanded key alone is 2,400 bytes in an OCTET STRING, which OpenSSL judges; of zeros it is none at all.
        const inner = [0x04, 0x82, 0x09, 0x60];
        const head = [0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x04, 0x02, 0x04, 0x82, 0x09, 0x64, ...inner];
        const der = new Uint8Array([0x30, 0x82, 0x09, 0x78, ...head, ...new Uint8Array(2400)]);
        await rejects(subtle.importKey('pkcs8', der, 'ML-KEM-768', true, ['decapsulateBits']), DOMException);
    },
    'wrapped keys': async () => {
        const iv = new Uint8Array(16);
        const wrappers = [
            [await subtle.generateKey({ name: 'AES-CBC', length: 128 }, false, ['wrapKey', 'unwrapKey']), { name: 'AES-CBC', iv }],
            [await subtle.generateKey({ name: 'AES-CTR', length: 128 }, false, ['wrapKey', 'unwrapKey']), { name: 'AES-CTR', counter: iv, length: 64 }],
            [await subtle.generateKey({ name: 'AES-GCM', length: 256 }, false, ['wrapKey', 'unwrapKey']), { name: 'AES-GCM', iv }],
            [await subtle.generateKey({ name: 'AES-KW', length: 192 }, false, ['wrapKey', 'unwrapKey']), 'AES-KW'],
        ];
        const ed = await subtle.generateKey('Ed25519', true, ['sign', 'verify']);
        const hmac = await subtle.generateKey({ name: 'HMAC', hash: 'SHA-256' }, true, ['sign']);
        const wrapped = [[hmac, { name: 'HMAC', hash: 'SHA-256' }, 'raw'], [hmac, { name: 'HMAC', hash: 'SHA-256' }, 'jwk'], [ed.privateKey, 'Ed25519', 'pkcs8'],
            [ed.privateKey, 'Ed25519', 'jwk'], [ed.publicKey, 'Ed25519', 'spki'], [ed.publicKey, 'Ed25519', 'raw']];
        for (const [key, params] of wrappers)
            for (const [inner, algorithm, format] of wrapped) {
                const isOdd = params === 'AES-KW' && format !== 'jwk' && (await subtle.exportKey(format, inner)).byteLength % 8;
                if (isOdd) {
                    await rejects(subtle.wrapKey(format, inner, key, params), 'OperationError', 'no multiple of 8 bytes');
                    continue;
                }
                const out = await subtle.wrapKey(format, inner, key, params);
                const back = await subtle.unwrapKey(format, out, key, params, algorithm, true, inner.usages);
                equal(await subtle.exportKey('jwk', back), await subtle.exportKey('jwk', inner));
                const closed = await subtle.unwrapKey(format, out, key, params, algorithm, false, inner.usages);
                if (inner.type !== 'public' || format !== 'x') equal(closed.extractable, false);
            }
        const rsaPair = await subtle.generateKey(rsa('RSA-OAEP'), false, ['wrapKey', 'unwrapKey']);
        const out = await subtle.wrapKey('raw', hmac, rsaPair.publicKey, 'RSA-OAEP');
        same(await subtle.exportKey('raw', await subtle.unwrapKey('raw', out, rsaPair.privateKey, 'RSA-OAEP', { name: 'HMAC', hash: 'SHA-256' }, true, ['sign'])), await subtle.exportKey('raw', hmac));
        const [gcm, params] = wrappers[2];
        const closed = await subtle.generateKey({ name: 'AES-GCM', length: 128 }, false, ['encrypt']);
        await rejects(subtle.wrapKey('raw', closed, gcm, params), 'InvalidAccessError', 'not extractable');
        await rejects(subtle.wrapKey('raw', hmac, hmac, params), 'InvalidAccessError', 'no wrapping key');
        const hkdf = await subtle.importKey('raw', new Uint8Array(8), 'HKDF', false, ['deriveBits']);
        await rejects(subtle.wrapKey('raw', hkdf, gcm, params), 'NotSupportedError', 'nothing exports it');
        const writing = await subtle.importKey('raw', new Uint8Array(16), 'AES-GCM', false, ['encrypt', 'unwrapKey']);
        for (const text of ['{', '5', 'null', '[]', '{"kty":"RSA"}', '\ufeff{', '"x"']) {
            const sealed = await subtle.encrypt(params, writing, new TextEncoder().encode(text));
            await rejects(subtle.unwrapKey('jwk', sealed, writing, params, 'AES-GCM', true, ['encrypt']), 'DataError', text);
        }
    },
    'keys are collected': async () => {
        for (let i = 0; i < 600; i++) await subtle.importKey('raw', new Uint8Array(1e5), 'HKDF', false, ['deriveBits']);
        await rejects(subtle.importKey('raw', new Uint8Array(2 << 20), 'HKDF', false, ['deriveBits']), RangeError);
    },
});
