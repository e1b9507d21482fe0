// ML-KEM (FIPS 203) and ML-DSA (FIPS 204) of crypto.subtle.
import { equal, ok, rejects, suite } from './assert.mjs';

const { subtle } = crypto;
const hex = (buffer) => new Uint8Array(buffer).toHex();
const sha = async (buffer) => hex(await subtle.digest('SHA-256', buffer));
const count = (n) => Uint8Array.from({ length: n }, (_, i) => i);

export default suite({
    'pairs of a seed': async () => {
        // By OpenSSL 3.5.8 of another process, from the seed 00 01 02 ...
        for (const [name, bytes, usage, expected] of SEEDS) {
            const key = await subtle.importKey('raw-seed', count(bytes), name, true, [usage]);
            equal(hex(await subtle.exportKey('raw-seed', key)), hex(count(bytes)));
            const publicKey = await subtle.getPublicKey(key, []);
            equal(await sha(await subtle.exportKey('raw-public', publicKey)), expected, name);
            for (const length of [bytes - 1, bytes + 1, 0])
                await rejects(subtle.importKey('raw-seed', new Uint8Array(length), name, true, [usage]), 'DataError');
            await rejects(subtle.importKey('raw', count(bytes), name, true, [usage]), 'NotSupportedError');
            await rejects(subtle.exportKey('raw-seed', publicKey), 'InvalidAccessError');
        }
    },
    'ML-KEM: both sides come to one secret': async () => {
        for (const [name, length] of [['ML-KEM-512', 768], ['ML-KEM-768', 1088], ['ML-KEM-1024', 1568]]) {
            const { publicKey, privateKey } = await subtle.generateKey(name, false, ['encapsulateBits', 'encapsulateKey', 'decapsulateBits', 'decapsulateKey']);
            equal([publicKey.usages, privateKey.usages, publicKey.algorithm], [['encapsulateKey', 'encapsulateBits'], ['decapsulateKey', 'decapsulateBits'], { name }]);
            const { sharedKey, ciphertext } = await subtle.encapsulateBits(name, publicKey);
            equal([sharedKey.byteLength, ciphertext.byteLength], [32, length]);
            equal(hex(await subtle.decapsulateBits(name, privateKey, ciphertext)), hex(sharedKey));
            const wrong = new Uint8Array(ciphertext.slice());
            wrong[5] ^= 1;
            ok(hex(await subtle.decapsulateBits(name, privateKey, wrong)) !== hex(sharedKey), 'rejected implicitly');
            await rejects(subtle.decapsulateBits(name, privateKey, wrong.subarray(1)), 'OperationError');
            for (const [algorithm, usages] of [[{ name: 'AES-GCM', length: 256 }, ['encrypt']], [{ name: 'HMAC', hash: 'SHA-256' }, ['sign']], ['HKDF', ['deriveBits']]]) {
                const isExtractable = algorithm !== 'HKDF';
                const made = await subtle.encapsulateKey(name, publicKey, algorithm, isExtractable, usages);
                ok(made.sharedKey instanceof CryptoKey && made.ciphertext instanceof ArrayBuffer);
                const back = await subtle.decapsulateKey(name, privateKey, made.ciphertext, algorithm, isExtractable, usages);
                equal([back.algorithm, back.usages], [made.sharedKey.algorithm, made.sharedKey.usages]);
                if (isExtractable) equal(hex(await subtle.exportKey('raw', back)), hex(await subtle.exportKey('raw', made.sharedKey)));
            }
            await rejects(subtle.encapsulateBits(name, privateKey), 'InvalidAccessError');
            await rejects(subtle.decapsulateBits(name, publicKey, ciphertext), 'InvalidAccessError');
            await rejects(subtle.encapsulateKey(name, publicKey, { name: 'AES-GCM' }, true, []), 'SyntaxError');
            await rejects(subtle.encapsulateBits('X25519', publicKey), 'NotSupportedError');
        }
    },
    'ML-DSA: signatures and their context': async () => {
        for (const [name, length] of [['ML-DSA-44', 2420], ['ML-DSA-65', 3309], ['ML-DSA-87', 4627]]) {
            const { publicKey, privateKey } = await subtle.generateKey(name, false, ['sign', 'verify']);
            const data = count(200);
            const plain = await subtle.sign(name, privateKey, data);
            const bound = await subtle.sign({ name, context: count(255) }, privateKey, data);
            equal([plain.byteLength, bound.byteLength], [length, length]);
            const verify = (context, signature) => subtle.verify({ name, context }, publicKey, signature, data);
            equal([await verify(undefined, plain), await verify(new Uint8Array(0), plain), await verify(count(255), bound)], [true, true, true]);
            equal([await verify(count(254), bound), await verify(undefined, bound), await verify(count(1), plain)], [false, false, false]);
            await rejects(subtle.sign({ name, context: count(256) }, privateKey, data), 'OperationError');
            await rejects(subtle.sign(name, publicKey, data), 'InvalidAccessError');
        }
    },
});

const SEEDS = [
    ['ML-KEM-512', 64, 'decapsulateBits', '3ae268dccc5456ac0d0f9b39257dc48fe081383b97c400512d712b739762daee'],
    ['ML-KEM-768', 64, 'decapsulateBits', '0b7934c83125c788995e2ba6bd761e33046b3e40571be53e023309a29f398cc9'],
    ['ML-KEM-1024', 64, 'decapsulateBits', 'c7b8fa0aa471d5ae18922d6ccad5b31e1d84f92ae723abfd13747018740a8530'],
    ['ML-DSA-44', 32, 'sign', '9f107644c1084526af3bc8098680b05499a2325a644e388fb4f970e058d19d46'],
    ['ML-DSA-65', 32, 'sign', 'd666806e11cee19a7c989f7445f90dd419cf4d2d51db8c0fdb4c0f0a542238c9'],
    ['ML-DSA-87', 32, 'sign', '91dc389cfaa01470b7f66eee45a4ae9026d154817c754dfe22298b3fa241ffcd'],
];
