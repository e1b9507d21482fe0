// Values as text for the log: what console.log shows. They are a script's: each property access, each hook, and each builtin that the
// script has replaced may throw. What cannot be read is said to be so; nothing gets out of here but text.
const DEPTH_MAX = 4;
const ITEMS_MAX = 100;
const LINE = 76;

const FAILED = Symbol('failed');

function attempt(read) {
    try {
        return read();
    } catch {
        return FAILED;
    }
}

const quote = (text) => (text.includes("'") && !text.includes('"') ? JSON.stringify(text) : `'${text
    .replace(/[\\']/g, '\\$&').replaceAll('\n', '\\n').replaceAll('\r', '\\r').replaceAll('\t', '\\t')}'`);

const keyText = (key) => (typeof key === 'symbol' ? `[${String(key)}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key));

function wrap(open, items, close, indent) {
    if (items.length === 0) return open + close;
    const flat = items.join(', ');
    if (flat.length + open.length + indent.length <= LINE && !flat.includes('\n')) return `${open} ${flat} ${close}`;
    const inner = indent + '  ';
    return `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
}

function nameOf(value) {
    const prototype = Object.getPrototypeOf(value);
    if (prototype === null) return '[Object: null prototype]';
    const constructor = Object.getOwnPropertyDescriptor(prototype, 'constructor')?.value;
    return typeof constructor === 'function' && constructor.name ? constructor.name : 'Object';
}

function properties(value, depth, seen, indent, skip) {
    const items = [];
    for (const key of Reflect.ownKeys(value)) {
        if (skip?.(key)) continue;
        const property = Object.getOwnPropertyDescriptor(value, key);
        if (!property?.enumerable) continue;
        if (items.length >= ITEMS_MAX) {
            items.push('...');
            break;
        }
        const text = property.get || property.set
            ? property.get ? (property.set ? '[Getter/Setter]' : '[Getter]') : '[Setter]'
            : show(property.value, depth + 1, seen, indent + '  ');
        items.push(`${keyText(key)}: ${text}`);
    }
    return items;
}

function list(values, size, depth, seen, indent) {
    const items = [];
    for (const value of values) {
        if (items.length >= ITEMS_MAX) {
            items.push(`... ${size - ITEMS_MAX} more`);
            break;
        }
        items.push(show(value, depth + 1, seen, indent + '  '));
    }
    return items;
}

function isIndex(key) {
    return typeof key === 'string' && /^(?:0|[1-9]\d*)$/.test(key);
}

// Its stack; or what else there is of it.
function errorText(error) {
    const stack = attempt(() => error.stack);
    if (typeof stack === 'string' && stack) return stack;
    const own = attempt(() => String(error.name));
    const name = own === FAILED ? nameOf(error) : own;
    const message = attempt(() => String(error.message));
    const text = message === FAILED || message === '' ? name : `${name}: ${message}`;
    return stack === FAILED ? `${text}, whose stack cannot be read` : text;
}

