// Headers (Fetch 5.1). Names are kept in lower case, values combined per name on reading.
import { host } from './host.js';

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

const IMMUTABLE = Symbol('immutable');

function checkedName(name) {
    name = String(name);
    if (!TOKEN.test(name)) throw new TypeError(`Headers: "${name}" is not a header name`);
    return name.toLowerCase();
}

function checkedValue(value) {
    value = String(value).replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');
    if (!VALUE.test(value)) throw new TypeError('Headers: the value holds a character that no header may');
    return value;
}

// Cookie lines are one list of cookies (RFC 9113 8.2.3, which asks it of whoever hands them on; the Fetch standard knows no Cookie here).
function combine(name, value, next) {
    return value + (name === 'cookie' ? '; ' : ', ') + next;
}

// The module's inner door: what Request, Response and the dispatcher do with a Headers.
export let headersOfJob, headersOfText, encodeHeaders, freezeHeaders;

export class Headers {
    #fields = []; // [name, value] in order of arrival
    #ref = 0; // the job whose request head was not read yet
    #text = null; // or fields in the natives' shape
    #guard = 'none';

    constructor(init) {
        if (init === undefined || init === IMMUTABLE) return;
        if (typeof init !== 'object' || init === null)
            throw new TypeError('Headers: the initial value is neither a record nor a sequence of pairs');
        if (init instanceof Headers) {
            for (const [name, value] of init.#list()) this.#fields.push([name, value]);
        } else if (typeof init[Symbol.iterator] === 'function') {
            for (const pair of init) {
                const [...two] = pair;
                if (two.length !== 2) throw new TypeError('Headers: each pair must have two parts');
                this.append(two[0], two[1]);
            }
        } else for (const name of Reflect.ownKeys(init)) {
            if (Object.getOwnPropertyDescriptor(init, name)?.enumerable) this.append(name, init[name]);
        }
    }

    static {
        headersOfJob = (ref) => {
            const headers = new Headers(IMMUTABLE);
            headers.#ref = ref;
            headers.#guard = 'immutable';
            return headers;
        };
        headersOfText = (text) => {
            const headers = new Headers(IMMUTABLE);
            headers.#text = text;
            headers.#guard = 'immutable';
            return headers;
        };
        freezeHeaders = (headers) => {
            headers.#guard = 'immutable';
            return headers;
        };
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

    #check() {
        if (this.#guard === 'immutable') throw new TypeError('Headers: these are immutable');
    }

    append(name, value) {
        name = checkedName(name);
        value = checkedValue(value);
        this.#check();
        this.#list().push([name, value]);
    }

    delete(name) {
        name = checkedName(name);
        this.#check();
        this.#fields = this.#list().filter((f) => f[0] !== name);
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
        this.#check();
        const first = this.#list().find((f) => f[0] === name);
        if (!first) this.#fields.push([name, value]);
        else {
            first[1] = value;
            this.#fields = this.#fields.filter((f) => f === first || f[0] !== name);
        }
    }

    // Sorted by name and combined, except Set-Cookie (Fetch, "sort and combine").
    #sorted() {
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

    forEach(callback, self) {
        if (typeof callback !== 'function') throw new TypeError('Headers.forEach: not a function');
        for (const [name, value] of this.#sorted()) callback.call(self, value, name, this);
    }

    *entries() { for (let i = 0; i < this.#sorted().length; i++) yield this.#sorted()[i]; }
    *keys() { for (const [name] of this.entries()) yield name; }
    *values() { for (const [, value] of this.entries()) yield value; }
    get [Symbol.toStringTag]() { return 'Headers'; }
}
Headers.prototype[Symbol.iterator] = Headers.prototype.entries;
