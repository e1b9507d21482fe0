// Web IDL (https://webidl.spec.whatwg.org): what an interface looks like from outside, in one place. A class does the work on
// arguments that fit; declare() says what its members are and puts the rest around them while the snapshot is built:
//
//   declare(Headers, {
//       constructor: 0,                           how many arguments are required, Headers.length
//       is: (value) => #fields in value,          the brand: whether a value is a Headers
//       operations: {
//           append: [ByteString, ByteString],     arguments, converted in this order; optional() from some place on, rest() at last
//           text: promise(),                      what it throws rejects the promise that it returns
//       },
//       attributes: { url: readonly, onabort: EventHandler },
//       statics: { json: [any, optional(ResponseInit)] },
//       constants: { NONE: 0 },
//       ofGlobal: true,                           its operations without a receiver are about the global object
//       iterable: (headers) => [[name, value]],   pairs; or setlike values with values: true
//   });
//
// A member of the class that is not declared, or one that is declared and not there, ends the build. What is put around a member is
// compiled for it alone, so that a call is as cheap as one written by hand: V8 inlines conversions it sees the only use of.
//
// A converter is a function (value, what) that returns what its type makes of the value, or throws a TypeError that begins with
// `what`, "Headers.append, argument 1". All are here or beside the interface they convert to.

const { apply, getOwnPropertyDescriptor, ownKeys } = Reflect;
const { defineProperty } = Object;
const theGlobal = globalThis;
const reject = (error) => Promise.reject(error);

function missing(what, required, given) {
    return new TypeError(`${what}: ${required} ${required === 1 ? 'argument is' : 'arguments are'} required, ${given} given`);
}

// For a constructor, which converts by itself: how many arguments it was given, at least.
export function required(given, count, what) {
    if (given.length < count) throw missing(what, count, given.length);
}

export function illegal(what) {
    return new TypeError(`${what}: Illegal constructor`);
}

function misused(what, name) {
    return new TypeError(`${what}: Illegal invocation: this is no ${name}`);
}

// Prototype -> brand, of all that is declared: which objects are the platform's (clone.js).
export const platform = new Map();

// ---- types

export const any = (value) => value;
export const boolean = (value) => !!value; // eslint would say Boolean(): this one is not called
export const DOMString = (value, what) => {
    if (typeof value === 'string') return value;
    if (typeof value === 'symbol') throw new TypeError(`${what}: a symbol is no string`);
    return String(value);
};
export const USVString = (value, what) => DOMString(value, what).toWellFormed();
const NOT_LATIN1 = /[^\0-\xff]/;
export const ByteString = (value, what) => {
    value = DOMString(value, what);
    if (NOT_LATIN1.test(value)) throw new TypeError(`${what}: a character above U+00FF is in no header and no method`);
    return value;
};
export const object = (value, what) => {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) throw new TypeError(`${what}: not an object`);
    return value;
};
export const callback = (value, what) => {
    if (typeof value !== 'function') throw new TypeError(`${what}: not a function`);
    return value;
};
// An onx attribute: a function or object is kept, all else is null (LegacyTreatNonObjectAsNull).
export const EventHandler = (value) => (typeof value === 'function' || typeof value === 'object' ? value : null);

function number(value, what) {
    if (typeof value === 'number') return value;
    if (typeof value === 'bigint' || typeof value === 'symbol') throw new TypeError(`${what}: a ${typeof value} is no number`);
    return +value;
}

export const unrestrictedDouble = number;
export const double = (value, what) => {
    value = number(value, what);
    if (!Number.isFinite(value)) throw new TypeError(`${what}: not a finite number`);
    return value;
};

// Integers (3.2.4.9): the plain conversion wraps around.
function integer(bits, isSigned) {
    const modulus = 2 ** bits;
    const top = bits === 64 ? Number.MAX_SAFE_INTEGER : isSigned ? modulus / 2 - 1 : modulus - 1;
    const bottom = isSigned ? (bits === 64 ? Number.MIN_SAFE_INTEGER : -modulus / 2) : 0;
    const convert = (value, what) => {
        if (typeof value === 'number' && value >= bottom && value <= top && (value | 0) === value && !Object.is(value, -0)) return value;
        value = Math.trunc(number(value, what));
        if (!Number.isFinite(value) || value === 0) return 0;
        value = Number(BigInt.asUintN(bits, BigInt(value)));
        return isSigned && value >= modulus / 2 ? value - modulus : value;
    };
    convert.top = top;
    convert.bottom = bottom;
    return convert;
}

export const octet = integer(8, false);
export const unsignedShort = integer(16, false);
export const long = integer(32, true);
export const unsignedLong = integer(32, false);
export const longLong = integer(64, true);
export const unsignedLongLong = integer(64, false);

