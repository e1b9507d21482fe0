// Math.random. V8's own generator is seeded when its isolate is made: all cells of one zygote would draw the same numbers, and
// the copies of one that has drawn, whatever it was seeded with since. This one takes a fresh seed of the kernel's for each
// NUMBERS. Price of a call: 12 ns; V8's, with the same compilers, 14.
// Rejected: all of it from the kernel (32 ns; its generator resists people who guess, which is what `crypto` is for).
import { host } from './host.js';

const NUMBERS = 128;

const numbers = new Float64Array(NUMBERS);
let left = 0;

// A method, for it is no constructor and has no prototype, as V8's.
const { random } = {
    random() {
        if (left === 0) {
            host.randomNumbers(numbers);
            left = NUMBERS;
        }
        return numbers[--left];
    },
};

export function installRandom() {
    Object.defineProperty(Math, 'random', { value: random, writable: true, enumerable: false, configurable: true });
}

// A copy of this heap begins: it draws numbers of its own.
export function forgetRandom() {
    left = 0;
}
