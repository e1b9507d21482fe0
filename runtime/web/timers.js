// setTimeout and setInterval (HTML 8.6). A timer belongs to the request that set it and ends with it.
import { currentFrame, runIn } from './async_context.js';
import { host } from './host.js';

const timers = new Map(); // id -> {callback, args, repeats, frame}

function start(name, callback, delay, args, repeats) {
    if (typeof callback !== 'function') throw new TypeError(`${name}: the callback is not a function`);
    const id = host.setTimer(Number(delay), repeats); // throws at top level, and when there are too many
    timers.set(id, { callback, args, repeats, frame: currentFrame() });
    return id;
}

export function setTimeout(callback, delay = 0, ...args) {
    return start('setTimeout', callback, delay, args, false);
}

export function setInterval(callback, delay = 0, ...args) {
    return start('setInterval', callback, delay, args, true);
}

export function clearTimeout(id) {
    if (timers.delete(Number(id))) host.clearTimer(Number(id));
}

export function clearInterval(id) {
    clearTimeout(id);
}

// The worker: a timer is due. An exception goes to the worker.
export function onTimer(id) {
    const timer = timers.get(id);
    if (!timer) return;
    if (!timer.repeats) timers.delete(id);
    runIn(timer.frame, () => timer.callback(...timer.args));
}

// The worker: the timer went with its request.
export function forgetTimer(id) {
    timers.delete(id);
}
