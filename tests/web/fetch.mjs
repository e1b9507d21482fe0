import { equal, ok, rejects, suite } from './assert.mjs';

// In these tests the world is this script: what a server does stands in the path.
async function seen(request) {
    return Response.json({ method: request.method, url: request.url, text: await request.text(), fields: [...request.headers] });
}

function move(status, location, body = null) {
    return new Response(body, { status, headers: location === undefined ? {} : { location } });
}

const answers = {
    '/seen': seen,
    '/moved': (request) => {
        const { searchParams } = new URL(request.url);
        return move(Number(searchParams.get('status')), searchParams.get('to') ?? undefined, 'moved');
    },
    '/loop': (request) => move(302, `/loop?${Number(new URL(request.url).search.slice(1)) + 1}`),
    '/packed': (request) => new Response(new Response('some text '.repeat(100)).body.pipeThrough(new CompressionStream('gzip')), {
        headers: { 'content-encoding': new URL(request.url).search.slice(1) || 'gzip', 'x-asked': request.headers.get('accept-encoding') },
    }),
    // What a proxy makes of it.
    '/handed-on': () => fetch('https://x.test/packed'),
    '/same-body': async () => {
        const response = await fetch('https://x.test/packed');
        return new Response(response.body, response);
    },
    '/other-headers': async () => new Response((await fetch('https://x.test/packed')).body, { headers: { 'x-a': 'b' } }),
    '/changed': async () => {
        const response = await fetch('https://x.test/packed');
        return new Response(response.body.pipeThrough(new TransformStream()), response);
    },
    '/read': async () => {
        const response = await fetch('https://x.test/packed');
        const text = await response.text();
        return new Response(text, response);
    },
    '/broken': () => { throw new Error('broken'); },
    '/slow': () => new Promise((done) => setTimeout(() => done(new Response('slow')), 50)),
};

const there = 'https://x.test/seen';

function moved(status, to, init) {
    return fetch(`https://x.test/moved?status=${status}${to === undefined ? '' : '&to=' + encodeURIComponent(to)}`, init);
}