function showObject(value, depth, seen, indent) {
    if (value instanceof Error) {
        const text = errorText(value);
        const extra = attempt(() => properties(value, depth, seen, indent, (k) => k === 'stack' || k === 'message'));
        if (extra === FAILED) return text;
        const cause = attempt(() => ('cause' in value ? value.cause : undefined));
        if (cause !== undefined && depth < DEPTH_MAX)
            extra.push(`[cause]: ${cause === FAILED ? 'cannot be read' : show(cause, depth + 1, seen, indent + '  ')}`);
        return extra.length ? `${text} ${wrap('{', extra, '}', indent)}` : text;
    }
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
    if (value instanceof RegExp) return String(value);
    if (value instanceof Promise) return 'Promise {}';
    if (value instanceof WeakMap || value instanceof WeakSet) return `${nameOf(value)} { <items unknown> }`;
    for (const type of [Number, String, Boolean, BigInt, Symbol])
        if (value instanceof type) return `[${type.name}: ${show(value.valueOf(), depth, seen, indent)}]`;

    const name = nameOf(value);
    if (typeof value === 'function') {
        const what = Function.prototype.toString.call(value).startsWith('class') ? 'class' : nameOf(value);
        const head = what === 'class' ? `[class ${value.name || '(anonymous)'}]` : `[${what}${value.name ? ': ' + value.name : ' (anonymous)'}]`;
        const extra = properties(value, depth, seen, indent);
        return extra.length ? wrap(`${head} {`, extra, '}', indent) : head;
    }
    if (Array.isArray(value)) {
        if (depth > DEPTH_MAX) return '[Array]';
        const items = list(value, value.length, depth, seen, indent);
        items.push(...properties(value, depth, seen, indent, isIndex));
        return wrap(name === 'Array' ? '[' : `${name}(${value.length}) [`, items, ']', indent);
    }
    if (depth > DEPTH_MAX) return `[${name}]`;
    if (ArrayBuffer.isView(value) && !(value instanceof DataView))
        return wrap(`${name}(${value.length}) [`, list(value, value.length, depth, seen, indent), ']', indent);
    if (value instanceof ArrayBuffer) return `ArrayBuffer { byteLength: ${value.byteLength} }`;
    if (value instanceof Map) {
        const items = [];
        for (const [k, v] of value) {
            if (items.length >= ITEMS_MAX) break;
            items.push(`${show(k, depth + 1, seen, indent + '  ')} => ${show(v, depth + 1, seen, indent + '  ')}`);
        }
        return wrap(`${name}(${value.size}) {`, items, '}', indent);
    }
    if (value instanceof Set)
        return wrap(`${name}(${value.size}) {`, list(value, value.size, depth, seen, indent), '}', indent);
    if (value instanceof Headers)
        return wrap('Headers {', [...value].map(([k, v]) => `${keyText(k)}: ${quote(v)}`), '}', indent);
    if (value instanceof URLSearchParams || value instanceof FormData)
        return wrap(`${name} {`, [...value].map(([k, v]) => `${quote(k)} => ${show(v, depth + 1, seen, indent)}`), '}', indent);
    if (value instanceof ReadableStream || value instanceof WritableStream) return `${name} { locked: ${value.locked} }`;
    if (value instanceof TransformStream) return `${name} {}`;
    if (value instanceof URL) return `URL { ${quote(value.href)} }`;
    if (value instanceof Request) return `Request { method: ${quote(value.method)}, url: ${quote(value.url)} }`;
    if (value instanceof Response) return `Response { status: ${value.status}, ok: ${value.ok} }`;

    const tag = value[Symbol.toStringTag];
    const head = name === 'Object' ? (typeof tag === 'string' && tag ? `Object [${tag}] {` : '{') : `${name} {`;
    return wrap(head, properties(value, depth, seen, indent), '}', indent);
}

function show(value, depth, seen, indent) {
    switch (typeof value) {
    case 'string': return depth === 0 ? value : quote(value);
    case 'bigint': return `${value}n`;
    case 'symbol': return String(value);
    case 'number': return Object.is(value, -0) ? '-0' : String(value);
    case 'object':
    case 'function':
        if (value === null) return 'null';
        if (seen.includes(value)) return '[Circular]';
        seen.push(value);
        try {
            return showObject(value, depth, seen, indent);
        } catch {
            return unshown(value); // a hostile proxy or getter
        } finally {
            seen.pop();
        }
    default: return String(value);
    }
}

function unshown(value) {
    return `[${typeof value}: not shown]`;
}

// As inside of an object: a string in quotes.
export function inspectQuoted(value) {
    return typeof value === 'string' ? quote(value) : inspect(value);
}

export function inspect(value) {
    try {
        return show(value, 0, [], '');
    } catch {
        return unshown(value); // the script has replaced what this here is made with
    }
}

// What nobody caught, as text for the log.
export function describe(error) {
    const hasStack = attempt(() => error instanceof Error && typeof error.stack === 'string');
    const text = inspect(error);
    return hasStack === true ? text : `Uncaught ${text}`;
}

function numberText(convert, value) {
    const number = typeof value === 'symbol' ? FAILED : attempt(() => convert(value, 10));
    return typeof number === 'number' ? String(number) : 'NaN';
}

// console's formatter (Console 2.2.1): %s %d %i %f %j %o %O %c %%
function formatted(args) {
    let at = 0;
    let text = '';
    if (typeof args[0] === 'string' && args.length > 1) {
        at = 1;
        text = args[0].replace(/%[sdifjoOc%]/g, (spec) => {
            if (spec === '%%') return '%';
            if (at >= args.length) return spec;
            const value = args[at++];
            switch (spec[1]) {
            case 's': {
                const text = typeof value === 'object' && value !== null ? FAILED : attempt(() => String(value));
                return text === FAILED ? inspect(value) : text;
            }
            case 'd': return numberText(Number, value);
            case 'i': return numberText(parseInt, value);
            case 'f': return numberText(parseFloat, value);
            case 'j': {
                const text = attempt(() => JSON.stringify(value));
                return text === FAILED ? inspect(value) : text;
            }
            case 'c': return '';
            default: return show(value, 1, [], '');
            }
        });
        if (at < args.length) text += ' ';
    }
    return text + args.slice(at).map((value) => inspect(value)).join(' ');
}

export function format(args) {
    const text = attempt(() => formatted(args));
    return typeof text === 'string' ? text : '[a line that cannot be shown]';
}
