import { equal, suite, throws } from './assert.mjs';

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
    },
    'atob and btoa': () => {
        equal(btoa('hällo\xff'), 'aORsbG//');
        equal(atob('aORsbG//'), 'hällo\xff');
        equal(atob(' aGk '), 'hi');
        equal(atob('aGk='), 'hi');
        equal(atob(''), '');
        throws(() => btoa('€'), 'InvalidCharacterError');
        for (const bad of ['a', 'ab=', '*', 'aGk==', '====']) throws(() => atob(bad), 'InvalidCharacterError', bad);
    },
});
