// URLPattern (URL Pattern Standard). Components are written in canonical form by the URL parser and matched by regular expressions.
//
//   text -> tokens -> parts -> source of an expression, names of its groups, and the pattern as it reads back
//
// An expression is compiled when it is first asked, unless it holds one of the script's own, which may be malformed.
import { partSetter, URL } from './url.js';
import { boolean, declare, dictionary, optional, readonly, USVString } from './webidl.js';

const { apply } = Reflect;
const { exec } = RegExp.prototype;
const { defineProperty } = Object;

const COMPONENTS = ['protocol', 'username', 'password', 'hostname', 'port', 'pathname', 'search', 'hash'];
const DEFAULT_PORTS = { 'http': '80', 'https': '443', 'ws': '80', 'wss': '443', 'ftp': '21', 'file': null };
const SPECIAL = Object.keys(DEFAULT_PORTS);
const isSpecial = (scheme) => Object.hasOwn(DEFAULT_PORTS, scheme);

const malformed = (why) => new TypeError(`URLPattern: ${why}`);

// ---- text as the URL parser would have it ("encoding callbacks")

const DUMMY = 'fake://f/';

// What a part of href becomes; undefined: it cannot be set.
function set(href, part, value) {
    const url = partSetter(href, part, value);
    return url === undefined ? undefined : url[part];
}

function canonical(part, value, text) {
    if (text === undefined) throw malformed(`"${value}" is no ${part}`);
    return text;
}

const canonicalize = {
    protocol: (value) => (value === '' ? '' : canonical('protocol', value, URL.parse(`${value}://dummy.test`)?.protocol.slice(0, -1))),
    username: (value) => (value === '' ? '' : canonical('username', value, set(DUMMY, 'username', value))),
    password: (value) => (value === '' ? '' : canonical('password', value, set(DUMMY, 'password', value))),
    hostname: (value) => (value === '' ? '' : canonical('hostname', value, set('https://dummy.test/', 'hostname', value))),
    ipv6(value) {
        if (!/^[0-9a-fA-F[\]:]*$/.test(value)) throw malformed(`"${value}" is no IPv6 address`);
        return value.toLowerCase();
    },
    // protocol decides which port is written as none.
    port(value, protocol = '') {
        if (value === '') return '';
        return canonical('port', value, set(`${protocol === '' || protocol === 'file' ? 'fake' : protocol}://dummy.test`, 'port', value));
    },
    // A piece of a path: what does not begin with a slash must not be given one, nor "." a meaning.
    pathname(value) {
        if (value === '') return '';
        if (value[0] === '/') return canonical('pathname', value, set(DUMMY, 'pathname', value));
        return canonical('pathname', value, set(DUMMY, 'pathname', `/-${value}`)).slice(2);
    },
    opaque: (value) => (value === '' ? '' : canonical('pathname', value, URL.parse(`fake:-${value}`)?.pathname.slice(1))),
    search: (value) => (value === '' ? '' : canonical('search', value, set(DUMMY, 'search', `?${value}`)).slice(1)),
    hash: (value) => (value === '' ? '' : canonical('hash', value, set(DUMMY, 'hash', `#${value}`)).slice(1)),
};

// ---- tokens

const OPEN = 'open';
const CLOSE = 'close';
const REGEXP = 'regexp';
const NAME = 'name';
const CHAR = 'char';
const ESCAPED = 'escaped-char';
const MODIFIER = 'other-modifier';
const ASTERISK = 'asterisk';
const END = 'end';
const INVALID = 'invalid-char';

const NAME_START = /[$_\p{ID_Start}]/u;
const NAME_PART = /[$_\u200c\u200d\p{ID_Continue}]/u;
const isNamePart = (point) => point !== undefined && NAME_PART.test(point);

// Behind the name that follows a ":" at `at`.
function nameEnd(points, at) {
    if (at >= points.length || !NAME_START.test(points[at])) return at;
    while (at < points.length && NAME_PART.test(points[at])) at++;
    return at;
}

