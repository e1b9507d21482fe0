// Response (Fetch 5.5).
import { Body, cloneSource, extract, setSource } from './body.js';
import { encodeHeaders, freezeHeaders, Headers, headersOfText } from './headers.js';
import { URL } from './url.js';

const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

function isNullBody(status) {
    return status === 204 || status === 205 || status === 304 || status === 101;
}

export let encodeFields; // the fields of a response for natives, without making a Headers for it
export let responseOfReply; // what another script answered, or the world
export let responseAt; // the same, from that URL
export let statusOf; // undefined: not a Response, whatever its prototype says

export class Response extends Body {
    #status = 200;
    #statusText = '';
    #headers; // made when somebody asks
    #type = null; // the content-type that the body implies, until then
    #kind = 'default';
    #url = ''; // where it came from, without a fragment
    #redirected = false;

    constructor(body, init) {
        if (typeof body === 'string' && init === undefined) {
            super(body); // what most handlers do
            this.#type = 'text/plain;charset=UTF-8';
            return;
        }
        const { source, type } = extract(body);
        super(source);
        this.#type = type;
        if (init === undefined || init === null) return;
        if (typeof init !== 'object') throw new TypeError('Response: the second argument is not an object');
        if (init.status !== undefined) {
            const status = Number(init.status);
            if (!Number.isInteger(status) || status < 200 || status > 599)
                throw new RangeError(`Response: the status ${init.status} is outside 200..599`);
            if (source !== null && isNullBody(status)) throw new TypeError(`Response: status ${status} takes no body`);
            this.#status = status;
        }
        if (init.statusText !== undefined) {
            this.#statusText = String(init.statusText);
            if (!REASON.test(this.#statusText)) throw new TypeError('Response: bad status text');
        }
        if (init.headers !== undefined && init.headers !== null) this.#make(new Headers(init.headers));
    }

    #make(headers) {
        if (this.#type !== null && !headers.has('content-type')) headers.append('content-type', this.#type);
        this.#headers = headers;
    }

    static {
        statusOf = (value) => (typeof value === 'object' && value !== null && #status in value ? value.#status : undefined);
        encodeFields = (response) => {
            if (response.#headers) return encodeHeaders(response.#headers);
            return response.#type === null ? '' : `content-type\0${response.#type}\0`;
        };
        responseOfReply = (status, fields, source) => {
            const response = new Response(null);
            response.#status = status;
            response.#headers = headersOfText(fields);
            setSource(response, source);
            return response;
        };
        responseAt = (response, url, redirected) => {
            response.#url = url.split('#', 1)[0];
            response.#redirected = redirected;
            return response;
        };
    }

    get headers() {
        if (!this.#headers) this.#make(new Headers());
        return this.#headers;
    }

    get status() { return this.#status; }
    get statusText() { return this.#statusText; }
    get ok() { return this.#status >= 200 && this.#status <= 299; }
    get type() { return this.#kind; }
    get url() { return this.#url; }
    get redirected() { return this.#redirected; }

    clone() {
        const source = cloneSource(this);
        const copy = new Response(null, {
            status: this.#kind === 'error' ? 200 : this.#status, statusText: this.#statusText, headers: this.headers,
        });
        copy.#status = this.#status;
        copy.#kind = this.#kind;
        copy.#url = this.#url;
        copy.#redirected = this.#redirected;
        setSource(copy, source);
        return copy;
    }

    static error() {
        const response = new Response(null);
        response.#status = 0;
        response.#kind = 'error';
        freezeHeaders(response.headers);
        return response;
    }

    static redirect(url, status = 302) {
        const target = new URL(url).href;
        if (![301, 302, 303, 307, 308].includes(Number(status)))
            throw new RangeError(`Response.redirect: ${status} is no redirect`);
        const response = new Response(null, { status, headers: { location: target } });
        freezeHeaders(response.#headers);
        return response;
    }

    static json(data, init = {}) {
        const text = JSON.stringify(data);
        if (text === undefined) throw new TypeError('Response.json: the value has no JSON');
        const response = new Response(text, init ?? {});
        if (!new Headers(init?.headers ?? undefined).has('content-type'))
            response.headers.set('content-type', 'application/json');
        return response;
    }

    get [Symbol.toStringTag]() { return 'Response'; }
}

for (const name of ['headers', 'status', 'statusText', 'ok', 'type', 'url', 'redirected', 'clone'])
    Object.defineProperty(Response.prototype, name, { enumerable: true });
