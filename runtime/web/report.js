// What nobody caught (HTML 8.1.4): the global's "error", "unhandledrejection" and "rejectionhandled" events, and then the log.
import { fire, hasListeners, reportBy, theGlobal } from './event.js';
import { ErrorEvent, PromiseRejectionEvent } from './event_kinds.js';
import { host } from './host.js';
import { describe } from './inspect.js';

let isReporting = false; // what a handler of errors throws is not reported to it

// Whatever the script has made of its console.
export function report(error) {
    if (!isReporting && hasListeners(theGlobal, 'error')) {
        isReporting = true;
        try {
            const [message, filename, lineno, colno] = host.whereThrown(error);
            const event = new ErrorEvent('error', { cancelable: true, message, filename, lineno, colno, error });
            if (!fire(theGlobal, event)) return;
        } finally {
            isReporting = false;
        }
    }
    host.log('error', describe(error));
}

reportBy(report);

const told = new WeakSet(); // promises whose rejection was told to be unhandled

// The worker: nobody listened to a promise by the end of the microtasks; or, isLate, somebody has begun to since.
export function onRejection(promise, reason, isLate) {
    const type = isLate ? 'rejectionhandled' : 'unhandledrejection';
    const event = hasListeners(theGlobal, type) ? new PromiseRejectionEvent(type, { cancelable: !isLate, promise, reason }) : null;
    if (isLate) {
        if (told.delete(promise) && event) fire(theGlobal, event);
        return;
    }
    told.add(promise);
    if (event && !fire(theGlobal, event)) return;
    host.log('error', `unhandled rejection: ${describe(reason)}`);
}