// Behind the ")" of the group whose "(" is before `start`; -1: it is none.
function regexpEnd(points, start) {
    let depth = 1;
    for (let at = start; at < points.length; at++) {
        const point = points[at];
        if (point > '\x7f' || (at === start && point === '?')) return -1;
        if (point === '\\') {
            if (++at >= points.length || points[at] > '\x7f') return -1;
        } else if (point === ')') {
            if (--depth === 0) return at === start ? -1 : at + 1;
        } else if (point === '(') {
            depth++;
            if (points[at + 1] !== '?') return -1;
        }
    }
    return -1;
}

// {type, index, value}, the last of which is END. Lenient: what is no token is INVALID instead of a TypeError.
function tokenize(text, isLenient) {
    const points = [...text];
    const tokens = [];
    let at = 0;
    const add = (type, next, from, to) => {
        tokens.push({ type, index: at, value: from + 1 === to ? points[from] : points.slice(from, to).join('') });
        at = next;
    };
    const refuse = (next) => {
        if (!isLenient) throw malformed(`"${text}" is malformed at ${at}`);
        add(INVALID, next, at, next);
    };
    while (at < points.length) {
        switch (points[at]) {
        case '*': add(ASTERISK, at + 1, at, at + 1); break;
        case '+': case '?': add(MODIFIER, at + 1, at, at + 1); break;
        case '{': add(OPEN, at + 1, at, at + 1); break;
        case '}': add(CLOSE, at + 1, at, at + 1); break;
        case '\\':
            if (at + 1 === points.length) refuse(at + 1);
            else add(ESCAPED, at + 2, at + 1, at + 2);
            break;
        case ':': {
            const end = nameEnd(points, at + 1);
            if (end === at + 1) refuse(at + 1);
            else add(NAME, end, at + 1, end);
            break;
        }
        case '(': {
            const end = regexpEnd(points, at + 1);
            if (end < 0) refuse(at + 1);
            else add(REGEXP, end, at + 1, end - 1);
            break;
        }
        default: add(CHAR, at + 1, at, at + 1);
        }
    }
    add(END, at, at, at);
    return { tokens, points };
}

// ---- parts: {type, value, modifier ("", "?", "*", "+"), name, prefix, suffix}

const FIXED = 'fixed-text';
const SEGMENT = 'segment-wildcard';
const FULL = 'full-wildcard';
const FULL_SOURCE = '.*';

const escapeRegExp = (text) => text.replace(/[.+*?^${}()[\]|/\\]/g, '\\$&');
const escapePattern = (text) => text.replace(/[+*?:{}()\\]/g, '\\$&');
const segmentSource = (delimiter) => `[^${escapeRegExp(delimiter)}]+?`;

function parse(text, { delimiter, prefix: prefixPoint }, encode) {
    const { tokens } = tokenize(text, false);
    const segment = segmentSource(delimiter);
    const parts = [];
    const names = new Set();
    let fixed = '';
    let at = 0;
    let nextName = 0;

    const take = (type) => (tokens[at].type === type ? tokens[at++] : null);
    const takeModifier = () => (take(MODIFIER) ?? take(ASTERISK))?.value ?? '';
    const takeText = () => {
        let value = '';
        for (let token; (token = take(CHAR) ?? take(ESCAPED)) !== null;) value += token.value;
        return value;
    };
    const need = (type) => {
        if (take(type) === null) throw malformed(`"${text}" is malformed at ${tokens[at].index}`);
    };
    const flush = () => {
        if (fixed !== '') parts.push({ type: FIXED, value: encode(fixed), modifier: '', name: '', prefix: '', suffix: '' });
        fixed = '';
    };
    const add = (prefix, name, group, suffix, modifier) => {
        if (name === null && group === null && modifier === '') {
            fixed += prefix;
            return;
        }
        flush();
        if (name === null && group === null) {
            if (prefix !== '') parts.push({ type: FIXED, value: encode(prefix), modifier, name: '', prefix: '', suffix: '' });
            return;
        }
        const source = group === null ? segment : group.type === ASTERISK ? FULL_SOURCE : group.value;
        const type = source === segment ? SEGMENT : source === FULL_SOURCE ? FULL : REGEXP;
        const called = name !== null ? name.value : String(nextName++);
        if (names.has(called)) throw malformed(`the name "${called}" is there twice`);
        names.add(called);
        parts.push({ type, value: type === REGEXP ? source : '', modifier, name: called, prefix: encode(prefix), suffix: encode(suffix) });
    };

    while (at < tokens.length) {
        const char = take(CHAR);
        const name = take(NAME);
        const group = take(REGEXP) ?? (name === null ? take(ASTERISK) : null);
        if (name !== null || group !== null) {
            let prefix = char === null ? '' : char.value;
            if (prefix !== '' && prefix !== prefixPoint) {
                fixed += prefix;
                prefix = '';
            }
            flush();
            add(prefix, name, group, '', takeModifier());
            continue;
        }
        const text = char ?? take(ESCAPED);
        if (text !== null) {
            fixed += text.value;
            continue;
        }
        if (take(OPEN) !== null) {
            const prefix = takeText();
            const inner = take(NAME);
            const innerGroup = take(REGEXP) ?? (inner === null ? take(ASTERISK) : null);
            const suffix = takeText();
            need(CLOSE);
            add(prefix, inner, innerGroup, suffix, takeModifier());
            continue;
        }
        flush();
        need(END);
    }
    return parts;
}

