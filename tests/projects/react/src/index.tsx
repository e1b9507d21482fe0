import { Suspense, use } from 'react';
import { renderToReadableStream } from 'react-dom/server.edge';

function Late({ text }: { text: Promise<string> }) {
    return <b>{use(text)}</b>;
}

export default {
    async fetch(): Promise<Response> {
        const text = new Promise<string>((resolve) => setTimeout(() => resolve('came later'), 20));
        const stream = await renderToReadableStream(
            <html><body><h1>Streamed</h1><Suspense fallback={<i>waiting</i>}><Late text={text} /></Suspense></body></html>,
        );
        return new Response(stream, { headers: { 'content-type': 'text/html;charset=utf-8' } });
    },
};
