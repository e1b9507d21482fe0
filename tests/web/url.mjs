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
    ['https://xn--0.example/', , null],
    ['https://xn--.example/', , null],
    ['https://xn--a.example/', , null],
    ['https://a.xn--abc-.example/', , null],
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
