import jwt from 'jsonwebtoken';

type Env = { SECRET: string };

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        if (request.method === 'GET') return new Response(jwt.sign({ sub: 'ada' }, env.SECRET, { expiresIn: '1h' }));
        try {
            return Response.json(jwt.verify(await request.text(), env.SECRET));
        } catch (error) {
            return new Response((error as Error).message, { status: 401 });
        }
    },
};
