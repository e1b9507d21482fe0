// structuredClone (HTML 2.7): the engine's serializer does it, a native of the worker drives it.
import { host } from './host.js';

export function structuredClone(value, options = undefined) {
    if (arguments.length === 0) throw new TypeError('structuredClone: an argument is required');
    return host.clone(value, [...(options?.transfer ?? [])]);
}
