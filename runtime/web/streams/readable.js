// ReadableStream, its default controller and its default reader (Streams 4). A stream, a controller and a reader that scripts see are
// thin: what they are is in a *State each, which scripts do not reach. A read request is an object with chunk(), close() and error().
import {
    any, boolean, callback, declare, dictionary, enforceRange, enumeration, illegal, interfaceOf, object, optional, promise, readonly,
    required, requiredMember, unsignedLongLong,
} from '../webidl.js';
import { after, Deferred, highWaterMarkOf, isHandled, promiseOf, promiseOfCall, Queue, QueuingStrategy, react, RESOLVED, sizeOf, SizedQueue } from './base.js';

const { apply } = Reflect;
const INNER = Symbol('inner');

// What builds on this file and is used here: index.js hands it in.
let setUpByteController, newByobReader, teeBytes, pipe, isWritable, isWritableLocked, isSignal;
export function completeReadable(parts) {
    ({ setUpByteController, newByobReader, teeBytes, pipe, isWritable, isWritableLocked, isSignal } = parts);
}

// ---- the stream

class ReadableState {
    state = 'readable';
    error = undefined;
    isDisturbed = false;
    reader = null; // ReaderState or ByobReaderState
    controller = null;
    onLock = null; // called when a reader comes, once

    get isLocked() { return this.reader !== null; }

    // ReadableStreamClose
    close() {
        this.state = 'closed';
        const { reader } = this;
        if (reader === null) return;
        reader.closed.resolve(undefined);
        if (!reader.isByob) for (const request of reader.requests.take()) request.close();
    }

    // ReadableStreamError
    fail(error) {
        this.state = 'errored';
        this.error = error;
        const { reader } = this;
        if (reader === null) return;
        reader.closed.reject(error);
        reader.failRequests(error);
    }

    // ReadableStreamCancel
    cancel(reason) {
        this.isDisturbed = true;
        if (this.state === 'closed') return Promise.resolve();
        if (this.state === 'errored') return Promise.reject(this.error);
        this.close();
        if (this.reader?.isByob) for (const request of this.reader.requests.take()) request.close(undefined);
        return after(this.controller.cancelSteps(reason), () => undefined);
    }

    get waiting() { return this.reader === null ? 0 : this.reader.requests.length; }
}

const UnderlyingSource = dictionary('UnderlyingSource', {
    autoAllocateChunkSize: enforceRange(unsignedLongLong),
    cancel: callback,
    pull: callback,
    start: callback,
    type: enumeration('ReadableStreamType', ['bytes']),
});
const GetReaderOptions = dictionary('ReadableStreamGetReaderOptions', { mode: enumeration('ReadableStreamReaderMode', ['byob']) });
const IteratorOptions = dictionary('ReadableStreamIteratorOptions', { preventCancel: [boolean, false] });
const PipeOptions = dictionary('StreamPipeOptions', {
    preventAbort: [boolean, false],
    preventCancel: [boolean, false],
    preventClose: [boolean, false],
    signal: (value, what) => {
        if (!isSignal(value)) throw new TypeError(`${what}: not an AbortSignal`);
        return value;
    },
});

export let stateOf, isReadable;

// What a source's callbacks do; none: nothing.
export function algorithms(source, dict, controller) {
    const { start, pull, cancel } = dict;
    return {
        start: start && (() => apply(start, source, [controller])),
        pull: pull && (() => promiseOfCall(pull, source, [controller])),
        cancel: cancel && ((reason) => promiseOfCall(cancel, source, [reason])),
    };
}

export class ReadableStream {
    #state = new ReadableState();

