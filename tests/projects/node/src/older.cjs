// As packages from before ES modules are.
const EventEmitter = require('events');
const { inherits } = require('util');
const { Buffer } = require('buffer');

function Older() {
    EventEmitter.call(this);
}
inherits(Older, EventEmitter);

exports.older = function (text) {
    const older = new Older();
    let heard;
    older.on('said', (bytes) => (heard = bytes));
    older.emit('said', Buffer.from(text));
    return `${heard.toString('hex')} ${older instanceof EventEmitter} ${global === globalThis} ${typeof process.nextTick}`;
};
