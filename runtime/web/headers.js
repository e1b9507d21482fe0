// Headers (Fetch 5.1). Names are kept in lower case, values combined per name on reading.
import { host } from './host.js';
import { ByteString, declare, object, record, sequence, sequenceFrom } from './webidl.js';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const FORBIDDEN_IN_VALUE = /[\0\r\n]/;
const OUTER_SPACE = /^[\t\n\r ]+|[\t\n\r ]+$/g;
const HAS_OUTER_SPACE = /^[\t\n\r ]|[\t\n\r ]$/;

function checkedName(name) {
    if (!TOKEN.test(name)) throw new TypeError(`Headers: "${name}" is not a header name`);
    return name.toLowerCase();
}

function checkedValue(value) {
    if (HAS_OUTER_SPACE.test(value)) value = value.replace(OUTER_SPACE, '');
    if (FORBIDDEN_IN_VALUE.test(value)) throw new TypeError('Headers: the value holds a character that no header may');
    return value;
}

// HeadersInit: (sequence<sequence<ByteString>> or record<ByteString, ByteString>) -> pairs.
const pair = sequence(ByteString);
const named = record(ByteString, ByteString);
export function HeadersInit(init, what) {
    if (isHeaders(init) && init[Symbol.iterator] === iterate) return copyOf(init);
    const method = object(init, what)[Symbol.iterator];
    if (method === undefined || method === null) return named(init, what);
    if (typeof method !== 'function') throw new TypeError(`${what}: its iterator is not a function`);
    const list = sequenceFrom(init, method, pair, what);
    for (const entry of list) if (entry.length !== 2) throw new TypeError(`${what}: each pair must have two parts`);
    return list;
}

// Cookie lines are one list of cookies (RFC 9113 8.2.3, which asks it of whoever hands them on; the Fetch standard knows no Cookie here).
function combine(name, value, next) {
    return value + (name === 'cookie' ? '; ' : ', ') + next;
}

// The module's inner door: what Request, Response and the dispatcher do with a Headers.
export let headersOfJob, headersOfText, headersOfPairs, encodeHeaders, freezeHeaders, isHeaders, dropHeaders;
let copyOf, sorted;

const INNER = Symbol('inner');

export class Headers {
    #fields = []; // [name, value] in order of arrival
    #ref = 0; // the job whose request head was not read yet
    #text = null; // or fields in the natives' shape
    #sorted = null; // sort and combine, until the next change
    #isFixed = false; // the guard "immutable"

    constructor(init = undefined) {
        if (init === INNER || init === undefined) return;
        for (const [name, value] of HeadersInit(init, 'Headers, argument 1')) this.append(name, value);
    }

    static {
        isHeaders = (value) => typeof value === 'object' && value !== null && #fields in value;
        headersOfJob = (ref) => {
            const headers = new Headers(INNER);
            headers.#ref = ref;
            headers.#isFixed = true;
            return headers;
        };
        headersOfText = (text) => {
            const headers = new Headers(INNER);
            headers.#text = text;
            headers.#isFixed = true;
            return headers;
        };
        // Pairs as HeadersInit gives them; undefined: none.
        headersOfPairs = (list) => {
            const headers = new Headers(INNER);
            if (list !== undefined) for (const [name, value] of list) headers.#fields.push([checkedName(name), checkedValue(value)]);
            return headers;
        };
        freezeHeaders = (headers) => {
            headers.#isFixed = true;
            return headers;
        };
        // Whoever owns it may change it: the platform itself.
        dropHeaders = (headers, names) => {
            headers.#sorted = null;
            headers.#fields = headers.#list().filter((f) => !names.includes(f[0]));
        };
        copyOf = (headers) => headers.#list().map(([name, value]) => [name, value]);
        sorted = (headers) => (headers.#sorted ??= headers.#sort());
        // "name\0value\0...", the shape that natives take.
        encodeHeaders = (headers) => {
            if (headers.#text !== null) return headers.#text;
            if (headers.#ref !== 0) return host.fields(headers.#ref);
            let text = '';
            for (const [name, value] of headers.#list()) text += name + '\0' + value + '\0';
            return text;
        };
    }

    #list() {
        if (this.#ref !== 0 || this.#text !== null) {
            const parts = (this.#text ?? host.fields(this.#ref)).split('\0');
            this.#ref = 0;
            this.#text = null;
            for (let i = 0; i + 1 < parts.length; i += 2) this.#fields.push([parts[i], parts[i + 1]]);
        }
        return this.#fields;
    }

    // The list, about to be changed.
    #change() {
        if (this.#isFixed) throw new TypeError('Headers: these are immutable');
        this.#sorted = null;
        return this.#list();
    }

    append(name, value) {
        name = checkedName(name);
        value = checkedValue(value);
        this.#change().push([name, value]);
    }

    delete(name) {
        name = checkedName(name);
        this.#fields = this.#change().filter((f) => f[0] !== name);
    }

    get(name) {
        name = checkedName(name);
        let found = null;
        for (const field of this.#list())
            if (field[0] === name) found = found === null ? field[1] : combine(name, found, field[1]);
        return found;
    }

    getSetCookie() {
        return this.#list().filter((f) => f[0] === 'set-cookie').map((f) => f[1]);
    }

    has(name) {
        name = checkedName(name);
        return this.#list().some((f) => f[0] === name);
    }

    set(name, value) {
        name = checkedName(name);
        value = checkedValue(value);
        const list = this.#change();
        const first = list.find((f) => f[0] === name);
        if (!first) list.push([name, value]);
        else {
            first[1] = value;
            this.#fields = list.filter((f) => f === first || f[0] !== name);
        }
    }

    // Sorted by name and combined, except Set-Cookie (Fetch, "sort and combine").
    #sort() {
        const all = [];
        const seen = new Map();
        for (const [name, value] of this.#list()) {
            if (name !== 'set-cookie' && seen.has(name)) seen.get(name)[1] = combine(name, seen.get(name)[1], value);
            else {
                const entry = [name, value];
                seen.set(name, entry);
                all.push(entry);
            }
        }
        return all.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    }
}

declare(Headers, {
    is: isHeaders,
    operations: {
        append: [ByteString, ByteString],
        delete: [ByteString],
        get: [ByteString],
        getSetCookie: [],
        has: [ByteString],
        set: [ByteString, ByteString],
    },
    iterable: sorted,
});
const iterate = Headers.prototype[Symbol.iterator];
