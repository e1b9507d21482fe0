// WritableStream, its controller and its writer (Streams 5).
import { AbortController } from '../abort.js';
import { any, callback, declare, dictionary, illegal, interfaceOf, object, optional, promise, readonly, required } from '../webidl.js';
import { Deferred, highWaterMarkOf, promiseOf, promiseOfCall, QueuingStrategy, react, RESOLVED, sizeOf, SizedQueue } from './base.js';

const { apply } = Reflect;
const INNER = Symbol('inner');
const CLOSE = Symbol('close'); // in the queue, behind all chunks

// A promise that may have to be given, with what settles it. Nobody may want it: the pipe looks at what it writes by itself.
class Request {
    promise;
    resolve;
    reject;
    constructor() {
        this.promise = new Promise((resolve, reject) => {
            this.resolve = resolve;
            this.reject = reject;
        });
    }
}

class WritableState {
    state = 'writable'; // 'erroring', 'errored', 'closed'
    error = undefined;
    writer = null;
    controller = null;
    hasBackpressure = false;
    writes = []; // Request of each chunk in the queue, in order
    writing = null; // Request
    closeRequest = null; // asked for
    closing = null; // under way
    pendingAbort = null; // {request, reason, wasErroring}

    get isLocked() { return this.writer !== null; }
    // WritableStreamCloseQueuedOrInFlight
    get isClosing() { return this.closeRequest !== null || this.closing !== null; }

    // WritableStreamAbort
    abort(reason) {
        if (this.state === 'closed' || this.state === 'errored') return Promise.resolve();
        this.controller.abortController.abort(reason);
        if (this.state === 'closed' || this.state === 'errored') return Promise.resolve();
        if (this.pendingAbort) return this.pendingAbort.request.promise;
        const wasErroring = this.state === 'erroring';
        const request = new Request();
        this.pendingAbort = { request, reason: wasErroring ? undefined : reason, wasErroring };
        if (!wasErroring) this.startErroring(reason);
        return request.promise;
    }

    // WritableStreamClose
    close() {
        if (this.state === 'closed' || this.state === 'errored')
            return Promise.reject(new TypeError(`the stream is ${this.state}`));
        const request = (this.closeRequest = new Request());
        const { writer } = this;
        if (writer && this.hasBackpressure && this.state === 'writable') writer.ready.resolve(undefined);
        this.controller.close();
        return request.promise;
    }

    // WritableStreamDealWithRejection
    failed(error) {
        if (this.state === 'writable') this.startErroring(error);
        else this.finishErroring();
    }

    startErroring(reason) {
        const { controller, writer } = this;
        this.state = 'erroring';
        this.error = reason;
        if (writer) writer.rejectReady(reason);
        if (this.writing === null && this.closing === null && controller.isStarted) this.finishErroring();
    }

    finishErroring() {
        this.state = 'errored';
        this.controller.queue.clear();
        const { error } = this;
        const writes = this.writes;
        this.writes = [];
        for (const request of writes) request.reject(error);
        const abort = this.pendingAbort;
        if (!abort) return this.#rejectClose();
        this.pendingAbort = null;
        if (abort.wasErroring) {
            abort.request.reject(error);
            return this.#rejectClose();
        }
        react(this.controller.abortSteps(abort.reason), () => {
            abort.request.resolve(undefined);
            this.#rejectClose();
        }, (reason) => {
            abort.request.reject(reason);
            this.#rejectClose();
        });
    }

    // WritableStreamRejectCloseAndClosedPromiseIfNeeded
    #rejectClose() {
        if (this.closeRequest) {
            this.closeRequest.reject(this.error);
            this.closeRequest = null;
        }
        this.writer?.closed.reject(this.error);
    }

    finishWrite() {
        this.writing.resolve(undefined);
        this.writing = null;
    }

    finishWriteWithError(error) {
        this.writing.reject(error);
        this.writing = null;
        this.failed(error);
    }

    finishClose() {
        this.closing.resolve(undefined);
        this.closing = null;
        if (this.state === 'erroring') {
            this.error = undefined;
            if (this.pendingAbort) {
                this.pendingAbort.request.resolve(undefined);
                this.pendingAbort = null;
            }
        }
        this.state = 'closed';
        this.writer?.closed.resolve(undefined);
    }

    finishCloseWithError(error) {
        this.closing.reject(error);
        this.closing = null;
        if (this.pendingAbort) {
            this.pendingAbort.request.reject(error);
            this.pendingAbort = null;
        }
        this.failed(error);
    }

    // WritableStreamUpdateBackpressure
    updateBackpressure(has) {
        const { writer } = this;
        if (writer && has !== this.hasBackpressure) {
            if (has) writer.ready = new Deferred();
            else writer.ready.resolve(undefined);
        }
        this.hasBackpressure = has;
    }
}

const UnderlyingSink = dictionary('UnderlyingSink', { abort: callback, close: callback, start: callback, type: any, write: callback });

export let writableStateOf, isWritable;

export class WritableStream {
    #state = new WritableState();