    constructor(source = undefined, strategy = undefined) {
        if (source === INNER) return;
        if (source !== undefined) object(source, 'ReadableStream, argument 1');
        const how = QueuingStrategy(strategy, 'ReadableStream, argument 2');
        const dict = UnderlyingSource(source, 'ReadableStream, argument 1');
        if (dict.type === 'bytes') {
            if (how.size !== undefined) throw new RangeError('ReadableStream: a stream of bytes has no size()');
            setUpByteController(this.#state, source, dict, highWaterMarkOf(how, 0));
        } else {
            const state = new DefaultControllerState(this.#state, highWaterMarkOf(how, 1), sizeOf(how));
            state.setUp(algorithms(source, dict, new ReadableStreamDefaultController(INNER, state)));
        }
    }

    static {
        stateOf = (stream) => stream.#state;
        isReadable = (value) => typeof value === 'object' && value !== null && #state in value;
    }

    get locked() { return this.#state.isLocked; }

    cancel(reason) {
        if (this.#state.isLocked) throw new TypeError('ReadableStream.cancel: the stream is locked');
        return this.#state.cancel(reason);
    }

    getReader({ mode }) {
        return mode === undefined ? new ReadableStreamDefaultReader(this) : newByobReader(this);
    }

    pipeThrough({ readable, writable }, options) {
        if (this.#state.isLocked) throw new TypeError('ReadableStream.pipeThrough: the stream is locked');
        if (isWritableLocked(writable)) throw new TypeError('ReadableStream.pipeThrough: the writable side is locked');
        isHandled(pipe(this.#state, writable, options));
        return readable;
    }

    pipeTo(destination, options) {
        if (this.#state.isLocked) throw new TypeError('ReadableStream.pipeTo: the stream is locked');
        if (isWritableLocked(destination)) throw new TypeError('ReadableStream.pipeTo: the destination is locked');
        return pipe(this.#state, destination, options);
    }

    tee() {
        return this.#state.controller.isByte ? teeBytes(this) : teeDefault(this);
    }

    values({ preventCancel }) {
        return new AsyncIterator(acquireReader(this.#state), preventCancel);
    }

    static from(source) {
        return streamFrom(source);
    }
}

// A stream that is ours: pull and cancel return promises, what start returns is waited for.
export function newStream(pull, cancel, mark = 1, size = undefined, start = undefined) {
    const stream = new ReadableStream(INNER);
    const state = new DefaultControllerState(stateOf(stream), mark, size);
    state.setUp({ start, pull, cancel });
    return stream;
}

// One whose controller the caller sets up.
export function bareStream() {
    return new ReadableStream(INNER);
}

// ---- the default controller

// What both kinds of controllers do: ask the source for more, once at a time. They add shouldPull() and fail().
export class PullingState {
    stream;
    mark; // high water mark
    isStarted = false;
    isCloseRequested = false;
    isPulling = false;
    pullsAgain = false;
    pull = undefined;
    cancel = undefined;

    constructor(stream, mark) {
        this.stream = stream;
        this.mark = mark;
        stream.controller = this;
    }

    // SetUpReadableStreamDefaultController, SetUpReadableByteStreamController
    setUp({ start, pull, cancel }) {
        this.pull = pull;
        this.cancel = cancel;
        react(start ? promiseOf(start()) : RESOLVED, () => {
            this.isStarted = true;
            this.pullIfNeeded();
        }, this.failed);
    }

    pulled = () => {
        this.isPulling = false;
        if (!this.pullsAgain) return;
        this.pullsAgain = false;
        this.pullIfNeeded();
    };
    failed = (error) => this.fail(error);

    // ReadableStreamDefaultControllerCallPullIfNeeded, ReadableByteStreamControllerCallPullIfNeeded
    pullIfNeeded() {
        if (!this.shouldPull()) return;
        if (this.isPulling) {
            this.pullsAgain = true;
            return;
        }
        this.isPulling = true;
        react(this.pull ? this.pull() : RESOLVED, this.pulled, this.failed);
    }
}

class DefaultControllerState extends PullingState {
    size;
    isByte = false;
    queue = new SizedQueue();

    constructor(stream, mark, size) {
        super(stream, mark);
        this.size = size;
    }

    shouldPull() {
        const { stream } = this;
        if (!this.canEnqueue() || !this.isStarted) return false;
        return stream.waiting > 0 || this.mark - this.queue.total > 0;
    }

    get desiredSize() {
        const { state } = this.stream;
        return state === 'errored' ? null : state === 'closed' ? 0 : this.mark - this.queue.total;
    }

    get hasBackpressure() { return !this.shouldPull(); }

    canEnqueue() {
        return !this.isCloseRequested && this.stream.state === 'readable';
    }

    clear() {
        this.pull = this.cancel = this.size = undefined;
    }

    close() {
        if (!this.canEnqueue()) return;
        this.isCloseRequested = true;
        if (this.queue.length > 0) return;
        this.clear();
        this.stream.close();
    }

    enqueue(chunk) {
        if (!this.canEnqueue()) return;
        const { stream } = this;
        if (stream.waiting > 0) stream.reader.requests.shift().chunk(chunk);
        else {
            try {
                this.queue.push(chunk, this.size ? this.size(chunk) : 1);
            } catch (error) {
                this.fail(error);
                throw error;
            }
        }
        this.pullIfNeeded();
    }

    fail(error) {
        if (this.stream.state !== 'readable') return;
        this.queue.clear();
        this.clear();
        this.stream.fail(error);
    }

    cancelSteps(reason) {
        this.queue.clear();
        const { cancel } = this;
        this.clear();
        return cancel ? cancel(reason) : Promise.resolve();
    }

    get hasChunk() { return this.queue.length > 0; }

    // The first chunk of the queue, which is not empty.
    take() {
        const chunk = this.queue.shift();
        if (this.isCloseRequested && this.queue.length === 0) {
            this.clear();
            this.stream.close();
        } else this.pullIfNeeded();
        return chunk;
    }

    pullSteps(request) {
        if (this.queue.length > 0) request.chunk(this.take());
        else {
            this.stream.reader.requests.push(request);
            this.pullIfNeeded();
        }
    }

    releaseSteps() {}
}

let isDefaultController;

export class ReadableStreamDefaultController {
    #state;
    constructor(key, state) {
        if (key !== INNER) throw illegal('ReadableStreamDefaultController');
        this.#state = state;
    }
    static {
        isDefaultController = (value) => typeof value === 'object' && value !== null && #state in value;
    }
    get desiredSize() { return this.#state.desiredSize; }
    close() {
        if (!this.#state.canEnqueue()) throw new TypeError('ReadableStreamDefaultController.close: the stream is closed, closing or errored');
        this.#state.close();
    }
    enqueue(chunk) {
        if (!this.#state.canEnqueue()) throw new TypeError('ReadableStreamDefaultController.enqueue: the stream is closed, closing or errored');
        this.#state.enqueue(chunk);
    }
    error(error) { this.#state.fail(error); }
}

declare(ReadableStreamDefaultController, {
    is: isDefaultController,
    operations: { close: [], enqueue: [optional(any)], error: [optional(any)] },
    attributes: { desiredSize: readonly },
});

// ---- the default reader

export function lockReader(reader, stream) {
    reader.stream = stream;
    stream.reader = reader;
    stream.onLock?.();
    stream.onLock = null;
    if (stream.state === 'closed') reader.closed.resolve(undefined);
    else if (stream.state === 'errored') reader.closed.reject(stream.error);
}

// ReadableStreamReaderGenericRelease
export function unlockReader(reader) {
    const error = new TypeError('the reader was released');
    if (reader.closed.state === 'pending') reader.closed.reject(error);
    else reader.closed = Deferred.rejected(error);
    reader.stream.controller.releaseSteps();
    reader.stream.reader = null;
    reader.stream = null;
    reader.failRequests(error);
}

class ReaderState {
    isByob = false;
    stream = null;
    requests = new Queue();
    closed = new Deferred();

    failRequests(error) {
        for (const request of this.requests.take()) request.error(error);
    }

    // ReadableStreamDefaultReaderRead
    read(request) {
        const { stream } = this;
        stream.isDisturbed = true;
        if (stream.state === 'readable') stream.controller.pullSteps(request);
        else if (stream.state === 'closed') request.close();
        else request.error(stream.error);
    }

    release() {
        if (this.stream) unlockReader(this);
    }
}

// The inside of a reader: for whoever reads a stream without being seen.
export function acquireReader(stream) {
    if (stream.isLocked) throw new TypeError('the stream is locked');
    const reader = new ReaderState();
    lockReader(reader, stream);
    return reader;
}

class PromiseRequest {
    promise;
    resolve;
    error;
    constructor() {
        this.promise = new Promise((resolve, reject) => {
            this.resolve = resolve;
            this.error = reject;
        });
    }
    chunk(value) { this.resolve({ value, done: false }); }
    close() { this.resolve({ value: undefined, done: true }); }
}

let isDefaultReader;

export class ReadableStreamDefaultReader {
    #state;
    constructor(stream) {
        required(arguments, 1, 'ReadableStreamDefaultReader');
        ReadableStreamType(stream, 'ReadableStreamDefaultReader, argument 1');
        this.#state = acquireReader(stateOf(stream));
    }
    static {
        isDefaultReader = (value) => typeof value === 'object' && value !== null && #state in value;
    }
    get closed() { return this.#state.closed.promise; }

    cancel(reason) {
        const { stream } = this.#state;
        if (!stream) throw new TypeError('ReadableStreamDefaultReader.cancel: the reader was released');
        return stream.cancel(reason);
    }

    read() {
        const { stream } = this.#state;
        if (!stream) throw new TypeError('ReadableStreamDefaultReader.read: the reader was released');
        if (stream.state === 'readable' && !stream.controller.isByte && stream.controller.hasChunk) {
            stream.isDisturbed = true;
            return Promise.resolve({ value: stream.controller.take(), done: false });
        }
        const request = new PromiseRequest();
        this.#state.read(request);
        return request.promise;
    }

    releaseLock() { this.#state.release(); }
}

export const ReadableStreamType = interfaceOf('ReadableStream', (value) => isReadable(value));

declare(ReadableStreamDefaultReader, {
    constructor: 1,
    is: isDefaultReader,
    operations: { cancel: promise(optional(any)), read: promise(), releaseLock: [] },
    attributes: { closed: promise() },
});

// ---- iteration (4.2.5, Web IDL 3.7.10.2)

const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* () {}).prototype);

class AsyncIterator {
    #reader; #preventCancel;
    #ongoing = null;
    #isFinished = false;

    constructor(reader, preventCancel) {
        this.#reader = reader;
        this.#preventCancel = preventCancel;
    }

    static is(value) { return typeof value === 'object' && value !== null && #reader in value; }

    #after(work) {
        this.#ongoing = this.#ongoing ? after(this.#ongoing, work, work) : work();
        return this.#ongoing;
    }

    #next() {
        if (this.#isFinished) return Promise.resolve({ value: undefined, done: true });
        const { promise, resolve, reject } = Promise.withResolvers();
        this.#reader.read({
            chunk: (value) => resolve({ value, done: false }),
            close: () => resolve({ value: undefined, done: true }),
            error: reject,
        });
        return after(promise, (result) => {
            this.#ongoing = null;
            if (result.done) this.#end();
            return result;
        }, (error) => {
            this.#ongoing = null;
            this.#end();
            throw error;
        });
    }

    #end() {
        this.#isFinished = true;
        this.#reader.release();
    }

    #return(value) {
        if (this.#isFinished) return Promise.resolve({ value, done: true });
        this.#isFinished = true;
        const cancelled = this.#preventCancel ? Promise.resolve() : this.#reader.stream.cancel(value);
        this.#reader.release();
        return after(cancelled, () => ({ value, done: true }));
    }

    next() {
        if (!AsyncIterator.is(this)) return Promise.reject(new TypeError('ReadableStream AsyncIterator.next: not one'));
        return this.#after(() => this.#next());
    }

    return(value) {
        if (!AsyncIterator.is(this)) return Promise.reject(new TypeError('ReadableStream AsyncIterator.return: not one'));
        return this.#after(() => this.#return(value));
    }
}

{
    const { prototype } = AsyncIterator;
    delete prototype.constructor;
    Object.setPrototypeOf(prototype, AsyncIteratorPrototype);
    for (const name of ['next', 'return']) Object.defineProperty(prototype, name, { enumerable: true });
    Object.defineProperty(prototype, Symbol.toStringTag, { value: 'ReadableStream AsyncIterator', configurable: true });
}

// ---- ReadableStream.from (4.9.1, ReadableStreamFromIterable)

function iteratorOf(source) {
    const method = source[Symbol.asyncIterator];
    if (method !== undefined && method !== null) {
        if (typeof method !== 'function') throw new TypeError('ReadableStream.from: the async iterator is not a function');
        return { iterator: apply(method, source, []), isSync: false };
    }
    const sync = source[Symbol.iterator];
    if (typeof sync !== 'function') throw new TypeError('ReadableStream.from: not iterable');
    return { iterator: apply(sync, source, []), isSync: true };
}

function streamFrom(source) {
    if (source === null || source === undefined) throw new TypeError('ReadableStream.from: not iterable');
    const { iterator, isSync } = iteratorOf(source);
    object(iterator, 'ReadableStream.from, the iterator');
    const { next } = iterator;
    const stream = newStream(async () => {
        const result = isSync ? apply(next, iterator, []) : await apply(next, iterator, []);
        object(result, 'ReadableStream.from, what next() gave');
        const { done } = result;
        if (done) return void stateOf(stream).controller.close();
        const value = isSync ? await result.value : result.value;
        stateOf(stream).controller.enqueue(value);
    }, async (reason) => {
        const method = iterator.return;
        if (method === undefined || method === null) return;
        if (typeof method !== 'function') throw new TypeError('ReadableStream.from: return is not a function');
        const result = isSync ? apply(method, iterator, [reason]) : await apply(method, iterator, [reason]);
        object(result, 'ReadableStream.from, what return() gave');
        if (isSync) await result.value;
    }, 0);
    return stream;
}

// ---- tee (4.9.3, ReadableStreamDefaultTee)

function teeDefault(stream) {
    const source = stateOf(stream);
    const reader = acquireReader(source);
    let isReading = false;
    let readsAgain = false;
    const branches = [];
    const isCancelled = [false, false];
    const reasons = [undefined, undefined];
    const cancelled = Promise.withResolvers();
    const controllers = () => branches.map((branch) => stateOf(branch).controller);

    const pull = () => {
        if (isReading) {
            readsAgain = true;
            return RESOLVED;
        }
        isReading = true;
        reader.read({
            chunk: (chunk) => react(RESOLVED, () => {
                readsAgain = false;
                controllers().forEach((controller, i) => {
                    if (!isCancelled[i]) controller.enqueue(chunk);
                });
                isReading = false;
                if (readsAgain) pull();
            }),
            close: () => {
                isReading = false;
                controllers().forEach((controller, i) => {
                    if (!isCancelled[i]) controller.close();
                });
                if (!isCancelled[0] || !isCancelled[1]) cancelled.resolve(undefined);
            },
            error: () => {
                isReading = false;
            },
        });
        return RESOLVED;
    };
    const cancel = (i) => (reason) => {
        isCancelled[i] = true;
        reasons[i] = reason;
        if (isCancelled[1 - i]) cancelled.resolve(source.cancel([...reasons]));
        return cancelled.promise;
    };
    branches.push(newStream(pull, cancel(0)), newStream(pull, cancel(1)));
    react(reader.closed.promise, undefined, (error) => {
        for (const controller of controllers()) controller.fail(error);
        if (!isCancelled[0] || !isCancelled[1]) cancelled.resolve(undefined);
    });
    return branches;
}

// ---- for the rest of the platform

export const isDisturbed = (stream) => stateOf(stream).isDisturbed;

const WritableType = (value, what) => {
    if (!isWritable(value)) throw new TypeError(`${what}: not a WritableStream`);
    return value;
};
const ReadableWritablePair = dictionary('ReadableWritablePair', {
    readable: requiredMember(ReadableStreamType),
    writable: requiredMember(WritableType),
});

declare(ReadableStream, {
    is: isReadable,
    operations: {
        cancel: promise(optional(any)),
        getReader: [optional(GetReaderOptions)],
        pipeThrough: [ReadableWritablePair, optional(PipeOptions)],
        pipeTo: promise(WritableType, optional(PipeOptions)),
        tee: [],
        values: [optional(IteratorOptions)],
    },
    attributes: { locked: readonly },
    statics: { from: [any] },
});
Object.defineProperty(ReadableStream.prototype, Symbol.asyncIterator,
    { value: ReadableStream.prototype.values, writable: true, enumerable: false, configurable: true });
