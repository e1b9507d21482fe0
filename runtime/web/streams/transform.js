// TransformStream and its controller (Streams 6).
import { any, callback, declare, dictionary, illegal, object, optional, readonly } from '../webidl.js';
import { after, highWaterMarkOf, promiseOfCall, QueuingStrategy, RESOLVED, sizeOf } from './base.js';
import { newStream, stateOf } from './readable.js';
import { newWritable, writableStateOf } from './writable.js';

const { apply } = Reflect;
const INNER = Symbol('inner');
// new TransformStream(PAIR, { readable, writable }) joins two sides that are there.
export const PAIR = Symbol('pair');

// A stream and its controller in one.
class TransformState {
    readable = null;
    writable = null;
    hasBackpressure = undefined;
    change = null; // of backpressure: {promise, resolve}
    finish = null; // {promise, resolve, reject} of a cancel, abort or close under way
    transform = undefined;
    flush = undefined;
    cancel = undefined;

    // InitializeTransformStream
    init(started, writableMark, writableSize, readableMark, readableSize) {
        this.writable = newWritable({
            start: () => started,
            write: (chunk) => this.#write(chunk),
            close: () => this.#close(),
            abort: (reason) => this.#abort(reason),
        }, writableMark, writableSize);
        this.readable = newStream(() => this.#pull(), (reason) => this.#cancel(reason), readableMark, readableSize, () => started);
        this.setBackpressure(true);
    }

    get readableState() { return stateOf(this.readable); }
    get writableState() { return writableStateOf(this.writable); }

    setBackpressure(has) {
        this.change?.resolve(undefined);
        this.change = Promise.withResolvers();
        this.hasBackpressure = has;
    }

    clear() {
        this.transform = this.flush = this.cancel = undefined;
    }

    // TransformStreamError
    fail(error) {
        this.readableState.controller.fail(error);
        this.failWritable(error);
    }

    // TransformStreamErrorWritableAndUnblockWrite
    failWritable(error) {
        this.clear();
        this.writableState.controller.failIfNeeded(error);
        this.unblock();
    }

    unblock() {
        if (this.hasBackpressure) this.setBackpressure(false);
    }

    // TransformStreamDefaultControllerEnqueue
    enqueue(chunk) {
        const { controller } = this.readableState;
        if (!controller.canEnqueue()) throw new TypeError('TransformStreamDefaultController.enqueue: the readable side is closed or errored');
        try {
            controller.enqueue(chunk);
        } catch (error) {
            this.failWritable(error);
            throw this.readableState.error;
        }
        const has = controller.hasBackpressure;
        if (has !== this.hasBackpressure) this.setBackpressure(true);
    }

    terminate() {
        this.readableState.controller.close();
        this.failWritable(new TypeError('the TransformStream was terminated'));
    }

    // TransformStreamDefaultSinkWriteAlgorithm
    #write(chunk) {
        if (!this.hasBackpressure) return this.#perform(chunk);
        return after(this.change.promise, () => {
            const { state, error } = this.writableState;
            if (state === 'erroring') throw error;
            return this.#perform(chunk);
        });
    }