    constructor(sink = undefined, strategy = undefined) {
        if (sink === INNER) return;
        if (sink !== undefined) object(sink, 'WritableStream, argument 1');
        const how = QueuingStrategy(strategy, 'WritableStream, argument 2');
        const { abort, close, start, type, write } = UnderlyingSink(sink, 'WritableStream, argument 1');
        if (type !== undefined) throw new RangeError('WritableStream: there are no types of sinks');
        const size = sizeOf(how);
        const state = new WritableControllerState(this.#state, highWaterMarkOf(how, 1), size);
        const controller = new WritableStreamDefaultController(INNER, state);
        state.setUp({
            start: start && (() => apply(start, sink, [controller])),
            write: write && ((chunk) => promiseOfCall(write, sink, [chunk, controller])),
            close: close && (() => promiseOfCall(close, sink, [])),
            abort: abort && ((reason) => promiseOfCall(abort, sink, [reason])),
        });
    }

    static {
        writableStateOf = (stream) => stream.#state;
        isWritable = (value) => typeof value === 'object' && value !== null && #state in value;
    }

    get locked() { return this.#state.isLocked; }

    abort(reason) {
        if (this.#state.isLocked) throw new TypeError('WritableStream.abort: the stream is locked');
        return this.#state.abort(reason);
    }

    close() {
        if (this.#state.isLocked) throw new TypeError('WritableStream.close: the stream is locked');
        if (this.#state.isClosing) throw new TypeError('WritableStream.close: the stream is closing already');
        return this.#state.close();
    }

    getWriter() {
        return new WritableStreamDefaultWriter(this);
    }
}

declare(WritableStream, {
    is: isWritable,
    operations: { abort: promise(optional(any)), close: promise(), getWriter: [] },
    attributes: { locked: readonly },
});

// A stream that is ours: what start returns is waited for, the others return promises.
export function newWritable(steps, mark = 1, size = undefined) {
    const stream = new WritableStream(INNER);
    new WritableControllerState(writableStateOf(stream), mark, size).setUp(steps);
    return stream;
}

// ---- the controller

class WritableControllerState {
    stream;
    mark;
    size;
    write;
    closeSink;
    abortSink;
    queue = new SizedQueue();
    isStarted = false;
    abortController = new AbortController();

    constructor(stream, mark, size) {
        this.stream = stream;
        this.mark = mark;
        this.size = size;
        stream.controller = this;
    }

    // SetUpWritableStreamDefaultController
    setUp({ start, write, close, abort }) {
        this.write = write;
        this.closeSink = close;
        this.abortSink = abort;
        const { stream } = this;
        stream.updateBackpressure(this.hasBackpressure);
        react(start ? promiseOf(start()) : RESOLVED, () => {
            this.isStarted = true;
            this.advance();
        }, (error) => {
            this.isStarted = true;
            stream.failed(error);
        });
    }

    get desiredSize() { return this.mark - this.queue.total; }
    get hasBackpressure() { return this.desiredSize <= 0; }

    clear() {
        this.write = this.closeSink = this.abortSink = this.size = undefined;
    }

    abortSteps(reason) {
        const { abortSink } = this;
        this.clear();
        return abortSink ? abortSink(reason) : RESOLVED;
    }

    // WritableStreamDefaultControllerErrorIfNeeded
    failIfNeeded(error) {
        if (this.stream.state === 'writable') this.fail(error);
    }

    // WritableStreamDefaultControllerError
    fail(error) {
        this.clear();
        this.stream.startErroring(error);
    }

    close() {
        this.queue.push(CLOSE, 0);
        this.advance();
    }

    // WritableStreamDefaultControllerGetChunkSize
    sizeOfChunk(chunk) {
        if (!this.size) return 1;
        try {
            return this.size(chunk);
        } catch (error) {
            this.failIfNeeded(error);
            return 1;
        }
    }

    enqueue(chunk, size) {
        const { stream } = this;
        try {
            this.queue.push(chunk, size);
        } catch (error) {
            this.failIfNeeded(error);
            return;
        }
        if (!stream.isClosing && stream.state === 'writable') stream.updateBackpressure(this.hasBackpressure);
        this.advance();
    }

    // WritableStreamDefaultControllerAdvanceQueueIfNeeded
    advance() {
        const { stream } = this;
        if (!this.isStarted || stream.writing !== null) return;
        if (stream.state === 'erroring') return stream.finishErroring();
        if (this.queue.length === 0) return;
        const value = this.queue.peek();
        if (value === CLOSE) this.#processClose();
        else this.#processWrite(value);
    }

    #processClose() {
        const { stream } = this;
        stream.closing = stream.closeRequest;
        stream.closeRequest = null;
        this.queue.shift();
        const { closeSink } = this;
        const closed = closeSink ? closeSink() : RESOLVED;
        this.clear();
        react(closed, () => stream.finishClose(), (error) => stream.finishCloseWithError(error));
    }

    #processWrite(chunk) {
        const { stream } = this;
        stream.writing = stream.writes.shift();
        react(this.write ? this.write(chunk) : RESOLVED, this.written, this.writeFailed);
    }

    written = () => {
        const { stream } = this;
        stream.finishWrite();
        this.queue.shift();
        if (!stream.isClosing && stream.state === 'writable') stream.updateBackpressure(this.hasBackpressure);
        this.advance();
    };

    writeFailed = (error) => {
        if (this.stream.state === 'writable') this.clear();
        this.stream.finishWriteWithError(error);
    };
}

let isController;

export class WritableStreamDefaultController {
    #state;
    constructor(key, state) {
        if (key !== INNER) throw illegal('WritableStreamDefaultController');
        this.#state = state;
    }
    static {
        isController = (value) => typeof value === 'object' && value !== null && #state in value;
    }
    get signal() { return this.#state.abortController.signal; }
    error(error) { this.#state.failIfNeeded(error); }
}

declare(WritableStreamDefaultController, {
    is: isController,
    operations: { error: [optional(any)] },
    attributes: { signal: readonly },
});

// ---- the writer

class WriterState {
    stream = null;
    ready;
    closed;

    // SetUpWritableStreamDefaultWriter
    lock(stream) {
        if (stream.isLocked) throw new TypeError('the stream is locked');
        this.stream = stream;
        stream.writer = this;
        const { state } = stream;
        this.closed = new Deferred();
        if (state === 'writable') this.ready = !stream.isClosing && stream.hasBackpressure ? new Deferred() : Deferred.resolved();
        else if (state === 'closed') {
            this.ready = Deferred.resolved();
            this.closed.resolve(undefined);
        } else {
            this.ready = Deferred.rejected(stream.error);
            if (state === 'errored') this.closed.reject(stream.error);
        }
    }

    // WritableStreamDefaultWriterEnsureReadyPromiseRejected
    rejectReady(error) {
        if (this.ready.state === 'pending') this.ready.reject(error);
        else this.ready = Deferred.rejected(error);
    }

    rejectClosed(error) {
        if (this.closed.state === 'pending') this.closed.reject(error);
        else this.closed = Deferred.rejected(error);
    }

    // WritableStreamDefaultWriterGetDesiredSize
    get desiredSize() {
        const { state, controller } = this.stream;
        return state === 'errored' || state === 'erroring' ? null : state === 'closed' ? 0 : controller.desiredSize;
    }

    // WritableStreamDefaultWriterWrite
    write(chunk) {
        const { stream } = this;
        const { controller } = stream;
        const size = controller.sizeOfChunk(chunk);
        if (stream !== this.stream) return Promise.reject(new TypeError('the writer was released'));
        const { state } = stream;
        if (state === 'errored') return Promise.reject(stream.error);
        if (stream.isClosing || state === 'closed') return Promise.reject(new TypeError('the stream is closing or closed'));
        if (state === 'erroring') return Promise.reject(stream.error);
        const request = new Request();
        stream.writes.push(request);
        controller.enqueue(chunk, size);
        return request.promise;
    }

    // WritableStreamDefaultWriterCloseWithErrorPropagation
    closeOrFail() {
        const { stream } = this;
        if (stream.isClosing || stream.state === 'closed') return Promise.resolve();
        if (stream.state === 'errored') return Promise.reject(stream.error);
        return stream.close();
    }

    release() {
        const { stream } = this;
        const error = new TypeError('the writer was released');
        this.rejectReady(error);
        this.rejectClosed(error);
        stream.writer = null;
        this.stream = null;
    }
}

export function acquireWriter(stream) {
    const writer = new WriterState();
    writer.lock(stream);
    return writer;
}

const WritableStreamType = interfaceOf('WritableStream', (value) => isWritable(value));
let isWriter;

export class WritableStreamDefaultWriter {
    #state;
    constructor(stream) {
        required(arguments, 1, 'WritableStreamDefaultWriter');
        WritableStreamType(stream, 'WritableStreamDefaultWriter, argument 1');
        this.#state = acquireWriter(writableStateOf(stream));
    }
    static {
        isWriter = (value) => typeof value === 'object' && value !== null && #state in value;
    }
    #stream(what) {
        const { stream } = this.#state;
        if (!stream) throw new TypeError(`WritableStreamDefaultWriter.${what}: the writer was released`);
        return stream;
    }
    get closed() { return this.#state.closed.promise; }
    get desiredSize() {
        this.#stream('desiredSize');
        return this.#state.desiredSize;
    }
    get ready() { return this.#state.ready.promise; }
    abort(reason) { return this.#stream('abort').abort(reason); }
    close() {
        const stream = this.#stream('close');
        if (stream.isClosing) throw new TypeError('WritableStreamDefaultWriter.close: the stream is closing already');
        return stream.close();
    }
    releaseLock() {
        if (this.#state.stream) this.#state.release();
    }
    write(chunk) {
        this.#stream('write');
        return this.#state.write(chunk);
    }
}

declare(WritableStreamDefaultWriter, {
    constructor: 1,
    is: isWriter,
    operations: { abort: promise(optional(any)), close: promise(), releaseLock: [], write: promise(optional(any)) },
    attributes: { closed: promise(), desiredSize: readonly, ready: promise() },
});
