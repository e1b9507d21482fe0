import assert from 'node:assert';
import { AsyncLocalStorage } from 'node:async_hooks';
import { channel } from 'node:diagnostics_channel';
import EventEmitter, { once } from 'node:events';
import { basename, join } from 'path';
import { pipeline, Readable, Transform } from 'node:stream';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import * as util from 'util';
import { StringDecoder } from 'string_decoder';
import { setTimeout as sleep } from 'node:timers/promises';
import { parse } from 'node:url';
import querystring from 'node:querystring';
import fs from 'node:fs';
import { createHash, createHmac, hkdfSync, pbkdf2Sync, randomBytes, randomInt, timingSafeEqual } from 'node:crypto';
import { createGunzip, deflateRawSync, gunzip, gzipSync, inflateRawSync, brotliCompressSync, brotliDecompressSync } from 'zlib';
import { older } from './older.cjs';

const requests = new AsyncLocalStorage<string>();
const store = new AsyncLocalStorage<number>();

async function deep(): Promise<string | undefined> {
    await sleep(5);
    await new Promise<void>((resolve) => setTimeout(() => queueMicrotask(resolve), 5));
    return requests.getStore();
}

function fails(fn: () => unknown): string {
    try {
        fn();
        return 'did not fail';
    } catch (error) {
        return (error as Error).message;
    }
}

async function areas() {
    const emitter = new EventEmitter();
    queueMicrotask(() => emitter.emit('word', 'came'));
    const [word] = await once(emitter, 'word');
    const upper = new Transform({ transform: (chunk, _, done) => done(null, String(chunk).toUpperCase()) });
    const seen: unknown[] = [];
    channel('c').subscribe((message) => seen.push(message));
    channel('c').publish('told');
    const decoder = new StringDecoder('utf8');
    return {
        assert: fails(() => assert.deepStrictEqual({ a: 1 }, { a: 2 })).split('\n')[0],
        buffer: [Buffer.from('héarth').toString('base64url'), Buffer.from('aMOp', 'base64').toString(), Buffer.concat([Buffer.from('a'), Buffer.alloc(1)]).toString('hex')],
        context: [store.getStore() ?? null, store.run(1, () => store.getStore())],
        decoder: decoder.write(Buffer.from([0xc3])) + decoder.end(Buffer.from([0xa9])),
        env: [process.env.TOKEN, process.env.LIST ?? null, process.env.NODE_ENV, process.platform],
        events: word,
        fs: fails(() => fs.readFileSync('/etc/passwd')),
        older: older('x'),
        path: [basename('/a/b.txt', '.txt'), join('a', '..', 'b')],
        promisify: await promisify((value: number, done: (error: null, value: number) => void) => done(null, value + 1))(1),
        querystring: querystring.parse('a=1&b=2&a=3'),
        seen,
        stream: await text(pipeline(Readable.from(['one ', 'two']), upper, () => {})),
        types: [util.types.isDate(new Date()), util.isDeepStrictEqual([1, { a: 2 }], [1, { a: 2 }])],
        url: parse('https://u:p@example.com:8080/p?q=1#h').host,
        util: util.format('%s %d %j', 'a', 1, { b: 2 }) + util.inspect({ a: [1, { b: new Map([[1, 2]]) }] }, { depth: 0 }),
    };
}

async function hashes(word: string) {
    const zipped = gzipSync('hearth '.repeat(30000));
    return {
        sha256: createHash('sha256').update(word).update(Buffer.from('!')).digest('hex'),
        md5: createHash('md5').update(word).digest('base64'),
        hmac: createHmac('sha512', 'key').update(word).digest('hex'),
        pbkdf2: pbkdf2Sync(word, 'salt', 1000, 16, 'sha256').toString('hex'),
        hkdf: Buffer.from(hkdfSync('sha256', word, 'salt', 'info', 16)).toString('hex'),
        random: [randomBytes(100000).length, randomInt(5) < 5],
        equal: [timingSafeEqual(Buffer.from('a'), Buffer.from('a')), fails(() => timingSafeEqual(Buffer.from('a'), Buffer.from('ab')))],
        digested: fails(() => createHash('sha999')),
        gunzip: (await promisify(gunzip)(zipped) as Buffer).length,
        streamed: (await text(Readable.from([zipped.subarray(0, 50), zipped.subarray(50)]).pipe(createGunzip()))).length,
        raw: inflateRawSync(deflateRawSync(word)).toString(),
        brotli: brotliDecompressSync(brotliCompressSync(word)).toString(),
        bad: fails(() => inflateRawSync(Buffer.from('no such thing'))),
        gzip: zipped.toString('base64'),
    };
}

export default {
    async fetch(request: Request): Promise<Response> {
        const id = new URL(request.url).searchParams.get('id');
        if (request.method === 'POST') return Response.json(await hashes(await request.text()));
        if (id) return new Response(await requests.run(id, deep));
        setImmediate(() => {});
        return Response.json(await areas());
    },
};
