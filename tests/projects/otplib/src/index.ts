import { generate, generateURI, verify } from 'otplib';

const secret = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'; // of RFC 6238, appendix B

export default {
    async fetch(request: Request): Promise<Response> {
        const token = new URL(request.url).searchParams.get('token');
        if (token) return Response.json((await verify({ secret, token })).valid);
        return Response.json({ token: await generate({ secret }), uri: generateURI({ secret, label: 'ada', issuer: 'hearth' }) });
    },
};
