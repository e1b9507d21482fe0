// Response (Fetch 5.5).
import { Body, bodyAttributes, BodyInit, bodyOperations, extract, includeBody } from './body.js';
import { dropHeaders, encodeHeaders, freezeHeaders, Headers, headersOfPairs, headersOfText, HeadersInit } from './headers.js';
import { URL } from './url.js';
import { any, ByteString, declare, dictionary, enumeration, nullable, optional, readonly, unsignedShort, USVString } from './webidl.js';

const REASON = /^[\t\x20-\x7e\x80-\xff]*$/;

function isNullBody(status) {
    return status === 204 || status === 205 || status === 304 || status === 101;
}

const ResponseInit = dictionary('ResponseInit', {
    cf: any,
    encodeBody: enumeration('encodeBody', ['automatic', 'manual']),
    headers: HeadersInit,
    status: [unsignedShort, 200],
    statusText: [ByteString, ''],
});
const NullableBodyInit = nullable(BodyInit);

export let encodeFields; // the fields of a response for natives, without making a Headers for it
export let isResponse;
export let responseOfReply; // what another script answered, or the world
export let responseAt; // the same, from that URL
export let decodeBody; // its body is encoded so, and decoded for whoever reads it
export let statusOf; // undefined: not a Response, whatever its prototype says
export let takeResponseBody; // the body's source, which counts as used then
export let freeResponseBody; // it has been sent

export class Response {
    #body;
    #status = 200;
    #statusText = '';
    #headers; // made when somebody asks
    #type = null; // the content-type that the body implies, until then
    #kind = 'default';
    #url = ''; // where it came from, without a fragment
    #isRedirected = false;
    #cf = undefined;

    constructor(body = null, init = undefined) {
        if (typeof body === 'string' && init === undefined) { // what most handlers do
            this.#body = new Body(body.toWellFormed());
            this.#type = 'text/plain;charset=UTF-8';
            return;
        }
        const given = NullableBodyInit(body, 'Response, argument 1');
        const how = ResponseInit(init, 'Response, argument 2');
        this.#init(how, given === null ? null : extract(given));
    }

    // body: {source, type} or null.
    #init({ cf, status, statusText, headers }, body) {
        if (status < 200 || status > 599) throw new RangeError(`Response: the status ${status} is outside 200..599`);
        if (!REASON.test(statusText)) throw new TypeError('Response: bad status text');
        this.#status = status;
        this.#statusText = statusText;
        this.#cf = cf;
        if (headers !== undefined) this.#headers = headersOfPairs(headers);
        this.#body = new Body(null);
        if (body === null) return;
        if (isNullBody(status)) throw new TypeError(`Response: status ${status} takes no body`);
        this.#body.source = body.source;
        if (!this.#headers) this.#type = body.type;
        else if (body.type !== null && !this.#headers.has('content-type')) this.#headers.append('content-type', body.type);
    }

    static {
        isResponse = (value) => typeof value === 'object' && value !== null && #status in value;
        statusOf = (value) => (isResponse(value) ? value.#status : undefined);
        takeResponseBody = (response) => response.#body.take();
        freeResponseBody = (response) => response.#body.free();
        encodeFields = (response) => {
            if (response.#headers) return encodeHeaders(response.#headers);
            return response.#type === null ? '' : `content-type\0${response.#type}\0`;
        };
        responseOfReply = (status, fields, source) => {
            const response = new Response(null);
            response.#status = status;
            response.#headers = headersOfText(fields);
            response.#body.source = source;
            return response;
        };
        decodeBody = (response, encoding, format) => {
            const { source } = response.#body;
            if (source === null) return;
            source.encoding = encoding;
            const undone = () => dropHeaders(response.#headers, ['content-encoding', 'content-length']);
            response.#body.coding = { format, undone };
        };
        includeBody(Response, (response) => response.#body);
        responseAt = (response, url, isRedirected) => {
            response.#url = url.split('#', 1)[0];
            response.#isRedirected = isRedirected;
            return response;
        };
    }

    get headers() {
        if (!this.#headers) {
            this.#headers = new Headers();
            if (this.#type !== null) this.#headers.append('content-type', this.#type);
        }
        return this.#headers;
    }

    get cf() { return this.#cf; }
    get ok() { return this.#status >= 200 && this.#status <= 299; }
    get redirected() { return this.#isRedirected; }
    get status() { return this.#status; }
    get statusText() { return this.#statusText; }
    get type() { return this.#kind; }
    get url() { return this.#url; }
    get webSocket() { return null; }

    clone() {
        const copy = new Response(null);
        copy.#body = new Body(this.#body.copy());
        copy.#status = this.#status;
        copy.#statusText = this.#statusText;
        copy.#headers = this.#headers && headersOfPairs(this.#headers);
        copy.#type = this.#type;
        copy.#kind = this.#kind;
        copy.#url = this.#url;
        copy.#isRedirected = this.#isRedirected;
        copy.#cf = this.#cf;
        return copy;
    }

    static error() {
        const response = new Response(null);
        response.#status = 0;
        response.#kind = 'error';
        freezeHeaders(response.headers);
        return response;
    }

    static redirect(url, status) {
        const target = URL.parse(url);
        if (!target) throw new TypeError(`Response.redirect: "${url}" is not a URL`);
        if (![301, 302, 303, 307, 308].includes(status)) throw new RangeError(`Response.redirect: ${status} is no redirect`);
        const response = new Response(null);
        response.#status = status;
        response.headers.append('location', target.href);
        freezeHeaders(response.#headers);
        return response;
    }

    static json(data, how) {
        const text = JSON.stringify(data);
        if (text === undefined) throw new TypeError('Response.json: the value has no JSON');
        const response = new Response(null);
        response.#init(how, { source: text.toWellFormed(), type: 'application/json' });
        return response;
    }
}

declare(Response, {
    is: isResponse,
    operations: { clone: [], ...bodyOperations },
    attributes: {
        ...bodyAttributes, cf: readonly, headers: readonly, ok: readonly, redirected: readonly, status: readonly,
        statusText: readonly, type: readonly, url: readonly, webSocket: readonly,
    },
    statics: { error: [], json: [any, optional(ResponseInit)], redirect: [USVString, optional(unsignedShort, 302)] },
});
