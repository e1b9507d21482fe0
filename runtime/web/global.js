// The global object as a ServiceWorkerGlobalScope (HTML 10.2.1, Service Workers 4.1): an event target, whose handlers hear what nobody
// caught. Its other members are its own properties, which main.js puts there.
import { EventTarget, handlerOf, setHandler, theGlobal } from './event.js';
import { host } from './host.js';
import { report } from './report.js';
import { any, callback, declare, EventHandler, globalFunction, illegal } from './webidl.js';

const { defineProperty, setPrototypeOf } = Object;

export class WorkerGlobalScope extends EventTarget {
    constructor() {
        super();
        throw illegal('WorkerGlobalScope');
    }
}

export class ServiceWorkerGlobalScope extends WorkerGlobalScope {}

const isGlobal = (value) => value === theGlobal;
declare(WorkerGlobalScope, { is: isGlobal });
declare(ServiceWorkerGlobalScope, { is: isGlobal });

export const queueMicrotask = globalFunction('queueMicrotask', [callback], (run) => host.microtask(() => {
    try {
        run();
    } catch (error) {
        report(error);
    }
}));

export const reportError = globalFunction('reportError', [any], report);

function checked(self, name) {
    if (!isGlobal(self ?? theGlobal)) throw new TypeError(`${name}: Illegal invocation: this is no WorkerGlobalScope`);
    return theGlobal;
}

function shown(accessors, name) {
    defineProperty(theGlobal, name, { ...Object.getOwnPropertyDescriptor(accessors, name), enumerable: true, configurable: true });
}

export function installGlobal() {
    setPrototypeOf(theGlobal, ServiceWorkerGlobalScope.prototype);
    for (const type of ['error', 'rejectionhandled', 'unhandledrejection']) {
        const name = `on${type}`;
        shown({
            get [name]() { return handlerOf(checked(this, name), type); },
            set [name](value) { setHandler(checked(this, name), type, EventHandler(value)); },
        }, name);
    }
    shown({ get self() { return checked(this, 'self'); } }, 'self');
}
