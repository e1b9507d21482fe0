// node:util. The package is Node.js 12's; what came later and is asked for is ours.
const npm = require('../../node_modules/util/util.js');

function isDeepStrictEqual(a, b) {
    const assert = require('assert'); // which wants this module, whole
    try {
        assert.deepStrictEqual(a, b);
        return true;
    } catch (error) {
        if (error.code === 'ERR_ASSERTION') return false;
        throw error;
    }
}

function aborted(signal) {
    return new Promise((resolve) => {
        if (signal.aborted) resolve();
        else signal.addEventListener('abort', () => resolve(), { once: true });
    });
}

const types = {
    ...npm.types,
    isProxy: () => false, // nobody can tell
    isExternal: () => false,
    isModuleNamespaceObject: (value) => Object.prototype.toString.call(value) === '[object Module]',
};

module.exports = {
    ...npm,
    TextDecoder: globalThis.TextDecoder,
    TextEncoder: globalThis.TextEncoder,
    aborted,
    isDeepStrictEqual,
    stripVTControlCharacters: (text) => text.replace(/\u001b\[[0-9;]*[A-Za-z]/g, ''),
    toUSVString: (value) => String(value).toWellFormed(),
    types,
};
