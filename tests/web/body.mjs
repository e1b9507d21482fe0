import { equal, ok, rejects, suite, throws } from './assert.mjs';

const text = (bytes) => new TextDecoder().decode(bytes);

function chunks(...list) {
    return new ReadableStream({
        start(c) {
            for (const item of list) c.enqueue(typeof item === 'string' ? new TextEncoder().encode(item) : item);
            c.close();
        },
    });
}

export default suite({
    'a body is read as text, json, bytes, buffer, blob': async () => {
        equal(await new Response('hä').text(), 'hä');
        equal(await new Response('{"a":[1]}').json(), { a: [1] });
        equal(await new Response('hi').bytes(), new Uint8Array([104, 105]));
        equal(await new Response('hi').arrayBuffer(), new Uint8Array([104, 105]).buffer);
        const blob = await new Response('hi', { headers: { 'content-type': 'text/x' } }).blob();
        equal([blob.size, blob.type, await blob.text()], [2, 'text/x', 'hi']);
        equal(await new Response().text(), '');
        equal(await new Response(null).bytes(), new Uint8Array(0));
        await rejects(new Response('{').json(), SyntaxError);
    },
    'json of bytes that nest too deep or cost too much is a RangeError, and text() has them still': async () => {
        const bytes = (text) => new Response(new TextEncoder().encode(text));
        const deep = (n, open, close) => open.repeat(n) + close.repeat(n);
        const wide = (n) => `{${Array.from({ length: n }, (_, i) => `"${i}":{"a:":"b:,{["}`).join()}}`;
        ok(Array.isArray(await bytes(deep(10000, '[', ']')).json()));
        await rejects(bytes(deep(10001, '[', ']')).json(), RangeError);
        await rejects(bytes(`${deep(5000, '[{"a":', '}')}]`).json(), SyntaxError);
        await rejects(bytes('[{"a":'.repeat(5001)).json(), RangeError);
        equal(Object.keys(await bytes(wide(100000)).json()).length, 100000);
        const costly = `[${Array(11).fill(wide(50000)).join()}]`;
        await rejects(bytes(costly).json(), RangeError);
        equal((await bytes(costly).text()).length, costly.length);
        equal((await new Response(costly).json()).length, 11); // the script's own
        const rows = `[${'{"id":1,"name":"user"},'.repeat(100000)}0]`;
        equal((await bytes(rows).json()).length, 100001);
        const request = new Request('https://x/', { method: 'POST', body: new TextEncoder().encode(deep(10001, '[', ']')) });
        await rejects(request.json(), RangeError);
        equal(await bytes('\ufeff[1]').json(), [1]);
        equal(await bytes(`["${'['.repeat(20000)}\\"]"]`).json(), [`${'['.repeat(20000)}"]`]);
    },
    'bodies of every kind': async () => {
        equal(await new Response(new Uint8Array([104, 105])).text(), 'hi');
        equal(await new Response(new Uint8Array([120, 104, 105]).subarray(1)).text(), 'hi');
        equal(await new Response(new Uint8Array([104, 105]).buffer).text(), 'hi');
        equal(await new Response(new Blob(['h', new Uint8Array([105])])).text(), 'hi');
        equal(await new Response(new URLSearchParams({ a: 'b c' })).text(), 'a=b+c');
        equal(await new Response(chunks('h', 'i')).text(), 'hi');
        equal(await new Response(12).text(), '12');
    },
    'bytes given are copied': async () => {
        const bytes = new Uint8Array([104, 105]);
        const r = new Response(bytes);
        bytes[0] = 0;
        equal(await r.text(), 'hi');
    },
    'a BOM is taken off by text()': async () => {
        equal(await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x61])).text(), 'a');
    },
    'a body is used once': async () => {
        const r = new Response('x');
        equal(r.bodyUsed, false);
        await r.text();
        equal(r.bodyUsed, true);
        await rejects(r.text(), TypeError);
        throws(() => r.clone(), TypeError);
        const empty = new Response();
        await empty.text();
        equal(empty.bodyUsed, false);
    },
    'the body as a stream': async () => {
        const r = new Response('abc');
        ok(r.body instanceof ReadableStream);
        ok(r.body === r.body);
        const reader = r.body.getReader();
        await rejects(r.text(), TypeError);
        const { value, done } = await reader.read();
        equal([text(value), done], ['abc', false]);
        equal((await reader.read()).done, true);
        equal(r.bodyUsed, true);
        equal(new Response().body, null);
    },
    'a stream is read by for await': async () => {
        let all = '';
        for await (const part of new Response(chunks('a', 'b', 'c')).body) all += text(part);
        equal(all, 'abc');
    },
    'clone gives two bodies': async () => {
        const a = new Response(chunks('x', 'y'), { status: 201, headers: { a: 'b' } });
        const b = a.clone();
        equal([await a.text(), await b.text(), b.status, b.headers.get('a')], ['xy', 'xy', 201, 'b']);
        const c = new Response('s');
        equal([await c.clone().text(), await c.text()], ['s', 's']);
    },
    'a stream that fails rejects the reader': async () => {
        const bad = new ReadableStream({ pull() { throw new RangeError('no'); } });
        await rejects(new Response(bad).text(), RangeError);
        await rejects(new Response(new ReadableStream({ start(c) { c.enqueue('text'); c.close(); } })).text(), TypeError);
    },
    'forms': async () => {
        const form = await new Response(new URLSearchParams('a=1&b=2&a=3')).formData();
        equal([...form], [['a', '1'], ['b', '2'], ['a', '3']]);
        const made = new FormData();
        made.append('text', 'v\r\nw');
        made.append('file', new File(['data'], 'n"ä.txt', { type: 'text/plain' }));
        const r = new Response(made);
        ok(r.headers.get('content-type').startsWith('multipart/form-data; boundary='));
        const back = await r.formData();
        equal(back.get('text'), 'v\r\nw');
        const file = back.get('file');
        equal([file.name, file.type, await file.text()], ['n"ä.txt', 'text/plain', 'data']);
        await rejects(new Response('x').formData(), TypeError);
    },
});
