// TextEncoder, TextDecoder (Encoding Standard): UTF-8 by natives; UTF-16 and windows-1252 here.
import { host } from './host.js';

const LABELS = new Map();
const label = (name, ...labels) => labels.forEach((l) => LABELS.set(l, name));
label('utf-8', 'utf-8', 'utf8', 'unicode-1-1-utf-8', 'unicode11utf8', 'unicode20utf8', 'x-unicode20utf8');
label('utf-16le', 'utf-16le', 'utf-16', 'csunicode', 'iso-10646-ucs-2', 'ucs-2', 'unicode', 'unicodefeff');
label('utf-16be', 'utf-16be', 'unicodefffe');
label('windows-1252', 'ansi_x3.4-1968', 'ascii', 'cp1252', 'cp819', 'csisolatin1', 'ibm819', 'iso-8859-1', 'iso-ir-100',
    'iso8859-1', 'iso88591', 'iso_8859-1', 'iso_8859-1:1987', 'l1', 'latin1', 'us-ascii', 'windows-1252', 'x-cp1252');

// 0x80..0x9f of windows-1252; everything else is its own code point.
const W1252 = '\u20ac\x81\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\x8d\u017d\x8f' +
    '\x90\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\x9d\u017e\u0178';

const EMPTY = new Uint8Array(0);

// The bytes that a BufferSource shows, without a copy.
export function viewOf(source) {
    if (source instanceof Uint8Array) return source;
    if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    throw new TypeError('not an ArrayBuffer or a view of one');
}

function joined(a, b) {
    if (a.length === 0) return b;
    const all = new Uint8Array(a.length + b.length);
    all.set(a);
    all.set(b, a.length);
    return all;
}

// How many bytes at the end belong to a UTF-8 sequence that may still become whole.
function openUtf8(bytes) {
    const n = bytes.length;
    for (let back = 1; back <= 3 && back <= n; back++) {
        const b = bytes[n - back];
        if (b < 0x80) return 0;
        if (b < 0xc0) continue;
        const need = b >= 0xf0 && b <= 0xf4 ? 4 : b >= 0xe0 && b < 0xf0 ? 3 : b >= 0xc2 && b < 0xe0 ? 2 : 1;
        if (back >= need) return 0;
        const second = back > 1 ? bytes[n - back + 1] : 0x80;
        const bad = (b === 0xe0 && back > 1 && second < 0xa0) || (b === 0xed && second > 0x9f) ||
            (b === 0xf0 && back > 1 && second < 0x90) || (b === 0xf4 && second > 0x8f);
        return bad ? 0 : back;
    }
    return 0;
}

export class TextEncoder {
    get encoding() { return 'utf-8'; }

    encode(text = '') {
        return host.utf8Encode(String(text));
    }

    encodeInto(text, into) {
        text = String(text);
        let read = 0;
        let written = 0;
        while (read < text.length) {
            let c = text.codePointAt(read);
            const units = c > 0xffff ? 2 : 1;
            if (c >= 0xd800 && c <= 0xdfff) c = 0xfffd;
            const size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
            if (written + size > into.length) break;
            if (size === 1) into[written] = c;
            else {
                for (let i = size - 1; i > 0; i--, c >>= 6) into[written + i] = 0x80 | (c & 0x3f);
                into[written] = (0xf00 >> size) & 0xff | c;
            }
            read += units;
            written += size;
        }
        return { read, written };
    }

    get [Symbol.toStringTag]() { return 'TextEncoder'; }
}

export class TextDecoder {
    #encoding; #fatal; #ignoreBOM;
    #open = EMPTY; // bytes kept for the next call of a stream
    #bomSeen = false;

    constructor(name = 'utf-8', options = {}) {
        this.#encoding = LABELS.get(String(name).replace(/^[\t\n\f\r ]+|[\t\n\f\r ]+$/g, '').toLowerCase());
        if (!this.#encoding) throw new RangeError(`TextDecoder: the encoding "${name}" is not supported`);
        this.#fatal = Boolean(options?.fatal);
        this.#ignoreBOM = Boolean(options?.ignoreBOM);
    }

    get encoding() { return this.#encoding; }
    get fatal() { return this.#fatal; }
    get ignoreBOM() { return this.#ignoreBOM; }

    decode(source = EMPTY, options = undefined) {
        const more = Boolean(options?.stream);
        let bytes = joined(this.#open, viewOf(source));
        this.#open = EMPTY;
        if (more) {
            const open = this.#openBytes(bytes);
            this.#open = bytes.slice(bytes.length - open);
            bytes = bytes.subarray(0, bytes.length - open);
        }
        const text = this.#text(bytes);
        if (text === undefined) {
            this.#open = EMPTY;
            this.#bomSeen = false;
            throw new TypeError(`TextDecoder: the bytes are not valid ${this.#encoding}`);
        }
        const strip = !this.#ignoreBOM && !this.#bomSeen && text.charCodeAt(0) === 0xfeff &&
            this.#encoding !== 'windows-1252';
        if (text.length) this.#bomSeen = true;
        if (!more) this.#bomSeen = false;
        return strip ? text.slice(1) : text;
    }

    #openBytes(bytes) {
        if (this.#encoding === 'utf-8') return openUtf8(bytes);
        if (this.#encoding === 'windows-1252') return 0;
        const odd = bytes.length & 1;
        if (bytes.length - odd < 2) return odd;
        const high = bytes[bytes.length - odd - (this.#encoding === 'utf-16le' ? 1 : 2)];
        return high >= 0xd8 && high <= 0xdb ? odd + 2 : odd; // half a surrogate pair
    }

    #text(bytes) {
        if (this.#encoding === 'utf-8') return host.utf8Decode(bytes, this.#fatal);
        const units = [];
        if (this.#encoding === 'windows-1252') {
            for (const b of bytes) units.push(b >= 0x80 && b < 0xa0 ? W1252.charCodeAt(b - 0x80) : b);
        } else {
            const low = this.#encoding === 'utf-16le' ? 0 : 1;
            for (let i = 0; i + 1 < bytes.length; i += 2) units.push(bytes[i + low] | (bytes[i + 1 - low] << 8));
            if (bytes.length & 1) units.push(0xd800); // an odd byte is an error like a lone surrogate
        }
        let text = '';
        for (let i = 0; i < units.length; i += 8192) text += String.fromCharCode(...units.slice(i, i + 8192));
        if (text.isWellFormed()) return text;
        return this.#fatal ? undefined : text.toWellFormed();
    }

    get [Symbol.toStringTag]() { return 'TextDecoder'; }
}