function sourceOf(parts, { delimiter }) {
    let source = '^';
    for (const { type, value, modifier, prefix, suffix } of parts) {
        if (type === FIXED) {
            source += modifier === '' ? escapeRegExp(value) : `(?:${escapeRegExp(value)})${modifier}`;
            continue;
        }
        const inner = type === SEGMENT ? segmentSource(delimiter) : type === FULL ? FULL_SOURCE : value;
        const isRepeated = modifier === '*' || modifier === '+';
        const [before, behind] = [escapeRegExp(prefix), escapeRegExp(suffix)];
        if (prefix === '' && suffix === '') source += isRepeated ? `((?:${inner})${modifier})` : `(${inner})${modifier}`;
        else if (!isRepeated) source += `(?:${before}(${inner})${behind})${modifier}`;
        else source += `(?:${before}((?:${inner})(?:${behind}${before}(?:${inner}))*)${behind})${modifier === '*' ? '?' : ''}`;
    }
    return source + '$';
}

const isDigit = (text) => text[0] >= '0' && text[0] <= '9';

function patternOf(parts, { delimiter, prefix: prefixPoint }) {
    let pattern = '';
    parts.forEach(({ type, value, modifier, name, prefix, suffix }, i) => {
        const previous = parts[i - 1];
        const next = parts[i + 1];
        if (type === FIXED) {
            pattern += modifier === '' ? escapePattern(value) : `{${escapePattern(value)}}${modifier}`;
            return;
        }
        const isNamed = !isDigit(name);
        let isGrouped = suffix !== '' || (prefix !== '' && prefix !== prefixPoint);
        if (!isGrouped && isNamed && type === SEGMENT && modifier === '' && next !== undefined && next.prefix === '' && next.suffix === '')
            isGrouped = next.type === FIXED ? isNamePart([...next.value][0]) : isDigit(next.name);
        if (!isGrouped && prefix === '' && previous !== undefined && previous.type === FIXED && prefixPoint !== '' &&
            previous.value.endsWith(prefixPoint))
            isGrouped = true;
        pattern += (isGrouped ? '{' : '') + escapePattern(prefix) + (isNamed ? `:${name}` : '');
        if (type === REGEXP) pattern += `(${value})`;
        else if (type === SEGMENT && !isNamed) pattern += `(${segmentSource(delimiter)})`;
        else if (type === FULL) {
            const isStar = !isNamed &&
                (previous === undefined || previous.type === FIXED || previous.modifier !== '' || isGrouped || prefix !== '');
            pattern += isStar ? '*' : `(${FULL_SOURCE})`;
        }
        if (type === SEGMENT && isNamed && suffix !== '' && isNamePart([...suffix][0])) pattern += '\\';
        pattern += escapePattern(suffix) + (isGrouped ? '}' : '') + modifier;
    });
    return pattern;
}

// ---- components

const PLAIN = { delimiter: '', prefix: '' };
const HOSTNAME = { delimiter: '.', prefix: '' };
const PATHNAME = { delimiter: '/', prefix: '/' };

