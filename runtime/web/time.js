// The clock of performance and of events (High Resolution Time). Zero is a millisecond before the script's isolate first asked, so no
// clock of the machine shows, and no time is zero.
import { host } from './host.js';

let origin;

export function forgetOrigin() {
    origin = undefined;
}

export function timeOrigin() {
    return (origin ??= host.now() - 1);
}

// Milliseconds since then.
export function sinceOrigin() {
    const now = host.now();
    return now - (origin ??= now - 1);
}
