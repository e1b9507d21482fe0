// The JavaScript half of the web platform, as it is frozen into the base snapshot. It leaves the functions
// that the worker calls in __entries, which the snapshot's builder takes away.
import { AbortController, AbortSignal } from './abort.js';
import { atob, btoa } from './base64.js';
import { Blob, File } from './blob.js';
import { builtin } from './builtin.js';
import { structuredClone } from './clone.js';
import { CompressionStream, DecompressionStream } from './compression.js';
import { console, report } from './console.js';
import { Crypto, crypto } from './crypto.js';
import { CryptoKey } from './crypto_key.js';
import { dispatch, forget, left, load, onCredit, prepare } from './dispatch.js';
import { DOMException, QuotaExceededError } from './dom_exception.js';
import { TextDecoder, TextEncoder } from './encoding.js';
import { CustomEvent, Event, EventTarget } from './event.js';
import { fetch } from './fetch.js';
import { FormData } from './form_data.js';
import { Headers } from './headers.js';
import { host } from './host.js';
import { onBody } from './incoming.js';
import { describe } from './inspect.js';
import { forgetOrigin, navigator, performance, Navigator, Performance } from './navigator.js';
import { forgetRandom, installRandom } from './random.js';
import { abortClient, Request } from './request.js';
import { Response } from './response.js';
import { forgetCall, onReply, onReplyBody, onReplyError, onSubCredit } from './service.js';
import { addEventListener, ExtendableEvent, FetchEvent, removeEventListener } from './service_worker.js';
import * as streams from './streams/index.js';
import { SubtleCrypto } from './subtle.js';
import { TextDecoderStream, TextEncoderStream } from './text_streams.js';
import { clearInterval, clearTimeout, forgetTimer, onTimer, setInterval, setTimeout } from './timers.js';
import { URL, URLSearchParams } from './url.js';
import { URLPattern } from './url_pattern.js';
import { warmUp } from './warm_up.js';

function queueMicrotask(callback) {
    if (typeof callback !== 'function') throw new TypeError('queueMicrotask: the callback is not a function');
    host.microtask(() => {
        try {
            callback();
        } catch (error) {
            report(error);
        }
    });
}

function hidden(values) {
    for (const [name, value] of Object.entries(values))
        Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}

function shown(values) {
    for (const [name, value] of Object.entries(values))
        Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
}

delete globalThis.__host;
installRandom();
hidden({
    AbortController, AbortSignal, Blob, CompressionStream, Crypto, CryptoKey, CustomEvent, DOMException, DecompressionStream, Event, EventTarget,
    ExtendableEvent, FetchEvent, File, FormData, Headers, Navigator, Performance, QuotaExceededError, Request, Response, SubtleCrypto,
    TextDecoder, TextDecoderStream, TextEncoder, TextEncoderStream, URL, URLPattern, URLSearchParams, console, ...streams,
});
shown({
    addEventListener, atob, btoa, clearInterval, clearTimeout, crypto, fetch, navigator, performance, queueMicrotask,
    removeEventListener, setInterval, setTimeout, structuredClone,
});
Object.defineProperty(globalThis, 'self', { get: () => globalThis, enumerable: true, configurable: true });
Object.defineProperty(globalThis, Symbol.toStringTag, { value: 'ServiceWorkerGlobalScope', configurable: true });

warmUp();

// Nothing that only one heap should have is left: this one is about to be copied, or is a copy that begins.
function renew() {
    forgetOrigin();
    forgetRandom();
}

// In the order of enum web_entry.
globalThis.__entries = [
    load, dispatch, onBody, onCredit, onTimer, forget, forgetTimer, describe,
    (message) => new DOMException(message, 'DataCloneError'), onReply, onReplyBody, onReplyError, onSubCredit, forgetCall,
    left, abortClient, renew, prepare, builtin,
];
