// Streams of bytes: ReadableByteStreamController, ReadableStreamBYOBRequest, ReadableStreamBYOBReader (Streams 4.5, 4.7, 4.8). Buffers that
// pass are transferred: whoever gave one has it no more.
import { any, AnyBufferSource, declare, dictionary, enforceRange, illegal, optional, promise, readonly, required, typedArrayName, unsignedLongLong } from '../webidl.js';
import { Deferred, Queue, react, RESOLVED } from './base.js';
import { acquireReader, algorithms, bareStream, lockReader, PullingState, ReadableStreamType, stateOf, unlockReader } from './readable.js';

const INNER = Symbol('inner');
const { isView } = ArrayBuffer;

// Where a pull's bytes go (4.7.2, "pull-into descriptor"). readerKind: 'default', 'byob', or 'none' once its reader was released.
class PullInto {
    buffer;
    bufferBytes;
    byteOffset;
    byteLength;
    filled;
    minimum;
    elementBytes;
    View;
    readerKind;
    constructor(buffer, byteOffset, byteLength, minimum, elementBytes, View, readerKind) {
        this.buffer = buffer;
        this.bufferBytes = buffer.byteLength;
        this.byteOffset = byteOffset;
        this.byteLength = byteLength;
        this.filled = 0;
        this.minimum = minimum;
        this.elementBytes = elementBytes;
        this.View = View;
        this.readerKind = readerKind;
    }
    view() {
        return new this.View(this.buffer.transfer(), this.byteOffset, this.filled / this.elementBytes);
    }
}

class ByteControllerState extends PullingState {
    autoBytes;
    isByte = true;
    chunks = []; // {buffer, byteOffset, byteLength}
    total = 0;
    pending = []; // PullInto
    request = null; // ReadableStreamBYOBRequest

    constructor(stream, mark, autoBytes) {
        super(stream, mark);
        this.autoBytes = autoBytes;
    }

    shouldPull() {
        const { stream } = this;
        if (stream.state !== 'readable' || this.isCloseRequested || !this.isStarted) return false;
        return stream.waiting > 0 || this.mark - this.total > 0;
    }

    get desiredSize() {
        const { state } = this.stream;
        return state === 'errored' ? null : state === 'closed' ? 0 : this.mark - this.total;
    }

    get hasChunk() { return this.total > 0; }

    clear() {
        this.pull = this.cancel = undefined;
    }

