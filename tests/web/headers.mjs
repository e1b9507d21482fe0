import { equal, ok, suite, throws } from './assert.mjs';

export default suite({
    'names are case-insensitive and read back in lower case': () => {
        const h = new Headers({ 'Content-Type': 'text/html', ACCEPT: '*/*' });
        equal(h.get('content-TYPE'), 'text/html');
        equal([...h.keys()], ['accept', 'content-type']);
    },
    'append combines, set replaces, delete removes': () => {
        const h = new Headers([['a', '1'], ['A', '2']]);
        equal(h.get('a'), '1, 2');
        h.set('a', '3');
        equal(h.get('a'), '3');
        h.append('b', 'x');
        h.delete('a');
        equal([...h], [['b', 'x']]);
        equal(h.get('a'), null);
        equal(h.has('a'), false);
        equal(h.has('B'), true);
    },
    'Set-Cookie is never combined': () => {
        const h = new Headers();
        h.append('set-cookie', 'a=1');
        h.append('Set-Cookie', 'b=2');
        equal(h.getSetCookie(), ['a=1', 'b=2']);
        equal([...h], [['set-cookie', 'a=1'], ['set-cookie', 'b=2']]);
        equal(h.get('set-cookie'), 'a=1, b=2');
    },
    'Cookie lines are joined as cookies are, others by commas': () => {
        const h = new Headers([['cookie', 'a=1'], ['x', '1'], ['Cookie', 'b=2; c=3'], ['X', '2']]);
        equal(h.get('cookie'), 'a=1; b=2; c=3');
        equal([...h], [['cookie', 'a=1; b=2; c=3'], ['x', '1, 2']]);
        equal(new Headers(h).get('cookie'), 'a=1; b=2; c=3');
        equal(new Request('https://x/', { headers: h }).headers.get('cookie'), 'a=1; b=2; c=3');
    },
    'values are trimmed and checked': () => {
        equal(new Headers({ a: ' \t x y \n' }).get('a'), 'x y');
        throws(() => new Headers({ a: 'x\ny' }), TypeError);
        throws(() => new Headers({ a: 'x\0' }), TypeError);
        throws(() => new Headers({ a: '\u0100' }), TypeError);
        equal(new Headers({ a: '\xe9' }).get('a'), '\xe9');
    },
    'names are checked': () => {
        for (const name of ['', 'a b', 'a:', 'ä', 'a\n']) throws(() => new Headers([[name, 'x']]), TypeError, name);
        throws(() => new Headers().get('a b'), TypeError);
    },
    'iteration is sorted': () => {
        const h = new Headers({ c: '3', a: '1', b: '2' });
        const seen = [];
        h.forEach((value, name, self) => {
            ok(self === h);
            seen.push(name + value);
        });
        equal(seen, ['a1', 'b2', 'c3']);
        equal([...h.values()], ['1', '2', '3']);
    },
    'a copy is independent': () => {
        const a = new Headers({ x: '1' });
        const b = new Headers(a);
        b.set('x', '2');
        equal(a.get('x'), '1');
    },
    'bad initial values are refused': () => {
        throws(() => new Headers([['a']]), TypeError);
        throws(() => new Headers(null), TypeError);
        throws(() => new Headers('a'), TypeError);
    },
    'the headers of the request are immutable and complete': ({ request }) => {
        equal(request.headers.get('host'), 'test.example');
        equal(request.headers.get('x-two'), 'one, two');
        throws(() => request.headers.set('a', 'b'), TypeError);
        equal(new Headers(request.headers).get('x-two'), 'one, two');
    },
});
