// structuredClone (HTML 2.7): the engine's serializer does it, a native of the worker drives it, and what it does about the platform's
// own objects is here. The copy is made at once, in the same heap, so of those nothing is written but an index into a list of copies.
import { blobBytes, blobOfBytes, fileOfBytes, isBlob, isFile } from './blob.js';
import { cloneDOMException, DOMException, isDOMException } from './dom_exception.js';
import { host } from './host.js';
import { any, dictionary, globalFunction, isArrayBuffer, object, optional, platform, sequence } from './webidl.js';

const { getPrototypeOf } = Object;
const ObjectPrototype = Object.prototype;

export function dataCloneError(message) {
    return new DOMException(message, 'DataCloneError');
}

const cloners = []; // {is, copy}: serializable objects
const movers = []; // {is, move}: transferable objects

// A class whose objects are copied; move: whose objects go to another owner, and are of no use here any more.
export function cloneable(is, copy) {
    cloners.push({ is, copy });
}

export function transferable(is, move) {
    movers.push({ is, move });
}

cloneable(isDOMException, cloneDOMException);
cloneable(isFile, (file) => fileOfBytes(blobBytes(file), file.type, file.name, file.lastModified));
cloneable(isBlob, (blob) => blobOfBytes(blobBytes(blob), blob.type));

function isPlatform(value) {
    let p = getPrototypeOf(value);
    while (p !== null && p !== ObjectPrototype && !platform.get(p)?.(value)) p = getPrototypeOf(p);
    return p !== null && p !== ObjectPrototype;
}

function copyOf(value) {
    const cloner = cloners.find(({ is }) => is(value));
    if (!cloner) throw dataCloneError(`an object of the class ${getPrototypeOf(value)?.constructor?.name} can not be cloned`);
    return cloner.copy(value);
}

// What the clone under way has met: {moving: object -> its mover, moved: object -> what it is now, copies: functions that give the copy
// of each object of the platform in the order they were written, for what moves is not moved before all is}. A getter may begin another.
let met = null;
const NONE = [];

function write(item) {
    met ??= { moving: new Map(), moved: undefined, copies: [] };
    const { moving, moved, copies } = met;
    if (moving.has(item)) return copies.push(() => moved.get(item)) - 1;
    const copy = copyOf(item);
    return copies.push(() => copy) - 1;
}

function move() {
    for (const [item, mover] of met.moving) if (mover) met.moved.set(item, mover.move(item));
}

const read = (index) => met.copies[index]();

function planned(transfer) {
    const moving = new Map();
    for (const item of transfer) {
        const mover = isArrayBuffer(item) ? null : movers.find(({ is }) => is(item));
        if (mover === undefined) throw dataCloneError('a value of the transfer list can not be transferred');
        if (moving.has(item)) throw dataCloneError('a value is in the transfer list twice');
        moving.set(item, mover);
    }
    return { moving, moved: new Map(), copies: [] };
}

// {value, moved}: a copy, and what the objects of the transfer list are now, in their order (undefined for buffers).
export function clone(value, transfer) {
    const outer = met;
    met = transfer.length ? planned(transfer) : null;
    try {
        if (!met) return { value: host.clone(value, NONE, isPlatform, write, undefined, read), moved: NONE };
        const { moving, moved } = met;
        const buffers = transfer.filter((item) => moving.get(item) === null);
        return { value: host.clone(value, buffers, isPlatform, write, move, read), moved: transfer.map((item) => moved.get(item)) };
    } finally {
        met = outer;
    }
}

export const StructuredSerializeOptions = dictionary('StructuredSerializeOptions', { transfer: [sequence(object), () => []] });

export const structuredClone = globalFunction('structuredClone', [any, optional(StructuredSerializeOptions)],
    (value, { transfer }) => clone(value, transfer).value);
