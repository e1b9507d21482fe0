import { decodeProtectedHeader, exportJWK, generateKeyPair, jwtVerify, SignJWT } from 'jose';

type Env = { SECRET: string };

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        const secret = new TextEncoder().encode(env.SECRET);
        if (request.method === 'POST') {
            const { payload } = await jwtVerify(await request.text(), secret, { issuer: 'hearth' });
            return Response.json(payload);
        }
        const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
        const signed = await new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'ES256' }).sign(privateKey);
        const { payload } = await jwtVerify(signed, publicKey);
        return Response.json({
            token: await new SignJWT({ sub: 'ada' }).setProtectedHeader({ alg: 'HS256' }).setIssuer('hearth').setExpirationTime('1h').sign(secret),
            es256: [decodeProtectedHeader(signed).alg, payload.sub, (await exportJWK(publicKey)).crv],
        });
    },
};
