// ReadableStream.pipeTo (Streams 4.9.1, ReadableStreamPipeTo): chunks pass from a reader to a writer that scripts do not see.
import { addAlgorithm, removeAlgorithm } from '../abort.js';
import { after, promiseOf, react } from './base.js';
import { acquireReader } from './readable.js';
import { acquireWriter, writableStateOf } from './writable.js';

class Pipe {
    source;
    destination;
    options;
    reader;
    writer;
    isShuttingDown;
    lastWrite;
    isReading;
    resolve;
    reject;
    abort;
    constructor(source, destination, options) {
        this.source = source; // ReadableState
        this.destination = destination; // WritableState
        this.options = options;
        this.reader = acquireReader(source);
        this.writer = acquireWriter(destination);
        this.isShuttingDown = false;
        this.lastWrite = promiseOf(undefined);
        this.isReading = false;
        source.isDisturbed = true;
    }

    run() {
        return new Promise((resolve, reject) => {
            this.resolve = resolve;
            this.reject = reject;
            const { signal } = this.options;
            if (signal) {
                this.abort = () => this.#aborted(signal);
                if (signal.aborted) return this.abort();
                addAlgorithm(signal, this.abort);
            }
            this.#watch();
            this.#pump();
        });
    }

    #aborted(signal) {
        const { preventAbort, preventCancel } = this.options;
        const { source, destination } = this;
        const error = signal.reason;
        this.#shutdownWith(() => {
            const actions = [];
            if (!preventAbort) actions.push(destination.state === 'writable' ? destination.abort(error) : promiseOf(undefined));
            if (!preventCancel) actions.push(source.state === 'readable' ? source.cancel(error) : promiseOf(undefined));
            return Promise.all(actions);
        }, { error });
    }

    // The conditions under which it ends, those that are there and those that come.
    #watch() {
        const { source, destination } = this;
        if (source.state === 'errored') this.#sourceFailed();
        else react(this.reader.closed.promise, () => this.#sourceClosed(), () => this.#sourceFailed());
        if (destination.state === 'errored' || destination.state === 'erroring') this.#destinationFailed();
        else react(this.writer.closed.promise, undefined, () => this.#destinationFailed());
        if (source.state === 'closed') this.#sourceClosed();
        if (destination.isClosing || destination.state === 'closed') this.#destinationClosed();
    }

    #sourceFailed() {
        const { error } = this.source;
        if (this.options.preventAbort) this.#shutdown({ error });
        else this.#shutdownWith(() => this.destination.abort(error), { error });
    }

    #sourceClosed() {
        if (this.options.preventClose) this.#shutdown(null);
        else this.#shutdownWith(() => this.writer.closeOrFail(), null);
    }

    #destinationFailed() {
        const { error } = this.destination;
        if (this.options.preventCancel) this.#shutdown({ error });
        else this.#shutdownWith(() => this.source.cancel(error), { error });
    }

    #destinationClosed() {
        const error = new TypeError('pipeTo: the destination is closed or closing');
        if (this.options.preventCancel) this.#shutdown({ error });
        else this.#shutdownWith(() => this.source.cancel(error), { error });
    }

    // A chunk whenever the destination wants one.
    #pump() {
        if (this.isShuttingDown || this.isReading) return;
        const { desiredSize } = this.writer;
        if (desiredSize === null) return; // its closed promise says so
        if (desiredSize <= 0) return react(this.writer.ready.promise, () => this.#pump(), () => {});
        this.isReading = true;
        this.reader.read(this);
    }

    // The read request.
    chunk(chunk) {
        this.isReading = false;
        // Written in a microtask of its own: what enqueued it goes on first.
        this.lastWrite = after(promiseOf(undefined), () => this.writer.write(chunk));
        react(this.lastWrite, undefined, () => {});
        react(promiseOf(undefined), () => this.#pump());
    }
    close() { this.isReading = false; }
    error() { this.isReading = false; }

    // Until all that was read is written, those that come meanwhile included.
    #whenWritten(then) {
        const last = this.lastWrite;
        const next = () => (last === this.lastWrite ? then() : this.#whenWritten(then));
        react(last, next, next);
    }

    #begin(then) {
        if (this.isShuttingDown) return;
        this.isShuttingDown = true;
        const { destination } = this;
        if (destination.state === 'writable' && !destination.isClosing) this.#whenWritten(then);
        else then();
    }

    #shutdownWith(action, failure) {
        this.#begin(() => react(action(), () => this.#finalize(failure), (error) => this.#finalize({ error })));
    }

    #shutdown(failure) {
        this.#begin(() => this.#finalize(failure));
    }

    #finalize(failure) {
        this.writer.release();
        this.reader.release();
        if (this.abort) removeAlgorithm(this.options.signal, this.abort);
        if (failure) this.reject(failure.error);
        else this.resolve(undefined);
    }
}

// source: a ReadableState. destination: a WritableStream.
export function pipe(source, destination, options) {
    return new Pipe(source, writableStateOf(destination), options).run();
}