export const enforceRange = ({ top, bottom }) => (value, what) => {
    value = number(value, what);
    if (!Number.isFinite(value)) throw new TypeError(`${what}: not a finite number`);
    value = Math.trunc(value);
    if (value < bottom || value > top) throw new TypeError(`${what}: ${value} is not within ${bottom} and ${top}`);
    return value === 0 ? 0 : value;
};
export const clamp = ({ top, bottom }) => (value, what) => {
    value = Math.min(Math.max(number(value, what), bottom), top);
    if (Number.isNaN(value)) return 0;
    const floor = Math.floor(value);
    const isDown = value - floor < 0.5 || (value - floor === 0.5 && floor % 2 === 0); // ties to even
    return (isDown ? floor : floor + 1) + 0;
};

export const nullable = (type) => (value, what) => (value === null || value === undefined ? null : type(value, what));

export function enumeration(name, values) {
    const all = new Set(values);
    return (value, what) => {
        value = DOMString(value, what);
        if (!all.has(value)) throw new TypeError(`${what}: "${value}" is no ${name}`);
        return value;
    };
}

// From an object whose iterator was looked up already (unions look it up to tell sequences from records).
export function sequenceFrom(value, method, type, what) {
    const list = [];
    const iterator = object(apply(method, value, []), what);
    const next = iterator.next;
    for (;;) {
        const step = object(apply(next, iterator, []), what);
        if (step.done) return list;
        list.push(type(step.value, what));
    }
}

export const sequence = (type) => (value, what) => {
    const method = object(value, what)[Symbol.iterator];
    if (typeof method !== 'function') throw new TypeError(`${what}: not iterable`);
    return sequenceFrom(value, method, type, what);
};

// The pairs of a record, in order; a key that a conversion makes the same as an earlier one takes its place.
export const record = (keyType, valueType) => (value, what) => {
    const pairs = new Map();
    for (const key of ownKeys(object(value, what))) {
        if (!getOwnPropertyDescriptor(value, key)?.enumerable) continue;
        const name = keyType(key, what);
        pairs.set(name, valueType(value[key], what));
    }
    return [...pairs];
};

export const interfaceOf = (name, is) => (value, what) => {
    if (!is(value)) throw new TypeError(`${what}: not a ${name}`);
    return value;
};

const byteLengthOf = getOwnPropertyDescriptor(ArrayBuffer.prototype, 'byteLength').get;
const resizableOf = getOwnPropertyDescriptor(ArrayBuffer.prototype, 'resizable').get;
const typedTagOf = getOwnPropertyDescriptor(Object.getPrototypeOf(Uint8Array.prototype), Symbol.toStringTag).get;
const { isView } = ArrayBuffer;

function answers(getter, value) {
    try {
        apply(getter, value, []);
        return true;
    } catch {
        return false;
    }
}

export const isArrayBuffer = (value) => typeof value === 'object' && value !== null && answers(byteLengthOf, value);
export const isBufferSource = (value) => isView(value) || isArrayBuffer(value);
// "Uint8Array" and so on; undefined: no typed array.
export const typedArrayName = (value) => apply(typedTagOf, value, []);

export const isUint8Array = (value) => isView(value) && typedArrayName(value) === 'Uint8Array';

// BufferSource without [AllowResizable]; there is no shared memory.
export const BufferSource = (value, what) => {
    AnyBufferSource(value, what);
    if (apply(resizableOf, isView(value) ? value.buffer : value, [])) throw new TypeError(`${what}: a resizable buffer`);
    return value;
};
export const AnyBufferSource = (value, what) => {
    if (isBufferSource(value)) return value;
    throw new TypeError(`${what}: not an ArrayBuffer or a view of one`);
};

// ---- code made while the snapshot is built: new Function is off in every isolate that runs scripts

function compiled(parts, given) {
    const text = `'use strict'; return ${parts.join('\n')}\n//# sourceURL=hearth:web`; // in stacks, as the rest of the platform
    return new Function(...Object.keys(given), text)(...Object.values(given));
}

