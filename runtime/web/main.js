// The JavaScript half of the web platform, as it is frozen into the base snapshot. It leaves the functions
// that the worker calls in __entries, which the snapshot's builder takes away.
import { AbortController, AbortSignal } from './abort.js';
import { atob, btoa } from './base64.js';
import { Blob, File } from './blob.js';
import { builtin } from './builtin.js';
import { dataCloneError, structuredClone } from './clone.js';
import { CompressionStream, DecompressionStream } from './compression.js';
import { console } from './console.js';
import { Crypto, crypto } from './crypto.js';
import { CryptoKey } from './crypto_key.js';
import { dispatch, forget, left, load, onCredit, prepare } from './dispatch.js';
import { DOMException, QuotaExceededError } from './dom_exception.js';
import { TextDecoder, TextEncoder } from './encoding.js';
import { Event, EventTarget } from './event.js';
import {
    CloseEvent, CustomEvent, ErrorEvent, ExtendableEvent, FetchEvent, MessageEvent, ProgressEvent, PromiseRejectionEvent, requestsBy,
} from './event_kinds.js';
import { fetch } from './fetch.js';
import { FormData } from './form_data.js';
import { installGlobal, queueMicrotask, reportError, ServiceWorkerGlobalScope, WorkerGlobalScope } from './global.js';
import { Headers } from './headers.js';
import { host } from './host.js';
import { onBody } from './incoming.js';
import { describe } from './inspect.js';
import { MessageChannel, MessagePort } from './message_port.js';
import { navigator, Navigator } from './navigator.js';
import {
    performance, Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver, PerformanceObserverEntryList,
} from './performance.js';
import { forgetRandom, installRandom } from './random.js';
import { onRejection } from './report.js';
import { abortClient, isRequest, Request } from './request.js';
import { Response } from './response.js';
import { Scheduler, scheduler, TaskController, TaskPriorityChangeEvent, TaskSignal } from './scheduler.js';
import { forgetCall, onReply, onReplyBody, onReplyError, onSubCredit } from './service.js';
import { FixedLengthStream, IdentityTransformStream } from './stream_kinds.js';
import * as streams from './streams/index.js';
import { SubtleCrypto } from './subtle.js';
import { TextDecoderStream, TextEncoderStream } from './text_streams.js';
import { forgetOrigin } from './time.js';
import { clearInterval, clearTimeout, forgetTimer, onTimer, setInterval, setTimeout } from './timers.js';
import { URL, URLSearchParams } from './url.js';
import { URLPattern } from './url_pattern.js';
import { warmUp } from './warm_up.js';

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
installGlobal();
requestsBy(isRequest);
hidden({
    AbortController, AbortSignal, Blob, CloseEvent, CompressionStream, Crypto, CryptoKey, CustomEvent, DecompressionStream, DOMException,
    ErrorEvent, Event, EventTarget, ExtendableEvent, FetchEvent, File, FixedLengthStream, FormData, Headers, IdentityTransformStream,
    MessageChannel, MessageEvent, MessagePort, Navigator, Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure,
    PerformanceObserver, PerformanceObserverEntryList, ProgressEvent, PromiseRejectionEvent, QuotaExceededError, Request, Response,
    Scheduler, ServiceWorkerGlobalScope, SubtleCrypto, TaskController, TaskPriorityChangeEvent, TaskSignal, TextDecoder,
    TextDecoderStream, TextEncoder, TextEncoderStream, URL, URLPattern, URLSearchParams, WorkerGlobalScope, console, ...streams,
});
shown({
    atob, btoa, clearInterval, clearTimeout, crypto, fetch, navigator, performance, queueMicrotask, reportError,
    scheduler, setInterval, setTimeout, structuredClone,
});

warmUp();

// Nothing that only one heap should have is left: this one is about to be copied, or is a copy that begins.
function renew() {
    forgetOrigin();
    forgetRandom();
}

// In the order of enum web_entry.
globalThis.__entries = [
    load, dispatch, onBody, onCredit, onTimer, forget, forgetTimer, describe,
    dataCloneError, onReply, onReplyBody, onReplyError, onSubCredit, forgetCall,
    left, abortClient, renew, onRejection, prepare, builtin,
];
