import { renderToStringAsync } from 'preact-render-to-string';
import { List } from './list';

export default {
    async fetch(request: Request): Promise<Response> {
        const words = new URL(request.url).searchParams.getAll('word');
        const html = await renderToStringAsync(<main><List words={words} /></main>);
        return new Response(`<!doctype html>${html}`, { headers: { 'content-type': 'text/html;charset=utf-8' } });
    },
};
