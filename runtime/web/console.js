// console (Console Standard): every line goes to the worker's log.
import { host } from './host.js';
import { format, inspect } from './inspect.js';
import { any, boolean, DOMString, namespace, optional, rest, sequence } from './webidl.js';

const counts = new Map();
const starts = new Map();
let indent = ''; // of the groups that are open
let depth = 0; // how many are
const INDENT_MAX = 32;
const LABELS_MAX = 1000; // of counts, and of timers; the oldest goes first

function line(level, args) {
    const text = format(args);
    host.log(level, indent ? indent + text.replaceAll('\n', '\n' + indent) : text);
}

function labelOf(value) {
    try {
        return String(value);
    } catch {
        return inspect(value);
    }
}

function table(data, columns) {
    if (typeof data !== 'object' || data === null) return line('log', [data]);
    let shown;
    try {
        shown = tableText(data, columns);
    } catch {
        shown = data; // it does not let itself be listed
    }
    line('log', [shown]);
}

// only: the columns to show, or undefined.
function tableText(data, only) {
    const columns = only ? [...only] : [];
    const rows = [];
    for (const [index, row] of data instanceof Map ? data : Object.entries(data)) {
        const cells = new Map([['(index)', labelOf(index)]]);
        const fields = typeof row === 'object' && row !== null ? Object.entries(row) : [['Values', row]];
        for (const [name, value] of fields) {
            if (!only && !columns.includes(name)) columns.push(name);
            cells.set(name, typeof value === 'string' ? `'${value}'` : inspect(value));
        }
        rows.push(cells);
    }
    const names = ['(index)', ...columns];
    const widths = names.map((n) => Math.max(n.length, ...rows.map((r) => (r.get(n) ?? '').length)));
    const shown = (cell) => '| ' + names.map((n, i) => cell(n).padEnd(widths[i])).join(' | ') + ' |';
    const rule = '+' + widths.map((w) => '-'.repeat(w + 2)).join('+') + '+';
    return [rule, shown((n) => n), rule, ...rows.map((r) => shown((n) => r.get(n) ?? '')), rule].join('\n');
}

const limit = (map) => {
    if (map.size > LABELS_MAX) map.delete(map.keys().next().value);
};

function timeText(label) {
    return `${label}: ${host.now() - starts.get(label)}ms`;
}

function group(args) {
    if (args.length) line('log', args);
    if (indent.length < INDENT_MAX) indent += '  ';
    depth++;
}

const works = {
    assert(condition, ...args) {
        if (condition) return;
        if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
        else args.unshift('Assertion failed');
        line('error', args);
    },
    clear() {
        indent = '';
        depth = 0;
    },
    count(label) {
        counts.set(label, (counts.get(label) ?? 0) + 1);
        limit(counts);
        line('info', [`${label}: ${counts.get(label)}`]);
    },
    countReset(label) {
        if (!counts.delete(label)) line('warn', [`there is no count "${label}"`]);
    },
    debug(...args) { line('debug', args); },
    dir(value) { line('log', [value]); },
    dirxml(...args) { line('log', args); },
    error(...args) { line('error', args); },
    group(...args) { group(args); },
    groupCollapsed(...args) { group(args); },
    groupEnd() {
        if (depth > 0) depth--;
        indent = '  '.repeat(Math.min(depth, INDENT_MAX / 2));
    },
    info(...args) { line('info', args); },
    log(...args) { line('log', args); },
    table(data, columns) { table(data, columns); },
    time(label) {
        if (starts.has(label)) return line('warn', [`the timer "${label}" runs already`]);
        starts.set(label, host.now());
        limit(starts);
    },
    timeEnd(label) {
        if (!starts.has(label)) return line('warn', [`there is no timer "${label}"`]);
        line('info', [timeText(label)]);
        starts.delete(label);
    },
    timeLog(label, ...args) {
        if (!starts.has(label)) return line('warn', [`there is no timer "${label}"`]);
        line('info', [timeText(label), ...args]);
    },
    warn(...args) { line('warn', args); },
    trace(...args) {
        const frames = labelOf(new Error().stack).split('\n').slice(3).join('\n');
        line('debug', [`${args.length ? `Trace: ${format(args)}` : 'Trace'}\n${frames}`]);
    },
};

const Label = optional(DOMString, 'default');
const data = [rest(any)];

export const console = namespace('console', {
    debug: data, error: data, info: data, log: data, warn: data, dir: [optional(any), optional(any)], dirxml: data,
    table: [optional(any), optional(sequence(DOMString))], trace: data, group: data, groupCollapsed: data, groupEnd: [], clear: [],
    count: [Label], countReset: [Label], assert: [optional(boolean, false), rest(any)], time: [Label], timeLog: [Label, rest(any)],
    timeEnd: [Label],
}, works);
