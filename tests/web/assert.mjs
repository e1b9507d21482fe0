// Tests of the web platform, run inside hearth-runtime: suite({name: async (t) => ..}) is a fetch handler whose
// answer has one line per test, "ok - name" or "not ok - name: why".
import { inspectable } from './equal.mjs';

export class Failed extends Error {}

export function equal(actual, expected, what = '') {
    const a = inspectable(actual);
    const e = inspectable(expected);
    if (a !== e) throw new Failed(`${what ? what + ': ' : ''}got ${a}, expected ${e}`);
}

export function ok(value, what = 'a true value') {
    if (!value) throw new Failed(`expected ${what}`);
}

export function throws(fn, type, what = '') {
    try {
        fn();
    } catch (error) {
        return check(error, type, what);
    }
    throw new Failed(`${what}: nothing was thrown`);
}

export async function rejects(promise, type, what = '') {
    try {
        await promise;
    } catch (error) {
        return check(error, type, what);
    }
    throw new Failed(`${what}: it was not rejected`);
}

// type: a constructor, or the name of a DOMException.
function check(error, type, what) {
    const fits = typeof type === 'string' ? error instanceof DOMException && error.name === type : error instanceof type;
    if (!fits) throw new Failed(`${what}: threw ${error?.name} (${error?.message}), expected ${type?.name ?? type}`);
    return error;
}

export function suite(tests) {
    return {
        async fetch(request, env, ctx) {
            const lines = [];
            for (const [name, test] of Object.entries(tests)) {
                try {
                    await test({ request, env, ctx });
                    lines.push(`ok - ${name}`);
                } catch (error) {
                    lines.push(`not ok - ${name}: ${error instanceof Failed ? error.message : error?.stack}`);
                }
            }
            return new Response(lines.join('\n') + '\n');
        },
    };
}