    // TransformStreamDefaultControllerPerformTransform
    #perform(chunk) {
        const made = this.transform(chunk);
        if (made === RESOLVED) return made;
        return after(made, undefined, (error) => {
            this.fail(error);
            throw error;
        });
    }

    // What ends both sides, once: work is the algorithm of the transformer, and settled what it means for the sides.
    #finish(work, done, failed) {
        if (this.finish) return this.finish.promise;
        this.finish = Promise.withResolvers();
        const { promise, resolve, reject } = this.finish;
        const made = work ? work() : RESOLVED;
        this.clear();
        after(made, () => {
            const error = done();
            if (error) reject(error.value);
            else resolve(undefined);
        }, (error) => {
            failed(error);
            reject(error);
        });
        return promise;
    }

    // TransformStreamDefaultSinkAbortAlgorithm
    #abort(reason) {
        const { cancel, readableState: readable } = this;
        return this.#finish(cancel && (() => cancel(reason)), () => {
            if (readable.state === 'errored') return { value: readable.error };
            readable.controller.fail(reason);
            return null;
        }, (error) => readable.controller.fail(error));
    }

    // TransformStreamDefaultSinkCloseAlgorithm
    #close() {
        const { flush, readableState: readable } = this;
        return this.#finish(flush, () => {
            if (readable.state === 'errored') return { value: readable.error };
            readable.controller.close();
            return null;
        }, (error) => readable.controller.fail(error));
    }

    // TransformStreamDefaultSourceCancelAlgorithm
    #cancel(reason) {
        const { cancel, writableState: writable } = this;
        return this.#finish(cancel && (() => cancel(reason)), () => {
            if (writable.state === 'errored') return { value: writable.error };
            writable.controller.failIfNeeded(reason);
            this.unblock();
            return null;
        }, (error) => {
            writable.controller.failIfNeeded(error);
            this.unblock();
        });
    }

    // TransformStreamDefaultSourcePullAlgorithm
    #pull() {
        this.setBackpressure(false);
        return this.change.promise;
    }
}

const Transformer = dictionary('Transformer', {
    cancel: callback, flush: callback, readableType: any, start: callback, transform: callback, writableType: any,
});

export let isTransform;

export class TransformStream {
    #state = new TransformState();

    constructor(transformer = undefined, writableStrategy = undefined, readableStrategy = undefined) {
        if (transformer === PAIR) return void this.#join(writableStrategy);
        if (transformer !== undefined) object(transformer, 'TransformStream, argument 1');
        const writable = QueuingStrategy(writableStrategy, 'TransformStream, argument 2');
        const readable = QueuingStrategy(readableStrategy, 'TransformStream, argument 3');
        const dict = Transformer(transformer, 'TransformStream, argument 1');
        if (dict.readableType !== undefined || dict.writableType !== undefined) throw new RangeError('TransformStream: there are no types of sides');
        const readableMark = highWaterMarkOf(readable, 0);
        const writableMark = highWaterMarkOf(writable, 1);
        const state = this.#state;
        const controller = new TransformStreamDefaultController(INNER, state);
        const started = Promise.withResolvers();
        state.init(started.promise, writableMark, sizeOf(writable), readableMark, sizeOf(readable));
        this.#setUp(dict, transformer, controller);
        started.resolve(dict.start ? apply(dict.start, transformer, [controller]) : undefined);
    }

    #join({ readable, writable }) {
        this.#state.readable = readable;
        this.#state.writable = writable;
    }

    static {
        isTransform = (value) => typeof value === 'object' && value !== null && #state in value;
    }

    // SetUpTransformStreamDefaultControllerFromTransformer
    #setUp({ cancel, flush, transform }, transformer, controller) {
        const state = this.#state;
        state.transform = transform ? (chunk) => promiseOfCall(transform, transformer, [chunk, controller]) : (chunk) => {
            try {
                state.enqueue(chunk);
                return RESOLVED;
            } catch (error) {
                return Promise.reject(error);
            }
        };
        state.flush = flush && (() => promiseOfCall(flush, transformer, [controller]));
        state.cancel = cancel && ((reason) => promiseOfCall(cancel, transformer, [reason]));
    }

    get readable() { return this.#state.readable; }
    get writable() { return this.#state.writable; }
}

declare(TransformStream, { is: isTransform, attributes: { readable: readonly, writable: readonly } });

let isController;

export class TransformStreamDefaultController {
    #state;
    constructor(key, state) {
        if (key !== INNER) throw illegal('TransformStreamDefaultController');
        this.#state = state;
    }
    static {
        isController = (value) => typeof value === 'object' && value !== null && #state in value;
    }
    get desiredSize() { return this.#state.readableState.controller.desiredSize; }
    enqueue(chunk) { this.#state.enqueue(chunk); }
    error(error) { this.#state.fail(error); }
    terminate() { this.#state.terminate(); }
}

declare(TransformStreamDefaultController, {
    is: isController,
    operations: { enqueue: [optional(any)], error: [optional(any)], terminate: [] },
    attributes: { desiredSize: readonly },
});