    #clearQueue() {
        this.chunks = [];
        this.total = 0;
    }

    // ReadableByteStreamControllerInvalidateBYOBRequest
    #invalidate() {
        if (this.request === null) return;
        disconnect(this.request);
        this.request = null;
    }

    #clearPending() {
        this.#invalidate();
        this.pending = [];
    }

    // ReadableByteStreamControllerGetBYOBRequest
    getRequest() {
        if (this.request === null && this.pending.length > 0) {
            const [first] = this.pending;
            const view = new Uint8Array(first.buffer, first.byteOffset + first.filled, first.byteLength - first.filled);
            this.request = new ReadableStreamBYOBRequest(INNER, this, view);
        }
        return this.request;
    }

    close() {
        const { stream } = this;
        if (this.isCloseRequested || stream.state !== 'readable') return;
        if (this.total > 0) {
            this.isCloseRequested = true;
            return;
        }
        const [first] = this.pending;
        if (first && first.filled % first.elementBytes !== 0) {
            const error = new TypeError('the stream was closed within an element of the view that is being filled');
            this.fail(error);
            throw error;
        }
        this.clear();
        stream.close();
    }

    enqueue(chunk) {
        const { stream } = this;
        if (this.isCloseRequested || stream.state !== 'readable') return;
        const { byteOffset, byteLength } = chunk;
        if (chunk.buffer.detached) throw new TypeError('the buffer of the chunk is detached');
        const buffer = chunk.buffer.transfer();
        const [first] = this.pending;
        if (first) {
            if (first.buffer.detached) throw new TypeError('the buffer of the BYOB request is detached');
            this.#invalidate();
            first.buffer = first.buffer.transfer();
            if (first.readerKind === 'none') this.#enqueueDetached(first);
        }
        const { reader } = stream;
        if (reader && !reader.isByob) {
            this.#fillReadRequests();
            if (reader.requests.length === 0) this.#push(buffer, byteOffset, byteLength);
            else {
                if (this.pending.length > 0) this.pending.shift();
                reader.requests.shift().chunk(new Uint8Array(buffer, byteOffset, byteLength));
            }
        } else if (reader) {
            this.#push(buffer, byteOffset, byteLength);
            for (const filled of this.#fillPending()) this.#commit(filled);
        } else this.#push(buffer, byteOffset, byteLength);
        this.pullIfNeeded();
    }

    #push(buffer, byteOffset, byteLength) {
        this.chunks.push({ buffer, byteOffset, byteLength });
        this.total += byteLength;
    }

    // ReadableByteStreamControllerEnqueueClonedChunkToQueue
    #pushCopy(buffer, byteOffset, byteLength) {
        let copy;
        try {
            copy = buffer.slice(byteOffset, byteOffset + byteLength);
        } catch (error) {
            this.fail(error);
            throw error;
        }
        this.#push(copy, 0, byteLength);
    }

    // ReadableByteStreamControllerEnqueueDetachedPullIntoToQueue
    #enqueueDetached(pullInto) {
        if (pullInto.filled > 0) this.#pushCopy(pullInto.buffer, pullInto.byteOffset, pullInto.filled);
        this.#shiftPending();
    }

    #shiftPending() {
        return this.pending.shift();
    }

    // ReadableByteStreamControllerProcessReadRequestsUsingQueue
    #fillReadRequests() {
        const { requests } = this.stream.reader;
        while (requests.length > 0 && this.total > 0) this.#giveFirst(requests.shift());
    }

    // ReadableByteStreamControllerFillReadRequestFromQueue
    #giveFirst(request) {
        const { buffer, byteOffset, byteLength } = this.chunks.shift();
        this.total -= byteLength;
        this.#handleDrain();
        request.chunk(new Uint8Array(buffer, byteOffset, byteLength));
    }

    // ReadableByteStreamControllerHandleQueueDrain
    #handleDrain() {
        if (this.total === 0 && this.isCloseRequested) {
            this.clear();
            this.stream.close();
        } else this.pullIfNeeded();
    }

    // ReadableByteStreamControllerFillPullIntoDescriptorFromQueue. True: the view is ready to be given.
    #fill(pullInto) {
        const maximum = Math.min(this.total, pullInto.byteLength - pullInto.filled);
        const filled = pullInto.filled + maximum;
        let left = maximum;
        let isReady = false;
        const aligned = filled - (filled % pullInto.elementBytes);
        if (aligned >= pullInto.minimum) {
            left = aligned - pullInto.filled;
            isReady = true;
        }
        const into = new Uint8Array(pullInto.buffer);
        while (left > 0) {
            const [chunk] = this.chunks;
            const count = Math.min(left, chunk.byteLength);
            into.set(new Uint8Array(chunk.buffer, chunk.byteOffset, count), pullInto.byteOffset + pullInto.filled);
            if (chunk.byteLength === count) this.chunks.shift();
            else {
                chunk.byteOffset += count;
                chunk.byteLength -= count;
            }
            this.total -= count;
            pullInto.filled += count;
            left -= count;
        }
        return isReady;
    }

    // ReadableByteStreamControllerProcessPullIntoDescriptorsUsingQueue
    #fillPending() {
        const filled = [];
        while (this.pending.length > 0 && this.total > 0) {
            if (!this.#fill(this.pending[0])) break;
            filled.push(this.#shiftPending());
        }
        return filled;
    }

    // ReadableByteStreamControllerCommitPullIntoDescriptor
    #commit(pullInto) {
        const { stream } = this;
        const isDone = stream.state === 'closed';
        const view = pullInto.view();
        const request = stream.reader.requests.shift();
        if (isDone) request.close(pullInto.readerKind === 'default' ? undefined : view);
        else request.chunk(view);
    }

    fail(error) {
        if (this.stream.state !== 'readable') return;
        this.#clearPending();
        this.#clearQueue();
        this.clear();
        this.stream.fail(error);
    }

    cancelSteps(reason) {
        this.#clearPending();
        this.#clearQueue();
        const { cancel } = this;
        this.clear();
        return cancel ? cancel(reason) : Promise.resolve();
    }

    pullSteps(request) {
        if (this.total > 0) return this.#giveFirst(request);
        if (this.autoBytes !== undefined) {
            let buffer;
            try {
                buffer = new ArrayBuffer(this.autoBytes);
            } catch (error) {
                return request.error(error);
            }
            this.pending.push(new PullInto(buffer, 0, this.autoBytes, 1, 1, Uint8Array, 'default'));
        }
        this.stream.reader.requests.push(request);
        this.pullIfNeeded();
    }

    releaseSteps() {
        if (this.pending.length === 0) return;
        const [first] = this.pending;
        first.readerKind = 'none';
        this.pending = [first];
    }

    // ReadableByteStreamControllerPullInto
    pullInto(view, minimum, request) {
        const { stream } = this;
        const elementBytes = view.BYTES_PER_ELEMENT ?? 1;
        const View = typedArrayName(view) === undefined ? DataView : VIEWS[typedArrayName(view)];
        let buffer;
        try {
            buffer = view.buffer.transfer();
        } catch (error) {
            return request.error(error);
        }
        const pullInto = new PullInto(buffer, request.byteOffset, request.byteLength, minimum * elementBytes, elementBytes, View, 'byob');
        if (this.pending.length > 0) {
            this.pending.push(pullInto);
            stream.reader.requests.push(request);
            return;
        }
        if (stream.state === 'closed') return request.close(new View(buffer, pullInto.byteOffset, 0));
        if (this.total > 0) {
            if (this.#fill(pullInto)) {
                const filled = pullInto.view();
                this.#handleDrain();
                return request.chunk(filled);
            }
            if (this.isCloseRequested) {
                const error = new TypeError('the stream was closed within an element of the view that is being filled');
                this.fail(error);
                return request.error(error);
            }
        }
        this.pending.push(pullInto);
        stream.reader.requests.push(request);
        this.pullIfNeeded();
    }

    // ReadableByteStreamControllerRespond
    respond(bytes) {
        const [first] = this.pending;
        if (this.stream.state === 'closed') {
            if (bytes !== 0) throw new TypeError('ReadableStreamBYOBRequest.respond: the stream is closed, so only 0 bytes fit');
        } else {
            if (bytes === 0) throw new TypeError('ReadableStreamBYOBRequest.respond: 0 bytes are for a stream that is closed');
            if (first.filled + bytes > first.byteLength) throw new RangeError('ReadableStreamBYOBRequest.respond: more bytes than the view has');
        }
        first.buffer = first.buffer.transfer();
        this.#respond(bytes);
    }

    // ReadableByteStreamControllerRespondWithNewView
    respondWith(view) {
        const [first] = this.pending;
        const what = 'ReadableStreamBYOBRequest.respondWithNewView';
        if (this.stream.state === 'closed') {
            if (view.byteLength !== 0) throw new TypeError(`${what}: the stream is closed, so only an empty view fits`);
        } else if (view.byteLength === 0) throw new TypeError(`${what}: an empty view is for a stream that is closed`);
        if (first.byteOffset + first.filled !== view.byteOffset) throw new RangeError(`${what}: the view begins elsewhere`);
        if (first.bufferBytes !== view.buffer.byteLength) throw new RangeError(`${what}: the buffer has another length`);
        if (first.filled + view.byteLength > first.byteLength) throw new RangeError(`${what}: the view is too long`);
        const { byteLength } = view;
        first.buffer = view.buffer.transfer();
        this.#respond(byteLength);
    }

    // ReadableByteStreamControllerRespondInternal
    #respond(bytes) {
        const [first] = this.pending;
        this.#invalidate();
        if (this.stream.state === 'closed') this.#respondClosed(first);
        else this.#respondReadable(bytes, first);
        this.pullIfNeeded();
    }

    #respondClosed(first) {
        if (first.readerKind === 'none') this.#shiftPending();
        const { reader } = this.stream;
        if (!reader?.isByob) return;
        const all = [];
        while (all.length < reader.requests.length) all.push(this.#shiftPending());
        for (const pullInto of all) this.#commit(pullInto);
    }

    #respondReadable(bytes, pullInto) {
        pullInto.filled += bytes;
        if (pullInto.readerKind === 'none') {
            this.#enqueueDetached(pullInto);
            for (const filled of this.#fillPending()) this.#commit(filled);
            return;
        }
        if (pullInto.filled < pullInto.minimum) return;
        this.#shiftPending();
        const rest = pullInto.filled % pullInto.elementBytes;
        if (rest > 0) {
            const end = pullInto.byteOffset + pullInto.filled;
            this.#pushCopy(pullInto.buffer, end - rest, rest);
        }
        pullInto.filled -= rest;
        const filled = this.#fillPending();
        this.#commit(pullInto);
        for (const other of filled) this.#commit(other);
    }
}

