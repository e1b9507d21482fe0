// node:stream, as readable-stream has it from Node.js, with the way to the platform's streams and back.
const stream = require('../../node_modules/readable-stream/lib/ours/browser.js');

const { Readable, Writable } = stream;

Readable.fromWeb = (web, options) => Readable.from(web, { objectMode: false, ...options });

Readable.toWeb = (readable) => {
    const values = readable[Symbol.asyncIterator]();
    return new ReadableStream({
        async pull(controller) {
            const { value, done } = await values.next();
            if (done) controller.close();
            else controller.enqueue(value);
        },
        async cancel(reason) {
            readable.destroy(reason instanceof Error ? reason : undefined);
        },
    });
};

Writable.fromWeb = (web) => {
    const writer = web.getWriter();
    const told = (promise, callback) => promise.then(() => callback(), callback);
    return new Writable({
        write: (chunk, encoding, callback) => told(writer.write(chunk), callback),
        final: (callback) => told(writer.close(), callback),
        destroy: (error, callback) => (error ? told(writer.abort(error), () => callback(error)) : callback(null)),
    });
};

Writable.toWeb = (writable) => new WritableStream({
    write: (chunk) => new Promise((resolve, reject) => writable.write(chunk, (error) => (error ? reject(error) : resolve()))),
    close: () => new Promise((resolve, reject) => writable.end((error) => (error ? reject(error) : resolve()))),
    abort: (reason) => void writable.destroy(reason instanceof Error ? reason : undefined),
});

module.exports = stream;
