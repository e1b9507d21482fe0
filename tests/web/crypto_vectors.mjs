// crypto.subtle against published vectors: the source is beside each.
import { equal, rejects, suite } from './assert.mjs';

const { subtle } = crypto;
const bytes = (hex) => Uint8Array.fromHex(hex.replace(/\s/g, ''));
const hex = (buffer) => new Uint8Array(buffer).toHex();
const text = (string) => new TextEncoder().encode(string);
const raw = (name, key, usages, algorithm = { name }) => subtle.importKey('raw', bytes(key), algorithm, false, usages);

export default suite({
    'digests of "abc": FIPS 180-4, FIPS 202, RFC 1321': async () => {
        const rows = [
            ['SHA-1', 'a9993e364706816aba3e25717850c26c9cd0d89d'],
            ['sha-256', 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
            ['SHA-384', 'cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7'],
            ['SHA-512', 'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a' +
                '2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f'],
            ['SHA3-256', '3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532'],
            ['SHA3-384', 'ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25'],
            ['SHA3-512', 'b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e' +
                '10e116e9192af3c91a7ec57647e3934057340b4cf408d5a56592f8274eec53f0'],
            ['MD5', '900150983cd24fb0d6963f7d28e17f72'],
        ];
        for (const [name, expected] of rows) equal(hex(await subtle.digest(name, text('abc'))), expected, name);
        equal(hex(await subtle.digest('SHA-256', new ArrayBuffer(0))), 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
        const view = new DataView(text('xabcx').buffer, 1, 3);
        equal(hex(await subtle.digest({ name: 'SHA-1' }, view)), rows[0][1]);
    },
    'cSHAKE: NIST SP 800-185, samples 1 to 4': async () => {
        const data = Uint8Array.from({ length: 200 }, (_, i) => i);
        const customization = text('Email Signature');
        const run = async (name, outputLength, input) => hex(await subtle.digest({ name, outputLength, customization }, input));
        equal(await run('cSHAKE128', 256, data.subarray(0, 4)), 'c1c36925b6409a04f1b504fcbca9d82b4017277cb5ed2b2065fc1d3814d5aaf5');
        equal(await run('cSHAKE128', 256, data), 'c5221d50e4f822d96a2e8881a961420f294b7b24fe3d2094baed2c6524cc166b');
        equal(await run('cSHAKE256', 512, data.subarray(0, 4)), 'd008828e2b80ac9d2218ffee1d070c48b8e4c87bff32c9699d5b6896eee0edd1' +
            '64020e2be0560858d9c00c037e34a96937c561a74c412bb4c746469527281c8c');
        equal(await run('cSHAKE256', 512, data), '07dc27b11e51fbac75bc7b3c1d983e8b4b85fb1defaf218912ac864302730917' +
            '27f42b17ed1df63e8ec118f04b23633c1dfb1574c8fb55cb45da8e25afb092bb');
        equal(hex(await subtle.digest({ name: 'cshake128', length: 256 }, new Uint8Array(0))),
            '7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26', 'without both it is SHAKE');
        equal(hex(await subtle.digest({ name: 'cSHAKE128', outputLength: 7 }, new Uint8Array(0))), '7e');
        equal((await subtle.digest({ name: 'cSHAKE128', outputLength: 0 }, data)).byteLength, 0);
        await rejects(subtle.digest('cSHAKE128', data), TypeError);
    },
    'HMAC: RFC 4231, cases 1 to 3 and 6; RFC 2202, case 1': async () => {
        const rows = [
            ['SHA-256', '0b'.repeat(20), text('Hi There'), 'b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7'],
            ['SHA-384', '0b'.repeat(20), text('Hi There'),
                'afd03944d84895626b0825f4ab46907f15f9dadbe4101ec682aa034c7cebc59cfaea9ea9076ede7f4af152e8b2fa9cb6'],
            ['SHA-512', hex(text('Jefe')), text('what do ya want for nothing?'), '164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554' +
                '9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737'],
            ['SHA-256', 'aa'.repeat(20), bytes('dd'.repeat(50)), '773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe'],
            ['SHA-256', 'aa'.repeat(131), text('Test Using Larger Than Block-Size Key - Hash Key First'),
                '60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54'],
            ['SHA-1', '0b'.repeat(20), text('Hi There'), 'b617318655057264e28bc0b6fb378c8ef146be00'],
        ];
        for (const [hash, key, data, expected] of rows) {
            const k = await raw('HMAC', key, ['sign', 'verify'], { name: 'HMAC', hash });
            equal(hex(await subtle.sign('HMAC', k, data)), expected, hash);
            equal(await subtle.verify('HMAC', k, bytes(expected), data), true);
            equal(await subtle.verify('HMAC', k, bytes(expected).subarray(1), data), false);
        }
    },
    'AES-CBC, AES-CTR: NIST SP 800-38A, F.2 and F.5': async () => {
        const plain = bytes('6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51 30c81c46a35ce411e5fbc1191a0a52ef f69f2445df4f9b17ad2b417be66c3710');
        const iv = bytes('000102030405060708090a0b0c0d0e0f');
        const cbc = [
            ['2b7e151628aed2a6abf7158809cf4f3c', '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2' +
                '73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7'],
            ['8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b', '4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a' +
                '571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd'],
            ['603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4', 'f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d' +
                '39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b'],
        ];
        for (const [key, expected] of cbc) {
            const k = await raw('AES-CBC', key, ['encrypt', 'decrypt']);
            const encrypted = await subtle.encrypt({ name: 'AES-CBC', iv }, k, plain);
            equal(encrypted.byteLength, 80, 'a block of padding');
            equal(hex(encrypted).slice(0, 128), expected);
            equal(hex(await subtle.decrypt({ name: 'AES-CBC', iv }, k, encrypted)), hex(plain));
            await rejects(subtle.decrypt({ name: 'AES-CBC', iv }, k, plain), 'OperationError');
            await rejects(subtle.decrypt({ name: 'AES-CBC', iv }, k, new Uint8Array(0)), 'OperationError');
            await rejects(subtle.encrypt({ name: 'AES-CBC', iv: iv.subarray(1) }, k, plain), 'OperationError');
        }
        const counter = bytes('f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff');
        const ctr = [
            ['2b7e151628aed2a6abf7158809cf4f3c', '874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff' +
                '5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee'],
            ['603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4', '601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5' +
                '2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6'],
        ];
        for (const [key, expected] of ctr) {
            const k = await raw('AES-CTR', key, ['encrypt', 'decrypt']);
            equal(hex(await subtle.encrypt({ name: 'AES-CTR', counter, length: 64 }, k, plain)), expected);
            equal(hex(await subtle.decrypt({ name: 'AES-CTR', counter, length: 128 }, k, bytes(expected))), hex(plain));
        }
    },
    'AES-CTR: the counter wraps within its bits, and may not come twice': async () => {
        const k = await raw('AES-CTR', '2b7e151628aed2a6abf7158809cf4f3c', ['encrypt']);
        const block = async (counter) => hex(await subtle.encrypt({ name: 'AES-CTR', counter, length: 128 }, k, new Uint8Array(16)));
        for (const [length, last, first] of [
            [1, '000000000000000000000000000000ff', '000000000000000000000000000000fe'],
            [4, 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff', 'f0f1f2f3f4f5f6f7f8f9fafbfcfdfef0'],
            [9, '0000000000000000000000000000ffff', '0000000000000000000000000000fe00'],
            [64, 'f0f1f2f3f4f5f6f7ffffffffffffffff', 'f0f1f2f3f4f5f6f70000000000000000'],
            [128, 'ffffffffffffffffffffffffffffffff', '00000000000000000000000000000000'],
        ]) {
            const two = hex(await subtle.encrypt({ name: 'AES-CTR', counter: bytes(last), length }, k, new Uint8Array(30)));
            equal(two, (await block(bytes(last))) + (await block(bytes(first))).slice(0, 28), `${length} bits`);
        }
        const counter = new Uint8Array(16);
        await subtle.encrypt({ name: 'AES-CTR', counter, length: 2 }, k, new Uint8Array(64));
        await rejects(subtle.encrypt({ name: 'AES-CTR', counter, length: 2 }, k, new Uint8Array(65)), 'OperationError');
        await rejects(subtle.encrypt({ name: 'AES-CTR', counter, length: 0 }, k, new Uint8Array(1)), 'OperationError');
        await rejects(subtle.encrypt({ name: 'AES-CTR', counter, length: 129 }, k, new Uint8Array(1)), 'OperationError');
        await rejects(subtle.encrypt({ name: 'AES-CTR', counter, length: 256 }, k, new Uint8Array(1)), TypeError);
    },
    'AES-GCM: NIST GCM specification, cases 3, 4, 6 and 16': async () => {
        const plain = 'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255';
        const aad = 'feedfacedeadbeeffeedfacedeadbeefabaddad2';
        const longIv = '9313225df88406e555909c5aff5269aa6a7a9538534f7da1e4c303d2a318a728c3c0c95156809539fcf0e2429a6b525416aedbf5a0de6a57a637b39b';
        const rows = [
            ['feffe9928665731c6d6a8f9467308308', 'cafebabefacedbaddecaf888', plain, '',
                '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091473f5985' +
                '4d5c2af327cd64a62cf35abd2ba6fab4'],
            ['feffe9928665731c6d6a8f9467308308', 'cafebabefacedbaddecaf888', plain.slice(0, 120), aad,
                '42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091' +
                '5bc94fbc3221a5db94fae95ae7121a47'],
            ['feffe9928665731c6d6a8f9467308308', longIv, plain.slice(0, 120), aad,
                '8ce24998625615b603a033aca13fb894be9112a5c3a211a8ba262a3cca7e2ca701e4a9a4fba43c90ccdcb281d48c7c6fd62875d2aca417034c34aee5' +
                '619cc5aefffe0bfa462af43c1699d050'],
            ['feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308', 'cafebabefacedbaddecaf888', plain.slice(0, 120), aad,
                '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662' +
                '76fc6ece0f4e1768cddf8853bb2d551b'],
        ];
        for (const [key, iv, data, additional, expected] of rows) {
            const k = await raw('AES-GCM', key, ['encrypt', 'decrypt']);
            const params = { name: 'AES-GCM', iv: bytes(iv), additionalData: bytes(additional) };
            equal(hex(await subtle.encrypt(params, k, bytes(data))), expected);
            equal(hex(await subtle.decrypt(params, k, bytes(expected))), data);
            const short = await subtle.encrypt({ ...params, tagLength: 96 }, k, bytes(data));
            equal(hex(short), expected.slice(0, -8), 'a tag of 96 bits');
            equal(hex(await subtle.decrypt({ ...params, tagLength: 96 }, k, short)), data);
            const broken = bytes(expected);
            broken[0] ^= 1;
            await rejects(subtle.decrypt(params, k, broken), 'OperationError', 'a changed byte');
            await rejects(subtle.decrypt(params, k, broken.subarray(0, 15)), 'OperationError', 'shorter than a tag');
            await rejects(subtle.encrypt({ ...params, tagLength: 95 }, k, broken), 'OperationError');
            await rejects(subtle.encrypt({ ...params, iv: new Uint8Array(0) }, k, broken), 'OperationError');
        }
    },
    'ChaCha20-Poly1305: RFC 8439, 2.8.2': async () => {
        const k = await subtle.importKey('raw-secret', bytes('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
            'ChaCha20-Poly1305', true, ['encrypt', 'decrypt']);
        const params = { name: 'ChaCha20-Poly1305', iv: bytes('070000004041424344454647'), additionalData: bytes('50515253c0c1c2c3c4c5c6c7') };
        const plain = text('Ladies and Gentlemen of the class of \'99: If I could offer you only one tip for the future, sunscreen would be it.');
        const expected = 'd31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d63dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b3692' +
            'ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd0600691';
        equal(hex(await subtle.encrypt(params, k, plain)), expected);
        equal(hex(await subtle.decrypt(params, k, bytes(expected))), hex(plain));
        await rejects(subtle.encrypt({ ...params, iv: new Uint8Array(8) }, k, plain), 'OperationError');
        await rejects(subtle.exportKey('raw', k), 'NotSupportedError');
    },
    'AES-OCB: RFC 7253, appendix A': async () => {
        const k = await subtle.importKey('raw-secret', bytes('000102030405060708090a0b0c0d0e0f'), 'AES-OCB', true, ['encrypt', 'decrypt']);
        const params = { name: 'AES-OCB', iv: bytes('bbaa99887766554433221101'), additionalData: bytes('0001020304050607') };
        equal(hex(await subtle.encrypt(params, k, bytes('0001020304050607'))), '6820b3657b6f615a5725bda0d3b4eb3a257c9af1f8f03009');
        equal(hex(await subtle.decrypt(params, k, bytes('6820b3657b6f615a5725bda0d3b4eb3a257c9af1f8f03009'))), '0001020304050607');
    },
    'AES-KW: RFC 3394, 4.1, 4.3 and 4.6': async () => {
        const rows = [
            ['000102030405060708090A0B0C0D0E0F', '00112233445566778899AABBCCDDEEFF', '1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5'],
            ['000102030405060708090A0B0C0D0E0F1011121314151617', '00112233445566778899AABBCCDDEEFF',
                '96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d'],
            ['000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F', '00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F',
                '28c9f404c4b810f4cbccb35cfb87f8263f5786e2d80ed326cbc7f0e71a99f43bfb988b9b7a02dd21'],
        ];
        for (const [kek, data, expected] of rows) {
            const wrapping = await raw('AES-KW', kek, ['wrapKey', 'unwrapKey']);
            const key = await subtle.importKey('raw', bytes(data), 'AES-GCM', true, ['encrypt']);
            equal(hex(await subtle.wrapKey('raw', key, wrapping, 'AES-KW')), expected);
            const back = await subtle.unwrapKey('raw', bytes(expected), wrapping, 'AES-KW', 'AES-GCM', true, ['encrypt']);
            equal(hex(await subtle.exportKey('raw', back)), data.toLowerCase());
            const broken = bytes(expected);
            broken[3] ^= 4;
            await rejects(subtle.unwrapKey('raw', broken, wrapping, 'AES-KW', 'AES-GCM', true, ['encrypt']), 'OperationError');
        }
    },
    'HKDF: RFC 5869, cases 1, 3 and 4': async () => {
        const rows = [
            ['SHA-256', '0b'.repeat(22), '000102030405060708090a0b0c', 'f0f1f2f3f4f5f6f7f8f9',
                '3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865'],
            ['SHA-256', '0b'.repeat(22), '', '', '8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8'],
            ['SHA-1', '0b'.repeat(11), '000102030405060708090a0b0c', 'f0f1f2f3f4f5f6f7f8f9',
                '085a01ea1b10f36933068b56efa5ad81a4f14b822f5b091568a9cdd4f155fda2c22e422478d305f3f896'],
        ];
        for (const [hash, ikm, salt, info, expected] of rows) {
            const k = await raw('HKDF', ikm, ['deriveBits', 'deriveKey']);
            const params = { name: 'HKDF', hash, salt: bytes(salt), info: bytes(info) };
            equal(hex(await subtle.deriveBits(params, k, 42 * 8)), expected);
            const aes = await subtle.deriveKey(params, k, { name: 'AES-GCM', length: 256 }, true, ['encrypt']);
            equal(hex(await subtle.exportKey('raw', aes)), expected.slice(0, 64));
            equal((await subtle.deriveBits(params, k, 0)).byteLength, 0);
            for (const length of [null, undefined, 12]) await rejects(subtle.deriveBits(params, k, length), 'OperationError', `${length}`);
            await rejects(subtle.deriveBits(params, k, (255 * (hash === 'SHA-1' ? 20 : 32) + 1) * 8), 'OperationError', 'more than 255 hashes');
        }
        const empty = await raw('HKDF', '', ['deriveBits']);
        equal((await subtle.deriveBits({ name: 'HKDF', hash: 'SHA-512', salt: new Uint8Array(0), info: new Uint8Array(0) }, empty, 256)).byteLength, 32);
    },
    'PBKDF2: RFC 6070, RFC 7914 section 11': async () => {
        const rows = [
            ['SHA-1', 'password', 'salt', 1, '0c60c80f961f0e71f3a9b524af6012062fe037a6'],
            ['SHA-1', 'password', 'salt', 2, 'ea6c014dc72d6f8ccd1ed92ace1d41f0d8de8957'],
            ['SHA-1', 'password', 'salt', 4096, '4b007901b765489abead49d926f721d065a429c1'],
            ['SHA-1', 'passwordPASSWORDpassword', 'saltSALTsaltSALTsaltSALTsaltSALTsalt', 4096, '3d2eec4fe41c849b80c8d83662c0e44a8b291a964cf2f07038'],
            ['SHA-1', 'pass\0word', 'sa\0lt', 4096, '56fa6aa75548099dcc37d7f03425e0c3'],
            ['SHA-256', 'passwd', 'salt', 1, '55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc' +
                '49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783'],
            ['SHA-256', 'Password', 'NaCl', 80000, '4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56' +
                'a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d'],
        ];
        for (const [hash, password, salt, iterations, expected] of rows) {
            const k = await subtle.importKey('raw', text(password), 'PBKDF2', false, ['deriveBits']);
            const params = { name: 'PBKDF2', hash, salt: text(salt), iterations };
            const even = expected.slice(0, expected.length & ~1);
            equal(hex(await subtle.deriveBits(params, k, even.length * 4)), even, `${hash} ${iterations}`);
            await rejects(subtle.deriveBits({ ...params, iterations: 0 }, k, 128), 'OperationError');
            await rejects(subtle.deriveBits(params, k, null), 'OperationError');
        }
        const empty = await subtle.importKey('raw', new Uint8Array(0), 'PBKDF2', false, ['deriveBits']);
        equal((await subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-512', salt: new Uint8Array(0), iterations: 1 }, empty, 0)).byteLength, 0);
    },
    'Ed25519: RFC 8032, 7.1': async () => {
        const rows = [
            ['9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'd75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', '',
                'e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b'],
            ['4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb', '3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', '72',
                '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'],
        ];
        const b64 = (h) => bytes(h).toBase64({ alphabet: 'base64url', omitPadding: true });
        for (const [d, x, message, signature] of rows) {
            const jwk = { kty: 'OKP', crv: 'Ed25519', x: b64(x), d: b64(d) };
            const k = await subtle.importKey('jwk', jwk, 'Ed25519', true, ['sign']);
            equal(hex(await subtle.sign('Ed25519', k, bytes(message))), signature);
            const p = await raw('Ed25519', x, ['verify']);
            equal(await subtle.verify('Ed25519', p, bytes(signature), bytes(message)), true);
            equal(await subtle.verify('Ed25519', p, bytes(signature), text('other')), false);
            equal(await subtle.verify('Ed25519', p, bytes(signature).subarray(1), bytes(message)), false);
            const wrongS = bytes(signature);
            wrongS[63] |= 0xf0;
            equal(await subtle.verify('Ed25519', p, wrongS, bytes(message)), false, 's beyond the order');
            const node = await subtle.importKey('raw', bytes(x), { name: 'NODE-ED25519', namedCurve: 'NODE-ED25519' }, true, ['verify']);
            equal(await subtle.verify('NODE-ED25519', node, bytes(signature), bytes(message)), true);
        }
    },
    'Ed448: RFC 8032, 7.4, blank and with a context': async () => {
        const b64 = (h) => bytes(h).toBase64({ alphabet: 'base64url', omitPadding: true });
        const rows = [
            ['6c82a562cb808d10d632be89c8513ebf6c929f34ddfa8c9f63c9960ef6e348a3528c8a3fcc2f044e39a3fc5b94492f8f032e7549a20098f95b',
                '5fd7449b59b461fd2ce787ec616ad46a1da1342485a70e1f8a0ea75d80e96778edf124769b46c7061bd6783df1e50f6cd1fa1abeafe8256180', '', '',
                '533a37f6bbe457251f023c0d88f976ae2dfb504a843e34d2074fd823d41a591f2b233f034f628281f2fd7a22ddd47d7828c59bd0a21bfd3980' +
                'ff0d2028d4b18a9df63e006c5d1c2d345b925d8dc00b4104852db99ac5c7cdda8530a113a0f4dbb61149f05a7363268c71d95808ff2e652600'],
            ['c4eab05d357007c632f3dbb48489924d552b08fe0c353a0d4a1f00acda2c463afbea67c5e8d2877c5e3bc397a659949ef8021e954e0a12274e',
                '43ba28f430cdff456ae531545f7ecd0ac834a55d9358c0372bfa0c6c6798c0866aea01eb00742802b8438ea4cb82169c235160627b4c3a9480', '03', '666f6f',
                'd4f8f6131770dd46f40867d6fd5d5055de43541f8c5e35abbcd001b32a89f7d2151f7647f11d8ca2ae279fb842d607217fce6e042f6815ea00' +
                '0c85741de5c8da1144a6a1aba7f96de42505d7a7298524fda538fccbbb754f578c1cad10d54d0d5428407e85dcbc98a49155c13764e66c3c00'],
        ];
        for (const [d, x, message, context, signature] of rows) {
            const k = await subtle.importKey('jwk', { kty: 'OKP', crv: 'Ed448', x: b64(x), d: b64(d) }, 'Ed448', true, ['sign']);
            const params = { name: 'Ed448', context: bytes(context) };
            equal(hex(await subtle.sign(params, k, bytes(message))), signature);
            const p = await raw('Ed448', x, ['verify']);
            equal(await subtle.verify(params, p, bytes(signature), bytes(message)), true);
        }
    },
    'X25519: RFC 7748, 6.1; X448: 6.2': async () => {
        const b64 = (h) => bytes(h).toBase64({ alphabet: 'base64url', omitPadding: true });
        const rows = [
            ['X25519', '5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb',
                'de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f',
                '8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a',
                '4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742'],
            ['X448', '9a8f4925d1519f5775cf46b04b5800d4ee9ee8bae8bc5565d498c28dd9c9baf574a9419744897391006382a6f127ab1d9ac2d8c0a598726b',
                '9b08f7cc31b7e3e67d22d5aea121074a273bd2b83de09c63faa73d2c22c5d9bbc836647241d953d40c5b12da88120d53177f80e532c41fa0',
                '3eb7a829b0cd20f5bcfc0b599b6feccf6da4627107bdb0d4f345b43027d8b972fc3e34fb4232a13ca706dcb57aec3dae07bdc1c67bf33609',
                '07fff4181ac6cc95ec1c16a94a0f74d12da232ce40a77552281d282bb60c0b56fd2464c335543936521c24403085d59a449a5037514a879d'],
        ];
        for (const [name, d, x, peer, shared] of rows) {
            const own = await subtle.importKey('jwk', { kty: 'OKP', crv: name, x: b64(x), d: b64(d) }, name, true, ['deriveBits']);
            const other = await raw(name, peer, []);
            equal(hex(await subtle.deriveBits({ name, public: other }, own, null)), shared);
            equal(hex(await subtle.deriveBits({ name, public: other }, own, 13)), hex([parseInt(shared.slice(0, 2), 16), parseInt(shared.slice(2, 4), 16) & 0xf8]));
            await rejects(subtle.deriveBits({ name, public: other }, own, 8 * bytes(shared).length + 1), 'OperationError');
            const zero = await raw(name, '00'.repeat(bytes(x).length), []);
            await rejects(subtle.deriveBits({ name, public: zero }, own, null), 'OperationError', 'a point of small order');
        }
    },
});
