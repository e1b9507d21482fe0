// URL and URLSearchParams (URL Standard). The parser is ada, behind natives (runtime/worker/natives_url.c): an URL is its href and
// where the parts of that begin and end.
import { host } from './host.js';
import { declare, DOMString, optional, readonly, record, required, sequence, sequenceFrom, USVString } from './webidl.js';

const NONE = Symbol('none');

// In the order of natives_url.c.
const PROTOCOL = 0;
const USERNAME = 1;
const PASSWORD = 2;
const HOST = 3;
const HOSTNAME = 4;
const PORT = 5;
const PATHNAME = 6;
const SEARCH = 7;
const HASH = 8;
const PARTS = ['protocol', 'username', 'password', 'host', 'hostname', 'port', 'pathname', 'search', 'hash'];

const parts = new Uint32Array(7); // of the URL that was parsed last

let isURL, inner; // inner: an URL of an href that was just parsed
// (href, name of a part, value): the URL with that part, or undefined if that cannot be.
export let partSetter;
let onChange, setPairs; // the half of URLSearchParams
export let isURLSearchParams;

function refused(url, base) {
    const shown = (text) => (text.length > 200 ? `${text.slice(0, 200)}...` : text);
    return new TypeError(base === undefined ? `Invalid URL: ${shown(url)}` : `Invalid URL: ${shown(url)}, relative to ${shown(base)}`);
}

export class URL {
    #href;
    #protocolEnd = 0;
    #usernameEnd = 0;
    #hostStart = 0; // at the "@", if there is one
    #hostEnd = 0;
    #pathStart = 0;
    #searchStart = 0;
    #hashStart = 0;
    #params = null;

    constructor(url, base = undefined) {
        if (url === NONE) return;
        required(arguments, 1, 'URL');
        url = DOMString(url, 'URL, argument 1');
        if (base !== undefined) base = DOMString(base, 'URL, argument 2');
        const href = host.urlParse(url, base, parts);
        if (href === undefined) throw refused(url, base);
        this.#take(href);
    }

    static {
        isURL = (value) => typeof value === 'object' && value !== null && #href in value;
        inner = (href) => {
            const url = new URL(NONE);
            url.#take(href);
            return url;
        };
        partSetter = (href, part, value) => {
            const changed = host.urlSet(href, PARTS.indexOf(part), value, parts);
            return changed === undefined ? undefined : inner(changed);
        };
    }

    static canParse(url, base) { return host.urlCanParse(url, base); }

    static parse(url, base) {
        const href = host.urlParse(url, base, parts);
        return href === undefined ? null : inner(href);
    }

