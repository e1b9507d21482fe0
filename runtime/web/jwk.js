// JSON Web Keys (RFC 7517, 7518, 8037; AKP of the drafts for ML-DSA and ML-KEM), as crypto.subtle reads and writes them.
import { fail } from './crypto_algorithm.js';
import { has } from './crypto_key.js';
import { host } from './host.js';
import { boolean, dictionary, DOMString, sequence } from './webidl.js';

const RsaOtherPrimesInfo = dictionary('RsaOtherPrimesInfo', { d: DOMString, r: DOMString, t: DOMString });

export const JsonWebKey = dictionary('JsonWebKey', {
    alg: DOMString, crv: DOMString, d: DOMString, dp: DOMString, dq: DOMString, e: DOMString, ext: boolean, k: DOMString,
    key_ops: sequence(DOMString), kty: DOMString, n: DOMString, oth: sequence(RsaOtherPrimesInfo), p: DOMString, priv: DOMString,
    pub: DOMString, q: DOMString, qi: DOMString, use: DOMString, x: DOMString, y: DOMString,
});

// A member that must be there.
export function octets(jwk, member) {
    const text = jwk[member];
    if (text === undefined) fail('DataError', `the JWK has no "${member}"`);
    return host.base64url(text) ?? fail('DataError', `the JWK's "${member}" is not base64url`);
}

export const base64url = (bytes) => new Uint8Array(bytes).toBase64({ alphabet: 'base64url', omitPadding: true });

// What is asked of all, in the order of the standard; what is particular to an algorithm comes between.
export function checkType(jwk, kty) {
    if (jwk.kty !== kty) fail('DataError', `the JWK's "kty" is not "${kty}"`);
}

export function checkUse(jwk, use, extractable, usages) {
    if (usages.length && jwk.use !== undefined && jwk.use !== use) fail('DataError', `the JWK's "use" is not "${use}"`);
    const operations = jwk.key_ops;
    if (operations !== undefined) {
        if (new Set(operations).size !== operations.length) fail('DataError', 'the JWK\'s "key_ops" names one twice');
        for (let i = 0; i < usages.length; i++)
            if (!has(operations, usages[i])) fail('DataError', `the JWK's "key_ops" lacks ${usages[i]}`);
    }
    if (jwk.ext === false && extractable) fail('DataError', 'the JWK says that it is not extractable');
}

export function checkAlg(jwk, ...names) {
    if (jwk.alg !== undefined && !names.includes(jwk.alg)) fail('DataError', `the JWK's "alg" is not "${names[0]}"`);
}

// Of a dictionary the members are in the order of their names.
export function jwkOf(key, members) {
    const all = { ...members, ext: key.extractable, key_ops: [...key.usages] };
    const jwk = {};
    for (const name of Object.keys(all).sort())
        if (all[name] !== undefined) jwk[name] = all[name];
    return jwk;
}
