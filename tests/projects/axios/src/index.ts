import axios, { isAxiosError } from 'axios';

type Env = { UPSTREAM: string };

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        const api = axios.create({ baseURL: env.UPSTREAM, adapter: 'fetch', timeout: 5000 });
        try {
            const { data, status } = await api.post('/echo', { from: 'axios' }, { params: { a: 1 } });
            return Response.json({ data, status });
        } catch (error) {
            return new Response(isAxiosError(error) ? `upstream: ${error.response?.status ?? error.message}` : String(error), { status: 502 });
        }
    },
};
