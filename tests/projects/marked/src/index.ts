import { marked } from 'marked';
import page from './page.md';

export default {
    async fetch(request: Request): Promise<Response> {
        const text = request.method === 'POST' ? await request.text() : page;
        return new Response(await marked.parse(text), { headers: { 'content-type': 'text/html;charset=utf-8' } });
    },
};
