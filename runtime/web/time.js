// The clock of performance and of events (High Resolution Time). Zero is the moment the script's isolate first asked, so no clock of
// the machine shows.
import { host } from './host.js';

let origin;

export function forgetOrigin() {
    origin = undefined;
}

export function timeOrigin() {
    return (origin ??= host.now());
}

// Milliseconds since then.
export function sinceOrigin() {
    const now = host.now();
    return now - (origin ??= now);
}