    #take(href) {
        this.#href = href;
        this.#protocolEnd = parts[0];
        this.#usernameEnd = parts[1];
        this.#hostStart = parts[2];
        this.#hostEnd = parts[3];
        this.#pathStart = parts[4];
        this.#searchStart = parts[5];
        this.#hashStart = parts[6];
    }

    #set(part, value) {
        const href = host.urlSet(this.#href, part, value, parts);
        if (href !== undefined) this.#take(href);
    }

    #isPortThere() {
        return this.#hostEnd < this.#pathStart && this.#href.charCodeAt(this.#hostEnd) === 0x3a;
    }

    // Where the host begins: behind the "@".
    #hostFrom() {
        return this.#href.charCodeAt(this.#hostStart) === 0x40 ? this.#hostStart + 1 : this.#hostStart;
    }

    get href() { return this.#href; }
    set href(value) {
        const href = host.urlParse(value, undefined, parts);
        if (href === undefined) throw refused(value);
        this.#take(href);
        if (this.#params !== null) setPairs(this.#params, this.search);
    }

    get origin() {
        const protocol = this.protocol;
        switch (protocol) {
        case 'http:': case 'https:': case 'ws:': case 'wss:': case 'ftp:':
            return `${protocol}//${this.host}`;
        case 'blob:': {
            const of = URL.parse(this.pathname);
            return of !== null && (of.protocol === 'http:' || of.protocol === 'https:') ? of.origin : 'null';
        }
        default:
            return 'null';
        }
    }

    get protocol() { return this.#href.slice(0, this.#protocolEnd); }
    set protocol(value) { this.#set(PROTOCOL, value); }

    get username() {
        return this.#protocolEnd + 2 < this.#usernameEnd ? this.#href.slice(this.#protocolEnd + 2, this.#usernameEnd) : '';
    }
    set username(value) { this.#set(USERNAME, value); }

    get password() {
        return this.#hostStart > this.#usernameEnd ? this.#href.slice(this.#usernameEnd + 1, this.#hostStart) : '';
    }
    set password(value) { this.#set(PASSWORD, value); }

    get host() { return this.#href.slice(this.#hostFrom(), this.#isPortThere() ? this.#pathStart : this.#hostEnd); }
    set host(value) { this.#set(HOST, value); }

    get hostname() { return this.#href.slice(this.#hostFrom(), this.#hostEnd); }
    set hostname(value) { this.#set(HOSTNAME, value); }

    get port() { return this.#isPortThere() ? this.#href.slice(this.#hostEnd + 1, this.#pathStart) : ''; }
    set port(value) { this.#set(PORT, value); }

    get pathname() { return this.#href.slice(this.#pathStart, this.#searchStart); }
    set pathname(value) { this.#set(PATHNAME, value); }

    get search() {
        return this.#hashStart - this.#searchStart > 1 ? this.#href.slice(this.#searchStart, this.#hashStart) : '';
    }
    set search(value) {
        this.#set(SEARCH, value);
        if (this.#params !== null) setPairs(this.#params, this.search);
    }

    get searchParams() {
        if (this.#params === null) {
            this.#params = new URLSearchParams(NONE);
            setPairs(this.#params, this.search);
            onChange(this.#params, (text) => this.#set(SEARCH, text));
        }
        return this.#params;
    }

    get hash() { return this.#href.length - this.#hashStart > 1 ? this.#href.slice(this.#hashStart) : ''; }
    set hash(value) { this.#set(HASH, value); }

    toString() { return this.#href; }
    toJSON() { return this.#href; }
}

declare(URL, {
    constructor: 1,
    is: isURL,
    statics: { canParse: [DOMString, optional(DOMString)], parse: [DOMString, optional(DOMString)] },
    operations: { toString: [], toJSON: [] },
    attributes: {
        href: DOMString, origin: readonly, protocol: DOMString, username: DOMString, password: DOMString, host: DOMString,
        hostname: DOMString, port: DOMString, pathname: DOMString, search: DOMString, searchParams: readonly, hash: DOMString,
    },
});

// ---- application/x-www-form-urlencoded

const CODED = /[%+]/;
const PLAIN = /^[\w*.-]*$/;
const decoded = (text) => (CODED.test(text) ? host.formDecode(text) : text);
const encoded = (text) => (PLAIN.test(text) ? text : host.formEncode(text));

function parsed(query) {
    const pairs = [];
    for (let at = query[0] === '?' ? 1 : 0; at < query.length;) {
        let end = query.indexOf('&', at);
        if (end < 0) end = query.length;
        if (end > at) {
            const part = query.slice(at, end);
            const equals = part.indexOf('=');
            pairs.push(equals < 0 ? [decoded(part), ''] : [decoded(part.slice(0, equals)), decoded(part.slice(equals + 1))]);
        }
        at = end + 1;
    }
    return pairs;
}

// (sequence<sequence<USVString>> or record<USVString, USVString> or USVString) -> pairs.
const pair = sequence(USVString);
const named = record(USVString, USVString);
function pairsOf(init, what) {
    if ((typeof init !== 'object' && typeof init !== 'function') || init === null) return parsed(USVString(init, what));
    const method = init[Symbol.iterator];
    if (method === undefined || method === null) return named(init, what);
    if (typeof method !== 'function') throw new TypeError(`${what}: its iterator is not a function`);
    const list = sequenceFrom(init, method, pair, what);
    for (const entry of list) if (entry.length !== 2) throw new TypeError(`${what}: each pair must have two parts`);
    return list;
}

let pairsOfParams;

export class URLSearchParams {
    #pairs = [];
    #changed = null; // tells the URL

    constructor(init = '') {
        if (init !== NONE) this.#pairs = pairsOf(init, 'URLSearchParams, argument 1');
    }

    static {
        isURLSearchParams = (value) => typeof value === 'object' && value !== null && #pairs in value;
        pairsOfParams = (params) => params.#pairs;
        onChange = (params, changed) => (params.#changed = changed);
        setPairs = (params, query) => (params.#pairs = parsed(query));
    }

    #change() {
        if (this.#changed !== null) this.#changed(this.toString());
    }

    get size() { return this.#pairs.length; }

    append(name, value) {
        this.#pairs.push([name, value]);
        this.#change();
    }

    delete(name, value) {
        this.#pairs = this.#pairs.filter((p) => p[0] !== name || (value !== undefined && p[1] !== value));
        this.#change();
    }

    get(name) {
        for (const p of this.#pairs) if (p[0] === name) return p[1];
        return null;
    }

    getAll(name) {
        const all = [];
        for (const p of this.#pairs) if (p[0] === name) all.push(p[1]);
        return all;
    }

    has(name, value) {
        for (const p of this.#pairs) if (p[0] === name && (value === undefined || p[1] === value)) return true;
        return false;
    }

    set(name, value) {
        const first = this.#pairs.find((p) => p[0] === name);
        if (first) {
            first[1] = value;
            this.#pairs = this.#pairs.filter((p) => p === first || p[0] !== name);
        } else this.#pairs.push([name, value]);
        this.#change();
    }

    sort() {
        this.#pairs.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
        this.#change();
    }

    toString() {
        let text = '';
        for (const [name, value] of this.#pairs) text += `${text === '' ? '' : '&'}${encoded(name)}=${encoded(value)}`;
        return text;
    }
}

declare(URLSearchParams, {
    is: isURLSearchParams,
    operations: {
        append: [USVString, USVString],
        delete: [USVString, optional(USVString)],
        get: [USVString],
        getAll: [USVString],
        has: [USVString, optional(USVString)],
        set: [USVString, USVString],
        sort: [],
        toString: [],
    },
    attributes: { size: readonly },
    iterable: pairsOfParams,
});
