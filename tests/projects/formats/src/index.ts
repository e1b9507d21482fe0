import { env as bindings, WorkerEntrypoint } from 'cloudflare:workers';
import { replaced } from '@wanted/name';
import answer from './answer.wasm?module';
import bytes from './bytes.bin';
import own from './own.dat';
import page from './page.html';
import query from './query.sql';
import settings from './settings.json';
import text from './text.txt';

declare const VERSION: string;

export type Env = { PLACE: string; NESTED: { list: number[] } };

const atTop = (bindings as Env).PLACE;
const { exports } = await WebAssembly.instantiate(answer, {});

export default class extends WorkerEntrypoint<Env> {
    async fetch(): Promise<Response> {
        let compiled = 'it compiles bytes';
        try {
            new WebAssembly.Module(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0]));
        } catch (error) {
            compiled = (error as Error).name;
        }
        return Response.json({
            answer: (exports.answer as () => number)(),
            module: answer instanceof WebAssembly.Module,
            bytes: [...new Uint8Array(bytes)],
            own: bytes instanceof ArrayBuffer && own.byteLength,
            page, query, settings, text, replaced,
            version: VERSION,
            place: [this.env.PLACE, atTop],
            nested: this.env.NESTED,
            compiled,
        });
    }
}