class Component {
    constructor(text, encode, options, ignoresCase = false) {
        const parts = parse(text, options, encode);
        this.pattern = patternOf(parts, options);
        this.names = parts.filter((part) => part.type !== FIXED).map((part) => part.name);
        this.hasRegExpGroups = parts.some((part) => part.type === REGEXP);
        this.isAll = parts.length === 1 && parts[0].type === FULL && parts[0].modifier === '' && parts[0].prefix + parts[0].suffix === '';
        this.source = sourceOf(parts, options);
        this.flags = ignoresCase ? 'vi' : 'v';
        this.regexp = null;
        if (this.hasRegExpGroups) this.compile();
    }

    compile() {
        try {
            this.regexp = new RegExp(this.source, this.flags);
        } catch (error) {
            throw malformed(error.message);
        }
    }

    // As RegExp.prototype.exec returns it.
    match(input) {
        if (this.isAll && !input.includes('\n')) return [input, input];
        if (this.regexp === null) this.compile();
        return apply(exec, this.regexp, [input]);
    }

    result(input, match) {
        const groups = {};
        this.names.forEach((name, i) => defineProperty(groups, name,
            { value: match[i + 1], writable: true, enumerable: true, configurable: true }));
        return { groups, input };
    }
}

const matchesSpecial = (protocol) => SPECIAL.some((scheme) => protocol.match(scheme) !== null);

// ---- a constructor string: which part of it is which component

const isOneOf = (states, state) => states.includes(state);

function parseConstructorString(text) {
    const { tokens, points } = tokenize(text, true);
    const result = {};
    let state = 'init';
    let start = 0; // of the component
    let at = 0;
    let step = 1;
    let depth = 0;
    let brackets = 0;
    let isOfSpecial = false;

    const tokenAt = (index) => tokens[Math.min(index, tokens.length - 1)];
    const isChar = (index, value) => {
        const token = tokenAt(index);
        return token.value === value && (token.type === CHAR || token.type === ESCAPED || token.type === INVALID);
    };
    const isSearch = () => {
        if (isChar(at, '?')) return true;
        if (tokens[at].value !== '?') return false;
        return at === 0 || !isOneOf([NAME, REGEXP, CLOSE, ASTERISK], tokens[at - 1].type);
    };
    const isHash = () => isChar(at, '#');
    const component = () => points.slice(tokenAt(start).index, tokens[at].index).join('');
    const rewind = (next = state) => {
        at = start;
        step = 0;
        state = next;
    };
    const change = (next, skip) => {
        if (!isOneOf(['init', 'authority', 'done'], state)) result[state] = component();
        if (state !== 'init' && next !== 'done') {
            if (isOneOf(['protocol', 'authority', 'username', 'password'], state) && isOneOf(['port', 'pathname', 'search', 'hash'], next))
                result.hostname ??= '';
            if (isOneOf(['protocol', 'authority', 'username', 'password', 'hostname', 'port'], state) && isOneOf(['search', 'hash'], next))
                result.pathname ??= isOfSpecial ? '/' : '';
            if (state !== 'search' && state !== 'hash' && next === 'hash') result.search ??= '';
        }
        state = next;
        at += skip;
        start = at;
        step = 0;
    };
    const steps = {
        init() {
            if (isChar(at, ':')) rewind('protocol');
        },
        protocol() {
            if (!isChar(at, ':')) return;
            isOfSpecial = matchesSpecial(new Component(component(), canonicalize.protocol, PLAIN));
            if (isChar(at + 1, '/') && isChar(at + 2, '/')) change('authority', 3);
            else change(isOfSpecial ? 'authority' : 'pathname', 1);
        },
        authority() {
            if (isChar(at, '@')) rewind('username');
            else if (isChar(at, '/') || isSearch() || isHash()) rewind('hostname');
        },
        username() {
            if (isChar(at, ':')) change('password', 1);
            else if (isChar(at, '@')) change('hostname', 1);
        },
        password() {
            if (isChar(at, '@')) change('hostname', 1);
        },
        hostname() {
            if (isChar(at, '[')) brackets++;
            else if (isChar(at, ']')) brackets--;
            else if (isChar(at, ':') && brackets === 0) change('port', 1);
            else steps.port();
        },
        port() {
            if (isChar(at, '/')) change('pathname', 0);
            else steps.pathname();
        },
        pathname() {
            if (isSearch()) change('search', 1);
            else steps.search();
        },
        search() {
            if (isHash()) change('hash', 1);
        },
        hash() {},
    };

    for (; at < tokens.length; at += step) {
        step = 1;
        const { type } = tokens[at];
        if (type === END) {
            if (state === 'init') {
                rewind();
                if (isHash()) change('hash', 1);
                else if (isSearch()) change('search', 1);
                else change('pathname', 0);
            } else if (state === 'authority') rewind('hostname');
            else {
                change('done', 0);
                break;
            }
            continue;
        }
        if (type === OPEN) {
            depth++;
            continue;
        }
        if (depth > 0) {
            if (type !== CLOSE) continue;
            depth--;
        }
        steps[state]();
    }
    if (result.hostname !== undefined) result.port ??= '';
    return result;
}

