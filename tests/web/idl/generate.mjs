// generate.mjs NODE_MODULES > idl_table.mjs: what the standards say about each interface that hearth has or ECMA-429 asks for, from their
// IDL (@webref/idl) by a parser of it (webidl2). Run by the V8 host's own main, while hearth is built; idl.mjs compares an isolate with it.
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const modules = process.argv[2];
const { parse } = await import(pathToFileURL(`${modules}/webidl2/index.js`));

const SPECS = ['FileAPI', 'compression', 'console', 'dom', 'encoding', 'fetch', 'fetch-late', 'hr-time', 'html', 'performance-timeline',
    'scheduling-apis', 'service-workers', 'streams', 'url', 'urlpattern', 'user-timing', 'webcrypto', 'webidl', 'websockets', 'xhr'];
const NAMES = `AbortController AbortSignal Blob ByteLengthQueuingStrategy CloseEvent CompressionStream CountQueuingStrategy Crypto CryptoKey
    CustomEvent DOMException DecompressionStream ErrorEvent Event EventTarget ExtendableEvent FetchEvent File FormData Headers
    MessageChannel
    MessageEvent MessagePort Performance PerformanceEntry PerformanceMark PerformanceMeasure PerformanceObserver
    PerformanceObserverEntryList ProgressEvent PromiseRejectionEvent QuotaExceededError ReadableByteStreamController ReadableStream
    ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request Response
    Scheduler
    SubtleCrypto TaskController TaskPriorityChangeEvent TaskSignal TextDecoder TextDecoderStream TextEncoder TextEncoderStream
    TransformStream TransformStreamDefaultController URL URLPattern URLSearchParams WritableStream WritableStreamDefaultController
    WritableStreamDefaultWriter console`.split(/\s+/);
const GLOBALS = ['WindowOrWorkerGlobalScope', 'WorkerGlobalScope', 'GlobalCrypto', 'UniversalMessages'];

const definitions = [];
for (const spec of SPECS) {
    let text;
    try {
        text = readFileSync(`${modules}/@webref/idl/${spec}.idl`, 'utf8');
    } catch {
        continue; // it is part of another one in this version
    }
    definitions.push(...parse(text));
}

const attributeOf = (thing, name) => thing.extAttrs?.find((a) => a.name === name);

// Does a worker have it? container: what it is a member of.
function isExposed(thing, container = undefined) {
    const exposed = attributeOf(thing, 'Exposed');
    if (!exposed) return container ? isExposed(container) : true;
    const { type, value } = exposed.rhs;
    const where = type === '*' ? ['*'] : [value].flat().map((v) => v.value ?? v);
    return where.some((name) => ['*', 'Worker', 'ServiceWorker'].includes(name));
}

const isPromise = (member) => (member.idlType?.generic ?? member.idlType) === 'Promise';
const lengthOf = (given) => given.filter((argument) => !argument.optional && !argument.variadic).length;

function membersOf(name) {
    const mixins = definitions.filter((d) => d.type === 'includes' && d.target === name).map((d) => d.includes);
    const from = definitions.filter((d) => (d.name === name || mixins.includes(d.name)) && d.members && /interface|namespace/.test(d.type));
    return from.flatMap((d) => d.members.filter((m) => isExposed(m, d)));
}

function described(name) {
    const main = definitions.find((d) => d.name === name && !d.partial && /interface|namespace/.test(d.type));
    if (!main) return undefined;
    const said = { type: main.type, parent: main.inheritance ?? null, length: null, operations: {}, attributes: {}, constants: {},
        iterable: null };
    for (const member of membersOf(name)) {
        const key = member.special === 'static' ? `static ${member.name}` : member.name;
        if (member.type === 'constructor') {
            said.length = Math.min(said.length ?? 9, lengthOf(member.arguments));
        } else if (member.type === 'operation' && member.special === 'stringifier') {
            said.operations.toString = { length: 0 };
        } else if (member.type === 'operation' && member.name) {
            const length = Math.min(said.operations[key]?.length ?? 9, lengthOf(member.arguments));
            said.operations[key] = { length, isPromise: isPromise(member) || undefined };
        } else if (member.type === 'attribute') {
            const isSettable = !member.readonly || attributeOf(member, 'Replaceable') || attributeOf(member, 'PutForwards');
            said.attributes[key] = {
                isSettable: !!isSettable, isPromise: isPromise(member) || undefined,
                isOwn: attributeOf(member, 'LegacyUnforgeable') ? true : undefined,
            };
            if (member.special === 'stringifier') said.operations.toString = { length: 0 };
        } else if (member.type === 'const') {
            said.constants[member.name] = Number(member.value.value);
        } else if (member.type === 'iterable' || member.type === 'async_iterable' || member.async) {
            said.iterable = member.async || member.type === 'async_iterable' ? 'async' : member.idlType.length === 2 ? 'pairs' : 'values';
        }
    }
    return said;
}

const table = {};
for (const name of NAMES) {
    const said = described(name);
    if (said) table[name] = said;
    else process.stderr.write(`generate.mjs: ${name} is in no IDL\n`);
}
const globals = { operations: {}, attributes: {} };
for (const name of GLOBALS) {
    const { operations, attributes } = described(name) ?? { operations: {}, attributes: {} };
    Object.assign(globals.operations, operations);
    Object.assign(globals.attributes, attributes);
}
process.stdout.write(`export const interfaces = ${JSON.stringify(table)};\nexport const globals = ${JSON.stringify(globals)};\n`);
