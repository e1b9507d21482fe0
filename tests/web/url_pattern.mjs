import { equal, ok, suite, throws } from './assert.mjs';

const NAMES = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
const patternsOf = (...args) => {
    const pattern = new URLPattern(...args);
    return NAMES.map((name) => pattern[name]).join(' ');
};

// what is given, the components as they read back
const READ_BACK = [
    [[], '* * * * * * * *'],
    [[{ pathname: '/books/:id' }], '* * * * * /books/:id * *'],
    [['https://example.com/books/*'], 'https * * example.com  /books/* * *'],
    [['https://example.com'], 'https * * example.com  * * *'],
    [['https://example.com?q'], 'https * * example.com  / q *'],
    [['https://example.com#h'], 'https * * example.com  /  h'],
    [['http{s}?://{*.}?example.com:*/:a'], 'http{s}? * * {*.}?example.com * /:a * *'],
    [['https://u\\:p@example.com/'], 'https u p example.com  / * *'],
    [['https://example.com/*?q'], 'https * * example.com  /*?q * *'],
    [['https://example.com/*\\?q'], 'https * * example.com  /* q *'],
    [['http://[\\:\\:AB]:8080/'], 'http * * [\\:\\:ab] 8080 / * *'],
    [['data\\:text'], 'data * *   text * *'],
    [['?q', 'https://example.com/a?b#c'], 'https * * example.com  /a q *'],
    [['x/:y', 'https://example.com/a/b'], 'https * * example.com  /a/x/:y * *'],
    [['x', 'data:opaque/path'], 'data * *   x * *'],
    [[{ pathname: 'b', baseURL: 'https://u:p@example.com/a+/' }], 'https * * example.com  /a\\+/b * *'],
    [[{ protocol: 'https:', port: '443', search: '?a', hash: '#b' }], 'https * * *  * a b'],
    [[{ hostname: 'bücher.example', pathname: '/ü', search: 'ü', hash: 'ü', username: 'ü' }],
        '* %C3%BC * xn--bcher-kva.example * /%C3%BC %C3%BC %C3%BC'],
    [[{ pathname: '/a/../b/./c' }], '* * * * * /b/c * *'],
    [[{ pathname: '{/a}?{b}c' }], '* * * * * {/a}?bc * *'],
    [[{ pathname: '/:a\\b' }], '* * * * * {/:a}b * *'],
    [[{ pathname: '*\\/*' }], '* * * * * */{*} * *'],
    [[{ pathname: '{:a}(.*)' }], '* * * * * {:a}(.*) * *'],
    [[{ pathname: '*{}**?' }], '* * * * * *(.*)? * *'],
    [[{ protocol: 'javascript', pathname: 'let a = 1;' }], 'javascript * * * * let a = 1; * *'],
    [[{ protocol: '(http|data)', pathname: 'a b' }], '(http|data) * * * * a%20b * *'],
    [[new URL('https://u:p@example.com:8443/a?b#c')], 'https u p example.com 8443 /a b c'],
];

// pattern, input, groups of the pathname or null
const MATCHES = [
    ['/books/:id', '/books/12', { id: '12' }], ['/books/:id', '/books/12/x', null], ['/books/:id?', '/books', { id: undefined }],
    ['/books{/:id}+', '/books/1/2', { id: '1/2' }], ['/books/:id*', '/books', { id: undefined }], ['/a/*', '/a/', { 0: '' }],
    ['/(\\d+)-:name', '/12-x', { 0: '12', name: 'x' }], ['/(\\d+)', '/x', null], ['/:a.:b', '/x.y', { a: 'x', b: 'y' }],
    ['/:__proto__', '/x', { ['__proto__']: 'x' }], ['/([[a-z]--a])', '/a', null], ['/([[a-z]--a])', '/b', { 0: 'b' }],
    ['/{a:x(b)c}', '/abc', { x: 'b' }], ['/:ü', '/x', { 'ü': 'x' }], ['/A', '/a', null], ['/%61', '/a', null],
];

