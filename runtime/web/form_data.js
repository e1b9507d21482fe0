// FormData (XHR 5) and multipart/form-data both ways (RFC 7578; HTML, "multipart/form-data encoding algorithm").
import { blobBytes, concat, fileOfBytes, isBlob, isFile } from './blob.js';
import { TextDecoder, TextEncoder } from './encoding.js';
import { host } from './host.js';
import { any, declare, interfaceOf, rest, USVString } from './webidl.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const BlobValue = interfaceOf('Blob', (value) => isBlob(value));

// The value of an entry (XHR, "create an entry"). given: the arguments, whose number says which overload it is.
function entryValue(what, given) {
    const [, value, filename] = given;
    if (given.length < 3 && !isBlob(value)) return USVString(value, `${what}, argument 2`);
    BlobValue(value, `${what}, argument 2`);
    const name = filename === undefined ? undefined : USVString(filename, `${what}, argument 3`);
    if (isFile(value) && name === undefined) return value;
    return fileOfBytes(blobBytes(value), value.type, name ?? 'blob', isFile(value) ? value.lastModified : undefined);
}

export let isFormData, addEntry;
let entriesOf;

export class FormData {
    #entries = [];

    constructor(form = undefined) {
        if (form !== undefined) throw new TypeError('FormData: there are no forms to take it from');
    }

    static {
        isFormData = (value) => typeof value === 'object' && value !== null && #entries in value;
        entriesOf = (form) => form.#entries;
        addEntry = (form, name, value) => form.#entries.push([name, value]);
    }

    append(...given) {
        this.#entries.push([given[0], entryValue('FormData.append', given)]);
    }

    delete(name) {
        this.#entries = this.#entries.filter((e) => e[0] !== name);
    }

    get(name) {
        return this.#entries.find((e) => e[0] === name)?.[1] ?? null;
    }

    getAll(name) {
        return this.#entries.filter((e) => e[0] === name).map((e) => e[1]);
    }

    has(name) {
        return this.#entries.some((e) => e[0] === name);
    }

    set(...given) {
        const name = given[0];
        const value = entryValue('FormData.set', given);
        const first = this.#entries.find((e) => e[0] === name);
        if (!first) return void this.#entries.push([name, value]);
        first[1] = value;
        this.#entries = this.#entries.filter((e) => e === first || e[0] !== name);
    }
}

declare(FormData, {
    is: isFormData,
    operations: {
        append: [USVString, any, rest(any)],
        delete: [USVString],
        get: [USVString],
        getAll: [USVString],
        has: [USVString],
        set: [USVString, any, rest(any)],
    },
    iterable: entriesOf,
});

const escaped = (name) => name.replace(/\r\n|\r|\n/g, '%0D%0A').replaceAll('"', '%22');
const withLineEnds = (text) => text.replace(/\r\n|\r|\n/g, '\r\n');

export function formDataBytes(form) {
    const boundary = '----hearth' + crypto.randomUUID().replaceAll('-', '');
    const parts = [];
    for (const [name, value] of entriesOf(form)) {
        let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escaped(withLineEnds(name))}"`;
        if (typeof value === 'string') parts.push(encoder.encode(`${head}\r\n\r\n${withLineEnds(value)}\r\n`));
        else {
            head += `; filename="${escaped(value.name)}"\r\nContent-Type: ${value.type || 'application/octet-stream'}`;
            parts.push(encoder.encode(head + '\r\n\r\n'), blobBytes(value), encoder.encode('\r\n'));
        }
    }
    parts.push(encoder.encode(`--${boundary}--\r\n`));
    return { bytes: concat(parts), type: `multipart/form-data; boundary=${boundary}` };
}

const unescaped = (name) => name.replace(/%0D|%0A|%22/gi, (code) => ({ '%0D': '\r', '%0A': '\n', '%22': '"' })[code.toUpperCase()]);
const GAP = encoder.encode('\r\n\r\n');

// Name, file name and type of a part. Null: it has no name.
function readPartHead(head) {
    const part = { name: null, filename: null, type: 'text/plain' };
    for (const line of head.split('\r\n')) {
        const colon = line.indexOf(':');
        if (colon <= 0) continue;
        const value = line.slice(colon + 1).trim();
        const field = line.slice(0, colon).trim().toLowerCase();
        if (field === 'content-type') part.type = value;
        if (field !== 'content-disposition' || !/^form-data\s*;/i.test(value)) continue;
        for (const [, key, quoted, plain] of value.matchAll(/;\s*([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"([^"]*)"|([^;\s]*))/g)) {
            if (key.toLowerCase() === 'name') part.name = unescaped(quoted ?? plain);
            if (key.toLowerCase() === 'filename') part.filename = unescaped(quoted ?? plain);
        }
    }
    return part.name === null ? null : part;
}

export function parseMultipart(bytes, boundary) {
    const bad = () => new TypeError('formData: the multipart body is malformed');
    const form = new FormData();
    const first = encoder.encode('--' + boundary);
    const between = encoder.encode('\r\n--' + boundary);
    let at = host.find(bytes, first, 0);
    // A preamble ends with a line.
    if (at > 0 && !(bytes[at - 1] === 0x0a && bytes[at - 2] === 0x0d)) at = -1;
    if (at < 0) throw bad();
    at += first.length;
    while (!(bytes[at] === 0x2d && bytes[at + 1] === 0x2d)) {
        if (!(bytes[at] === 0x0d && bytes[at + 1] === 0x0a)) throw bad();
        const headEnd = host.find(bytes, GAP, at);
        const end = headEnd < 0 ? -1 : host.find(bytes, between, headEnd + GAP.length - 2);
        if (end < 0) throw bad();
        const part = readPartHead(decoder.decode(bytes.subarray(at + 2, Math.max(headEnd, at + 2))));
        if (part === null) throw bad();
        const value = bytes.subarray(Math.min(headEnd + GAP.length, end), end);
        addEntry(form, part.name, part.filename === null ? decoder.decode(value) : fileOfBytes(value, part.type, part.filename));
        at = end + between.length;
    }
    return form;
}