// ---- what is given as components

const URLPatternInit = dictionary('URLPatternInit', {
    protocol: USVString, username: USVString, password: USVString, hostname: USVString, port: USVString, pathname: USVString,
    search: USVString, hash: USVString, baseURL: USVString,
});
const URLPatternOptions = dictionary('URLPatternOptions', { ignoreCase: [boolean, false] });

// (USVString or URLPatternInit). A string, or an object of what is there.
function URLPatternInput(value, what) {
    if (value !== null && value !== undefined && typeof value !== 'object' && typeof value !== 'function') return USVString(value, what);
    const init = URLPatternInit(value, what);
    for (const name of Object.keys(init)) if (init[name] === undefined) delete init[name];
    return init;
}

// Which components of `init` keep each from being the base URL's.
const MORE_SPECIFIC = {
    protocol: ['protocol'],
    username: ['protocol', 'hostname', 'port', 'username'],
    password: ['protocol', 'hostname', 'port', 'username', 'password'],
    hostname: ['protocol', 'hostname'],
    port: ['protocol', 'hostname', 'port'],
    pathname: ['protocol', 'hostname', 'port', 'pathname'],
    search: ['protocol', 'hostname', 'port', 'pathname', 'search'],
    hash: ['protocol', 'hostname', 'port', 'pathname', 'search', 'hash'],
};

const componentsOf = (url) => ({
    protocol: url.protocol.slice(0, -1), username: url.username, password: url.password, hostname: url.hostname, port: url.port,
    pathname: url.pathname, search: url.search.slice(1), hash: url.hash.slice(1),
});

function isAbsolute(path, isPattern) {
    return path[0] === '/' || (isPattern && (path.startsWith('\\/') || path.startsWith('{/')));
}

// The components of `init`, and what it inherits: as patterns, or as those of an URL, over those of `result`.
function processInit(init, isPattern, result) {
    let base = null;
    if (init.baseURL !== undefined) {
        base = URL.parse(init.baseURL);
        if (base === null) throw malformed(`"${init.baseURL}" is no URL`);
        const inherited = componentsOf(base);
        for (const name of COMPONENTS) {
            if (isPattern && (name === 'username' || name === 'password')) continue;
            if (MORE_SPECIFIC[name].some((other) => init[other] !== undefined)) continue;
            result[name] = isPattern ? escapePattern(inherited[name]) : inherited[name];
        }
    }
    for (const name of COMPONENTS) {
        let value = init[name];
        if (value === undefined) continue;
        if (name === 'protocol' && value.endsWith(':')) value = value.slice(0, -1);
        if (name === 'search' && value[0] === '?') value = value.slice(1);
        if (name === 'hash' && value[0] === '#') value = value.slice(1);
        if (name === 'pathname' && base?.pathname[0] === '/' && !isAbsolute(value, isPattern)) { // an opaque path is no base
            const path = isPattern ? escapePattern(base.pathname) : base.pathname;
            value = path.slice(0, path.lastIndexOf('/') + 1) + value;
        }
        if (!isPattern) {
            if (name === 'port') value = canonicalize.port(value, result.protocol);
            else if (name === 'pathname' && result.protocol !== '' && !isSpecial(result.protocol)) value = canonicalize.opaque(value);
            else value = canonicalize[name](value);
        }
        result[name] = value;
    }
    return result;
}

const isIPv6 = (pattern) => pattern.length > 1 && (pattern[0] === '[' || pattern.startsWith('{[') || pattern.startsWith('\\['));

let isURLPattern, componentOf;

