import { gunzipSync, gzipSync, strFromU8, strToU8, unzipSync, zipSync } from 'fflate';

export default {
    async fetch(request: Request): Promise<Response> {
        const { pathname } = new URL(request.url);
        if (pathname === '/gzip') return new Response(gzipSync(strToU8('hearth '.repeat(1000))));
        if (pathname === '/gunzip') return new Response(strFromU8(gunzipSync(new Uint8Array(await request.arrayBuffer()))));
        const zip = zipSync({ 'a.txt': strToU8('A'), dir: { 'b.txt': strToU8('B') } });
        return Response.json(Object.entries(unzipSync(zip)).map(([name, bytes]) => [name, strFromU8(bytes)]));
    },
};
