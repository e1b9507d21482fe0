// MIME types (MIME Sniffing 4): parsing, serializing, and what a response's headers say (Fetch, "extract a MIME type").

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const QUOTED_TEXT = /^[\t\x20-\x7e\x80-\xff]*$/;

const trimmed = (text) => text.replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, '');

// The quoted string that begins at `at`: [what it holds, where it ends].
function quoted(text, at) {
    let value = '';
    for (at++; at < text.length && text[at] !== '"'; at++) {
        if (text[at] === '\\' && at + 1 < text.length) at++;
        value += text[at];
    }
    return [value, at + 1];
}

// {essence, parameters: Map}, or null: no MIME type.
export function parseMimeType(text) {
    text = trimmed(text);
    const slash = text.indexOf('/');
    if (slash < 0) return null;
    let at = text.indexOf(';', slash);
    if (at < 0) at = text.length;
    const type = text.slice(0, slash);
    const subtype = text.slice(slash + 1, at).replace(/[\t\n\r ]+$/, '');
    if (!TOKEN.test(type) || !TOKEN.test(subtype)) return null;
    const parameters = new Map();
    while (at < text.length) {
        for (at++; /[\t\n\r ]/.test(text[at] ?? ''); at++);
        const from = at;
        while (at < text.length && text[at] !== ';' && text[at] !== '=') at++;
        const name = text.slice(from, at).toLowerCase();
        if (text[at] !== '=') continue;
        let value;
        if (text[++at] === '"') {
            [value, at] = quoted(text, at);
            while (at < text.length && text[at] !== ';') at++;
        } else {
            const begin = at;
            while (at < text.length && text[at] !== ';') at++;
            value = text.slice(begin, at).replace(/[\t\n\r ]+$/, '');
            if (value === '') continue;
        }
        if (TOKEN.test(name) && QUOTED_TEXT.test(value) && !parameters.has(name)) parameters.set(name, value);
    }
    return { essence: `${type}/${subtype}`.toLowerCase(), parameters };
}

export function serializeMimeType({ essence, parameters }) {
    let text = essence;
    for (const [name, value] of parameters)
        text += `;${name}=${TOKEN.test(value) ? value : `"${value.replace(/["\\]/g, '\\$&')}"`}`;
    return text;
}

// A combined header value at its commas, but for those within quotes (Fetch, "get, decode, and split").
function split(value) {
    const parts = [];
    let from = 0;
    for (let at = 0; at <= value.length; ) {
        if (at === value.length || value[at] === ',') {
            parts.push(trimmed(value.slice(from, at)));
            from = ++at;
        } else if (value[at] === '"') [, at] = quoted(value, at);
        else at++;
    }
    return parts;
}

// Of the value of Content-Type as Headers.get gives it. Null: none.
export function extractMimeType(value) {
    if (value === null) return null;
    let found = null;
    let charset = null;
    for (const part of split(value)) {
        const type = parseMimeType(part);
        if (!type || type.essence === '*/*') continue;
        if (type.essence !== found?.essence) charset = type.parameters.get('charset') ?? null;
        else if (!type.parameters.has('charset') && charset !== null) type.parameters.set('charset', charset);
        found = type;
    }
    return found;
}
