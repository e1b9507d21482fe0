// Event and EventTarget (DOM 2), and event handlers, the onx attributes (HTML 8.1.8). There is no tree, so a dispatch visits one target.
// The global object is a target too (HTML 8.1.3, WorkerGlobalScope): its listeners are kept here, for it has no private fields.
import { DOMException } from './dom_exception.js';
import { sinceOrigin } from './time.js';
import { boolean, declare, dictionary, DOMString, interfaceOf, nullable, object, optional, readonly, required } from './webidl.js';

const { apply, defineProperty, getOwnPropertyDescriptor } = Reflect;
export const theGlobal = globalThis;

let report; // report.js gives it: everything is built on events
let isSignal, addAlgorithm; // abort.js gives them
let isListened; // of a signal: it has listeners, or none any more

export function reportBy(given) {
    report = given;
}

export function signalsBy(given) {
    ({ isSignal, addAlgorithm, isListened } = given);
}

export const EventInit = dictionary('EventInit', {
    bubbles: [boolean, false], cancelable: [boolean, false], composed: [boolean, false],
});

// new Event(CONVERTED, type, init): a subclass has converted its arguments, which happens once.
export const CONVERTED = Symbol('converted');

// How to call a handler of the global's "error" events: with five arguments (HTML, "the event handler processing algorithm").
let errorArguments;
export function errorArgumentsBy(given) {
    errorArguments = given;
}

export let isEvent;
export let trusted; // makes an event one of the platform's own
let isDispatched;
let dispatchOn; // (event, target): false if it was cancelled
let isTrusted; // the descriptor of each event's own property (LegacyUnforgeable)

export class Event {
    #type; #bubbles; #cancelable; #composed;
    #target = null;
    #current = null;
    #isCanceled = false;
    #isStopped = false;
    #isStoppedNow = false;
    #isPassive = false;
    #isDispatched = false;
    #isTrusted = false;
    #timeStamp = sinceOrigin();

    constructor(type, init = undefined) {
        if (type === CONVERTED) {
            type = arguments[1];
            init = arguments[2];
        } else {
            required(arguments, 1, 'Event');
            type = DOMString(type, 'Event, argument 1');
            init = EventInit(init, 'Event, argument 2');
        }
        this.#type = type;
        this.#bubbles = init.bubbles;
        this.#cancelable = init.cancelable;
        this.#composed = init.composed;
        defineProperty(this, 'isTrusted', isTrusted);
    }