export default suite({
    'patterns read back in canonical form': () => {
        for (const [args, expected] of READ_BACK) equal(patternsOf(...args), expected, JSON.stringify(args));
    },
    'paths and their groups': () => {
        for (const [pathname, path, groups] of MATCHES) {
            const pattern = new URLPattern({ pathname });
            equal(pattern.test(`https://example.com${path}`), groups !== null, `${pathname} ${path}`);
            const found = pattern.exec({ pathname: path });
            equal(found === null ? null : Object.entries(found.pathname.groups), groups === null ? null : Object.entries(groups), pathname);
        }
    },
    'what is no pattern': () => {
        const rows = [
            ['/a'], ['example.com/a'], ['data:text'], ['(ü)://a'], ['https://a{{b}}c'], ['https://a/{'], [{ pathname: '/:a/:a' }],
            [{ pathname: '/(' }], [{ pathname: '/()' }], [{ pathname: '/(?a)' }], [{ pathname: '/((a))' }], [{ pathname: '/(\\m)' }], [{ pathname: '/a\\' }],
            [{ pathname: '/:' }], [{ hostname: 'a b' }], [{ hostname: 'a\\:b' }], [{ hostname: '[\\:\\:x]' }], [{ hostname: 'a|b' }], [{ port: 'x' }],
            [{ protocol: 'a b' }], [{ pathname: '/', baseURL: '' }], ['/a', ''], [{ pathname: '/' }, 'https://example.com'], [{ pathname: '+' }],
            ['/a', { ignoreCase: true }, 'https://example.com'], ['https://example.com', undefined, {}], [5], [Symbol()],
        ];
        for (const args of rows) throws(() => new URLPattern(...args), TypeError, String(JSON.stringify(args)));
    },
    'what is asked': () => {
        const pattern = new URLPattern({ pathname: '/a/*', search: '*' });
        equal(pattern.test('b', 'https://example.com/a/'), true);
        equal(pattern.test('/a/b'), false);
        equal(pattern.test('/a/b', 'nothing'), false);
        equal(pattern.test({ pathname: 'b', baseURL: 'https://example.com/a/c' }), true);
        equal(pattern.test({ pathname: '/a/b', port: 'x' }), false);
        equal(pattern.test(new URL('https://example.com/a/b')), true);
        equal(pattern.test(), false);
        throws(() => pattern.test({ pathname: '/a/b' }, 'https://example.com'), TypeError);
        throws(() => pattern.exec({}, 'https://example.com'), TypeError);
        equal(new URLPattern().test(), true);
        equal(new URLPattern({ port: '' }).test({ protocol: 'http', port: '80' }), true);
        equal(new URLPattern({ port: '80' }).test({ protocol: 'http', port: '80' }), false);
        equal(new URLPattern('https://example.com/').test('https://example.com:8080/'), false);
    },
    'what is found': () => {
        const found = new URLPattern('https://:sub.example.com/:id').exec('/12?q', 'https://www.example.com');
        equal(Object.keys(found), ['hash', 'hostname', 'inputs', 'password', 'pathname', 'port', 'protocol', 'search', 'username']);
        equal(found.inputs, ['/12?q', 'https://www.example.com']);
        equal(found.hostname, { groups: { sub: 'www' }, input: 'www.example.com' });
        equal(found.search, { groups: { 0: 'q' }, input: 'q' });
        equal(found.port, { groups: {}, input: '' });
        equal(new URLPattern().exec({ pathname: '/x', search: undefined }).inputs, [{ pathname: '/x' }]);
    },
    'ignoreCase': () => {
        const pattern = new URLPattern('https://example.com/A?B#C', { ignoreCase: true });
        equal(pattern.pathname, '/A');
        equal(pattern.test('https://example.com/a?b#c'), true);
        equal(new URLPattern('/A', 'https://example.com', { ignoreCase: true }).test('https://example.com/a'), true);
    },
    'hasRegExpGroups': () => {
        for (const name of NAMES) {
            equal(new URLPattern({ [name]: '*' }).hasRegExpGroups, false, name);
            equal(new URLPattern({ [name]: name === 'port' ? '(8\\d)' : '(a|b)' }).hasRegExpGroups, true, name);
        }
        equal(new URLPattern({ pathname: '/([^\\/]+?)/(.*)/:a{:b}?' }).hasRegExpGroups, false);
    },
    'as it is declared': () => {
        equal([URLPattern.length, URLPattern.prototype.test.length, URLPattern.prototype.exec.length], [0, 0, 0]);
        equal(Object.prototype.toString.call(new URLPattern()), '[object URLPattern]');
        throws(() => URLPattern(), TypeError);
        throws(() => URLPattern.prototype.hash, TypeError);
        ok(Object.getOwnPropertyDescriptor(URLPattern.prototype, 'hasRegExpGroups').enumerable);
        const pattern = new URLPattern({ pathname: '/:a' });
        const { exec } = RegExp.prototype;
        RegExp.prototype.exec = () => null;
        try {
            equal(pattern.test('https://example.com/x'), true, 'whatever a script does to RegExp');
        } finally {
            RegExp.prototype.exec = exec;
        }
    },
});
