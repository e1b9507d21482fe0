import { AsyncLocalStorage, AsyncResource } from 'hearth:async_hooks';
import { env, waitUntil, WorkerEntrypoint } from 'cloudflare:workers';
import { equal, ok, rejects, suite, throws } from './assert.mjs';

const one = new AsyncLocalStorage(), other = new AsyncLocalStorage({ defaultValue: 'none', name: 'other' });
const tick = (ms = 1) => new Promise((done) => setTimeout(done, ms));
let early;
try {
    waitUntil(Promise.resolve());
} catch (error) {
    early = error;
}
const atTop = one.run('top', () => AsyncLocalStorage.bind(() => one.getStore()));

export default suite({
    'a store is seen behind promises, microtasks and timers, and nowhere else': async () => {
        const seen = [];
        const look = () => seen.push(one.getStore());
        await one.run('a', async () => {
            look();
            await null;
            look();
            queueMicrotask(look);
            setTimeout(look, 1);
            Promise.resolve().then(look);
            await tick(5);
            look();
        });
        look();
        equal(seen, ['a', 'a', 'a', 'a', 'a', 'a', undefined]);
    },
    'who resolves a promise does not matter, who waits for it does': async () => {
        let resolve;
        const promise = new Promise((r) => (resolve = r));
        const waits = one.run('waits', async () => (await promise, one.getStore()));
        one.run('resolves', () => resolve());
        equal(await waits, 'waits');
    },
    'two stores do not know each other, and runs nest': () => {
        one.run(1, () => {
            other.run('x', () => equal([one.getStore(), other.getStore()], [1, 'x']));
            equal([one.getStore(), other.getStore()], [1, 'none']);
            one.run(2, () => equal(one.getStore(), 2));
            equal(one.exit(() => one.getStore()), undefined);
        });
        equal([one.getStore(), other.name, other.getStore()], [undefined, 'other', 'none']);
    },
    'a throw leaves the store as it was': () => {
        throws(() => one.run(1, () => { throw new RangeError('x'); }), RangeError);
        equal(one.getStore(), undefined);
    },
    'enterWith and disable last for the rest of the request': async () => {
        await one.run('outer', async () => {
            one.enterWith('entered');
            await tick();
            equal(one.getStore(), 'entered');
            one.disable();
            await tick();
            equal(one.getStore(), undefined);
        });
    },
    'bind, snapshot and AsyncResource keep the frame they were made in': () => {
        equal(atTop(), 'top');
        const { snapshot, resource, bound } = one.run('kept', () => ({
            snapshot: AsyncLocalStorage.snapshot(), resource: new AsyncResource('R'),
            bound: AsyncResource.bind(function (x) { return [this?.y, x, one.getStore()]; }),
        }));
        equal(snapshot((x) => [x, one.getStore()], 1), [1, 'kept']);
        equal(resource.runInAsyncScope(() => one.getStore()), 'kept');
        equal(bound.call({ y: 1 }, 2), [1, 2, 'kept']);
    },
    'a frame is in no way of waitUntil and logs: work is still the request\'s': async () => {
        ok(early instanceof Error);
        await one.run('a', async () => (await tick(), waitUntil(tick())));
        console.log('in a frame', one.run('b', () => one.getStore()));
    },
    'the runtime\'s own modules, by name': async () => {
        equal(typeof env, 'object');
        const entry = new WorkerEntrypoint('ctx', 'env');
        equal([entry.ctx, entry.env], ['ctx', 'env']);
        const again = await import('node:async_hooks');
        ok(again.AsyncLocalStorage === AsyncLocalStorage && again.default.AsyncResource === AsyncResource);
        await rejects(import('node:fs'), Error);
        await rejects(import('cloudflare:nothing'), Error);
    },
    'WebAssembly: instances of what came with the script only': () => {
        const bytes = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]);
        throws(() => new WebAssembly.Module(bytes), WebAssembly.CompileError);
        ok(WebAssembly.validate(bytes));
        throws(() => new WebAssembly.Memory({ initial: 2049 }), RangeError);
    },
    'events of service workers': () => {
        addEventListener('scheduled', () => {}); // nobody fires them
        throws(() => addEventListener('fetch', 1), TypeError);
        throws(() => new FetchEvent('fetch', {}), TypeError);
        const event = new FetchEvent('fetch', { request: new Request('https://example.com/') });
        ok(event instanceof ExtendableEvent && event.request.url === 'https://example.com/');
        throws(() => event.waitUntil(Promise.resolve()), 'InvalidStateError');
    },
});
