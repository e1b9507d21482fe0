// A module of WebAssembly whose function never ends.
import loop from './loop.wasm';

const { exports } = new WebAssembly.Instance(loop);

export default {
    fetch(request) {
        if (new URL(request.url).pathname === '/loop') exports.f();
        return new Response('fine');
    },
};