const tests = suite({
    'a request, its answer, and where that came from': async () => {
        const response = await fetch('https://x.test/seen?a=b#c', { headers: { 'x-h': '1' } });
        equal([response.status, response.url, response.redirected, response.type], [200, 'https://x.test/seen?a=b', false, 'default']);
        const told = await response.json();
        equal([told.method, told.url], ['GET', 'https://x.test/seen?a=b']);
        const fields = new Headers(told.fields);
        equal([fields.get('x-h'), fields.get('accept')], ['1', '*/*']);
    },
    'an answer that is packed is unpacked for whoever reads it': async () => {
        const text = 'some text '.repeat(100);
        const response = await fetch('https://x.test/packed');
        equal([response.headers.get('x-asked'), response.headers.get('content-encoding')], ['gzip, br', 'gzip']);
        equal(await response.text(), text);
        equal(response.headers.get('content-encoding'), null);
        equal(await (await fetch('https://x.test/packed')).clone().text(), text);
        equal((await (await fetch('https://x.test/packed?x-gzip')).arrayBuffer()).byteLength, text.length);
        ok((await (await fetch('https://x.test/packed?other')).arrayBuffer()).byteLength < 200, 'another coding is left as it is');
        await rejects((await fetch('https://x.test/packed?br')).text(), TypeError);
        const cut = await fetch('https://x.test/packed');
        await cut.body.cancel();
    },
    'what a proxy hands on is packed as its headers say, whatever it did with it': async () => {
        const text = 'some text '.repeat(100);
        for (const path of ['/handed-on', '/same-body', '/other-headers', '/changed', '/read']) {
            const response = await fetch(`https://x.test${path}`);
            const isPacked = path === '/handed-on' || path === '/same-body';
            equal(response.headers.get('content-encoding'), isPacked ? 'gzip' : null, path);
            equal(await response.text(), text, path);
        }
    },
    'an accept of its own stays': async () => {
        const fields = new Headers((await (await fetch(there, { headers: { accept: 'a/b' } })).json()).fields);
        equal(fields.get('accept'), 'a/b');
    },
    'bodies in every form, and a Request': async () => {
        for (const body of ['text', new TextEncoder().encode('text'), new Blob(['text']), new Blob(['text']).stream()])
            equal((await (await fetch(there, { method: 'POST', body, duplex: 'half' })).json()).text, 'text');
        const request = new Request(there, { method: 'PUT', body: 'once' });
        const told = await (await fetch(request)).json();
        equal([told.method, told.text, request.bodyUsed], ['PUT', 'once', true]);
        await rejects(fetch(request), TypeError);
    },
    'redirects: to another path, of another origin, without a location': async () => {
        for (const status of [301, 302, 303, 307, 308]) {
            const response = await moved(status, '/seen?next');
            equal([response.status, response.url, response.redirected], [200, 'https://x.test/seen?next', true]);
        }
        equal((await moved(302, 'https://y.test/seen')).url, 'https://y.test/seen');
        equal((await (await moved(302, '//y.test/seen')).json()).url, 'https://y.test/seen');
        equal([(await moved(302)).status, await (await moved(302)).text()], [302, 'moved']);
    },
    'redirects change the method as browsers do': async () => {
        for (const [status, method, becomes, text] of [[301, 'POST', 'GET', ''], [302, 'POST', 'GET', ''], [303, 'POST', 'GET', ''],
            [303, 'PUT', 'GET', ''], [301, 'PUT', 'PUT', 'body'], [302, 'DELETE', 'DELETE', 'body'], [307, 'POST', 'POST', 'body'],
            [308, 'POST', 'POST', 'body']]) {
            const told = await (await moved(status, '/seen', { method, body: 'body' })).json();
            equal([status, method, told.method, told.text], [status, method, becomes, text]);
            equal(new Headers(told.fields).has('content-type'), text !== '');
        }
        equal((await moved(303, '/seen', { method: 'HEAD' })).status, 200);
    },
    'secrets do not go along to another origin': async () => {
        const headers = { authorization: 'a', cookie: 'b', 'x-c': 'd' };
        const same = new Headers((await (await moved(302, '/seen', { headers })).json()).fields);
        equal([same.get('authorization'), same.get('cookie'), same.get('x-c')], ['a', 'b', 'd']);
        for (const to of ['https://y.test/seen', 'http://x.test/seen', 'https://x.test:8443/seen']) {
            const other = new Headers((await (await moved(302, to, { headers })).json()).fields);
            equal([other.get('authorization'), other.get('cookie'), other.get('x-c')], [null, null, 'd']);
        }
    },
    'redirect: manual and error': async () => {
        const manual = await moved(302, '/seen', { redirect: 'manual' });
        equal([manual.status, manual.headers.get('location'), manual.redirected], [302, '/seen', false]);
        await rejects(moved(302, '/seen', { redirect: 'error' }), TypeError);
        equal((await fetch(there, { redirect: 'error' })).status, 200);
    },
    'redirects that lead nowhere': async () => {
        for (const to of ['https://me:pass@y.test/seen', 'https://%zz@x.test/seen', 'data:,x', 'ftp://x/', 'http://', 'javascript:1']) await rejects(moved(302, to), TypeError);
        ok((await rejects(fetch('https://x.test/loop?0'), TypeError)).message.includes('20 redirects'));
        const body = new Blob(['x']).stream();
        await rejects(moved(307, '/seen', { method: 'POST', body, duplex: 'half' }), TypeError);
    },
    'a fragment goes along, and is not sent': async () => {
        const response = await fetch('https://x.test/moved?status=302&to=%2Fseen#part');
        equal([response.url, (await response.json()).url], [there, there]);
    },
    'failures are TypeErrors with a sentence': async () => {
        const error = await rejects(fetch('https://x.test/broken'), TypeError);
        ok(error.message.startsWith('fetch: '));
    },
    'a signal ends it': async () => {
        const reason = new Error('enough');
        equal(await rejects(fetch(there, { signal: AbortSignal.abort(reason) }), Error), reason);
        const controller = new AbortController();
        const slow = fetch('https://x.test/slow', { signal: controller.signal });
        controller.abort(reason);
        equal(await rejects(slow, Error), reason);
    },
});

export default {
    fetch(request, env, ctx) {
        const answer = answers[new URL(request.url).pathname];
        return answer ? answer(request, env) : tests.fetch(request, env, ctx);
    },
};