// dictionary('ResponseInit', { status: [unsignedShort, 200], headers: HeadersInit }): a member is a type, or [type, default], or
// requiredMember(type). base: the dictionary it inherits from, whose members come first. What converts is an object with all members.
export function dictionary(name, members, base = undefined) {
    const given = {};
    const code = [];
    const all = [...(base?.members ?? []), ...Object.entries(members).sort(([a], [b]) => (a < b ? -1 : 1))];
    all.forEach(([key, member], i) => {
        const [type, byDefault] = Array.isArray(member) ? member : [member.type ?? member, undefined];
        given[`t${i}`] = type;
        given[`d${i}`] = byDefault;
        const absent = member.type
            ? `(() => { throw new TypeError(what + ${JSON.stringify(`: ${name} needs ${key}`)}); })()`
            : typeof byDefault === 'function' ? `d${i}()` : `d${i}`;
        code.push(`let v${i} = isNone ? undefined : value[${JSON.stringify(key)}];`,
            `v${i} = v${i} === undefined ? ${absent} : t${i}(v${i}, what + ${JSON.stringify(`, ${key}`)});`);
    });
    const convert = compiled([
        'function (value, what) {',
        '    const isNone = value === undefined || value === null;',
        `    if (!isNone && typeof value !== 'object' && typeof value !== 'function')`,
        `        throw new TypeError(what + ${JSON.stringify(`: not an object, as a ${name} is`)});`,
        ...code,
        `    return { ${all.map(([key], i) => `${JSON.stringify(key)}: v${i}`).join(', ')} };`,
        '}',
    ], given);
    convert.members = all;
    convert.isDictionary = true;
    return convert;
}

export const requiredMember = (type) => ({ type });

// ---- members

export const readonly = Symbol('readonly');
// A dictionary's default is the one of {}: it is converted too.
export const optional = (type, byDefault = undefined) => ({ type, isOptional: true, byDefault });
export const rest = (type) => ({ type, isRest: true });
export const promise = (...parameters) => ({ parameters, isPromise: true });

// The function that is seen: it checks, converts, and calls `work`. ofGlobal: without a receiver it is about the global object.
function operation(owner, name, signature, work, is, ofGlobal = false) {
    const { parameters, isPromise } = Array.isArray(signature) ? { parameters: signature, isPromise: false } : signature;
    const what = owner ? `${owner}.${name}` : name;
    const given = { work, is, missing, misused, reject, theGlobal };
    const self = ofGlobal ? '(this ?? theGlobal)' : 'this';
    const code = [];
    const names = [];
    let count = 0;
    parameters.forEach((parameter, i) => {
        const { type, isOptional, isRest, byDefault } = typeof parameter === 'function' ? { type: parameter } : parameter;
        const where = JSON.stringify(`${what}, argument ${i + 1}`);
        given[`t${i}`] = type;
        given[`d${i}`] = byDefault;
        if (isRest) {
            names.push(`...a${i}`);
            if (type !== any) code.push(`for (let n = 0; n < a${i}.length; n++) a${i}[n] = t${i}(a${i}[n], ${where});`);
        } else if (isOptional) {
            names.push(`a${i} = undefined`);
            if (type.isDictionary) code.push(`a${i} = t${i}(a${i}, ${where});`);
            else code.push(`a${i} = a${i} === undefined ? d${i} : ${type === any ? `a${i}` : `t${i}(a${i}, ${where})`};`);
        } else {
            names.push(`a${i}`);
            count = i + 1;
            if (type !== any) code.push(`a${i} = t${i}(a${i}, ${where});`);
        }
    });
    const all = parameters.map((parameter, i) => (parameter.isRest ? `...a${i}` : `a${i}`));
    return compiled([
        `{ ${JSON.stringify(name)}(${names.join(', ')}) {`,
        isPromise ? 'try {' : '',
        is ? `if (!is(${self})) throw misused(${JSON.stringify(what)}, ${JSON.stringify(owner)});` : '',
        count ? `if (arguments.length < ${count}) throw missing(${JSON.stringify(what)}, ${count}, arguments.length);` : '',
        ...code,
        `return work.call(${[self, ...all].join(', ')});`,
        isPromise ? '} catch (error) { return reject(error); }' : '',
        `} }[${JSON.stringify(name)}];`,
    ], given);
}

function attribute(owner, name, type, { get, set }, is) {
    const what = `${owner}.${name}`;
    const given = { get, set, type, is, misused, reject };
    const check = is ? `if (!is(this)) throw misused(${JSON.stringify(what)}, ${JSON.stringify(owner)});` : '';
    const read = type?.isPromise
        ? `try { ${check} return get.call(this); } catch (error) { return reject(error); }`
        : `${check} return get.call(this);`;
    const getter = compiled([`Object.getOwnPropertyDescriptor({ get ${JSON.stringify(name)}() { ${read} } }, ${JSON.stringify(name)}).get`], given);
    const setter = set && compiled([
        `Object.getOwnPropertyDescriptor({ set ${JSON.stringify(name)}(value) { ${check}`,
        `set.call(this, type(value, ${JSON.stringify(what)})); } }, ${JSON.stringify(name)}).set`,
    ], given);
    return { get: getter, set: setter, enumerable: true, configurable: true };
}

