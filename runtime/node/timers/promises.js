// node:timers/promises.
function wait(ms, value, { signal } = {}) {
    return new Promise((resolve, reject) => {
        signal?.throwIfAborted();
        const id = setTimeout(() => {
            signal?.removeEventListener('abort', aborted);
            resolve(value);
        }, ms);
        const aborted = () => {
            clearTimeout(id);
            reject(signal.reason);
        };
        signal?.addEventListener('abort', aborted, { once: true });
    });
}

async function* every(ms, value, options) {
    for (;;) yield await wait(ms, value, options);
}

exports.setTimeout = wait;
exports.setImmediate = (value, options) => wait(0, value, options);
exports.setInterval = every;
exports.scheduler = { wait: (ms, options) => wait(ms, undefined, options), yield: () => wait(0) };