const VIEWS = Object.fromEntries([
    Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float16Array, Float32Array, Float64Array,
    BigInt64Array, BigUint64Array].map((View) => [View.name, View]));

let isByteController;

export class ReadableByteStreamController {
    #state;
    constructor(key, state) {
        if (key !== INNER) throw illegal('ReadableByteStreamController');
        this.#state = state;
    }
    static {
        isByteController = (value) => typeof value === 'object' && value !== null && #state in value;
    }
    get byobRequest() { return this.#state.getRequest(); }
    get desiredSize() { return this.#state.desiredSize; }
    close() {
        const state = this.#state;
        if (state.isCloseRequested) throw new TypeError('ReadableByteStreamController.close: the stream is closing already');
        if (state.stream.state !== 'readable') throw new TypeError('ReadableByteStreamController.close: the stream is closed or errored');
        state.close();
    }
    enqueue(chunk) {
        const state = this.#state;
        if (chunk.byteLength === 0) throw new TypeError('ReadableByteStreamController.enqueue: an empty chunk');
        if (chunk.buffer.byteLength === 0) throw new TypeError('ReadableByteStreamController.enqueue: the buffer of the chunk is empty');
        if (state.isCloseRequested) throw new TypeError('ReadableByteStreamController.enqueue: the stream is closing');
        if (state.stream.state !== 'readable') throw new TypeError('ReadableByteStreamController.enqueue: the stream is closed or errored');
        state.enqueue(chunk);
    }
    error(error) { this.#state.fail(error); }
}

const ArrayBufferView = (value, what) => {
    if (!isView(value)) throw new TypeError(`${what}: not a view of an ArrayBuffer`);
    return AnyBufferSource(value, what);
};

declare(ReadableByteStreamController, {
    is: isByteController,
    operations: { close: [], enqueue: [ArrayBufferView], error: [optional(any)] },
    attributes: { byobRequest: readonly, desiredSize: readonly },
});

let isByobRequest, disconnect;

export class ReadableStreamBYOBRequest {
    #controller; #view;
    constructor(key, controller, view) {
        if (key !== INNER) throw illegal('ReadableStreamBYOBRequest');
        this.#controller = controller;
        this.#view = view;
    }
    static {
        isByobRequest = (value) => typeof value === 'object' && value !== null && #view in value;
        disconnect = (request) => {
            request.#controller = null;
            request.#view = null;
        };
    }
    get view() { return this.#view; }
    respond(bytes) {
        if (!this.#controller) throw new TypeError('ReadableStreamBYOBRequest.respond: it was answered already');
        if (this.#view.buffer.detached) throw new TypeError('ReadableStreamBYOBRequest.respond: its buffer is detached');
        this.#controller.respond(bytes);
    }
    respondWithNewView(view) {
        if (!this.#controller) throw new TypeError('ReadableStreamBYOBRequest.respondWithNewView: it was answered already');
        if (view.buffer.detached) throw new TypeError('ReadableStreamBYOBRequest.respondWithNewView: the buffer is detached');
        this.#controller.respondWith(view);
    }
}

declare(ReadableStreamBYOBRequest, {
    is: isByobRequest,
    operations: { respond: [enforceRange(unsignedLongLong)], respondWithNewView: [ArrayBufferView] },
    attributes: { view: readonly },
});

// ---- the reader that brings its own buffers

class ByobReaderState {
    isByob = true;
    stream = null;
    requests = new Queue(); // of requests whose close() may get a view
    closed = new Deferred();

    failRequests(error) {
        for (const request of this.requests.take()) request.error(error);
    }

    // ReadableStreamBYOBReaderRead
    read(view, minimum, request) {
        const { stream } = this;
        stream.isDisturbed = true;
        request.byteOffset = view.byteOffset;
        request.byteLength = view.byteLength;
        if (stream.state === 'errored') request.error(stream.error);
        else stream.controller.pullInto(view, minimum, request);
    }

    release() {
        if (this.stream) unlockReader(this);
    }
}

function acquireByobReader(stream) {
    if (stream.isLocked) throw new TypeError('the stream is locked');
    if (!stream.controller.isByte) throw new TypeError('only a stream of bytes has a BYOB reader');
    const reader = new ByobReaderState();
    lockReader(reader, stream);
    return reader;
}

const ReadOptions = dictionary('ReadableStreamBYOBReaderReadOptions', { min: [enforceRange(unsignedLongLong), 1] });
let isByobReader;

export class ReadableStreamBYOBReader {
    #state;
    constructor(stream) {
        required(arguments, 1, 'ReadableStreamBYOBReader');
        ReadableStreamType(stream, 'ReadableStreamBYOBReader, argument 1');
        this.#state = acquireByobReader(stateOf(stream));
    }
    static {
        isByobReader = (value) => typeof value === 'object' && value !== null && #state in value;
    }
    get closed() { return this.#state.closed.promise; }

    cancel(reason) {
        const { stream } = this.#state;
        if (!stream) throw new TypeError('ReadableStreamBYOBReader.cancel: the reader was released');
        return stream.cancel(reason);
    }

    read(view, { min }) {
        const what = 'ReadableStreamBYOBReader.read';
        if (view.byteLength === 0) throw new TypeError(`${what}: an empty view`);
        if (view.buffer.byteLength === 0) throw new TypeError(`${what}: an empty buffer`);
        if (view.buffer.detached) throw new TypeError(`${what}: a detached buffer`);
        if (min === 0) throw new TypeError(`${what}: a minimum of 0`);
        if (min > (view.length ?? view.byteLength)) throw new RangeError(`${what}: a minimum that the view does not hold`);
        if (!this.#state.stream) throw new TypeError(`${what}: the reader was released`);
        return new Promise((resolve, reject) => {
            this.#state.read(view, min, {
                chunk: (value) => resolve({ value, done: false }),
                close: (value) => resolve({ value, done: true }),
                error: reject,
            });
        });
    }

    releaseLock() { this.#state.release(); }
}

declare(ReadableStreamBYOBReader, {
    constructor: 1,
    is: isByobReader,
    operations: { cancel: promise(optional(any)), read: promise(ArrayBufferView, optional(ReadOptions)), releaseLock: [] },
    attributes: { closed: promise() },
});

// ---- set up

// SetUpReadableByteStreamControllerFromUnderlyingSource
export function setUpByteController(stream, source, dict, mark) {
    if (dict.autoAllocateChunkSize === 0) throw new TypeError('ReadableStream: an autoAllocateChunkSize of 0');
    const state = new ByteControllerState(stream, mark, dict.autoAllocateChunkSize);
    state.setUp(algorithms(source, dict, new ReadableByteStreamController(INNER, state)));
}

// A stream of bytes that is ours. pull(controller) returns a promise; the controller is a ByteControllerState.
export function newByteStream(pull, cancel, mark = 0) {
    const stream = bareStream();
    const state = new ByteControllerState(stateOf(stream), mark, undefined);
    state.setUp({ start: undefined, pull: () => pull(state), cancel });
    return stream;
}

// ---- tee (4.9.3, ReadableByteStreamTee)

const copyOf = (view) => new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));

export function teeBytes(stream) {
    const source = stateOf(stream);
    let reader = acquireReader(source);
    let isReading = false;
    const readsAgain = [false, false];
    const isCancelled = [false, false];
    const reasons = [undefined, undefined];
    const cancelled = Promise.withResolvers();
    const branches = [];
    const controllerOf = (i) => stateOf(branches[i]).controller;

    function watch(watched) {
        react(watched.closed.promise, undefined, (error) => {
            if (watched !== reader) return;
            controllerOf(0).fail(error);
            controllerOf(1).fail(error);
            if (!isCancelled[0] || !isCancelled[1]) cancelled.resolve(undefined);
        });
    }

    function pullOnce() {
        if (reader.isByob) {
            reader.release();
            reader = acquireReader(source);
            watch(reader);
        }
        reader.read({
            chunk: (chunk) => react(RESOLVED, () => {
                readsAgain[0] = readsAgain[1] = false;
                let second = chunk;
                if (!isCancelled[0] && !isCancelled[1]) {
                    try {
                        second = copyOf(chunk);
                    } catch (error) {
                        controllerOf(0).fail(error);
                        controllerOf(1).fail(error);
                        cancelled.resolve(source.cancel(error));
                        return;
                    }
                }
                if (!isCancelled[0]) controllerOf(0).enqueue(chunk);
                if (!isCancelled[1]) controllerOf(1).enqueue(second);
                isReading = false;
                if (readsAgain[0]) pull(0);
                else if (readsAgain[1]) pull(1);
            }),
            close: () => {
                isReading = false;
                for (const i of [0, 1]) if (!isCancelled[i]) controllerOf(i).close();
                for (const i of [0, 1]) if (controllerOf(i).pending.length > 0) controllerOf(i).respond(0);
                if (!isCancelled[0] || !isCancelled[1]) cancelled.resolve(undefined);
            },
            error: () => {
                isReading = false;
            },
        });
    }

    function pullInto(view, i) {
        if (!reader.isByob) {
            reader.release();
            reader = acquireByobReader(source);
            watch(reader);
        }
        const other = 1 - i;
        reader.read(view, 1, {
            chunk: (chunk) => react(RESOLVED, () => {
                readsAgain[0] = readsAgain[1] = false;
                if (!isCancelled[other]) {
                    let copy;
                    try {
                        copy = copyOf(chunk);
                    } catch (error) {
                        controllerOf(0).fail(error);
                        controllerOf(1).fail(error);
                        cancelled.resolve(source.cancel(error));
                        return;
                    }
                    if (!isCancelled[i]) controllerOf(i).respondWith(chunk);
                    controllerOf(other).enqueue(copy);
                } else if (!isCancelled[i]) controllerOf(i).respondWith(chunk);
                isReading = false;
                if (readsAgain[0]) pull(0);
                else if (readsAgain[1]) pull(1);
            }),
            close: (chunk) => {
                isReading = false;
                if (!isCancelled[i]) controllerOf(i).close();
                if (!isCancelled[other]) controllerOf(other).close();
                if (chunk !== undefined) {
                    if (!isCancelled[i]) controllerOf(i).respondWith(chunk);
                    if (!isCancelled[other] && controllerOf(other).pending.length > 0) controllerOf(other).respond(0);
                }
                if (!isCancelled[i] || !isCancelled[other]) cancelled.resolve(undefined);
            },
            error: () => {
                isReading = false;
            },
        });
    }

    function pull(i) {
        if (isReading) {
            readsAgain[i] = true;
            return RESOLVED;
        }
        isReading = true;
        const request = controllerOf(i).getRequest();
        if (request === null) pullOnce();
        else pullInto(request.view, i);
        return RESOLVED;
    }

    const cancel = (i) => (reason) => {
        isCancelled[i] = true;
        reasons[i] = reason;
        if (isCancelled[1 - i]) cancelled.resolve(source.cancel([...reasons]));
        return cancelled.promise;
    };
    branches.push(newByteStream(() => pull(0), cancel(0)), newByteStream(() => pull(1), cancel(1)));
    watch(reader);
    return branches;
}

export const newByobReader = (stream) => new ReadableStreamBYOBReader(stream);
