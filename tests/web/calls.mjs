import { equal, ok, rejects, suite, throws } from './assert.mjs';

// env.SELF calls this script again; what the call is to do stands in its path.
const answers = {
    '/hello': () => new Response('hello', { status: 201, headers: { 'x-a': 'b' } }),
    '/echo': (request) => new Response(request.body, { headers: request.headers }),
    '/mirror': async (request) => Response.json({
        method: request.method, url: request.url, text: await request.text(), header: request.headers.get('x-h'),
        length: request.headers.get('content-length'), type: request.headers.get('content-type'),
    }),
    '/empty': () => new Response(null, { status: 204 }),
    '/throw': () => { throw new Error('inner'); },
    '/nothing': () => 'no response',
    '/moved': () => Response.redirect('https://example.com/there', 307),
    '/many': () => new Response(new ReadableStream({
        n: 0,
        pull(controller) {
            if (this.n === 20) return controller.close();
            controller.enqueue(new Uint8Array(30000).fill(this.n++));
        },
    })),
    '/broken': () => new Response(new ReadableStream({
        n: 0,
        async pull(controller) {
            if (this.n++) await new Promise((done) => setTimeout(done, 5));
            if (this.n > 2) throw new Error('half way');
            controller.enqueue(new Uint8Array(10));
        },
    })),
    '/fixed': () => {
        const { readable, writable } = new FixedLengthStream(5);
        const writer = writable.getWriter();
        writer.write(new TextEncoder().encode('fixed'));
        writer.close();
        return new Response(readable);
    },
    '/slow': () => new Promise((done) => setTimeout(() => done(new Response('slow')), 50)),
    '/onward': (request, env) => env.SELF.fetch(new Request('https://x/mirror', request)),
    '/again': (request, env) => env.SELF.fetch('https://x/hello'),
};

