import { equal, ok, rejects, suite, throws } from './assert.mjs';

const bytes = (...list) => new Uint8Array(list);

// bytes, what UTF-8 decodes them to
const UTF8 = [
    [[0x61], 'a'], [[0xc3, 0xa4], 'ä'], [[0xe2, 0x82, 0xac], '€'], [[0xf0, 0x9f, 0x98, 0x80], '😀'],
    [[0xff], '\ufffd'], [[0xc3], '\ufffd'], [[0xc3, 0x61], '\ufffda'], [[0xe2, 0x82], '\ufffd'],
    [[0xed, 0xa0, 0x80], '\ufffd\ufffd\ufffd'], [[0xf4, 0x90, 0x80, 0x80], '\ufffd\ufffd\ufffd\ufffd'],
    [[0xc0, 0xaf], '\ufffd\ufffd'], [[0xe0, 0x80, 0x80], '\ufffd\ufffd\ufffd'], [[0xef, 0xbb, 0xbf, 0x61], 'a'],
];

export default suite({
    'UTF-8 decodes with replacement': () => {
        for (const [list, text] of UTF8) equal(new TextDecoder().decode(bytes(...list)), text, String(list));
    },
    'UTF-8 fatal refuses exactly what is replaced': () => {
        for (const [list, text] of UTF8) {
            const decoder = new TextDecoder('utf-8', { fatal: true });
            if (text.includes('\ufffd')) throws(() => decoder.decode(bytes(...list)), TypeError, String(list));
            else equal(decoder.decode(bytes(...list)), text);
        }
    },
    'UTF-8 in single bytes gives the same': () => {
        for (const [list, text] of UTF8) {
            const decoder = new TextDecoder();
            let all = '';
            for (const b of list) all += decoder.decode(bytes(b), { stream: true });
            equal(all + decoder.decode(), text, String(list));
        }
    },
    'the BOM stays when asked': () => {
        equal(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes(0xef, 0xbb, 0xbf, 0x61)), '\ufeffa');
    },
    'the BOM goes once, wherever the chunks are cut': () => {
        const marked = [['utf-8', [0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, 0x61]], ['utf-16le', [0xff, 0xfe, 0xff, 0xfe, 0x61, 0]],
            ['utf-16be', [0xfe, 0xff, 0xfe, 0xff, 0, 0x61]]];
        for (const [label, list] of marked) {
            for (let size = 1; size <= list.length; size++) {
                for (const ignoreBOM of [false, true]) {
                    const decoder = new TextDecoder(label, { ignoreBOM });
                    for (let again = 0; again < 2; again++) {
                        let all = '';
                        for (let at = 0; at < list.length; at += size)
                            all += decoder.decode(bytes(...list.slice(at, at + size)), { stream: true });
                        equal(all + decoder.decode(), ignoreBOM ? '\ufeff\ufeffa' : '\ufeffa', `${label} by ${size}`);
                    }
                }
            }
        }
        equal(new TextDecoder('utf-16le').decode(bytes(0xfe, 0xff)), '\ufffe');
        equal(new TextDecoder('gb18030').decode(bytes(0x84, 0x31, 0x95, 0x33)), '\ufeff');
    },
    'legacy encodings': () => {
        const rows = [
            ['gbk', [0xd6, 0xd0, 0x80], '中€'], ['gb18030', [0x81, 0x30, 0x81, 0x30, 0x90, 0x30, 0x81, 0x30, 0xa8, 0xbc], '\x80\u{10000}ḿ'],
            ['gb18030', [0x81, 0x35, 0xf4, 0x37, 0xfe, 0x39, 0xfe, 0x39], '\ue7c7\ufffd'], ['gb18030', [0x81, 0x30, 0x81, 0x61], '\ufffd0\u4e64'],
            ['gb18030', [0x81, 0x30, 0x81], '\ufffd'], ['gb18030', [0x81, 0x20], '\ufffd '],
            ['big5', [0xa4, 0xa4, 0x88, 0x62, 0x88, 0xa5, 0x87, 0x45], '中\xca\u0304\xea\u030c\u{27267}'], ['big5', [0x81, 0x40], '\ufffd@'],
            ['euc-jp', [0xc6, 0xfc, 0x8e, 0xb1, 0x8f, 0xb0, 0xa1], '日ｱ丂'], ['euc-jp', [0x8f, 0xa1, 0x41], '\ufffdA'],
            ['shift_jis', [0x93, 0xfa, 0xb1, 0x5c, 0xf0, 0x40, 0x80], '日ｱ\\\ue000\x80'], ['shift_jis', [0x81, 0xff], '\ufffd'],
            ['iso-2022-jp', [0x1b, 0x24, 0x42, 0x46, 0x7c, 0x1b, 0x28, 0x4a, 0x5c, 0x7e, 0x1b, 0x28, 0x49, 0x31, 0x1b, 0x28, 0x42, 0x41], '日¥‾ｱA'],
            ['iso-2022-jp', [0x1b, 0x28, 0x42, 0x1b, 0x28, 0x42, 0x61], '\ufffda'], ['iso-2022-jp', [0x1b, 0x24], '\ufffd$'],
            ['euc-kr', [0xc7, 0xd1, 0x81, 0x41], '한갂'], ['euc-kr', [0xfe, 0xff], '\ufffd'],
            ['windows-1251', [0xcf, 0xf0], 'Пр'], ['koi8-u', [0xae, 0xa4], 'ўє'], ['ibm866', [0x8f], 'П'], ['iso-8859-8-i', [0xe0, 0xbf], 'א\ufffd'],
            ['macintosh', [0xf0], '\uf8ff'], ['x-user-defined', [0x7f, 0x80, 0xff], '\x7f\uf780\uf7ff'], ['windows-874', [0xa1, 0xfc], 'ก\ufffd'],
            ['utf-16be', [0xd8, 0x3d, 0xde, 0, 0xde, 0, 0xd8], '😀\ufffd\ufffd'], ['windows-1252', [0xff, 0x81], 'ÿ\x81'],
        ];
        for (const [label, list, text] of rows) {
            equal(new TextDecoder(label).decode(bytes(...list)), text, `${label} ${list}`);
            const decoder = new TextDecoder(label);
            let all = '';
            for (const b of list) all += decoder.decode(bytes(b), { stream: true });
            equal(all + decoder.decode(), text, `${label} ${list} in single bytes`);
            const fatal = new TextDecoder(label, { fatal: true });
            if (text.includes('\ufffd')) throws(() => fatal.decode(bytes(...list)), TypeError, `${label} ${list}`);
            equal(fatal.decode(bytes(0x41, 0x42)).length, label.startsWith('utf-16') ? 1 : 2, 'what failed leaves nothing');
        }
    },
    'labels': () => {
        const rows = [['  \tUTF8\n', 'utf-8'], ['ISO-8859-1', 'windows-1252'], ['ascii', 'windows-1252'], ['l5', 'windows-1254'],
            ['gb2312', 'gbk'], ['big5-hkscs', 'big5'], ['sjis', 'shift_jis'], ['ks_c_5601-1987', 'euc-kr'], ['visual', 'iso-8859-8'],
            ['logical', 'iso-8859-8-i'], ['ucs-2', 'utf-16le'], ['unicodefffe', 'utf-16be'], ['tis-620', 'windows-874'], ['mac', 'macintosh'],
            ['koi8-ru', 'koi8-u'], ['866', 'ibm866'], ['x-user-defined', 'x-user-defined']];
        for (const [label, name] of rows) equal(new TextDecoder(label).encoding, name, label);
        for (const label of ['', ' ', 'utf', 'utf-8 utf8', 'utf-8\0', '\xa0utf-8', 'replacement', 'hz-gb-2312', 'iso-2022-kr', 'utf-32', 'x'.repeat(999)])
            throws(() => new TextDecoder(label), RangeError, label);
    },
    'what is declared': () => {
        throws(() => TextDecoder(), TypeError);
        throws(() => TextDecoder.prototype.encoding, TypeError);
        throws(() => TextDecoder.prototype.decode.call({}, bytes()), TypeError);
        for (const bad of [1, 'a', null, {}]) throws(() => new TextDecoder().decode(bad), TypeError, String(bad));
        for (const bad of [null, new ArrayBuffer(4), new Uint8ClampedArray(4), new DataView(new ArrayBuffer(4))])
            throws(() => new TextEncoder().encodeInto('a', bad), TypeError);
        throws(() => new TextDecoder('utf-8', 1), TypeError);
        equal(new TextDecoder('utf-8', null).fatal, false);
        equal(new TextDecoder().decode(undefined), '');
        equal(new TextDecoder().decode(new Uint16Array([0x6161]), null), 'aa');
        equal(new TextDecoder().decode(new DataView(bytes(1, 0x61, 2).buffer, 1, 1)), 'a');
        equal(Object.getOwnPropertyDescriptor(TextDecoder.prototype, 'fatal').enumerable, true);
        equal([TextDecoder.length, TextEncoder.prototype.encodeInto.length, TextDecoder.prototype.decode.length], [0, 2, 0]);
    },
    'the streams': async () => {
        const through = async (stream, chunks) => {
            const writer = stream.writable.getWriter();
            const done = (async () => {
                for (const chunk of chunks) await writer.write(chunk);
                await writer.close();
            })();
            const out = [];
            for await (const chunk of stream.readable) out.push(chunk);
            await done;
            return out;
        };
        equal(await through(new TextDecoderStream('shift_jis'), [bytes(0x93), bytes(), bytes(0xfa, 0x93)]), ['日', '\ufffd']);
        equal(await through(new TextDecoderStream(), [bytes(0xef), bytes(0xbb, 0xbf)]), []);
        equal(await through(new TextEncoderStream(), ['\ud83d', '\ude00', '', '\ud800']), [bytes(0xf0, 0x9f, 0x98, 0x80), bytes(0xef, 0xbf, 0xbd)]);
        await rejects(through(new TextDecoderStream('utf-8', { fatal: true }), [bytes(0xc3)]), TypeError);
        await rejects(through(new TextDecoderStream(), ['a']), TypeError);
        const stream = new TextDecoderStream('latin1', { ignoreBOM: true });
        equal([stream.encoding, stream.fatal, stream.ignoreBOM], ['windows-1252', false, true]);
        throws(() => new TextDecoderStream('nope'), RangeError);
        throws(() => TextEncoderStream.prototype.readable, TypeError);
    },
    'other encodings': () => {
        equal(new TextDecoder('utf-16le').decode(bytes(0x61, 0, 0x3d, 0xd8, 0, 0xde)), 'a😀');
        equal(new TextDecoder('UTF-16BE').decode(bytes(0, 0x61)), 'a');
        equal(new TextDecoder('latin1').decode(bytes(0x61, 0x80, 0xe9)), 'a€é');
        equal(new TextDecoder('latin1').encoding, 'windows-1252');
        throws(() => new TextDecoder('nope'), RangeError);
    },
    'encode': () => {
        equal(new TextEncoder().encode('aä€😀'), bytes(0x61, 0xc3, 0xa4, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80));
        equal(new TextEncoder().encode('\ud800'), bytes(0xef, 0xbf, 0xbd));
        equal(new TextEncoder().encode(), bytes());
        const long = 'ä'.repeat(5000);
        equal(new TextDecoder().decode(new TextEncoder().encode(long)) === long, true);
    },
    'encodeInto stops at a whole character': () => {
        const into = new Uint8Array(4);
        equal(new TextEncoder().encodeInto('aä€', into), { read: 2, written: 3 });
        equal(into, bytes(0x61, 0xc3, 0xa4, 0));
        const four = new Uint8Array(4);
        equal(new TextEncoder().encodeInto('😀', four), { read: 2, written: 4 });
        equal(four, bytes(0xf0, 0x9f, 0x98, 0x80));
        const rows = [['', 0, 0, 0], ['a', 0, 0, 0], ['\xe9', 1, 0, 0], ['a\xe9', 2, 1, 1], ['😀', 3, 0, 0], ['\ud800a', 3, 1, 3], ['\ud83d', 2, 0, 0], ['a\udc00', 4, 2, 4]];
        for (const [text, room, read, written] of rows)
            equal(new TextEncoder().encodeInto(text, new Uint8Array(room)), { read, written }, text);
        const part = new Uint8Array(8);
        equal(new TextEncoder().encodeInto('abc', part.subarray(2, 4)), { read: 2, written: 2 });
        equal(part, bytes(0, 0, 0x61, 0x62, 0, 0, 0, 0));
    },
    'long texts are as short ones': () => {
        const encoder = new TextEncoder();
        const decoder = new TextDecoder();
        for (const text of ['a', 'é', 'aé', '€', 'a€é', '😀', 'a😀']) {
            for (const tail of ['', '\ud800', '\udc00b', '\xff', '\0']) {
                const long = text.repeat(50) + tail;
                const expected = [...long].flatMap((c) => [...encoder.encode(c)]);
                equal([...encoder.encode(long)], expected, text + escape(tail));
                equal(decoder.decode(bytes(...expected)), long.toWellFormed());
                equal(decoder.decode(bytes(...expected, 0xc3)), long.toWellFormed() + '\ufffd');
                for (const room of [0, 1, 31, 49, 50, 100, 149, 150, 199, 200, 999]) {
                    const into = new Uint8Array(room);
                    const { read, written } = encoder.encodeInto(long, into);
                    equal([...into.subarray(0, written)], expected.slice(0, written), `${text} into ${room}`);
                    equal(decoder.decode(into.subarray(0, written)), long.slice(0, read).toWellFormed());
                    ok(read === long.length || written + 4 > room, `${text} into ${room}: as much as there is room for`);
                }
            }
        }
    },
    'atob and btoa': () => {
        equal(btoa('hällo\xff'), 'aORsbG//');
        equal(atob('aORsbG//'), 'hällo\xff');
        equal(atob(' aGk '), 'hi');
        equal(atob('aGk='), 'hi');
        equal(atob(''), '');
        throws(() => btoa('€'), 'InvalidCharacterError');
        equal(btoa(null), 'bnVsbA==');
        equal([...Array(20).keys()].every((n) => atob(btoa('\xff'.repeat(n))) === '\xff'.repeat(n)), true);
        for (const [text, out] of [['YQ', 'a'], ['YR', 'a'], ['Y Q\t=\n=', 'a'], ['ab=\f=', 'i'], ['abc=', 'i\xb7'], ['\r', '']]) equal(atob(text), out, text);
        throws(() => atob(), TypeError);
        throws(() => btoa(Symbol()), TypeError);
        for (const bad of ['a', 'ab=', '*', 'aGk==', '====', '=', 'ab==c', 'abc==', 'abcd=', 'ab=c', 'a\0bc', 'ab\xa0c', 'ab\u0141c', 'ab-_', null + 'x']) throws(() => atob(bad), 'InvalidCharacterError', bad);
    },
});
