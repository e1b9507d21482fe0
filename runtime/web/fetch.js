// fetch(): requests to the world. hearthd resolves, connects and speaks HTTP (dataplane/egress/fetch.h), and decides what may be
// reached; redirects and data: URLs are here, as the Fetch standard has them (4.4 to 4.6).
import { atob } from './base64.js';
import { Headers } from './headers.js';
import { isRequest, Request, signalOfRequest, takeRequestBody } from './request.js';
import { decodeBody, Response, responseAt, statusOf } from './response.js';
import { parseMimeType, serializeMimeType } from './mime.js';
import { callOut, world } from './service.js';
import { URL } from './url.js';
import { any, globalFunction, optional, promise } from './webidl.js';

const REDIRECTS_MAX = 20;
const OF_BODY = ['content-encoding', 'content-language', 'content-length', 'content-location', 'content-type'];
// Content-Encoding (RFC 9110 8.4.1) -> the codec's name.
const CODINGS = new Map([['gzip', 'gzip'], ['x-gzip', 'gzip'], ['deflate', 'deflate'], ['br', 'brotli'], ['zstd', 'zstd']]);
const OF_ORIGIN = ['authorization', 'cookie', 'host', 'proxy-authorization'];

function isRedirect(status) {
    return status === 301 || status === 302 || status === 303 || status === 307 || status === 308;
}

// data:[type][;base64],bytes (Fetch 6).
function dataResponse(url, isHead) {
    const text = url.href.slice('data:'.length, url.href.length - url.hash.length);
    const comma = text.indexOf(',');
    if (comma < 0) throw new TypeError('fetch: a data: URL needs a comma');
    let type = text.slice(0, comma).trim();
    let bytes = percentDecode(text.slice(comma + 1));
    const base64 = /; *base64$/i.exec(type);
    if (base64) {
        type = type.slice(0, base64.index);
        let body = '';
        for (const byte of bytes) body += String.fromCharCode(byte);
        try {
            bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
        } catch {
            throw new TypeError('fetch: the data: URL is not base64');
        }
    }
    if (type.startsWith(';')) type = 'text/plain' + type;
    const parsed = parseMimeType(type);
    type = parsed ? serializeMimeType(parsed) : 'text/plain;charset=US-ASCII';
    return responseAt(new Response(isHead ? null : bytes, { headers: { 'content-type': type } }), url.href, false);
}

function percentDecode(text) {
    const bytes = [];
    for (let i = 0; i < text.length; i++) {
        const hex = text[i] === '%' ? /^[0-9A-Fa-f]{2}/.exec(text.slice(i + 1, i + 3)) : null;
        bytes.push(hex ? parseInt(hex[0], 16) : text.charCodeAt(i));
        if (hex) i += 2;
    }
    return Uint8Array.from(bytes);
}

// What goes with the next request of a redirect; throws what fetch() rejects with.
function follow(step, response) {
    const location = response.headers.get('location');
    const { status } = response;
    let next;
    try {
        next = new URL(location, step.url);
    } catch {
        throw new TypeError('fetch: a redirect leads to something that is no URL');
    }
    if (next.protocol !== 'http:' && next.protocol !== 'https:')
        throw new TypeError(`fetch: a redirect leads to ${next.protocol}, which is not fetched`);
    // A script has no origin that another one could be the same as (Fetch 4.4, HTTP-redirect fetch).
    if (next.username || next.password) throw new TypeError('fetch: a redirect leads to a URL with credentials');
    if (++step.redirects > REDIRECTS_MAX) throw new TypeError(`fetch: more than ${REDIRECTS_MAX} redirects`);
    if (!next.hash) next.hash = step.url.hash;
    if (status !== 303 && step.isStream) throw new TypeError('fetch: a redirect asks for the body again, which was a stream');
    const isPost = step.method === 'POST' && (status === 301 || status === 302);
    if (isPost || (status === 303 && step.method !== 'GET' && step.method !== 'HEAD')) {
        step.method = 'GET';
        step.body = null;
        for (const name of OF_BODY) step.headers.delete(name);
    }
    if (next.origin !== step.url.origin)
        for (const name of OF_ORIGIN) step.headers.delete(name);
    step.url = next;
}

async function run(request) {
    const signal = signalOfRequest(request);
    signal?.throwIfAborted();
    const url = new URL(request.url);
    if (url.protocol === 'data:') return dataResponse(url, request.method === 'HEAD');
    if (url.protocol !== 'http:' && url.protocol !== 'https:')
        throw new TypeError(`fetch: ${url.protocol} URLs are not fetched`);
    const headers = new Headers(request.headers);
    if (!headers.has('accept')) headers.set('accept', '*/*');
    if (!headers.has('accept-encoding')) headers.set('accept-encoding', 'gzip, br');
    const body = takeRequestBody(request);
    const step = { url, method: request.method, headers, body, redirects: 0,
        isStream: body !== null && typeof body !== 'string' && !(body instanceof Uint8Array) };
    for (;;) {
        const target = step.url.origin + step.url.pathname + step.url.search;
        const response = await callOut(world, step.method, target, step.headers, step.body, signal);
        if (!isRedirect(statusOf(response)) || !response.headers.has('location') || request.redirect === 'manual') {
            const encoding = response.headers.get('content-encoding');
            const format = CODINGS.get(encoding?.trim().toLowerCase());
            if (format) decodeBody(response, encoding, format);
            return responseAt(response, step.url.href, step.redirects > 0);
        }
        response.body?.cancel().catch(() => {});
        if (request.redirect === 'error') throw new TypeError('fetch: the server redirects, and redirect is "error"');
        follow(step, response);
    }
}

// (RequestInfo input, optional RequestInit init): what does not fit rejects.
export const fetch = globalFunction('fetch', promise(any, optional(any)),
    (input, init) => run(isRequest(input) && init === undefined ? input : new Request(input, init)));
