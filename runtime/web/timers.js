// setTimeout and setInterval (HTML 8.6), and the tasks of the platform. A timer belongs to the request that set it and ends with it.
import { currentFrame, runIn } from './async_context.js';
import { host } from './host.js';
import { report } from './report.js';
import { any, callback, globalFunction, long, optional, rest, unrestrictedDouble } from './webidl.js';

const { apply } = Reflect;
const theGlobal = globalThis;
export const DELAY_MAX = 2 ** 31 - 1;

const timers = new Map(); // id -> {run, args, repeats, forgotten, frame}

// A task of the platform: run() is called when the delay is over, or forgotten(), when the request is before.
export function queueTimer(run, delay, forgotten = undefined) {
    const id = host.setTimer(delay, false); // throws at top level, and when there are too many
    timers.set(id, { run, args: undefined, repeats: false, forgotten, frame: currentFrame() });
    return id;
}

export function dropTimer(id) {
    if (timers.delete(id)) host.clearTimer(id);
}

function start(run, delay, args, repeats) {
    const id = host.setTimer(delay, repeats);
    timers.set(id, { run, args, repeats, forgotten: undefined, frame: currentFrame() });
    return id;
}

// Strings are no handlers: there is no eval here.
export const setTimeout = globalFunction('setTimeout', [callback, optional(long, 0), rest(any)],
    (run, delay, ...args) => start(run, delay, args, false));
export const setInterval = globalFunction('setInterval', [callback, optional(long, 0), rest(any)],
    (run, delay, ...args) => start(run, delay, args, true));
// Ids have more than 32 bits.
export const clearTimeout = globalFunction('clearTimeout', [optional(unrestrictedDouble, 0)], dropTimer);
export const clearInterval = globalFunction('clearInterval', [optional(unrestrictedDouble, 0)], dropTimer);

// The worker: a timer is due. What it throws is reported, and the request goes on. Not so where the memory of buffers is used up: the
// worker sees to that.
export function onTimer(id) {
    const timer = timers.get(id);
    if (!timer) return;
    if (!timer.repeats) timers.delete(id);
    try {
        runIn(timer.frame, () => (timer.args ? apply(timer.run, theGlobal, timer.args) : timer.run()));
    } catch (error) {
        if (isOutOfBuffers(error)) throw error;
        report(error);
    }
}

function isOutOfBuffers(error) {
    try {
        return error instanceof RangeError && error.message === 'Array buffer allocation failed';
    } catch {
        return false; // a hostile error
    }
}

// The worker: the timer went with its request.
export function forgetTimer(id) {
    const timer = timers.get(id);
    timers.delete(id);
    timer?.forgotten?.();
}
