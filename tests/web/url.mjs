import { equal, suite, throws } from './assert.mjs';

const parts = (u) => [u.protocol, u.username, u.password, u.hostname, u.port, u.pathname, u.search, u.hash];

// input, base, href or null for "not a URL"
const ROWS = [
    ['https://example.com', , 'https://example.com/'],
    ['https://example.com?x=1', , 'https://example.com/?x=1'],
    ['https://example.com/a/b?x=1&y=%20z', , 'https://example.com/a/b?x=1&y=%20z'],
    ['HTTP://EXAMPLE.com:80/../x', , 'http://example.com/x'],
    ['https://example.com/a/./b/../c', , 'https://example.com/a/c'],
    ['https://example.com/a/.', , 'https://example.com/a/'],
    ['https://example.com/.hidden', , 'https://example.com/.hidden'],
    ['https://example.com/%2e%2e/x', , 'https://example.com/x'],
    ['https://example.com:443/', , 'https://example.com/'],
    ['https://example.com:8443/', , 'https://example.com:8443/'],
    ['https://user:pa%20ss@example.com/', , 'https://user:pa%20ss@example.com/'],
    ['https://faß.example/', , 'https://xn--fa-hia.example/'],
    ['https://ÄÖÜ.example/', , 'https://xn--4ca0bs.example/'],
    ['https://日本語.jp/', , 'https://xn--wgv71a119e.jp/'],
    ['https://example.com/ä ö?ü#ß', , 'https://example.com/%C3%A4%20%C3%B6?%C3%BC#%C3%9F'],
    ["https://example.com/'?'", , "https://example.com/'?%27"],
    ['https://127.1/', , 'https://127.0.0.1/'],
    ['https://0x7f.0.0.1/', , 'https://127.0.0.1/'],
    ['https://1.2.3.4.5/', , null],
    ['https://[::1]:80/x', , 'https://[::1]:80/x'],
    ['https://[2001:DB8:0:0:0:0:0:1]/', , 'https://[2001:db8::1]/'],
    ['https://a b/', , null],
    ['https://a%00b/', , null],
    ['https://', , null],
    ['nothing', , null],
    ['/x?y', 'https://example.com/a/b', 'https://example.com/x?y'],
    ['x', 'https://example.com/a/b', 'https://example.com/a/x'],
    ['//other/x', 'https://example.com/', 'https://other/x'],
    ['?q', 'https://example.com/a?b#c', 'https://example.com/a?q'],
    ['#f', 'https://example.com/a?b#c', 'https://example.com/a?b#f'],
    ['', 'https://example.com/a?b#c', 'https://example.com/a?b'],
    ['data:text/plain,hi there', , 'data:text/plain,hi there'],
    ['mailto:a@b', , 'mailto:a@b'],
    ['file:///c:/x/../y', , 'file:///c:/y'],
    ['https:\\\\example.com\\x', , 'https://example.com/x'],
    [' https://example.com/\t\n ', , 'https://example.com/'],
    ['https://exa%6Dple.com/', , 'https://example.com/'],
    ['https://xn--fa-hia.example/', , 'https://xn--fa-hia.example/'],
    ['https://XN--FA-HIA.example/', , 'https://xn--fa-hia.example/'],
    ['https://xn--ls8h.la/', , 'https://xn--ls8h.la/'],
    // An ASCII domain is what it is, punycode or not ("domain to ASCII", beStrict false).
    ['https://xn--0.example/', , 'https://xn--0.example/'],
    ['https://XN--.example/', , 'https://xn--.example/'],
    ['https://a.xn--abc-.example/', , 'https://a.xn--abc-.example/'],
    // Beside a label that is not ASCII it is decoded.
    ['https://ü.xn--0.example/', , null],
    ['https://♥.net/', , 'https://xn--g6h.net/'],
    ['https://😀:😀@😀.la/😀?😀#😀', , 'https://%F0%9F%98%80:%F0%9F%98%80@xn--e28h.la/%F0%9F%98%80?%F0%9F%98%80#%F0%9F%98%80'],
    ['https://\ud800x/', , null],
    ['https://example.com/\ud800', , 'https://example.com/%EF%BF%BD'],
    ['https://a\u200cb/', , null],
    ['https://\u00ad/', , null],
    ['https://ab\u00adc.example/', , 'https://abc.example/'],
    ['https://ｅｘａｍｐｌｅ.com/', , 'https://example.com/'],
    ['https://example。com/', , 'https://example.com/'],
    ['web+demo:/.//not-a-host/', , 'web+demo:/.//not-a-host/'],
    ['javascript://a/b', , 'javascript://a/b'],
    ['data:text/plain,a b#c', , 'data:text/plain,a b#c'],
    ['file://localhost/x', , 'file:///x'],
    ['http://0x100000000/', , null],
    ['http://[::1.2.3.4]/', , 'http://[::102:304]/'],
    ['blob:https://example.com/id', , 'blob:https://example.com/id'],
    ['https://a_b.ab--c_d.xn--fa-hia.example/', , 'https://a_b.ab--c_d.xn--fa-hia.example/'],
    ['https://_x.-a.b-.example/', , 'https://_x.-a.b-.example/'],
];

