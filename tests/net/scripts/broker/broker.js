// Through here goes all that acme's scripts fetch: some hosts they do not reach, and what they ask of others is marked.
export default {
    fetch(request) {
        if (new URL(request.url).hostname === 'secret.test') return new Response('not for you', { status: 403 });
        const marked = new Request(request);
        marked.headers.set('x-by', request.headers.get('x-hearth-caller'));
        return fetch(marked, { redirect: 'manual' });
    },
};
