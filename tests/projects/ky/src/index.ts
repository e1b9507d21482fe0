import ky, { HTTPError } from 'ky';

type Env = { UPSTREAM: string };

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        const api = ky.create({ prefixUrl: env.UPSTREAM, retry: { limit: 2, backoffLimit: 10 } });
        try {
            return Response.json(await api.post('echo', { json: { from: 'ky' }, searchParams: { a: 1 } }).json());
        } catch (error) {
            return new Response(error instanceof HTTPError ? `upstream said ${error.response.status}` : String(error), { status: 502 });
        }
    },
};
