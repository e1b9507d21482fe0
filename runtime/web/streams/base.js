// What all streams are built of: promises that are made when somebody looks, a queue with sizes, strategies.
// Source of the folder: the Streams Standard (https://streams.spec.whatwg.org), whose operations keep their names where they are one function here.
import { callback, dictionary, declare, required, requiredMember, readonly, unrestrictedDouble } from '../webidl.js';

const { apply } = Reflect;
const { then } = Promise.prototype;
const nothing = () => {};

export const RESOLVED = Promise.resolve();

// Calls one of them when the promise is settled. They do not throw.
export function react(promise, fulfilled, rejected) {
    apply(then, promise, [fulfilled, rejected]);
}

// The same with a promise of what they return.
export function after(promise, fulfilled, rejected = undefined) {
    return apply(then, promise, [fulfilled, rejected]);
}

export function isHandled(promise) {
    apply(then, promise, [undefined, nothing]);
    return promise;
}

// "A promise resolved with" the value (Web IDL): of a promise it is another one, settled later.
export function promiseOf(value) {
    return value === undefined ? RESOLVED : new Promise((resolve) => resolve(value));
}

// What a callback of a script returned, or threw, as a promise.
export function promiseOfCall(work, self, given) {
    try {
        return promiseOf(apply(work, self, given));
    } catch (error) {
        return Promise.reject(error);
    }
}

// A promise of the standard's that most scripts never look at. A rejection counts as handled, as the standard has it for all of these.
export class Deferred {
    state = 'pending';
    value = undefined;
    #promise;
    #resolve;
    #reject;

    get promise() {
        if (this.#promise) return this.#promise;
        if (this.state === 'fulfilled') this.#promise = Promise.resolve(this.value);
        else if (this.state === 'rejected') this.#promise = isHandled(Promise.reject(this.value));
        else {
            this.#promise = new Promise((resolve, reject) => {
                this.#resolve = resolve;
                this.#reject = reject;
            });
        }
        return this.#promise;
    }

    resolve(value) {
        if (this.state !== 'pending') return;
        this.state = 'fulfilled';
        this.value = value;
        this.#resolve?.(value);
    }

    reject(error) {
        if (this.state !== 'pending') return;
        this.state = 'rejected';
        this.value = error;
        if (!this.#reject) return;
        isHandled(this.#promise);
        this.#reject(error);
    }

    static resolved() {
        const made = new Deferred();
        made.resolve(undefined);
        return made;
    }

    static rejected(error) {
        const made = new Deferred();
        made.reject(error);
        return made;
    }
}

// First in, first out, without moving what is in it.
export class Queue {
    #items = [];
    #head = 0;

    get length() { return this.#items.length - this.#head; }

    push(item) {
        this.#items.push(item);
    }

    peek() {
        return this.#items[this.#head];
    }

    shift() {
        const item = this.#items[this.#head];
        this.#items[this.#head++] = undefined;
        if (this.#head === this.#items.length) {
            this.#items.length = 0;
            this.#head = 0;
        } else if (this.#head >= 1024) {
            this.#items.splice(0, this.#head);
            this.#head = 0;
        }
        return item;
    }

    // All of it; the queue is empty then.
    take() {
        const all = this.#items.slice(this.#head);
        this.#items = [];
        this.#head = 0;
        return all;
    }
}

// A queue with sizes (8.1): their total is a sum of floating point numbers, as the standard has it.
export class SizedQueue {
    #values = new Queue();
    #sizes = new Queue();
    total = 0;

    get length() { return this.#values.length; }

    push(value, size) {
        if (typeof size !== 'number' || Number.isNaN(size) || size < 0 || size === Infinity)
            throw new RangeError('the size of a chunk is a finite number that is not negative');
        this.#values.push(value);
        this.#sizes.push(size);
        this.total += size;
    }

    peek() {
        return this.#values.peek();
    }

    shift() {
        const total = this.total - this.#sizes.shift();
        this.total = total < 0 ? 0 : total; // rounding
        return this.#values.shift();
    }

    clear() {
        this.#values = new Queue();
        this.#sizes = new Queue();
        this.total = 0;
    }
}

// ---- strategies (7)

export const QueuingStrategy = dictionary('QueuingStrategy', { highWaterMark: unrestrictedDouble, size: callback });

export function highWaterMarkOf(strategy, byDefault) {
    const mark = strategy.highWaterMark;
    if (mark === undefined) return byDefault;
    if (Number.isNaN(mark) || mark < 0) throw new RangeError(`a high water mark of ${mark}`);
    return mark;
}

// undefined: each chunk counts as one.
export function sizeOf(strategy) {
    const { size } = strategy;
    return size && ((chunk) => apply(size, undefined, [chunk]));
}

const QueuingStrategyInit = dictionary('QueuingStrategyInit', { highWaterMark: requiredMember(unrestrictedDouble) });
const byteLengthOf = { size: (chunk) => chunk.byteLength }.size;
const one = { size: () => 1 }.size;

export class ByteLengthQueuingStrategy {
    #highWaterMark;
    constructor(init) {
        required(arguments, 1, 'ByteLengthQueuingStrategy');
        this.#highWaterMark = QueuingStrategyInit(init, 'ByteLengthQueuingStrategy, argument 1').highWaterMark;
    }
    static is(value) { return typeof value === 'object' && value !== null && #highWaterMark in value; }
    get highWaterMark() { return this.#highWaterMark; }
    get size() { return byteLengthOf; }
}

export class CountQueuingStrategy {
    #highWaterMark;
    constructor(init) {
        required(arguments, 1, 'CountQueuingStrategy');
        this.#highWaterMark = QueuingStrategyInit(init, 'CountQueuingStrategy, argument 1').highWaterMark;
    }
    static is(value) { return typeof value === 'object' && value !== null && #highWaterMark in value; }
    get highWaterMark() { return this.#highWaterMark; }
    get size() { return one; }
}

for (const Strategy of [ByteLengthQueuingStrategy, CountQueuingStrategy]) {
    const { is } = Strategy;
    delete Strategy.is;
    declare(Strategy, { constructor: 1, is, attributes: { highWaterMark: readonly, size: readonly } });
}
