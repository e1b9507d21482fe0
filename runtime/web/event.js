// Event, CustomEvent, EventTarget (DOM 2): no tree, so a dispatch visits one target.
let report; // console.js gives it: everything is built on events, so they import nothing

export function reportBy(given) {
    report = given;
}

const DISPATCH = Symbol('dispatch');

export class Event {
    #type; #bubbles; #cancelable; #composed;
    #prevented = false;
    #target = null;
    #current = null;
    #stopped = false;
    #passive = false;
    #timeStamp = performance.now();

    constructor(type, init = {}) {
        if (arguments.length === 0) throw new TypeError('Event: a type is required');
        this.#type = String(type);
        this.#bubbles = Boolean(init?.bubbles);
        this.#cancelable = Boolean(init?.cancelable);
        this.#composed = Boolean(init?.composed);
    }

    get type() { return this.#type; }
    get target() { return this.#target; }
    get srcElement() { return this.#target; }
    get currentTarget() { return this.#current; }
    get eventPhase() { return this.#current ? 2 : 0; }
    get bubbles() { return this.#bubbles; }
    get cancelable() { return this.#cancelable; }
    get composed() { return this.#composed; }
    get defaultPrevented() { return this.#prevented; }
    get returnValue() { return !this.#prevented; }
    get isTrusted() { return false; }
    get timeStamp() { return this.#timeStamp; }
    get cancelBubble() { return false; }

    composedPath() { return this.#current ? [this.#current] : []; }
    preventDefault() { if (this.#cancelable && !this.#passive) this.#prevented = true; }
    stopPropagation() {}
    stopImmediatePropagation() { this.#stopped = true; }

    [DISPATCH](target, listeners) {
        if (this.#current) return null;
        this.#target = this.#current = target;
        this.#stopped = false;
        for (const listener of listeners) {
            if (this.#stopped) break;
            if (listener.removed) continue;
            if (listener.once) listener.remove();
            this.#passive = listener.passive;
            try {
                const callback = listener.callback;
                if (typeof callback === 'function') callback.call(target, this);
                else callback.handleEvent(this);
            } catch (error) {
                report(error); // a listener's error is its own (DOM 2.9)
            }
        }
        this.#passive = false;
        this.#current = null;
        return !this.#prevented;
    }

    get [Symbol.toStringTag]() { return 'Event'; }
    static NONE = 0;
    static CAPTURING_PHASE = 1;
    static AT_TARGET = 2;
    static BUBBLING_PHASE = 3;
}

export class CustomEvent extends Event {
    #detail;
    constructor(type, init = {}) {
        super(type, init);
        this.#detail = init?.detail ?? null;
    }
    get detail() { return this.#detail; }
    get [Symbol.toStringTag]() { return 'CustomEvent'; }
}

export class EventTarget {
    #listeners = new Map();

    addEventListener(type, callback, options) {
        if (callback === null || callback === undefined) return;
        if (typeof callback !== 'function' && typeof callback !== 'object')
            throw new TypeError('addEventListener: the listener is neither a function nor an object');
        const how = typeof options === 'object' && options !== null ? options : { capture: Boolean(options) };
        const capture = Boolean(how.capture);
        if (how.signal?.aborted) return;
        type = String(type);
        const list = this.#listeners.get(type) ?? [];
        if (list.some((l) => l.callback === callback && l.capture === capture)) return;
        const listener = {
            callback, capture, once: Boolean(how.once), passive: Boolean(how.passive), removed: false,
            remove: () => this.#remove(type, listener),
        };
        this.#listeners.set(type, [...list, listener]);
        how.signal?.addEventListener('abort', listener.remove, { once: true });
    }

    removeEventListener(type, callback, options) {
        const capture = Boolean(typeof options === 'object' && options !== null ? options.capture : options);
        type = String(type);
        const listener = this.#listeners.get(type)?.find((l) => l.callback === callback && l.capture === capture);
        if (listener) this.#remove(type, listener);
    }

    dispatchEvent(event) {
        if (!(event instanceof Event)) throw new TypeError('dispatchEvent: not an Event');
        const done = event[DISPATCH](this, this.#listeners.get(event.type) ?? []);
        if (done === null) throw new DOMException('the event is being dispatched already', 'InvalidStateError');
        return done;
    }

    #remove(type, listener) {
        listener.removed = true;
        this.#listeners.set(type, this.#listeners.get(type).filter((l) => l !== listener));
    }

    get [Symbol.toStringTag]() { return 'EventTarget'; }
}

// An `onx` attribute: one replaceable listener that keeps its place.
export function eventHandler(prototype, type) {
    const handlers = new WeakMap();
    Object.defineProperty(prototype, 'on' + type, {
        configurable: true,
        enumerable: true,
        get() { return handlers.get(this)?.callback ?? null; },
        set(callback) {
            let slot = handlers.get(this);
            if (!slot) {
                slot = { callback: null };
                handlers.set(this, slot);
                this.addEventListener(type, function (event) { slot.callback?.call(this, event); });
            }
            slot.callback = typeof callback === 'function' ? callback : null;
        },
    });
}
