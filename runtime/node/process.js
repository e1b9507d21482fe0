// node:process, for a program that has no process of its own: it ends with its request.
import EventEmitter from 'node:events';
import { env as bindings } from 'cloudflare:workers';

// Of the compatibility date and flags; hearthctl defines it.
const env = {};
if (hearth_has_env) for (const [name, value] of Object.entries(bindings)) if (typeof value === 'string') env[name] = value;

function nextTick(callback, ...args) {
    queueMicrotask(() => callback(...args));
}

function hrtime(before) {
    const now = performance.now();
    const [seconds, nanoseconds] = before ?? [0, 0];
    const ns = Math.round(now * 1e6) - (seconds * 1e9 + nanoseconds);
    return [Math.floor(ns / 1e9), ns % 1e9];
}
hrtime.bigint = () => BigInt(Math.round(performance.now() * 1e6));

// Where something is written that would be lost: the log, by lines.
function outlet(fd, log) {
    return {
        fd, isTTY: false, columns: 80, end() {}, on() {}, once() {},
        write: (text) => (log(String(text).replace(/\n$/, '')), true),
    };
}

const process = Object.assign(new EventEmitter(), {
    arch: 'x64', argv: [], argv0: '', env, execArgv: [], execPath: '', exitCode: undefined, pid: 1, ppid: 0, platform: 'linux',
    title: 'hearth', release: { name: 'node' }, version: 'v22.19.0', versions: { node: '22.19.0' },
    cwd: () => '/',
    emitWarning: (warning) => console.warn(String(warning?.stack ?? warning)),
    exit(code) { throw new Error(`process.exit(${code ?? ''}) ends nothing: the script's process is not its own`); },
    getBuiltinModule: () => undefined,
    hrtime,
    memoryUsage: () => ({ arrayBuffers: 0, external: 0, heapTotal: 0, heapUsed: 0, rss: 0 }),
    nextTick,
    stderr: outlet(2, console.error),
    stdout: outlet(1, console.log),
    umask: () => 0o022,
    uptime: () => performance.now() / 1000,
});

export default process;
export const {
    arch, argv, argv0, cwd, emit, emitWarning, execArgv, execPath, exit, getBuiltinModule, memoryUsage, off, on, once, pid, platform, ppid,
    release, removeListener, stderr, stdout, title, umask, uptime, version, versions,
} = process;
export { env, hrtime, nextTick };
