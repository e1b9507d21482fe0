// Forms, files and MIME types: what goes in comes out, and what is malformed is refused.
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const multipart = (text, boundary = 'b') => new Response(text, { headers: { 'content-type': `multipart/form-data; boundary=${boundary}` } });
const part = (disposition, value, more = '') => `--b\r\nContent-Disposition: ${disposition}\r\n${more}\r\n${value}\r\n`;
const typeOf = async (contentType) => (await new Response('', { headers: { 'content-type': contentType } }).blob()).type;

export default suite({
    'a form goes through a body and back': async () => {
        const form = new FormData();
        form.append('text', 'line\nline');
        form.append('na"me\r\n', 'x');
        form.append('file', new File(['abc'], 'a".txt', { type: 'text/plain', lastModified: 7 }));
        form.append('blob', new Blob(['\0\xff']));
        const request = new Request('https://a.example/', { method: 'POST', body: form });
        ok(/^multipart\/form-data; boundary=/.test(request.headers.get('content-type')));
        const back = await request.formData();
        equal([...back.keys()], ['text', 'na"me\r\n', 'file', 'blob']);
        equal(back.get('text'), 'line\r\nline');
        const file = back.get('file');
        equal([file instanceof File, file.name, file.type, await file.text()], [true, 'a".txt', 'text/plain', 'abc']);
        equal([back.get('blob').name, back.get('blob').type], ['blob', 'application/octet-stream']);
    },
    'multipart as others write it': async () => {
        const body = 'preamble\r\n' + part('form-data; name="a"', '1') + part('form-data; name=b; filename=c.bin', 'x\r\ny', 'content-type: image/png\r\n') +
            part('form-data; name="e"; filename=""', '') + '--b--\r\nepilogue';
        const form = await multipart(body).formData();
        equal(form.get('a'), '1');
        equal([form.get('b').name, form.get('b').type, await form.get('b').text()], ['c.bin', 'image/png', 'x\r\ny']);
        equal([form.get('e').name, form.get('e').size], ['', 0]);
        equal([...(await multipart('--b--').formData())], []);
        equal((await multipart(part('form-data; name="q"', '\ufeff\u00e9') + '--b--', '"b"').formData()).get('q'), '\ufeff\u00e9');
    },
    'multipart that is malformed': async () => {
        for (const body of ['', 'x', '--b', '--b\r\n\r\n', part('form-data', 'no name') + '--b--', part('attachment; name="a"', '1') + '--b--', part('form-data; name="a"', '1'), '--bx--', '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1--b--'])
            await rejects(multipart(body).formData(), TypeError, JSON.stringify(body));
        await rejects(new Response('a=1').formData(), TypeError);
        await rejects(new Response('--b--', { headers: { 'content-type': 'multipart/form-data' } }).formData(), TypeError);
    },
    'a large form is found by its boundaries, not byte by byte': async () => {
        const value = new Uint8Array(4 << 20).fill(0x0d); // the worst byte: each could begin a boundary
        const form = new FormData();
        form.append('a', new Blob([value]));
        equal((await new Response(form).formData()).get('a').size, value.length);
    },
    'urlencoded': async () => {
        const form = await new Response('\ufeff?a=1&b=%C3%A9+x&a=2', { headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' } }).formData();
        equal([...form], [['\ufeff?a', '1'], ['b', '\u00e9 x'], ['a', '2']]);
    },
    'FormData checks and converts': () => {
        const form = new FormData();
        throws(() => form.append('a'), TypeError);
        throws(() => form.append('a', 'b', 'c'), TypeError);
        throws(() => new FormData(null), TypeError);
        form.append('a', '\ud800');
        form.set('a', { toString: () => 'v' });
        equal([...form], [['a', 'v']]);
        form.append('f', new Blob(['x']), 'name');
        equal(form.get('f').name, 'name');
        equal([FormData.prototype.append.length, FormData.prototype.get.length, FormData.length], [2, 1, 0]);
        equal(FormData.prototype[Symbol.iterator] === FormData.prototype.entries, true);
        const seen = [];
        form.forEach(function (value, name, all) { seen.push(name, all === form, this.a); }, { a: 1 });
        equal(seen, ['a', true, 1, 'f', true, 1]);
    },
    'Blob and File': async () => {
        equal(await new Blob(['a', new Uint8Array([0x62]), new Blob(['c']), 1]).text(), 'abc1');
        equal(await new Blob(['a\r\nb\rc'], { endings: 'native' }).text(), 'a\nb\nc');
        throws(() => new Blob('text'), TypeError);
        throws(() => new Blob([], { endings: 'other' }), TypeError);
        throws(() => new File([]), TypeError);
        const blob = new Blob(['0123456789'], { type: 'A/B' });
        equal([blob.type, blob.size], ['a/b', 10]);
        equal(await blob.slice(-3, -1).text(), '78');
        equal(await blob.slice(2.5, 4.5).text(), '23');
        equal(blob.slice(5, 2).size, 0);
        equal(new Blob([], { type: '\u00e9' }).type, '');
        const file = new File(['x'], 'n', { lastModified: 1.9 });
        equal([file.lastModified, file.name, file instanceof Blob], [1, 'n', true]);
        equal(Object.prototype.toString.call(file), '[object File]');
        equal((await new Response(blob.stream()).text()), '0123456789');
    },
    'MIME types': async () => {
        equal(await typeOf('Text/HTML;Charset="utf-8"; x=y'), 'text/html;charset=utf-8;x=y');
        equal(await typeOf('text/html;charset="a b\\"c"'), 'text/html;charset="a b\\"c"');
        equal(await typeOf('text/plain, text/html;charset=a, text/html'), 'text/html;charset=a');
        equal(await typeOf('text/html;charset=a;charset=b'), 'text/html;charset=a');
        equal(await typeOf('nonsense'), '');
        equal(await typeOf('*/*, a/b'), 'a/b');
        equal(await typeOf('a/b;c'), 'a/b');
        equal(await typeOf(' a/b ; c = d'), 'a/b');
    },
});
