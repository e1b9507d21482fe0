// What web-streams-polyfill looks up as globals. The bundler gives it these, so it finds them while the snapshot is built, and not what a
// script has put there. DOMException it asks the global object for, once.
import { DOMException } from './dom_exception.js';

export { AbortController } from './abort.js';
export { queueMicrotask } from './global.js';

globalThis.DOMException = DOMException;
