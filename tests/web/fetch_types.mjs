import { equal, ok, rejects, suite, throws } from './assert.mjs';

export default suite({
    'Response: status and text': () => {
        const r = new Response('x', { status: 404, statusText: 'No' });
        equal([r.status, r.statusText, r.ok, r.type, r.url, r.redirected], [404, 'No', false, 'default', '', false]);
        equal(new Response().status, 200);
        for (const status of [199, 600, 'x', 1.5, -1]) throws(() => new Response('', { status }), RangeError, String(status));
        for (const status of [204, 205, 304]) {
            throws(() => new Response('x', { status }), TypeError);
            equal(new Response(null, { status }).status, status);
        }
    },
    'Response: the type of the content': () => {
        equal(new Response('x').headers.get('content-type'), 'text/plain;charset=UTF-8');
        equal(new Response(new URLSearchParams()).headers.get('content-type'), 'application/x-www-form-urlencoded;charset=UTF-8');
        equal(new Response(new Uint8Array(1)).headers.get('content-type'), null);
        equal(new Response(new Blob(['x'], { type: 'a/b' })).headers.get('content-type'), 'a/b');
        equal(new Response('x', { headers: { 'Content-Type': 'text/html' } }).headers.get('content-type'), 'text/html');
        equal(new Response(null).headers.get('content-type'), null);
    },
    'Response.json': async () => {
        const r = Response.json({ a: 1 }, { status: 201, headers: { x: 'y' } });
        equal([r.status, r.headers.get('content-type'), r.headers.get('x'), await r.text()], [201, 'application/json', 'y', '{"a":1}']);
        equal(Response.json(1, { headers: { 'content-type': 'x/y' } }).headers.get('content-type'), 'x/y');
        throws(() => Response.json(undefined), TypeError);
        throws(() => Response.json(1n), TypeError);
    },
    'Response.redirect': () => {
        const r = Response.redirect('https://example.com/x y', 301);
        equal([r.status, r.headers.get('location')], [301, 'https://example.com/x%20y']);
        equal(Response.redirect('https://example.com').status, 302);
        throws(() => Response.redirect('https://example.com', 200), RangeError);
        throws(() => Response.redirect('nothing'), TypeError);
        throws(() => r.headers.set('a', 'b'), TypeError);
    },
    'Response.error': () => {
        const r = Response.error();
        equal([r.type, r.status, r.ok], ['error', 0, false]);
    },
    'Request: from a url': async () => {
        const r = new Request('https://example.com/a', { method: 'post', body: 'b', headers: { x: '1' } });
        equal([r.method, r.url, r.headers.get('x'), r.headers.get('content-type')], ['POST', 'https://example.com/a', '1', 'text/plain;charset=UTF-8']);
        equal(await r.text(), 'b');
        equal(new Request('https://example.com').method, 'GET');
        equal(new Request(new URL('https://example.com')).url, 'https://example.com/');
        equal(new Request('https://example.com', { method: 'patch' }).method, 'patch');
    },
    'Request: what is refused': () => {
        throws(() => new Request('/relative'), TypeError);
        throws(() => new Request('https://u:p@example.com/'), TypeError);
        throws(() => new Request('https://example.com', { body: 'x' }), TypeError);
        throws(() => new Request('https://example.com', { method: 'TRACE' }), TypeError);
        throws(() => new Request('https://example.com', { method: 'a b' }), TypeError);
        throws(() => new Request('https://example.com', { redirect: 'x' }), TypeError);
    },
    'Request: from a request': async () => {
        const a = new Request('https://example.com', { method: 'POST', body: 'x', headers: { h: '1' } });
        const b = new Request(a, { headers: { h: '2' } });
        equal([b.method, b.headers.get('h'), await b.text(), a.bodyUsed], ['POST', '2', 'x', true]);
        const c = new Request('https://example.com', { method: 'PUT', body: 'y' });
        const d = c.clone();
        equal([await c.text(), await d.text(), d.method], ['y', 'y', 'PUT']);
    },
    'the incoming request': async ({ request, env, ctx }) => {
        ok(request instanceof Request);
        equal([request.method, request.url], ['POST', 'https://test.example/path?a=1']);
        ok(request.signal instanceof AbortSignal);
        equal(request.signal.aborted, false);
        equal(env, { NAME: 'value', LIST: [1, 2] });
        const copy = new Request(request.clone(), { headers: { added: '1' } });
        equal([copy.method, copy.headers.get('added'), await copy.text()], ['POST', '1', 'the body']);
        equal(await request.text(), 'the body');
        equal(typeof ctx.waitUntil, 'function');
        ctx.passThroughOnException();
    },
    'fetch of data: URLs, and of what is not fetched': async () => {
        const plain = await fetch('data:,a%20b#c');
        equal([plain.status, plain.headers.get('content-type'), plain.url, await plain.text()],
            [200, 'text/plain;charset=US-ASCII', 'data:,a%20b', 'a b']);
        const typed = await fetch('data:image/gif;x=y;base64,aGVs%20bG8=');
        equal([typed.headers.get('content-type'), await typed.text()], ['image/gif;x=y', 'hello']);
        equal((await fetch('data:;charset=utf-8,x')).headers.get('content-type'), 'text/plain;charset=utf-8');
        equal(await (await fetch('data:,x', { method: 'HEAD' })).text(), '');
        for (const url of ['data:x', 'data:;base64,*', 'ftp://a/', 'file:///etc/passwd', 'blob:x', 'about:blank', 'javascript:1'])
            await rejects(fetch(url), TypeError);
        await rejects(fetch('/relative'), TypeError);
        await rejects(fetch('data:,x', { signal: AbortSignal.abort() }), DOMException);
    },
});
