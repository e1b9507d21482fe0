export { clearImmediate, setImmediate } from 'node:timers';
export const global = globalThis;
