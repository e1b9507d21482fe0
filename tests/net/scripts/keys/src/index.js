// Signs what it is sent with a key of its own, and says which; /stretch takes longer than its CPU limit.
const { subtle } = crypto;
let pair;

async function stretch() {
    const key = await subtle.importKey('raw', new Uint8Array(8), 'PBKDF2', false, ['deriveBits']);
    return subtle.deriveBits({ name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(8), iterations: 4e9 }, key, 256);
}

export default {
    async fetch(request) {
        if (new URL(request.url).pathname === '/stretch') return new Response(await stretch());
        pair ??= await subtle.generateKey('Ed25519', false, ['sign', 'verify']);
        const key = new Uint8Array(await subtle.exportKey('spki', pair.publicKey)).toHex();
        const signature = await subtle.sign('Ed25519', pair.privateKey, await request.arrayBuffer());
        return new Response(signature, { headers: { 'x-key': key } });
    },
};
