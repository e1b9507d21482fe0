// crypto.DigestStream, Workers' own: a WritableStream whose `digest` is a promise of the hash of all that was written.
import { AlgorithmIdentifier, bytesOf, fail, isRegistered, normalize } from './crypto_algorithm.js';
import { TextEncoder } from './encoding.js';
import { host } from './host.js';
import { WritableStream } from './streams/index.js';
import { declare, isBufferSource, promise, readonly, required } from './webidl.js';

const encoder = new TextEncoder();

let isDigestStream;

export class DigestStream extends WritableStream {
    #digest; #written;

    constructor(algorithm) {
        required(arguments, 1, 'DigestStream');
        const { name } = normalize('digest', AlgorithmIdentifier(algorithm, 'DigestStream'), 'DigestStream');
        if (name !== 'MD5' && !isRegistered('hash', name)) fail('NotSupportedError', `DigestStream: no algorithm "${name}"`);
        const { promise: digest, resolve, reject } = Promise.withResolvers();
        const written = { bytes: 0 };
        let handle = host.digestStart(name);
        super({
            write(chunk) {
                const bytes = typeof chunk === 'string' ? encoder.encode(chunk) : isBufferSource(chunk) ? bytesOf(chunk) : undefined;
                if (!bytes) {
                    const error = new TypeError('DigestStream: a chunk is neither bytes nor a string');
                    reject(error);
                    throw error;
                }
                written.bytes += bytes.length;
                host.digestUpdate(handle, bytes);
            },
            close() {
                resolve(host.digestEnd(handle));
                handle = undefined;
            },
            abort(reason) {
                handle = undefined;
                reject(reason);
            },
        });
        digest.catch(() => {}); // who aborts need not ask for it
        this.#digest = digest;
        this.#written = written;
    }

    static {
        isDigestStream = (value) => typeof value === 'object' && value !== null && #digest in value;
    }

    get digest() { return this.#digest; }
    get bytesWritten() { return BigInt(this.#written.bytes); }
}

declare(DigestStream, {
    constructor: 1,
    is: (value) => isDigestStream(value),
    attributes: { digest: promise(), bytesWritten: readonly },
});
