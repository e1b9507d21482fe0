// What an isolate shows of each interface, compared with the standards' IDL (idl/generate.mjs): presence, lengths, descriptors, prototypes,
// and what members do with a wrong receiver. One test for each interface.
import { Failed, suite } from './assert.mjs';
import { globals, interfaces } from './idl_table.mjs';

// Not there, or otherwise, on purpose or still; with the reason. An entry may outlive its reason: that fails nothing.
const ELSEWHERE = 'another part of the platform, which is not there yet';
const KNOWN = new Map(Object.entries({
    'CompressionStream': ELSEWHERE, 'DecompressionStream': ELSEWHERE, 'CryptoKey': ELSEWHERE, 'SubtleCrypto': ELSEWHERE,
    'URLPattern': ELSEWHERE, 'Crypto': ELSEWHERE, 'URL': ELSEWHERE, 'URLSearchParams': ELSEWHERE, 'TextDecoder': ELSEWHERE,
    'TextEncoder': ELSEWHERE, 'TextDecoderStream': ELSEWHERE, 'TextEncoderStream': ELSEWHERE, 'globals.atob': ELSEWHERE,
    'globals.btoa': ELSEWHERE, 'globals.fetch': ELSEWHERE, 'globals.caches': ELSEWHERE, 'globals.crypto': ELSEWHERE,
    'globals.createImageBitmap': 'no images', 'globals.importScripts': 'modules only', 'globals.location': 'a script has no URL',
    'globals.onlanguagechange': 'it never changes', 'globals.onoffline': 'never', 'globals.ononline': 'always',
    'globals.crossOriginIsolated': 'no origins', 'globals.isSecureContext': 'no origins', 'globals.origin': 'no origins',
    'DOMException.cause': 'proposed', 'FetchEvent.passThroughOnException': 'Workers have it', 'Request.cf': 'Workers have it',
    'Response.cf': 'Workers have it',
    'PerformanceEntry.id': 'no navigations', 'PerformanceEntry.navigationId': 'no navigations', 'Response.webSocket': 'Workers have it',
    'Scheduler.wait': 'Workers have it',
}));

const describe = Object.getOwnPropertyDescriptor;
const isKnown = (name) => KNOWN.has(name) || KNOWN.has(name.split('.')[0]);

class Report {
    checked = 0;
    problems = [];
    check(name, is, what) {
        this.checked++;
        if (!is && !isKnown(name)) this.problems.push(`${name}: ${what}`);
        return is;
    }
}

const flags = (d, writable, enumerable, configurable) => d !== undefined && d.writable === writable && d.enumerable === enumerable &&
    d.configurable === configurable;

function throwsTypeError(act) {
    try {
        act();
    } catch (error) {
        return error instanceof TypeError;
    }
    return false;
}

const waiting = []; // promises that must be rejected

function checkReceiver(report, name, isPromise, fn) {
    if (!isPromise) return report.check(name, throwsTypeError(() => fn.call({}, {}, {}, {})), 'takes any receiver');
    let promise;
    try {
        promise = fn.call({}, {}, {}, {});
    } catch {
        return report.check(name, false, 'throws instead of rejecting');
    }
    waiting.push(Promise.resolve(promise).then(
        () => report.check(name, false, 'takes any receiver'),
        (error) => report.check(name, error instanceof TypeError, 'rejects with something else than a TypeError'),
    ));
}

function checkOperation(report, name, target, key, { length, isPromise }, hasReceiver) {
    const d = describe(target, key);
    if (!report.check(name, d && typeof d.value === 'function', 'is not there')) return;
    report.check(name, flags(d, true, true, true), 'wrong flags');
    report.check(name, d.value.length === length, `length ${d.value.length}, not ${length}`);
    report.check(name, d.value.name === key, `called ${d.value.name}`);
    report.check(name, !Object.hasOwn(d.value, 'prototype'), 'is a constructor');
    if (hasReceiver) checkReceiver(report, name, isPromise, d.value);
}

function checkAttribute(report, name, target, key, { isSettable, isPromise }, hasReceiver) {
    const d = describe(target, key);
    if (!report.check(name, d !== undefined, 'is not there')) return;
    if (!report.check(name, typeof d.get === 'function', 'is no accessor')) return;
    report.check(name, d.enumerable && d.configurable, 'wrong flags');
    report.check(name, d.get.name === `get ${key}` && d.get.length === 0, `its getter is called ${d.get.name}`);
    report.check(name, isSettable ? d.set?.name === `set ${key}` && d.set.length === 1 : d.set === undefined, 'wrong setter');
    if (hasReceiver) checkReceiver(report, name, isPromise, d.get);
    if (hasReceiver && isSettable) report.check(name, throwsTypeError(() => d.set.call({}, 1)), 'its setter takes any receiver');
}

