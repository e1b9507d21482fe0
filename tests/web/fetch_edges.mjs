// Request, Response and Headers at the edges of the Fetch Standard, and what Web IDL asks of their members.
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const at = 'https://a.example/';
const descriptor = (target, key) => Object.getOwnPropertyDescriptor(target, key);

export default suite({
    'members are enumerable, of the right length, on the prototype': () => {
        for (const [Class, key, length] of [[Headers, 'append', 2], [Headers, 'get', 1], [Request, 'clone', 0], [Request, 'text', 0], [Response, 'formData', 0], [Blob, 'slice', 0]]) {
            const { value, enumerable, writable, configurable } = descriptor(Class.prototype, key);
            equal([value.name, value.length, enumerable, writable, configurable], [key, length, true, true, true], key);
            throws(() => new value(), TypeError, `new ${key}`);
        }
        for (const [Class, key] of [[Request, 'url'], [Request, 'body'], [Response, 'status'], [Response, 'bodyUsed']]) {
            const { get, set, enumerable } = descriptor(Class.prototype, key);
            equal([get.name, set, enumerable], [`get ${key}`, undefined, true]);
            throws(() => get.call(Class.prototype), TypeError);
        }
        equal([Request.length, Response.length, Headers.length], [1, 0, 0]);
        equal(Object.getPrototypeOf(Request.prototype) === Object.prototype, true);
        equal(descriptor(Response, 'json').enumerable, true);
        equal([Response.json.length, Response.redirect.length, Response.error.length], [1, 1, 0]);
        ok(Object.keys(Request.prototype).includes('headers'));
        let seen = false;
        for (const key in new Response()) seen ||= key === 'status';
        ok(seen, 'for...in shows attributes');
        equal(Object.keys({ ...new Response() }), []);
    },
    'what returns a promise rejects where others throw': async () => {
        await rejects(Response.prototype.text.call({}), TypeError);
        const used = new Response('a');
        await used.text();
        await rejects(used.text(), TypeError);
    },
    'Headers: what is given is checked': () => {
        for (const bad of [null, 1, 'x', [['a']], [['a', 'b', 'c']], { 'a b': 'c' }, [['a', '\u0100']], { a: 'x\ny' }])
            throws(() => new Headers(bad), TypeError, JSON.stringify(bad));
        throws(() => new Headers().append('a'), TypeError);
        throws(() => new Headers().get(), TypeError);
        throws(() => new Headers().forEach(1), TypeError);
        equal(new Headers([['a', ' \t x \r\n']]).get('a'), 'x');
        equal(new Headers({ a: '\x01\x7f' }).get('a'), '\x01\x7f');
        equal([...new Headers(new Map([['b', '2'], ['a', '1']]))], [['a', '1'], ['b', '2']]);
    },
    'Headers: iteration sees changes': () => {
        const headers = new Headers({ a: '1', c: '3' });
        const seen = [];
        for (const [name] of headers) {
            seen.push(name);
            if (name === 'a') headers.append('b', '2');
        }
        equal(seen, ['a', 'b', 'c']);
        const iterator = headers.entries();
        equal(Object.prototype.toString.call(iterator), '[object Headers Iterator]');
        equal(Object.keys(Object.getPrototypeOf(iterator)), ['next']);
        throws(() => iterator.next.call({}), TypeError);
    },
    'Request: init': () => {
        for (const init of [1, 'x', { method: 'a b' }, { method: 'TRACE' }, { mode: 'navigate' }, { mode: 'x' }, { window: {} }, { redirect: 'x' }, { cache: 'only-if-cached' },
            { signal: {} }, { referrer: 'http://:' }, { duplex: 'full' }, { body: 'x' }, { method: 'HEAD', body: '' }, { credentials: '' }, { headers: 7 }])
            throws(() => new Request(at, init), TypeError, JSON.stringify(init));
        throws(() => new Request('https://user@a.example/'), TypeError);
        throws(() => new Request('/relative'), TypeError);
        throws(() => new Request(), TypeError);
        const request = new Request(at, { method: 'post', cache: 'no-store', credentials: 'omit', mode: 'no-cors', redirect: 'manual', integrity: 'i', keepalive: 1, referrer: '', referrerPolicy: 'origin' });
        equal([request.method, request.cache, request.credentials, request.mode, request.redirect, request.integrity, request.keepalive, request.referrer, request.referrerPolicy],
            ['POST', 'no-store', 'omit', 'no-cors', 'manual', 'i', true, '', 'origin']);
        equal(new Request(at, { method: 'patch' }).method, 'patch');
        const again = new Request(request);
        equal([again.cache, again.redirect], ['no-store', 'manual']);
    },
    'Request: a body goes with a copy, or stays': async () => {
        const first = new Request(at, { method: 'POST', body: 'x' });
        const second = new Request(first);
        equal([first.bodyUsed, await second.text()], [true, 'x']);
        throws(() => new Request(first), TypeError);
        const third = new Request(at, { method: 'POST', body: 'y' });
        const fourth = new Request(third, { body: 'z' });
        equal([third.bodyUsed, await third.text(), await fourth.text()], [false, 'y', 'z']);
        throws(() => first.clone(), TypeError);
        const locked = new Request(at, { method: 'POST', body: new ReadableStream() });
        locked.body.getReader();
        throws(() => new Request(locked), TypeError);
    },
    'Request: the signal follows the one that was given': () => {
        const controller = new AbortController();
        const request = new Request(at, { signal: controller.signal });
        const copy = request.clone();
        ok(request.signal !== controller.signal, 'a signal of its own');
        equal(request.signal === request.signal, true);
        controller.abort('why');
        equal([request.signal.aborted, request.signal.reason, copy.signal.aborted], [true, 'why', true]);
        equal(new Request(request, { signal: null }).signal.aborted, false);
    },
    'Response: init': () => {
        for (const status of [199, 600, 0, 101, -1]) throws(() => new Response('', { status }), RangeError, String(status));
        for (const init of [{ status: 204 }, { status: 304 }, { statusText: '\n' }, { statusText: '\u0100' }, 5])
            throws(() => new Response('x', init), TypeError, JSON.stringify(init));
        equal(new Response(null, { status: 204 }).status, 204);
        equal(new Response(undefined).body, null);
        equal(new Response(null, { status: 200.9 }).status, 200);
        equal([new Response('').headers.get('content-type'), new Response(null).headers.get('content-type')], ['text/plain;charset=UTF-8', null]);
        throws(() => Response.error().headers.append('a', 'b'), TypeError);
    },
    'Response.json and redirect': async () => {
        const response = Response.json({ a: 1 }, { status: 201, headers: { 'content-type': 'x/y' } });
        equal([response.status, response.headers.get('content-type'), await response.text()], [201, 'x/y', '{"a":1}']);
        throws(() => Response.json(), TypeError);
        throws(() => Response.json(Symbol()), TypeError);
        throws(() => Response.json({}, { status: 204 }), TypeError);
        throws(() => Response.json({ get a() { throw new RangeError('mine'); } }), RangeError);
        throws(() => Response.redirect('nonsense'), TypeError);
        throws(() => Response.redirect(at, 200), RangeError);
        equal([Response.redirect(at).status, Response.redirect('https://\u00fc.example').headers.get('location')], [302, 'https://xn--tda.example/']);
    },
    'bodies of a stranger\'s stream are copied': async () => {
        const chunk = new Uint8Array([1, 2]);
        const stream = new ReadableStream({ start(controller) { controller.enqueue(chunk); controller.close(); } });
        const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
        bytes[0] = 9;
        equal(chunk[0], 1);
        const wrong = new ReadableStream({ start(controller) { controller.enqueue('text'); controller.close(); } });
        await rejects(new Response(wrong).text(), TypeError);
    },
    'a body that was cancelled is used': async () => {
        const response = new Response('x');
        await response.body.cancel();
        equal(response.bodyUsed, true);
        await rejects(response.text(), TypeError);
    },
    'text takes one BOM off, json as well': async () => {
        equal(await new Response('\ufeff\ufeffa').text(), '\ufeffa');
        equal(await new Response('\ufeff{"a":1}').json(), { a: 1 });
        equal(await new Response('\ud800').text(), '\ufffd');
        await rejects(new Response('').json(), SyntaxError);
    },
});
