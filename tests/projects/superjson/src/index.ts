import superjson from 'superjson';

export default {
    async fetch(request: Request): Promise<Response> {
        if (request.method === 'GET')
            return new Response(superjson.stringify({ at: new Date(0), tags: new Set(['a', 'b']), big: 12345678901234567890n, re: /x/gi }));
        const value = superjson.parse<{ at: Date; tags: Set<string>; big: bigint }>(await request.text());
        return Response.json([value.at instanceof Date, value.tags.has('b'), String(value.big + 1n)]);
    },
};
