// Modules that are the runtime's own, and what their names export: module.c asks when the bundle has none of that name.
import { AsyncLocalStorage, AsyncResource } from './async_context.js';
import { envOfScript, waitUntil } from './dispatch.js';
import { host } from './host.js';

// A default export that extends it is made anew for each request.
export class WorkerEntrypoint {
    constructor(ctx, env) {
        this.ctx = ctx;
        this.env = env;
    }
}

// An object of exports; undefined: there is no such module.
export function builtin(name) {
    switch (name) {
    case 'cloudflare:workers':
        return { WorkerEntrypoint, env: envOfScript(), waitUntil };
    case 'hearth:async_hooks':
        return { AsyncLocalStorage, AsyncResource };
    case 'node:async_hooks':
        return { AsyncLocalStorage, AsyncResource, default: { AsyncLocalStorage, AsyncResource } };
    case 'hearth:crypto':
        return {
            digestEnd: host.digestEnd, digestStart: host.digestStart, digestUpdate: host.digestUpdate, equalBytes: host.equalBytes,
            hkdf: (key, ...rest) => host.hkdf(host.keySecret(key, key.length * 8), ...rest),
            hmac: (key, ...rest) => host.hmac(host.keySecret(key, key.length * 8), ...rest),
            pbkdf2: (key, ...rest) => host.pbkdf2(host.keySecret(key, key.length * 8), ...rest),
        };
    case 'hearth:zlib':
        return { codecEnd: host.codecEnd, codecNew: host.codecNew, codecRun: host.codecRun };
    default:
        return undefined;
    }
}
