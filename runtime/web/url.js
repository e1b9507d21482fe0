// URL and URLSearchParams (URL Standard). whatwg-url's state machine is the parser; urls of the plain shape that
// nearly every request has are cut by one expression, because the machine takes tens of microseconds.
import { TextDecoder, TextEncoder } from './encoding.js';
import machine from 'whatwg-url/lib/url-state-machine.js';

// http(s), a lower-case ASCII host with no number at its end and no punycode, a path and a query in which nothing
// needs escaping and no dot segment can be. Everything that matches is its own serialisation.
const PLAIN =
    /^(https?:)\/\/((?:(?!xn--)[a-z0-9-]+\.)*(?!xn--)[a-z][a-z0-9-]*)(\/(?!\.)(?:[\w\-~!$&'()*+,;=:@.]|\/(?!\.))*)?(\?[\w\-.~!$&()*+,;=:@/?%[\]]*)?$/;

function parse(text, base) {
    const record = machine.parseURL(text, base === undefined ? undefined : { baseURL: base });
    return record;
}

export class URL {
    #href;
    #record; // whatwg-url's; undefined while the plain shape says it all
    #plain; // the match of PLAIN
    #params;

    constructor(url, base) {
        if (arguments.length === 0) throw new TypeError('URL: an argument is required');
        url = String(url);
        const plain = base === undefined ? PLAIN.exec(url) : null;
        if (plain) {
            this.#plain = plain;
            this.#href = plain[3] === undefined ? `${plain[1]}//${plain[2]}/${plain[4] ?? ''}` : url;
            return;
        }
        let baseRecord;
        if (base !== undefined) {
            baseRecord = parse(String(base));
            if (!baseRecord) throw new TypeError(`Invalid base URL: ${base}`);
        }
        this.#record = parse(url, baseRecord);
        if (!this.#record) throw new TypeError(`Invalid URL: ${url}`);
    }

    static canParse(url, base) {
        return URL.parse(url, base) !== null;
    }

    static parse(url, base) {
        try {
            return new URL(url, base);
        } catch {
            return null;
        }
    }

    // The full record; from here on it is the truth.
    #full() {
        if (!this.#record) {
            this.#record = parse(this.#href);
            this.#plain = undefined;
        }
        return this.#record;
    }

    #set(value, stateOverride) {
        machine.basicURLParse(value, { url: this.#full(), stateOverride });
    }

    #syncParams() {
        if (this.#params) setPairs(this.#params, this.#record.query ?? '');
    }

    get href() {
        return this.#record ? machine.serializeURL(this.#record) : this.#href;
    }
    set href(value) {
        const record = parse(String(value));
        if (!record) throw new TypeError(`Invalid URL: ${value}`);
        this.#record = record;
        this.#plain = undefined;
        this.#syncParams();
    }

    get origin() {
        return this.#plain ? `${this.#plain[1]}//${this.#plain[2]}` : machine.serializeURLOrigin(this.#record);
    }

    get protocol() {
        return this.#plain ? this.#plain[1] : this.#record.scheme + ':';
    }
    set protocol(value) {
        this.#set(String(value) + ':', 'scheme start');
    }

    get username() {
        return this.#plain ? '' : this.#record.username;
    }
    set username(value) {
        if (!machine.cannotHaveAUsernamePasswordPort(this.#full())) machine.setTheUsername(this.#record, String(value));
    }

    get password() {
        return this.#plain ? '' : this.#record.password;
    }
    set password(value) {
        if (!machine.cannotHaveAUsernamePasswordPort(this.#full())) machine.setThePassword(this.#record, String(value));
    }

    get host() {
        if (this.#plain) return this.#plain[2];
        const { host, port } = this.#record;
        if (host === null) return '';
        return port === null ? machine.serializeHost(host) : `${machine.serializeHost(host)}:${port}`;
    }
    set host(value) {
        if (!machine.hasAnOpaquePath(this.#full())) this.#set(String(value), 'host');
    }

    get hostname() {
        if (this.#plain) return this.#plain[2];
        return this.#record.host === null ? '' : machine.serializeHost(this.#record.host);
    }
    set hostname(value) {
        if (!machine.hasAnOpaquePath(this.#full())) this.#set(String(value), 'hostname');
    }

    get port() {
        return this.#plain || this.#record.port === null ? '' : String(this.#record.port);
    }
    set port(value) {
        if (machine.cannotHaveAUsernamePasswordPort(this.#full())) return;
        if (String(value) === '') this.#record.port = null;
        else this.#set(String(value), 'port');
    }

    get pathname() {
        return this.#plain ? this.#plain[3] ?? '/' : machine.serializePath(this.#record);
    }
    set pathname(value) {
        if (machine.hasAnOpaquePath(this.#full())) return;
        this.#record.path = [];
        this.#set(String(value), 'path start');
    }

    get search() {
        if (this.#plain) return this.#plain[4] === '?' ? '' : this.#plain[4] ?? '';
        return this.#record.query ? '?' + this.#record.query : '';
    }
    set search(value) {
        value = String(value);
        this.#full().query = value === '' ? null : '';
        if (value !== '') this.#set(value[0] === '?' ? value.slice(1) : value, 'query');
        this.#syncParams();
    }

    get searchParams() {
        if (!this.#params) {
            this.#params = new URLSearchParams(this.search);
            onChange(this.#params, (text) => (this.#full().query = text === '' ? null : text));
        }
        return this.#params;
    }

    get hash() {
        return this.#plain || !this.#record.fragment ? '' : '#' + this.#record.fragment;
    }
    set hash(value) {
        value = String(value);
        this.#full().fragment = value === '' ? null : '';
        if (value !== '') this.#set(value[0] === '#' ? value.slice(1) : value, 'fragment');
    }

    toString() { return this.href; }
    toJSON() { return this.href; }
    get [Symbol.toStringTag]() { return 'URL'; }
}

for (const name of ['href', 'origin', 'protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname',
    'search', 'searchParams', 'hash', 'toString', 'toJSON'])
    Object.defineProperty(URL.prototype, name, { enumerable: true });

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

function decodePart(text) {
    text = text.replaceAll('+', ' ');
    if (!text.includes('%')) return text.toWellFormed();
    const bytes = encoder.encode(text);
    const out = new Uint8Array(bytes.length);
    let n = 0;
    for (let i = 0; i < bytes.length; i++) {
        const hex = bytes[i] === 0x25 && i + 2 < bytes.length ? String.fromCharCode(bytes[i + 1], bytes[i + 2]) : '';
        if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
            out[n++] = parseInt(hex, 16);
            i += 2;
        } else out[n++] = bytes[i];
    }
    return decoder.decode(out.subarray(0, n));
}

function encodePart(text) {
    if (/^[\w*.-]*$/.test(text)) return text;
    let out = '';
    for (const b of encoder.encode(text)) {
        const c = String.fromCharCode(b);
        if (b === 0x20) out += '+';
        else if (/[\w*.-]/.test(c)) out += c;
        else out += '%' + (b < 16 ? '0' : '') + b.toString(16).toUpperCase();
    }
    return out;
}

let onChange, setPairs; // URL's half
export let isURLSearchParams;

export class URLSearchParams {
    #pairs = [];
    #changed = null;

    constructor(init = '') {
        if (typeof init === 'object' && init !== null) {
            if (typeof init[Symbol.iterator] === 'function') {
                for (const pair of init) {
                    const [...two] = pair;
                    if (two.length !== 2) throw new TypeError('URLSearchParams: each pair must have two parts');
                    this.#pairs.push([String(two[0]).toWellFormed(), String(two[1]).toWellFormed()]);
                }
            } else
                for (const name of Object.keys(init))
                    this.#pairs.push([name.toWellFormed(), String(init[name]).toWellFormed()]);
        } else {
            init = String(init);
            this.#parse(init[0] === '?' ? init.slice(1) : init);
        }
    }

    static {
        isURLSearchParams = (value) => typeof value === 'object' && value !== null && #pairs in value;
        onChange = (params, changed) => (params.#changed = changed);
        setPairs = (params, query) => params.#parse(query);
    }

    #parse(query) {
        this.#pairs = [];
        for (const part of query.split('&')) {
            if (part === '') continue;
            const eq = part.indexOf('=');
            if (eq < 0) this.#pairs.push([decodePart(part), '']);
            else this.#pairs.push([decodePart(part.slice(0, eq)), decodePart(part.slice(eq + 1))]);
        }
    }

    get size() { return this.#pairs.length; }

    append(name, value) {
        this.#pairs.push([String(name).toWellFormed(), String(value).toWellFormed()]);
        this.#changed?.(this.toString());
    }

    delete(name, value) {
        name = String(name);
        this.#pairs = this.#pairs.filter((p) => p[0] !== name || (value !== undefined && p[1] !== String(value)));
        this.#changed?.(this.toString());
    }

    get(name) {
        name = String(name);
        return this.#pairs.find((p) => p[0] === name)?.[1] ?? null;
    }

    getAll(name) {
        name = String(name);
        return this.#pairs.filter((p) => p[0] === name).map((p) => p[1]);
    }

    has(name, value) {
        name = String(name);
        return this.#pairs.some((p) => p[0] === name && (value === undefined || p[1] === String(value)));
    }

    set(name, value) {
        name = String(name).toWellFormed();
        value = String(value).toWellFormed();
        const first = this.#pairs.find((p) => p[0] === name);
        if (first) {
            first[1] = value;
            this.#pairs = this.#pairs.filter((p) => p === first || p[0] !== name);
        } else this.#pairs.push([name, value]);
        this.#changed?.(this.toString());
    }

    sort() {
        this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
        this.#changed?.(this.toString());
    }

    forEach(callback, self) {
        for (const [name, value] of this) callback.call(self, value, name, this);
    }

    *entries() { for (let i = 0; i < this.#pairs.length; i++) yield [...this.#pairs[i]]; }
    *keys() { for (let i = 0; i < this.#pairs.length; i++) yield this.#pairs[i][0]; }
    *values() { for (let i = 0; i < this.#pairs.length; i++) yield this.#pairs[i][1]; }

    toString() {
        return this.#pairs.map(([name, value]) => `${encodePart(name)}=${encodePart(value)}`).join('&');
    }

    get [Symbol.toStringTag]() { return 'URLSearchParams'; }
}
URLSearchParams.prototype[Symbol.iterator] = URLSearchParams.prototype.entries;