export default suite({
    'urls serialise as the standard says': () => {
        for (const [input, base, href] of ROWS) {
            equal(URL.parse(input, base)?.href ?? null, href, input);
            equal(URL.canParse(input, base), href !== null, input);
        }
    },
    'the parts of odd urls': () => {
        const rows = [
            ['web+demo:/.//p?q#f', ['web+demo:', '', '', '', '', '//p', '?q', '#f'], '', 'null'],
            ['mailto:a:80', ['mailto:', '', '', '', '', 'a:80', '', ''], '', 'null'],
            ['foo://u:p@h:80?#', ['foo:', 'u', 'p', 'h', '80', '', '', ''], 'h:80', 'null'],
            ['https://u@h/', ['https:', 'u', '', 'h', '', '/', '', ''], 'h', 'https://h'],
            ['https://:p@h:1/', ['https:', '', 'p', 'h', '1', '/', '', ''], 'h:1', 'https://h:1'],
            ['ws://[::1]:81/:90', ['ws:', '', '', '[::1]', '81', '/:90', '', ''], '[::1]:81', 'ws://[::1]:81'],
            ['file:///a:b', ['file:', '', '', '', '', '/a:b', '', ''], '', 'null'],
            ['foo:///:80', ['foo:', '', '', '', '', '/:80', '', ''], '', 'null'],
            ['blob:https://u:p@h:8443/x', ['blob:', '', '', '', '', 'https://u:p@h:8443/x', '', ''], '', 'https://h:8443'],
            ['blob:ftp://h/x', ['blob:', '', '', '', '', 'ftp://h/x', '', ''], '', 'null'],
            ['blob:blob:https://h/x', ['blob:', '', '', '', '', 'blob:https://h/x', '', ''], '', 'null'],
        ];
        for (const [input, expected, host, origin] of rows) {
            const u = new URL(input);
            equal([...parts(u), u.host, u.origin], [...expected, host, origin], input);
        }
    },
    'setters leave what they cannot set': () => {
        const set = (href, part, value) => {
            const u = new URL(href);
            u[part] = value;
            return u.href;
        };
        equal(set('mailto:a', 'hostname', 'b'), 'mailto:a');
        equal(set('mailto:a', 'pathname', 'b'), 'mailto:a');
        equal(set('file:///x', 'port', '1'), 'file:///x');
        equal(set('file:///x', 'username', 'a'), 'file:///x');
        equal(set('https://h/', 'protocol', 'foo'), 'https://h/');
        equal(set('https://h:8080/', 'port', ''), 'https://h/');
        equal(set('https://h/', 'port', '65536'), 'https://h/');
        equal(set('https://h/', 'port', '80a'), 'https://h:80/');
        equal(set('https://h/', 'host', 'x:9/y'), 'https://x:9/');
        equal(set('https://h/', 'hostname', 'x:9'), 'https://h/');
        equal(set('https://h/', 'hostname', ''), 'https://h/');
        equal(set('https://h/', 'host', 'ü'), 'https://xn--tda/');
        equal(set('https://h/', 'username', '😀@'), 'https://%F0%9F%98%80%40@h/');
        equal(set('https://h/a', 'pathname', '?#'), 'https://h/%3F%23');
        equal(set('https://h/?a', 'search', '?'), 'https://h/?');
        equal(set('https://h/#a', 'hash', ''), 'https://h/');
        equal(set('https://h/', 'hash', '\ud800'), 'https://h/#%EF%BF%BD');
    },
    'URL as it is declared': () => {
        equal(URL.length, 1);
        equal(URL.canParse.length, 1);
        equal(Object.getOwnPropertyDescriptor(URL.prototype, 'searchParams').set, undefined);
        equal(Object.prototype.toString.call(new URL('a:b')), '[object URL]');
        equal(Object.prototype.toString.call(new URLSearchParams()), '[object URLSearchParams]');
        equal(URLSearchParams.length, 0);
        equal(URLSearchParams.prototype[Symbol.iterator] === URLSearchParams.prototype.entries, true);
        throws(() => URL('a:b'), TypeError);
        throws(() => URL.canParse(), TypeError);
        throws(() => URL.prototype.href, TypeError);
        throws(() => URLSearchParams.prototype.size, TypeError);
        throws(() => new URLSearchParams().append('a'), TypeError);
        const u = new URL('https://example.com/?a');
        equal(u.searchParams === u.searchParams, true);
    },
    'URLSearchParams of what there is': () => {
        equal(String(new URLSearchParams(undefined)), '');
        equal(String(new URLSearchParams(null)), 'null=');
        equal(String(new URLSearchParams({ '\ud800': '1', '\ufffd': '2' })), '%EF%BF%BD=2');
        equal(String(new URLSearchParams(new URLSearchParams('a=1&a=2'))), 'a=1&a=2');
        equal(String(new URLSearchParams(new Map([['a', 1]]))), 'a=1');
        equal([...new URLSearchParams('\ufeffa=%EF%BB%BFb&%ff=%f')], [['\ufeffa', '\ufeffb'], ['\ufffd', '%f']]);
        equal([...new URLSearchParams('??a=b')], [['?a', 'b']]);
        equal([...new URLSearchParams('&&a&=&b==c')], [['a', ''], ['', ''], ['b', '=c']]);
        throws(() => new URLSearchParams([['a', 'b', 'c']]), TypeError);
        throws(() => new URLSearchParams({ [Symbol.iterator]: 1 }), TypeError);
        throws(() => new URLSearchParams(['ab', 1]), TypeError);
    },
    'URLSearchParams while it is walked': () => {
        const p = new URLSearchParams('a=1&b=2&c=3');
        const seen = [];
        for (const [name] of p) {
            seen.push(name);
            p.delete(name);
        }
        equal(seen, ['a', 'c']);
        equal(String(p), 'b=2');
        p.delete('b', undefined);
        equal(p.size, 0);
        const it = new URLSearchParams('a=1').entries();
        equal(Object.prototype.toString.call(it), '[object URLSearchParams Iterator]');
    },
    'sort is by code units, and stable': () => {
        const p = new URLSearchParams('\uffff=1&😀=2&a=3&a=1');
        p.sort();
        equal([...p], [['a', '3'], ['a', '1'], ['😀', '2'], ['\uffff', '1']]);
    },
    'what is too long': () => {
        const long = 'x'.repeat(17 << 20);
        throws(() => new URL(`https://example.com/${long}`), TypeError);
        throws(() => new URL(`https://example.com/${long}${long}${long}${long}`), RangeError);
        equal(URL.canParse(`https://example.com/${long}`), false);
        equal(new URL(`https://example.com/${long.slice(2 << 20)}`).pathname.length, (15 << 20) + 1);
        const u = new URL('https://example.com/');
        u.pathname = long;
        equal(u.href, 'https://example.com/');
    },
    'a bad url throws': () => {
        throws(() => new URL('nothing'), TypeError);
        throws(() => new URL('x', 'nothing'), TypeError);
        throws(() => new URL(), TypeError);
    },
    'the parts of a plain url': () => {
        const u = new URL('https://example.com/a/b?x=1');
        equal(parts(u), ['https:', '', '', 'example.com', '', '/a/b', '?x=1', '']);
        equal(u.origin, 'https://example.com');
        equal(u.host, 'example.com');
        equal(String(u), 'https://example.com/a/b?x=1');
        equal(JSON.stringify({ u }), '{"u":"https://example.com/a/b?x=1"}');
        equal(new URL('https://example.com/?').search, '');
        equal(new URL('https://example.com/?').href, 'https://example.com/?');
    },
    'the parts of a full url': () => {
        const u = new URL('http://u:p@example.com:81/a?b#c');
        equal(parts(u), ['http:', 'u', 'p', 'example.com', '81', '/a', '?b', '#c']);
        equal(u.host, 'example.com:81');
        equal(u.origin, 'http://example.com:81');
        equal(new URL('data:x').origin, 'null');
    },
    'parts can be set': () => {
        const u = new URL('https://example.com/a?b');
        u.pathname = '/x y';
        u.search = 'q=1';
        u.hash = 'h';
        u.port = '444';
        u.hostname = 'other.example';
        u.username = 'me';
        u.protocol = 'http';
        equal(u.href, 'http://me@other.example:444/x%20y?q=1#h');
        u.host = 'third.example:1';
        u.search = '';
        u.hash = '';
        u.password = 'p';
        equal(u.href, 'http://me:p@third.example:1/x%20y');
        u.href = 'https://example.com/';
        equal(u.href, 'https://example.com/');
        throws(() => (u.href = 'x'), TypeError);
    },
    'searchParams and search follow each other': () => {
        const u = new URL('https://example.com/?a=1&b=2');
        const p = u.searchParams;
        p.set('a', 'x y');
        equal(u.href, 'https://example.com/?a=x+y&b=2');
        u.search = '?c=3';
        equal([...p], [['c', '3']]);
        p.delete('c');
        equal(u.href, 'https://example.com/');
        p.append('ä', '\'"');
        equal(u.href, 'https://example.com/?%C3%A4=%27%22');
        u.href = 'https://example.com/?x#h';
        equal(String(p), 'x=');
        p.sort();
        equal(u.href, 'https://example.com/?x=#h');
    },
    'URLSearchParams: parse, list, change': () => {
        const p = new URLSearchParams('?a=1&a=2&b=%C3%A4+x&c&=d&%zz=%');
        equal([...p], [['a', '1'], ['a', '2'], ['b', 'ä x'], ['c', ''], ['', 'd'], ['%zz', '%']]);
        equal(p.get('a'), '1');
        equal(p.getAll('a'), ['1', '2']);
        equal(p.get('zz'), null);
        equal(p.has('a', '2'), true);
        equal(p.has('a', '3'), false);
        p.delete('a', '1');
        equal(p.getAll('a'), ['2']);
        p.append('a', '&=+%');
        equal(p.size, 6);
        p.sort();
        equal([...p.keys()], ['', '%zz', 'a', 'a', 'b', 'c']);
        equal(new URLSearchParams({ x: '1', y: 'ü &' }).toString(), 'x=1&y=%C3%BC+%26');
        equal(new URLSearchParams([['a', 'b']]).toString(), 'a=b');
        equal(new URLSearchParams("a*-._~!'()").toString(), "a*-._%7E%21%27%28%29=");
        throws(() => new URLSearchParams([['a']]), TypeError);
    },
});
