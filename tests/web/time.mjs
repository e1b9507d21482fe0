// Timers, performance, scheduler, console, navigator.
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const later = (ms = 0) => new Promise((done) => setTimeout(done, ms));

export default suite({
    'timers convert what they are given': async () => {
        equal([setTimeout.length, setInterval.length, clearTimeout.length], [1, 1, 0]);
        for (const bad of ['code', undefined, null, {}]) throws(() => setTimeout(bad, 1), TypeError);
        const seen = [];
        setTimeout(function (...args) { seen.push(this === globalThis, args); }, '1', 1, 2);
        setTimeout(() => seen.push('negative'), -5);
        setTimeout(() => seen.push('wrapped'), 2 ** 32);
        setTimeout(() => seen.push('NaN'), NaN);
        await later(5);
        equal(seen, ['negative', 'wrapped', 'NaN', true, [1, 2]]);
        const id = setTimeout(() => seen.push('never'), 1);
        equal([typeof id, id > 0], ['number', true]);
        clearInterval(String(id));
        clearTimeout(null);
        clearTimeout({});
        throws(() => clearTimeout(Symbol()), TypeError);
        throws(() => setTimeout(() => {}, Symbol()), TypeError);
        await later(3);
        equal(seen.length, 5);
    },
    'a timer\'s throw is reported, and the others run': async () => {
        let n = 0;
        setTimeout(() => { throw new Error('a timer that throws'); }, 0);
        await new Promise((done) => {
            const id = setInterval(() => {
                if (++n === 2) {
                    clearInterval(id);
                    setTimeout(done, 0);
                }
                throw new Error('an interval that throws');
            }, 1);
        });
        equal(n, 2);
    },
    'performance.now and timeOrigin': () => {
        ok(performance instanceof Performance && performance instanceof EventTarget);
        ok(performance.now() > 0 && performance.timeOrigin > 1.7e12);
        equal(Object.keys(performance.toJSON()), ['timeOrigin']);
        throws(() => new Performance(), TypeError);
        throws(() => Performance.prototype.now.call({}), TypeError);
    },
    'marks and measures': () => {
        performance.clearMarks();
        performance.clearMeasures();
        const detail = { a: [1] };
        const mark = performance.mark('a', { startTime: 5, detail });
        equal([mark.name, mark.entryType, mark.startTime, mark.duration, mark.detail], ['a', 'mark', 5, 0, { a: [1] }]);
        ok(mark.detail !== detail && mark instanceof PerformanceMark && mark instanceof PerformanceEntry);
        equal(performance.mark('b').detail, null);
        equal(new PerformanceMark('c', { startTime: 1 }).startTime, 1);
        equal(performance.getEntriesByName('c').length, 0);
        performance.mark('a', { startTime: 9 });
        const measure = (...args) => {
            const m = performance.measure('m', ...args);
            return [m.startTime, m.duration];
        };
        performance.mark('end', { startTime: 20 });
        equal(measure('a', 'end'), [9, 11]);
        equal(measure({ start: 'a', end: 15 }), [9, 6]);
        equal(measure({ start: 3, duration: 4 }), [3, 4]);
        equal(measure({ end: 10, duration: 4 }), [6, 4]);
        equal(measure(undefined, 'end'), [0, 20]);
        equal(measure({}, 'end'), [0, 20]);
        equal(performance.measure('d', { start: 1, end: 2, detail: 7 }).detail, 7);
        throws(() => performance.measure('m', 'nowhere'), 'SyntaxError');
        throws(() => performance.measure('m', { start: 1 }, 'end'), TypeError);
        throws(() => performance.measure('m', { detail: 1 }), TypeError);
        throws(() => performance.measure('m', { start: 1, end: 2, duration: 1 }), TypeError);
        throws(() => performance.measure('m', { start: -1 }), TypeError);
        throws(() => performance.mark('x', { startTime: -1 }), TypeError);
        throws(() => performance.mark(), TypeError);
        throws(() => performance.mark('x', { detail: () => {} }), 'DataCloneError');
        equal(performance.getEntriesByType('mark').map((e) => e.startTime).filter((at) => at >= 5), [5, 9, 20]);
        equal(performance.getEntriesByName('a', 'mark').length, 2);
        equal(performance.getEntriesByName('a', 'measure').length, 0);
        performance.clearMarks('a');
        equal(performance.getEntriesByName('a').length, 0);
        equal(Object.keys(mark.toJSON()), ['name', 'entryType', 'startTime', 'duration', 'detail']);
        performance.clearMarks();
        performance.clearMeasures();
        equal(performance.getEntries(), []);
        throws(() => new PerformanceMeasure(), TypeError);
        throws(() => new PerformanceEntry(), TypeError);
    },
    'PerformanceObserver': async () => {
        const seen = [];
        const observer = new PerformanceObserver((list, self) => seen.push(list.getEntries().map((e) => e.name), self === observer));
        throws(() => observer.observe(), TypeError);
        throws(() => observer.observe({ entryTypes: ['mark'], type: 'mark' }), TypeError);
        observer.observe({ entryTypes: ['mark', 'unknown'] });
        throws(() => observer.observe({ type: 'mark' }), 'InvalidModificationError');
        performance.mark('one', { startTime: 2 });
        performance.mark('two', { startTime: 1 });
        performance.measure('other');
        await later(2);
        equal(seen, [['two', 'one'], true]);
        performance.mark('three');
        equal(observer.takeRecords().map((e) => e.name), ['three']);
        observer.disconnect();
        const buffered = new PerformanceObserver((list) => seen.push(list.getEntriesByType('measure').map((e) => e.name)));
        buffered.observe({ type: 'measure', buffered: true });
        await later(2);
        equal(seen.at(-1), ['other']);
        buffered.disconnect();
        equal(PerformanceObserver.supportedEntryTypes, ['mark', 'measure']);
        ok(Object.isFrozen(PerformanceObserver.supportedEntryTypes));
    },
    'scheduler: priorities': async () => {
        const order = [];
        const post = (what, options) => scheduler.postTask(() => order.push(what), options);
        const all = [post('background', { priority: 'background' }), post('visible'), post('blocking', { priority: 'user-blocking' }),
            post('visible 2')];
        await Promise.all(all);
        equal(order, ['blocking', 'visible', 'visible 2', 'background']);
        equal(await scheduler.postTask(() => 5), 5);
        await rejects(scheduler.postTask(() => { throw new RangeError('x'); }), RangeError);
        await rejects(scheduler.postTask(1), TypeError);
        await rejects(scheduler.postTask(() => {}, { priority: 'x' }), TypeError);
        await rejects(scheduler.postTask(() => {}, { delay: -1 }), TypeError);
        await scheduler.yield();
        let n = 0;
        const late = scheduler.postTask(() => ++n, { delay: 1 });
        equal(n, 0);
        equal(await late, 1);
        equal(await scheduler.wait(1), undefined);
    },
    'scheduler: signals': async () => {
        await rejects(scheduler.postTask(() => {}, { signal: AbortSignal.abort() }), 'AbortError');
        const c = new TaskController({ priority: 'background' });
        ok(c instanceof AbortController && c.signal instanceof TaskSignal && c.signal instanceof AbortSignal);
        equal(c.signal.priority, 'background');
        const order = [];
        const low = scheduler.postTask(() => order.push('low'), { signal: c.signal });
        const mid = scheduler.postTask(() => order.push('mid'));
        const changes = [];
        c.signal.onprioritychange = (e) => changes.push([e.previousPriority, c.signal.priority, e instanceof TaskPriorityChangeEvent]);
        c.setPriority('user-blocking');
        await Promise.all([low, mid]);
        equal([order, changes], [['low', 'mid'], [['background', 'user-blocking', true]]]);
        const gone = scheduler.postTask(() => order.push('never'), { signal: c.signal });
        const waiting = scheduler.postTask(() => order.push('never'), { signal: c.signal, delay: 5 });
        const slept = scheduler.wait(1000, { signal: c.signal });
        c.abort('why');
        for (const promise of [gone, waiting, slept]) equal(await promise.catch((e) => e), 'why');
        equal(order.length, 2);
        const source = new TaskController();
        const any = TaskSignal.any([source.signal], { priority: source.signal });
        source.setPriority('background');
        equal([any.priority, TaskSignal.any([]).priority, TaskSignal.any([], { priority: 'user-blocking' }).priority],
            ['background', 'user-visible', 'user-blocking']);
        throws(() => new TaskController({ priority: 'x' }), TypeError);
        throws(() => new TaskSignal(), TypeError);
    },
    'console is a namespace': () => {
        equal([console[Symbol.toStringTag], Object.prototype.toString.call(console), console.log.length, console.assert.length,
            console.time.length],
            ['console', '[object console]', 0, 0, 0]);
        equal(Object.getOwnPropertyDescriptor(console, Symbol.toStringTag), { value: 'console', writable: false, enumerable: false,
            configurable: true });
        const prototype = Object.getPrototypeOf(console);
        equal([Reflect.ownKeys(prototype), Object.getPrototypeOf(prototype) === Object.prototype], [[], true]);
        const { log } = console;
        log('without a receiver');
        throws(() => console.count({ toString() { throw new RangeError('label'); } }), RangeError);
        throws(() => console.time(Symbol()), TypeError);
        equal(Object.getOwnPropertyDescriptor(globalThis, 'console').enumerable, false);
        equal([console.timeline, console.profile, console.markTimeline], [undefined, undefined, undefined]);
        for (const name of Object.keys(console)) console[name]();
        console.table([{ a: 1, b: 2 }], ['b']);
        console.groupEnd();
        equal(Object.keys(console).sort(), ['assert', 'clear', 'count', 'countReset', 'debug', 'dir', 'dirxml', 'error', 'group',
            'groupCollapsed', 'groupEnd', 'info', 'log', 'table', 'time', 'timeEnd', 'timeLog', 'trace', 'warn']);
    },
    'navigator': () => {
        ok(navigator instanceof Navigator);
        equal([navigator.userAgent, navigator.hardwareConcurrency, navigator.language, navigator.languages], ['hearth', 1, 'en', ['en']]);
        ok(Object.isFrozen(navigator.languages) && navigator.languages === navigator.languages);
        throws(() => new Navigator(), TypeError);
    },
});
