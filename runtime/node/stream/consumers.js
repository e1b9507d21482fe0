// node:stream/consumers.
const { Buffer } = require('buffer');

async function buffer(stream) {
    const chunks = [];
    for await (const chunk of stream) chunks.push(typeof chunk === 'string' ? Buffer.from(chunk) : Buffer.from(chunk));
    return Buffer.concat(chunks);
}

exports.buffer = buffer;
exports.arrayBuffer = async (stream) => new Uint8Array(await buffer(stream)).buffer;
exports.blob = async (stream) => new Blob([await buffer(stream)]);
exports.text = async (stream) => new TextDecoder().decode(await buffer(stream));
exports.json = async (stream) => JSON.parse(await exports.text(stream));
