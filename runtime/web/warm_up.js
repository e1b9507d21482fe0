// Does once, while the snapshot is built, what nearly every request does: the functions are then in the snapshot as
// bytecode, and a script's first request compiles nothing but the script. The natives find no job and do nothing.
// Rejected: a bare snapshot, with the first answer after 475 us instead of 168.
import { dispatch, load, prepare } from './dispatch.js';
import { Headers } from './headers.js';
import { Response } from './response.js';
import { TextDecoder, TextEncoder } from './encoding.js';
import { URL } from './url.js';

export function warmUp() {
    const answers = [
        () => new Response('text'),
        () => Response.json({ a: 1 }, { status: 200, headers: { 'x-a': 'b' } }),
        async () => new Response(new TextEncoder().encode('bytes'), { headers: new Headers([['a', 'b']]) }),
        (request, env) => env.A.fetch('https://example.com/', { method: 'POST', body: 'a' }).catch(() => new Response()),
    ];
    for (const fetch of answers) {
        prepare({}, ['A']);
        load({ fetch });
        dispatch(0, false);
        dispatch(0, true);
    }
    prepare(undefined);
    load(undefined);
    const url = new URL('https://example.com/path?a=b');
    void (url.pathname + url.search + url.hostname + url.searchParams.get('a'));
    const headers = new Headers({ a: 'b' });
    headers.set('c', 'd');
    void (headers.get('a') + headers.has('a') + [...headers].length);
    new TextDecoder().decode(new TextEncoder().encode('text'));
}
