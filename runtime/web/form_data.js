// FormData (XHR 5) and multipart/form-data both ways (RFC 7578).
import { Blob, blobBytes, concat, File } from './blob.js';
import { TextDecoder, TextEncoder } from './encoding.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function entryValue(value, filename) {
    if (!(value instanceof Blob)) return String(value).toWellFormed();
    if (value instanceof File && filename === undefined) return value;
    return new File([value], filename ?? 'blob', { type: value.type });
}

export class FormData {
    #entries = [];

    append(name, value, filename) {
        this.#entries.push([String(name).toWellFormed(), entryValue(value, filename)]);
    }
    delete(name) { this.#entries = this.#entries.filter((e) => e[0] !== String(name)); }
    get(name) { return this.#entries.find((e) => e[0] === String(name))?.[1] ?? null; }
    getAll(name) { return this.#entries.filter((e) => e[0] === String(name)).map((e) => e[1]); }
    has(name) { return this.#entries.some((e) => e[0] === String(name)); }
    set(name, value, filename) {
        name = String(name);
        const first = this.#entries.find((e) => e[0] === name);
        if (!first) return this.append(name, value, filename);
        first[1] = entryValue(value, filename);
        this.#entries = this.#entries.filter((e) => e === first || e[0] !== name);
    }
    forEach(callback, self) {
        for (const [name, value] of this) callback.call(self, value, name, this);
    }
    *entries() { for (const [name, value] of this.#entries) yield [name, value]; }
    *keys() { for (const [name] of this.#entries) yield name; }
    *values() { for (const [, value] of this.#entries) yield value; }
    get [Symbol.toStringTag]() { return 'FormData'; }
}
FormData.prototype[Symbol.iterator] = FormData.prototype.entries;

const escaped = (name) => name.replace(/\r\n|\r|\n/g, '%0D%0A').replaceAll('"', '%22');

export function formDataBytes(form) {
    const boundary = '----hearth' + crypto.randomUUID().replaceAll('-', '');
    const parts = [];
    for (const [name, value] of form) {
        let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(name)}"`;
        if (typeof value === 'string') parts.push(encoder.encode(`${head}\r\n\r\n${value}\r\n`));
        else {
            head += `; filename="${escaped(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}`;
            parts.push(encoder.encode(head + '\r\n\r\n'), blobBytes(value), encoder.encode('\r\n'));
        }
    }
    parts.push(encoder.encode(`--${boundary}--\r\n`));
    return { bytes: concat(parts), type: `multipart/form-data; boundary=${boundary}` };
}

function find(bytes, wanted, from) {
    for (let at = bytes.indexOf(wanted[0], from); at >= 0; at = bytes.indexOf(wanted[0], at + 1)) {
        let i = 1;
        while (i < wanted.length && bytes[at + i] === wanted[i]) i++;
        if (i === wanted.length) return at;
    }
    return -1;
}

const unescaped = (name) => name.replaceAll('%0D%0A', '\r\n').replaceAll('%22', '"');

export function parseMultipart(bytes, boundary) {
    const bad = () => new TypeError('formData: the multipart body is malformed');
    const form = new FormData();
    const first = encoder.encode('--' + boundary);
    const between = encoder.encode('\r\n--' + boundary);
    const gap = encoder.encode('\r\n\r\n');
    let at = find(bytes, first, 0);
    if (at < 0) throw bad();
    at += first.length;
    while (!(bytes[at] === 0x2d && bytes[at + 1] === 0x2d)) {
        const headEnd = find(bytes, gap, at);
        const end = headEnd < 0 ? -1 : find(bytes, between, headEnd + gap.length - 2);
        if (end < 0) throw bad();
        const head = decoder.decode(bytes.subarray(at, headEnd));
        const name = /^content-disposition:\s*form-data;.*?\bname="([^"]*)"/im.exec(head);
        if (!name) throw bad();
        const filename = /\bfilename="([^"]*)"/i.exec(head);
        const value = bytes.subarray(Math.min(headEnd + gap.length, end), end);
        if (filename) {
            const type = /^content-type:\s*(.+?)\s*$/im.exec(head)?.[1] ?? 'text/plain';
            form.append(unescaped(name[1]), new File([value], unescaped(filename[1]), { type }));
        } else form.append(unescaped(name[1]), decoder.decode(value));
        at = end + between.length;
    }
    return form;
}
