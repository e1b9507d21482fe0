import page from './page.html';
import { note, notesOf } from './notes';

interface Env {
    GREETING: string;
}

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        return notesOf(async () => {
            const url = new URL(request.url);
            note(`path ${url.pathname}`);
            await Promise.resolve();
            note(`name ${url.searchParams.get('name') ?? 'world'}`);
            const name = (url.searchParams.get('name') ?? 'world').replace(/[<&]/g, (c) => (c === '<' ? '&lt;' : '&amp;'));
            return new Response(page.replace('GREETING', `${env.GREETING}, ${name}`), { headers: { 'content-type': 'text/html;charset=utf-8' } });
        });
    },
};
