// navigator and performance, as small as a script on an edge node needs them.
import { host } from './host.js';

export class Navigator {
    get userAgent() { return 'hearth'; }
    get hardwareConcurrency() { return 1; }
    get language() { return 'en'; }
    get languages() { return ['en']; }
    get onLine() { return true; }
    get [Symbol.toStringTag]() { return 'Navigator'; }
}

// Zero is the moment the script's isolate first asked, so no clock of the machine shows.
let origin;

export function forgetOrigin() {
    origin = undefined;
}

export class Performance {
    now() {
        const now = host.now();
        return now - (origin ??= now);
    }
    get timeOrigin() {
        return (origin ??= host.now());
    }
    toJSON() {
        return { timeOrigin: this.timeOrigin };
    }
    get [Symbol.toStringTag]() { return 'Performance'; }
}

export const navigator = new Navigator();
export const performance = new Performance();