    static {
        isEvent = (value) => typeof value === 'object' && value !== null && #type in value;
        trusted = (event, isIt = true) => {
            event.#isTrusted = isIt;
            return event;
        };
        isDispatched = (event) => event.#isDispatched;
        const { get } = getOwnPropertyDescriptor({
            get isTrusted() {
                if (!isEvent(this)) throw new TypeError('Event.isTrusted: Illegal invocation: this is no Event');
                return this.#isTrusted;
            },
        }, 'isTrusted');
        isTrusted = { get, set: undefined, enumerable: true, configurable: false };
        const invoke = (event, target, listener) => {
            const { callback } = listener;
            if (listener.isHandler) {
                if (typeof callback !== 'function') return;
                const how = target === theGlobal ? errorArguments(event) : undefined;
                const returned = apply(callback, target, how ?? [event]);
                if (returned === (how !== undefined)) event.#cancel();
            } else if (typeof callback === 'function') {
                apply(callback, target, [event]);
            } else {
                const { handleEvent } = callback;
                if (typeof handleEvent !== 'function') throw new TypeError(`the listener's handleEvent is not a function`);
                apply(handleEvent, callback, [event]);
            }
        };
        // Those that capture come first, at the target too. Listeners that are added meanwhile wait: they are behind the end that there
        // was. Those that are removed are gone: the list is another then.
        const visit = (event, target, isCapture) => {
            const list = listenersOf(target);
            if (event.#isStopped || list === null) return;
            for (let i = 0, end = list.length; i < end; i++) {
                const listener = list[i];
                if (listener.isRemoved || listener.type !== event.#type || listener.isCapture !== isCapture) continue;
                if (listener.isOnce) remove(target, listener);
                event.#isPassive = listener.isPassive;
                try {
                    invoke(event, target, listener);
                } catch (error) {
                    report(error); // a listener's error is its own (DOM 2.9)
                }
                event.#isPassive = false;
                if (event.#isStoppedNow) return;
            }
        };
        dispatchOn = (event, target) => {
            event.#isDispatched = true;
            event.#target = event.#current = target;
            visit(event, target, true);
            visit(event, target, false);
            event.#current = null;
            event.#isDispatched = event.#isStopped = event.#isStoppedNow = false;
            return !event.#isCanceled;
        };
    }

    get type() { return this.#type; }
    get target() { return this.#target; }
    get srcElement() { return this.#target; }
    get currentTarget() { return this.#current; }
    get eventPhase() { return this.#current === null ? 0 : 2; }
    get bubbles() { return this.#bubbles; }
    get cancelable() { return this.#cancelable; }
    get composed() { return this.#composed; }
    get defaultPrevented() { return this.#isCanceled; }
    get returnValue() { return !this.#isCanceled; }
    set returnValue(value) { if (!value) this.#cancel(); }
    get cancelBubble() { return this.#isStopped; }
    set cancelBubble(value) { if (value) this.#isStopped = true; }
    get timeStamp() { return this.#timeStamp; }

    composedPath() { return this.#current === null ? [] : [this.#current]; }
    preventDefault() { this.#cancel(); }
    stopPropagation() { this.#isStopped = true; }
    stopImmediatePropagation() { this.#isStopped = this.#isStoppedNow = true; }

    initEvent(type, bubbles, cancelable) {
        if (this.#isDispatched) return;
        this.#isStopped = this.#isStoppedNow = this.#isCanceled = this.#isTrusted = false;
        this.#target = null;
        this.#type = type;
        this.#bubbles = bubbles;
        this.#cancelable = cancelable;
    }

    #cancel() { if (this.#cancelable && !this.#isPassive) this.#isCanceled = true; }
}

declare(Event, {
    constructor: 1,
    is: isEvent,
    operations: {
        composedPath: [],
        initEvent: [DOMString, optional(boolean, false), optional(boolean, false)],
        preventDefault: [],
        stopImmediatePropagation: [],
        stopPropagation: [],
    },
    attributes: {
        bubbles: readonly, cancelBubble: boolean, cancelable: readonly, composed: readonly, currentTarget: readonly,
        defaultPrevented: readonly, eventPhase: readonly, returnValue: boolean, srcElement: readonly, target: readonly,
        timeStamp: readonly, type: readonly,
    },
    constants: { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 },
});

// ---- targets

const EventListener = nullable(object);
const AbortSignalType = (value, what) => interfaceOf('AbortSignal', isSignal)(value, what);
const EventListenerOptions = dictionary('EventListenerOptions', { capture: [boolean, false] });
const AddEventListenerOptions = dictionary('AddEventListenerOptions', {
    once: [boolean, false], passive: [boolean, false], signal: AbortSignalType,
}, EventListenerOptions);
// (the dictionary or boolean), optional
function flattened(type) {
    const convert = (value, what) => {
        if (value === undefined || value === null || typeof value === 'object' || typeof value === 'function') return type(value, what);
        return { ...type(undefined, what), capture: !!value };
    };
    convert.isDictionary = true;
    return optional(convert);
}
const AddOptions = flattened(AddEventListenerOptions);
const RemoveOptions = flattened(EventListenerOptions);

let globalListeners = null;
let listenersOf, keep; // a target's list of {type, callback, isCapture, isOnce, isPassive, isHandler, isRemoved}, or null

export let isEventTarget;

export class EventTarget {
    #listeners = null;

    static {
        isEventTarget = (value) => value === theGlobal || (typeof value === 'object' && value !== null && #listeners in value);
        listenersOf = (target) => (target === theGlobal ? globalListeners : target.#listeners);
        keep = (target, list) => {
            if (target === theGlobal) globalListeners = list;
            else target.#listeners = list;
        };
    }

    addEventListener(type, callback, { capture, once, passive, signal }) {
        if (signal?.aborted || callback === null) return;
        if (find(this, type, callback, capture)) return;
        const listener = add(this, type, callback, { isCapture: capture, isOnce: once, isPassive: passive });
        if (signal) addAlgorithm(signal, () => remove(this, listener));
    }

    removeEventListener(type, callback, { capture }) {
        const listener = find(this, type, callback, capture);
        if (listener) remove(this, listener);
    }

    dispatchEvent(event) {
        if (isDispatched(event)) throw new DOMException('the event is being dispatched already', 'InvalidStateError');
        trusted(event, false);
        return dispatchOn(event, this);
    }
}

function find(target, type, callback, isCapture) {
    return listenersOf(target)?.find((l) => !l.isHandler && l.callback === callback && l.isCapture === isCapture && l.type === type);
}

function add(target, type, callback, { isCapture = false, isOnce = false, isPassive = false, isHandler = false }) {
    const listener = { type, callback, isCapture, isOnce, isPassive, isHandler, isRemoved: false };
    const list = listenersOf(target);
    if (list) list.push(listener);
    else keep(target, [listener]);
    if (isSignal?.(target)) isListened(target, hasListeners(target, 'abort'));
    return listener;
}

function remove(target, listener) {
    if (listener.isRemoved) return;
    listener.isRemoved = true;
    const list = listenersOf(target).filter((l) => l !== listener);
    keep(target, list.length ? list : null);
    if (isSignal?.(target)) isListened(target, hasListeners(target, 'abort'));
}

export function hasListeners(target, type) {
    return listenersOf(target)?.some((l) => l.type === type) ?? false;
}

// For another script.
export function forgetGlobalListeners() {
    keep(theGlobal, null);
}

// An event of the platform's own. False: it was cancelled.
export function fire(target, event) {
    return dispatchOn(trusted(event), target);
}

// ---- event handlers: one listener of a target and type that keeps its place while it is not null

export function handlerOf(target, type) {
    return listenersOf(target)?.find((l) => l.isHandler && l.type === type)?.callback ?? null;
}

export function setHandler(target, type, callback) {
    const listener = listenersOf(target)?.find((l) => l.isHandler && l.type === type);
    if (!listener) {
        if (callback !== null) add(target, type, callback, { isHandler: true });
    } else if (callback === null) {
        remove(target, listener);
    } else {
        listener.callback = callback;
    }
}

// The accessors, for declare() to put the rest around them.
export function eventHandlers(prototype, ...types) {
    for (const type of types)
        defineProperty(prototype, `on${type}`, {
            get() { return handlerOf(this, type); },
            set(callback) { setHandler(this, type, callback); },
            configurable: true,
        });
}

declare(EventTarget, {
    is: isEventTarget,
    ofGlobal: true,
    operations: {
        addEventListener: [DOMString, EventListener, AddOptions],
        dispatchEvent: [interfaceOf('Event', isEvent)],
        removeEventListener: [DOMString, EventListener, RemoveOptions],
    },
});