function checkIterable(report, name, prototype, kind) {
    const method = kind === 'pairs' ? 'entries' : 'values';
    const symbol = kind === 'async' ? Symbol.asyncIterator : Symbol.iterator;
    const d = describe(prototype, symbol);
    report.check(`${name}.iterator`, flags(d, true, false, true) && d.value === prototype[method], `is not ${method}`);
    checkOperation(report, `${name}.values`, prototype, 'values', { length: 0 }, true);
    if (kind === 'async') return;
    checkOperation(report, `${name}.entries`, prototype, 'entries', { length: 0 }, true);
    checkOperation(report, `${name}.keys`, prototype, 'keys', { length: 0 }, true);
    checkOperation(report, `${name}.forEach`, prototype, 'forEach', { length: 1 }, true);
}

function checkClass(report, name, Class, { parent, length }) {
    report.check(name, flags(describe(globalThis, name), true, false, true), 'wrong flags on the global object');
    report.check(name, Class.name === name && Class.length === (length ?? 0), `its name is ${Class.name}, its length ${Class.length}`);
    report.check(name, flags(describe(Class, 'prototype'), false, false, false), 'wrong flags of its prototype');
    report.check(name, Object.getPrototypeOf(Class) === (parent ? globalThis[parent] : Function.prototype), 'inherits from another');
    const base = name === 'DOMException' ? Error : parent ? globalThis[parent] : Object;
    report.check(name, Object.getPrototypeOf(Class.prototype) === base?.prototype, `its prototype's prototype is another`);
    const made = describe(Class.prototype, 'constructor');
    report.check(name, made?.value === Class && flags(made, true, false, true), 'wrong constructor property');
    const tag = describe(Class.prototype, Symbol.toStringTag);
    report.check(name, tag?.value === name && flags(tag, false, false, true), 'wrong toStringTag');
    report.check(name, throwsTypeError(() => Class()), 'can be called without new');
    if (length === null) report.check(name, throwsTypeError(() => new Class()), 'can be constructed');
    else if (length > 0) report.check(name, throwsTypeError(() => new Class()), 'needs no argument');
}

function checkInterface(report, name, said) {
    const Class = globalThis[name];
    if (!report.check(name, typeof Class === 'function', 'is not there')) return;
    checkClass(report, name, Class, said);
    const { prototype } = Class;
    const expected = new Set(['constructor', Symbol.toStringTag]);
    const place = (key) => (key.startsWith('static ') ? [Class, key.slice(7), false] : (expected.add(key), [prototype, key, true]));
    for (const [key, how] of Object.entries(said.operations)) {
        const [target, own, hasReceiver] = place(key);
        // An event target's operations take the global object where there is no receiver; {} is none.
        checkOperation(report, `${name}.${own}`, target, own, how, hasReceiver);
    }
    for (const [key, how] of Object.entries(said.attributes)) {
        const [target, own, hasReceiver] = place(key);
        if (how.isOwn) expected.delete(own);
        else checkAttribute(report, `${name}.${own}`, target, own, how, hasReceiver);
    }
    for (const [key, value] of Object.entries(said.constants)) {
        expected.add(key);
        for (const target of [Class, prototype]) {
            const d = describe(target, key);
            report.check(`${name}.${key}`, d?.value === value && flags(d, false, true, false), 'wrong constant');
        }
    }
    if (said.iterable) {
        for (const key of ['entries', 'keys', 'values', 'forEach', Symbol.iterator, Symbol.asyncIterator]) expected.add(key);
        checkIterable(report, name, prototype, said.iterable);
    }
    // web-streams-polyfill has its internal methods under symbols like [[PullSteps]].
    const shown = Reflect.ownKeys(prototype).filter((key) => typeof key !== 'symbol' || !key.description.startsWith('[['));
    for (const key of shown) report.check(`${name}.${String(key)}`, expected.has(key), 'is in no standard');
}

function checkNamespace(report, name, said) {
    const object = globalThis[name];
    for (const [key, how] of Object.entries(said.operations)) checkOperation(report, `${name}.${key}`, object, key, how, false);
    report.check(name, flags(describe(globalThis, name), true, false, true), 'wrong flags on the global object');
}

const all = new Report();
const tests = Object.fromEntries(Object.entries(interfaces).map(([name, said]) => [name, async () => {
    const report = new Report();
    (said.type === 'namespace' ? checkNamespace : checkInterface)(report, name, said);
    await Promise.all(waiting.splice(0));
    all.checked += report.checked;
    if (report.problems.length) throw new Failed(`${report.problems.length} of ${report.checked}: ${report.problems.join('; ')}`);
}]));

tests['the global object'] = () => {
    const report = new Report();
    for (const [key, how] of Object.entries(globals.operations)) checkOperation(report, `globals.${key}`, globalThis, key, how, false);
    for (const key of Object.keys(globals.attributes)) {
        const d = describe(globalThis, key);
        report.check(`globals.${key}`, d?.enumerable && d.configurable, 'is not there, or has the wrong flags');
    }
    if (report.problems.length) throw new Failed(report.problems.join('; '));
};

export default suite(tests);