// ---- iteration (3.7.10): an iterator over the pairs that there are when it is asked, by their index

const IteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

function iterators(owner, list, isValues) {
    class Iterator {
        #target; #kind; #index = 0;
        constructor(target, kind) {
            this.#target = target;
            this.#kind = kind;
        }
        static is(value) { return typeof value === 'object' && value !== null && #target in value; }
        next() {
            const all = list(this.#target);
            if (this.#index >= all.length) return { value: undefined, done: true };
            const entry = all[this.#index++];
            const kind = this.#kind;
            if (isValues) return { value: kind === 'entries' ? [entry, entry] : entry, done: false };
            return { value: kind === 'entries' ? [entry[0], entry[1]] : kind === 'keys' ? entry[0] : entry[1], done: false };
        }
    }
    const prototype = Iterator.prototype;
    delete prototype.constructor;
    platform.set(prototype, Iterator.is);
    delete Iterator.is;
    Object.setPrototypeOf(prototype, IteratorPrototype);
    defineProperty(prototype, 'next', { enumerable: true });
    defineProperty(prototype, Symbol.toStringTag, { value: `${owner} Iterator`, configurable: true });
    return (kind) => function () { return new Iterator(this, kind); };
}

function makeIterable(prototype, name, { iterable, is, isValues }) {
    const method = iterators(name, iterable, isValues);
    const shown = { writable: true, enumerable: true, configurable: true };
    for (const kind of ['entries', 'keys', 'values'])
        defineProperty(prototype, kind, { ...shown, value: operation(name, kind, [], method(kind), is) });
    const forEach = function (visit, self) {
        for (let i = 0; i < iterable(this).length; i++) {
            const entry = iterable(this)[i];
            if (isValues) apply(visit, self, [entry, entry, this]);
            else apply(visit, self, [entry[1], entry[0], this]);
        }
    };
    defineProperty(prototype, 'forEach', { ...shown, value: operation(name, 'forEach', [callback, optional(any)], forEach, is) });
    defineProperty(prototype, Symbol.iterator, { ...shown, enumerable: false, value: prototype[isValues ? 'values' : 'entries'] });
}

// ---- interfaces

// A function of the global object: no receiver is asked for.
export function globalFunction(name, signature, work) {
    return operation('', name, signature, work, undefined);
}

// A namespace object (3.13): its members, and nothing to construct.
export function namespace(name, operations, works) {
    const target = Object.create({});
    for (const [key, signature] of Object.entries(operations)) {
        const value = operation(name, key, signature, works[key], undefined);
        defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
    }
    defineProperty(target, Symbol.toStringTag, { value: name, configurable: true });
    return target;
}

function declareMembers(target, name, { operations = {}, attributes = {}, ofGlobal }, is, isHidden) {
    const there = new Set(ownKeys(target).filter((key) => !isHidden(key)));
    for (const [key, signature] of Object.entries(operations)) {
        if (!there.delete(key)) throw new Error(`${name}.${key} is declared and not there`);
        const value = operation(name, key, signature, target[key], is, ofGlobal);
        defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
    }
    for (const [key, type] of Object.entries(attributes)) {
        if (!there.delete(key)) throw new Error(`${name}.${key} is declared and not there`);
        const descriptor = getOwnPropertyDescriptor(target, key);
        if ((type === readonly || !!type.isPromise) === !!descriptor.set) throw new Error(`${name}.${key}: readonly or not?`);
        defineProperty(target, key, attribute(name, key, type, descriptor, is));
    }
    for (const key of there) throw new Error(`${name}.${String(key)} is there and not declared`);
}

export function declare(Class, spec) {
    const { constructor: length, name = Class.name, is, statics = {}, constants = {}, iterable, values: isValues = false } =
        { ...spec, constructor: Object.hasOwn(spec, 'constructor') ? spec.constructor : 0 };
    const { prototype } = Class;
    if (is) platform.set(prototype, is);
    const own = new Set([...ownKeys(class { static x() {} }), 'name']);
    own.delete('x');
    declareMembers(prototype, name, spec, is, (key) => key === 'constructor');
    declareMembers(Class, name, { operations: statics }, undefined, (key) => own.has(key));
    if (iterable) makeIterable(prototype, name, { iterable, is, isValues });
    for (const target of [Class, prototype])
        for (const [key, value] of Object.entries(constants)) defineProperty(target, key, { value, enumerable: true });
    defineProperty(Class, 'length', { value: length, configurable: true });
    defineProperty(Class, 'name', { value: name, configurable: true });
    defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
    return Class;
}