export class URLPattern {
    #components = {};

    constructor(input = {}, base = undefined, options = undefined) {
        input = URLPatternInput(input, 'URLPattern, argument 1');
        if (arguments.length < 3 && (base === undefined || base === null || typeof base === 'object' || typeof base === 'function')) {
            options = base;
            base = undefined;
        } else base = USVString(base, 'URLPattern, argument 2');
        const { ignoreCase } = URLPatternOptions(options, 'URLPattern, the options');
        let init = input;
        if (typeof input === 'string') {
            init = parseConstructorString(input);
            if (base === undefined && init.protocol === undefined) throw malformed(`"${input}" is relative, and there is no base URL`);
            if (base !== undefined) init.baseURL = base;
        } else if (base !== undefined) throw malformed('a base URL is a member of the object');
        const patterns = processInit(init, true, {});
        for (const name of COMPONENTS) patterns[name] ??= '*';
        if (isSpecial(patterns.protocol) && patterns.port.trim() === DEFAULT_PORTS[patterns.protocol]) patterns.port = '';

        const all = this.#components;
        for (const name of ['protocol', 'username', 'password']) all[name] = new Component(patterns[name], canonicalize[name], PLAIN);
        all.hostname = new Component(patterns.hostname, isIPv6(patterns.hostname) ? canonicalize.ipv6 : canonicalize.hostname, HOSTNAME);
        all.port = new Component(patterns.port, (value) => canonicalize.port(value), PLAIN);
        if (matchesSpecial(all.protocol)) all.pathname = new Component(patterns.pathname, canonicalize.pathname, PATHNAME, ignoreCase);
        else all.pathname = new Component(patterns.pathname, canonicalize.opaque, PLAIN, ignoreCase);
        all.search = new Component(patterns.search, canonicalize.search, PLAIN, ignoreCase);
        all.hash = new Component(patterns.hash, canonicalize.hash, PLAIN, ignoreCase);
    }

    static {
        isURLPattern = (value) => typeof value === 'object' && value !== null && #components in value;
        componentOf = (pattern, name) => pattern.#components[name];
    }

    // The components of what is asked about; null: it is no URL.
    #asked(input, base) {
        if (typeof input === 'string') {
            const url = URL.parse(input, base);
            return url === null ? null : componentsOf(url);
        }
        if (base !== undefined) throw malformed('a base URL is a member of the object');
        try {
            return processInit(input, false,
                { protocol: '', username: '', password: '', hostname: '', port: '', pathname: '', search: '', hash: '' });
        } catch {
            return null;
        }
    }

    test(input, base) {
        const asked = this.#asked(input, base);
        return asked !== null && COMPONENTS.every((name) => this.#components[name].match(asked[name]) !== null);
    }

    exec(input, base) {
        const asked = this.#asked(input, base);
        if (asked === null) return null;
        const results = {};
        for (const name of COMPONENTS) {
            const component = this.#components[name];
            const match = component.match(asked[name]);
            if (match === null) return null;
            results[name] = component.result(asked[name], match);
        }
        const { hash, hostname, password, pathname, port, protocol, search, username } = results;
        const inputs = base === undefined ? [input] : [input, base];
        return { hash, hostname, inputs, password, pathname, port, protocol, search, username };
    }

    get protocol() { return componentOf(this, 'protocol').pattern; }
    get username() { return componentOf(this, 'username').pattern; }
    get password() { return componentOf(this, 'password').pattern; }
    get hostname() { return componentOf(this, 'hostname').pattern; }
    get port() { return componentOf(this, 'port').pattern; }
    get pathname() { return componentOf(this, 'pathname').pattern; }
    get search() { return componentOf(this, 'search').pattern; }
    get hash() { return componentOf(this, 'hash').pattern; }
    get hasRegExpGroups() { return COMPONENTS.some((name) => componentOf(this, name).hasRegExpGroups); }
}

declare(URLPattern, {
    is: isURLPattern,
    operations: {
        test: [optional(URLPatternInput, {}), optional(USVString)],
        exec: [optional(URLPatternInput, {}), optional(USVString)],
    },
    attributes: Object.fromEntries([...COMPONENTS, 'hasRegExpGroups'].map((name) => [name, readonly])),
});
