// Fetches what the body says, {url, init, times?}, and tells what came of it; /pass gives the answer through, /up sends the request's body on.
async function tell({ url, init, read = true }) {
    try {
        const response = await fetch(url, init);
        const body = read ? await response.text() : '';
        return { status: response.status, headers: Object.fromEntries(response.headers), body, url: response.url,
            redirected: response.redirected };
    } catch (error) {
        return { error: `${error.name}: ${error.message}` };
    }
}

export default {
    async fetch(request) {
        const { pathname, searchParams } = new URL(request.url);
        if (pathname === '/pass') return fetch(searchParams.get('url'));
        if (pathname === '/up') return fetch(searchParams.get('url'), { method: 'POST', body: request.body, duplex: 'half' });
        if (pathname === '/abort') {
            try {
                await fetch(searchParams.get('url'), { signal: AbortSignal.timeout(200) });
                return new Response('answered');
            } catch (error) {
                return new Response(error.name);
            }
        }
        const asked = await request.json();
        if (!Array.isArray(asked)) return Response.json(await tell(asked));
        return Response.json(await Promise.all(asked.map(tell)));
    },
};
