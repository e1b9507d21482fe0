// node:path: paths are POSIX's.
const path = require('../../node_modules/path-browserify/index.js');

module.exports = Object.assign(path, { posix: path, toNamespacedPath: (name) => name });
