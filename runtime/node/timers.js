// node:timers. A timer is a number here, as in browsers.
const promises = require('timers/promises');

function setImmediate(callback, ...args) {
    return setTimeout(callback, 0, ...args);
}

module.exports = { clearImmediate: clearTimeout, clearInterval, clearTimeout, promises, setImmediate, setInterval, setTimeout };
