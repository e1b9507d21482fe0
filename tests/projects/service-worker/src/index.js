// The older form: no exports, and vars are globals.
import { greet } from './greet';

addEventListener('fetch', (event) => {
    event.respondWith(handle(event));
});

async function handle(event) {
    event.waitUntil(Promise.resolve());
    return new Response(greet(GREETING, new URL(event.request.url).pathname.slice(1)));
}
