// The body, compressed (?to=gzip) or decompressed (?from=gzip) on its way through.
export default {
    fetch(request) {
        const query = new URL(request.url).searchParams;
        let { body } = request;
        if (query.has('from')) body = body.pipeThrough(new DecompressionStream(query.get('from')));
        if (query.has('to')) body = body.pipeThrough(new CompressionStream(query.get('to')));
        return new Response(body);
    },
};
