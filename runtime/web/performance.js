// performance (High Resolution Time, Performance Timeline, User Timing 3). The clock stands still while a script computes.
import { clone } from './clone.js';
import { DOMException } from './dom_exception.js';
import { EventTarget } from './event.js';
import { sinceOrigin, timeOrigin } from './time.js';
import { queueTimer } from './timers.js';
import {
    any, boolean, callback, declare, dictionary, DOMString, double, illegal, optional, readonly, required, sequence,
} from './webidl.js';

const ENTRIES_MAX = 10000; // kept at a time, the oldest goes first: a cell lives long
const INNER = Symbol('inner');
const brand = (test) => (value) => typeof value === 'object' && value !== null && test(value);

let isEntry, isMark, isMeasure, entryOf;

export class PerformanceEntry {
    #name; #type; #start; #duration;

    constructor(key, { name, type, start, duration } = {}) {
        if (key !== INNER) throw illegal('PerformanceEntry');
        this.#name = name;
        this.#type = type;
        this.#start = start;
        this.#duration = duration;
    }

    static {
        isEntry = brand((value) => #name in value);
        entryOf = (entry) => ({ name: entry.#name, type: entry.#type, start: entry.#start });
    }

    get duration() { return this.#duration; }
    get entryType() { return this.#type; }
    get name() { return this.#name; }
    get startTime() { return this.#start; }

    toJSON() {
        const json = { name: this.#name, entryType: this.#type, startTime: this.#start, duration: this.#duration };
        if (isMark(this) || isMeasure(this)) json.detail = this.detail;
        return json;
    }
}

declare(PerformanceEntry, {
    is: isEntry,
    operations: { toJSON: [] },
    attributes: { duration: readonly, entryType: readonly, name: readonly, startTime: readonly },
});

const copyOf = (detail) => (detail === undefined || detail === null ? null : clone(detail, []).value);
const PerformanceMarkOptions = dictionary('PerformanceMarkOptions', { detail: any, startTime: double });

export class PerformanceMark extends PerformanceEntry {
    #detail;

    constructor(name, options = undefined) {
        required(arguments, 1, 'PerformanceMark');
        name = DOMString(name, 'PerformanceMark, argument 1');
        const { detail, startTime } = PerformanceMarkOptions(options, 'PerformanceMark, argument 2');
        if (startTime < 0) throw new TypeError('PerformanceMark: the startTime is negative');
        super(INNER, { name, type: 'mark', start: startTime ?? sinceOrigin(), duration: 0 });
        this.#detail = copyOf(detail);
    }

    static { isMark = brand((value) => #detail in value); }

    get detail() { return this.#detail; }
}

declare(PerformanceMark, { constructor: 1, is: isMark, attributes: { detail: readonly } });

export class PerformanceMeasure extends PerformanceEntry {
    #detail;

    constructor(key, entry = undefined) {
        if (key !== INNER) throw illegal('PerformanceMeasure');
        super(INNER, entry);
        this.#detail = copyOf(entry.detail);
    }

    static { isMeasure = brand((value) => #detail in value); }

    get detail() { return this.#detail; }
}

declare(PerformanceMeasure, { is: isMeasure, attributes: { detail: readonly } });

// ---- the timeline

let entries = []; // as they were made
const observers = new Set();
const TYPES = Object.freeze(['mark', 'measure']);

function selected(list, name, type) {
    return list
        .filter((entry) => (name === undefined || entryOf(entry).name === name) && (type === undefined || entryOf(entry).type === type))
        .sort((a, b) => entryOf(a).start - entryOf(b).start);
}

function keep(entry) {
    if (entries.length >= ENTRIES_MAX) entries.shift();
    entries.push(entry);
    for (const observe of observers) observe(entry);
    return entry;
}

function clear(type, name) {
    entries = entries.filter((entry) => entryOf(entry).type !== type || (name !== undefined && entryOf(entry).name !== name));
}

// (DOMString or DOMHighResTimeStamp)
const Mark = (value, what) => (typeof value === 'number' ? double(value, what) : DOMString(value, what));
const PerformanceMeasureOptions = dictionary('PerformanceMeasureOptions', { detail: any, duration: double, end: Mark, start: Mark });
// (DOMString or PerformanceMeasureOptions)
const MeasureStart = (value, what) => (value === undefined || value === null || typeof value === 'object' || typeof value === 'function'
    ? PerformanceMeasureOptions(value, what) : DOMString(value, what));
MeasureStart.isDictionary = true;

function timeOf(mark) {
    if (typeof mark === 'number') {
        if (mark < 0) throw new TypeError('Performance.measure: a time is negative');
        return mark;
    }
    const found = entries.findLast((entry) => entryOf(entry).type === 'mark' && entryOf(entry).name === mark);
    if (!found) throw new DOMException(`Performance.measure: there is no mark "${mark}"`, 'SyntaxError');
    return entryOf(found).start;
}

// User Timing 3, 3.1.3, steps 1 to 5.
function measured(name, from, endMark) {
    const options = typeof from === 'string' ? {} : from;
    const { start, end, duration, detail } = options;
    if (Object.values(options).some((value) => value !== undefined)) {
        if (endMark !== undefined) throw new TypeError('Performance.measure: options and an end mark');
        if (start === undefined && end === undefined) throw new TypeError('Performance.measure: neither start nor end');
        if (start !== undefined && end !== undefined && duration !== undefined)
            throw new TypeError('Performance.measure: start, end and duration');
    }
    const endTime = endMark !== undefined ? timeOf(endMark)
        : end !== undefined ? timeOf(end)
            : start !== undefined && duration !== undefined ? timeOf(start) + timeOf(duration) : sinceOrigin();
    const startTime = start !== undefined ? timeOf(start)
        : end !== undefined && duration !== undefined ? timeOf(end) - timeOf(duration)
            : typeof from === 'string' ? timeOf(from) : 0;
    return { name, type: 'measure', start: startTime, duration: endTime - startTime, detail };
}

let isPerformance;

export class Performance extends EventTarget {
    #isIt = true;

    constructor(key) {
        if (key !== INNER) throw illegal('Performance');
        super();
    }

    static { isPerformance = brand((value) => #isIt in value); }

    get timeOrigin() { return timeOrigin(); }
    now() { return sinceOrigin(); }
    toJSON() { return { timeOrigin: timeOrigin() }; }

    clearMarks(name) { clear('mark', name); }
    clearMeasures(name) { clear('measure', name); }
    getEntries() { return selected(entries); }
    getEntriesByName(name, type) { return selected(entries, name, type); }
    getEntriesByType(type) { return selected(entries, undefined, type); }
    mark(name, options) { return keep(new PerformanceMark(name, options)); } // which converts them
    measure(name, from, endMark) { return keep(new PerformanceMeasure(INNER, measured(name, from, endMark))); }
}

declare(Performance, {
    is: isPerformance,
    operations: {
        clearMarks: [optional(DOMString)], clearMeasures: [optional(DOMString)], getEntries: [],
        getEntriesByName: [DOMString, optional(DOMString)], getEntriesByType: [DOMString],
        mark: [any, optional(any)],
        measure: [DOMString, optional(MeasureStart), optional(DOMString)], now: [], toJSON: [],
    },
    attributes: { timeOrigin: readonly },
});

export const performance = new Performance(INNER);

// ---- observers

let isList;

export class PerformanceObserverEntryList {
    #list;

    constructor(key, list) {
        if (key !== INNER) throw illegal('PerformanceObserverEntryList');
        this.#list = list;
    }

    static { isList = brand((value) => #list in value); }

    getEntries() { return selected(this.#list); }
    getEntriesByName(name, type) { return selected(this.#list, name, type); }
    getEntriesByType(type) { return selected(this.#list, undefined, type); }
}

declare(PerformanceObserverEntryList, {
    is: isList,
    operations: { getEntries: [], getEntriesByName: [DOMString, optional(DOMString)], getEntriesByType: [DOMString] },
});

const PerformanceObserverInit = dictionary('PerformanceObserverInit', {
    buffered: boolean, entryTypes: sequence(DOMString), type: DOMString,
});
let isObserver;

export class PerformanceObserver {
    #callback;
    #how = undefined; // 'type' or 'entryTypes': one does not follow the other
    #types = new Set();
    #list = [];
    #isDue = false;
    #take = (entry) => {
        if (!this.#types.has(entryOf(entry).type)) return;
        this.#list.push(entry);
        if (this.#isDue) return;
        queueTimer(() => this.#tell(), 0, () => (this.#isDue = false));
        this.#isDue = true;
    };

    constructor(run) {
        required(arguments, 1, 'PerformanceObserver');
        this.#callback = callback(run, 'PerformanceObserver, argument 1');
    }

    static { isObserver = brand((value) => #callback in value); }

    #tell() {
        this.#isDue = false;
        if (this.#list.length === 0) return;
        const list = new PerformanceObserverEntryList(INNER, this.takeRecords());
        Reflect.apply(this.#callback, this, [list, this, { droppedEntriesCount: 0 }]);
    }

    observe({ buffered, entryTypes, type }) {
        if (entryTypes === undefined && type === undefined) throw new TypeError('PerformanceObserver.observe: neither entryTypes nor type');
        if (entryTypes !== undefined && (type !== undefined || buffered !== undefined))
            throw new TypeError('PerformanceObserver.observe: entryTypes, and another member');
        const how = type === undefined ? 'entryTypes' : 'type';
        if (this.#how && this.#how !== how)
            throw new DOMException('PerformanceObserver.observe: by entryTypes or by type, not both', 'InvalidModificationError');
        this.#how = how;
        const wanted = (entryTypes ?? [type]).filter((name) => TYPES.includes(name));
        if (wanted.length === 0) return; // none that is known
        this.#types = new Set(entryTypes ? wanted : [...this.#types, ...wanted]);
        observers.add(this.#take);
        if (buffered) for (const entry of entries) if (entryOf(entry).type === type) this.#take(entry);
    }

    disconnect() {
        observers.delete(this.#take);
        this.#how = undefined;
        this.#types = new Set();
        this.#list = [];
    }

    takeRecords() {
        const list = this.#list;
        this.#list = [];
        return list;
    }

    static get supportedEntryTypes() { return TYPES; }
}

const { get: supportedEntryTypes } = Object.getOwnPropertyDescriptor(PerformanceObserver, 'supportedEntryTypes');
delete PerformanceObserver.supportedEntryTypes;
declare(PerformanceObserver, {
    constructor: 1,
    is: isObserver,
    operations: { disconnect: [], observe: [optional(PerformanceObserverInit)], takeRecords: [] },
});
Object.defineProperty(PerformanceObserver, 'supportedEntryTypes', { get: supportedEntryTypes, enumerable: true, configurable: true });
