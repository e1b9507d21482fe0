// console (Console Standard): every line goes to the worker's log.
import { reportBy } from './event.js';
import { host } from './host.js';
import { describe, format, inspect } from './inspect.js';

const counts = new Map();
const starts = new Map();
let indent = '';

function line(level, args) {
    const text = format(args);
    host.log(level, indent ? indent + text.replaceAll('\n', '\n' + indent) : text);
}

// An exception of a script that is nobody's but the log's, whatever the script has made of its console.
export function report(error) {
    host.log('error', describe(error));
}

reportBy(report);

function labelOf(value) {
    try {
        return String(value);
    } catch {
        return inspect(value);
    }
}

function table(data) {
    if (typeof data !== 'object' || data === null) return line('log', [data]);
    let shown;
    try {
        shown = tableText(data);
    } catch {
        shown = data; // it does not let itself be listed
    }
    line('log', [shown]);
}

function tableText(data) {
    const columns = [];
    const rows = [];
    for (const [index, row] of data instanceof Map ? data : Object.entries(data)) {
        const cells = new Map([['(index)', labelOf(index)]]);
        const fields = typeof row === 'object' && row !== null ? Object.entries(row) : [['Values', row]];
        for (const [name, value] of fields) {
            if (!columns.includes(name)) columns.push(name);
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

export const console = {
    log: (...args) => line('log', args),
    info: (...args) => line('info', args),
    warn: (...args) => line('warn', args),
    error: (...args) => line('error', args),
    debug: (...args) => line('debug', args),
    trace: (...args) => line('debug', [`Trace: ${format(args)}\n${labelOf(new Error().stack).split('\n').slice(2).join('\n')}`]),
    assert(condition, ...args) {
        if (condition) return;
        if (typeof args[0] === 'string') args[0] = `Assertion failed: ${args[0]}`;
        else args.unshift('Assertion failed');
        line('error', args);
    },
    table,
    dir: (value) => line('log', [value]),
    dirxml: (...args) => line('log', args),
    group(...args) {
        if (args.length) line('log', args);
        if (indent.length < 32) indent += '  ';
    },
    groupCollapsed(...args) { console.group(...args); },
    groupEnd() { indent = indent.slice(2); },
    count(label = 'default') {
        label = labelOf(label);
        counts.set(label, (counts.get(label) ?? 0) + 1);
        line('info', [`${label}: ${counts.get(label)}`]);
    },
    countReset(label = 'default') { counts.delete(labelOf(label)); },
    time(label = 'default') { starts.set(labelOf(label), host.now()); },
    timeLog(label = 'default', ...args) {
        label = labelOf(label);
        line('info', [`${label}: ${host.now() - (starts.get(label) ?? host.now())}ms`, ...args]);
    },
    timeEnd(label = 'default') {
        console.timeLog(label);
        starts.delete(labelOf(label));
    },
    clear() {},
};
Object.defineProperty(console, Symbol.toStringTag, { value: 'console', configurable: true });
