// node:buffer. The package has what Node.js had before base64url; the rest is ours.
const npm = require('../../node_modules/buffer/index.js');

const { Buffer } = npm;
const { byteLength, from, isEncoding } = Buffer;
const { toString, write } = Buffer.prototype;

const isUrl = (encoding) => typeof encoding === 'string' && encoding.toLowerCase() === 'base64url';
const known = (encoding) => (isUrl(encoding) ? 'base64' : encoding); // it reads both alphabets

Buffer.isEncoding = (encoding) => isUrl(encoding) || isEncoding(encoding);
Buffer.from = (value, encoding, length) => from(value, known(encoding), length);
Buffer.byteLength = (value, encoding) =>
    byteLength(typeof value === 'string' && isUrl(encoding) ? value.replace(/=+$/, '') : value, known(encoding));
Buffer.prototype.toString = function (encoding, start, end) {
    if (!isUrl(encoding)) return arguments.length === 0 ? toString.call(this) : toString.call(this, encoding, start, end);
    return toString.call(this, 'base64', start, end).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
};
Buffer.prototype.toLocaleString = Buffer.prototype.toString;
Buffer.prototype.write = function (...args) {
    return write.apply(this, args.map((arg, i) => (i > 0 ? known(arg) : arg)));
};

function bytesOf(input) {
    return ArrayBuffer.isView(input) ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength) : new Uint8Array(input);
}

function isUtf8(input) {
    try {
        new TextDecoder('utf-8', { fatal: true }).decode(bytesOf(input));
        return true;
    } catch {
        return false;
    }
}

module.exports = {
    Buffer,
    SlowBuffer: npm.SlowBuffer,
    INSPECT_MAX_BYTES: npm.INSPECT_MAX_BYTES,
    kMaxLength: npm.kMaxLength,
    kStringMaxLength: 0x1fffffe8, // of V8
    constants: { MAX_LENGTH: npm.kMaxLength, MAX_STRING_LENGTH: 0x1fffffe8 },
    Blob: globalThis.Blob,
    File: globalThis.File,
    atob: globalThis.atob,
    btoa: globalThis.btoa,
    isAscii: (input) => bytesOf(input).every((byte) => byte < 0x80),
    isUtf8,
};