const tests = suite({
    'a FixedLengthStream says how long it is, in answers and in calls': async ({ env }) => {
        const answer = await env.SELF.fetch('https://x/fixed');
        equal([answer.headers.get('content-length'), await answer.text()], ['5', 'fixed']);
        const { body } = await answers['/fixed']();
        equal((await (await env.SELF.fetch('https://x/mirror', { method: 'POST', body, duplex: 'half' })).json()).length, '5');
    },
    'env.NAME is a Fetcher': ({ env }) => {
        equal(String(env.SELF), '[object Fetcher]');
        ok(Object.isFrozen(env.SELF));
        equal(env.NAME, 'value');
        throws(() => { 'use strict'; env.SELF.fetch = 1; }, TypeError);
    },
    'a status, fields and a body': async ({ env }) => {
        const response = await env.SELF.fetch('https://x/hello');
        ok(response instanceof Response);
        equal([response.status, response.ok, response.headers.get('x-a')], [201, true, 'b']);
        equal(response.bodyUsed, false);
        equal(await response.text(), 'hello');
        equal(response.bodyUsed, true);
        await rejects(response.text(), TypeError);
    },
    'a body in every form': async ({ env }) => {
        for (const body of ['text', new TextEncoder().encode('text'), new Blob(['text']), new Blob(['text']).stream()]) {
            const response = await env.SELF.fetch('https://x/echo', { method: 'POST', body });
            equal(await response.text(), 'text');
        }
        const form = await env.SELF.fetch('https://x/mirror', { method: 'POST', body: new URLSearchParams({ a: 'b c' }) });
        const { text, type } = await form.json();
        equal([text, type], ['a=b+c', 'application/x-www-form-urlencoded;charset=UTF-8']);
    },
    'content-length is the truth': async ({ env }) => {
        const lengthOf = async (init) => (await (await env.SELF.fetch('https://x/mirror', init)).json()).length;
        equal(await lengthOf({ method: 'POST', body: 'h\u00e4' }), '3');
        equal(await lengthOf({ method: 'POST', body: 'abc', headers: { 'content-length': '99' } }), '3');
        equal(await lengthOf({ headers: { 'content-length': '99' } }), null);
        const body = new Blob(['abc']).stream();
        equal(await lengthOf({ method: 'POST', body, headers: { 'content-length': '99' } }), null);
    },
    'a body that is handed on keeps its length': async ({ env }) => {
        const response = await env.SELF.fetch('https://x/onward', { method: 'POST', body: 'abcd' });
        equal((await response.json()).length, '4');
    },
    'a Request, and a Request with init': async ({ env }) => {
        const request = new Request('https://x/mirror', { method: 'PUT', body: 'b', headers: { 'x-h': '1' } });
        const copy = request.clone();
        const first = await (await env.SELF.fetch(request)).json();
        equal([first.method, first.url, first.text, first.header], ['PUT', 'https://x/mirror', 'b', '1']);
        equal(request.bodyUsed, true);
        const second = await (await env.SELF.fetch(copy, { headers: { 'x-h': '2' } })).json();
        equal([second.method, second.text, second.header], ['PUT', 'b', '2']);
        await rejects(env.SELF.fetch(request), TypeError);
    },
    'what is refused is a rejection': async ({ env }) => {
        await rejects(env.SELF.fetch('/relative'), TypeError);
        await rejects(env.SELF.fetch(), TypeError);
        await rejects(env.SELF.fetch('https://x/', { method: 'TRACE' }), TypeError);
        await rejects(env.SELF.fetch('https://x/', { body: 'x' }), TypeError);
        await rejects(env.SELF.fetch.call({}, 'https://x/'), TypeError);
    },
    'an empty answer': async ({ env }) => {
        const response = await env.SELF.fetch('https://x/empty');
        equal([response.status, response.body, await response.text()], [204, null, '']);
    },
    'redirects are not followed': async ({ env }) => {
        const response = await env.SELF.fetch('https://x/moved');
        equal([response.status, response.headers.get('location')], [307, 'https://example.com/there']);
    },
    'the headers of an answer are immutable, a copy is not': async ({ env }) => {
        const response = await env.SELF.fetch('https://x/hello');
        throws(() => response.headers.set('x-a', 'c'), TypeError);
        const copy = new Response(response.body, response);
        copy.headers.set('x-a', 'c');
        equal([copy.status, copy.headers.get('x-a'), await copy.text()], [201, 'c', 'hello']);
    },
    'a clone of an answer': async ({ env }) => {
        const response = await env.SELF.fetch('https://x/many');
        const [a, b] = await Promise.all([response.clone().bytes(), response.bytes()]);
        equal([a.length, b.length, a[599999], b[599999]], [600000, 600000, 19, 19]);
    },
    'an answer read in parts': async ({ env }) => {
        const { body } = await env.SELF.fetch('https://x/many');
        let bytes = 0;
        for await (const part of body) bytes += part.length;
        equal(bytes, 600000);
        const byob = (await env.SELF.fetch('https://x/many')).body.getReader({ mode: 'byob' });
        const { value } = await byob.read(new Uint8Array(100));
        ok(value.length > 0 && value.length <= 100);
        await byob.cancel();
    },
    'an exception over there': async ({ env }) => {
        const error = await rejects(env.SELF.fetch('https://x/throw'), Error);
        equal(error.message, 'env.SELF.fetch: the called script threw an exception');
        equal((await rejects(env.SELF.fetch('https://x/nothing'), Error)).message, 'env.SELF.fetch: what the called script answered is not a Response');
    },
    'a body that breaks off': async ({ env }) => {
        const response = await env.SELF.fetch('https://x/broken');
        equal((await rejects(response.text(), Error)).message, 'env.SELF.fetch: the called script threw an exception');
    },
    'a request body that breaks off': async ({ env }) => {
        const body = new ReadableStream({
            n: 0,
            pull(controller) {
                if (this.n++) controller.error(new RangeError('mine'));
                else controller.enqueue(new Uint8Array(1));
            },
        });
        equal((await rejects(env.SELF.fetch('https://x/mirror', { method: 'POST', body }), RangeError)).message, 'mine');
        const strings = new ReadableStream({ pull(controller) { controller.enqueue('text'); } });
        await rejects(env.SELF.fetch('https://x/mirror', { method: 'POST', body: strings }), TypeError);
    },
    'AbortSignal': async ({ env }) => {
        await rejects(env.SELF.fetch('https://x/hello', { signal: AbortSignal.abort() }), 'AbortError');
        await rejects(env.SELF.fetch('https://x/slow', { signal: AbortSignal.timeout(5) }), 'TimeoutError');
        const controller = new AbortController();
        const response = await env.SELF.fetch('https://x/many', { signal: controller.signal });
        const reader = response.body.getReader();
        await reader.read();
        const reason = new Error('enough');
        controller.abort(reason);
        equal(await rejects(reader.read(), Error), reason);
    },
    'many at once': async ({ env }) => {
        const all = await Promise.all(Array.from({ length: 50 }, async () => (await env.SELF.fetch('https://x/slow')).text()));
        equal(new Set(all).size, 1);
    },
    'a call within a call': async ({ env }) => {
        equal(await (await env.SELF.fetch('https://x/again')).text(), 'hello');
    },
});

export default {
    fetch(request, env, ctx) {
        const answer = answers[new URL(request.url).pathname];
        return answer ? answer(request, env, ctx) : tests.fetch(request, env, ctx);
    },
};
