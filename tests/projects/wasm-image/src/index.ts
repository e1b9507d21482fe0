import { PhotonImage, resize, SamplingFilter } from '@cf-wasm/photon/workerd';

export default {
    async fetch(request: Request): Promise<Response> {
        const width = Number(new URL(request.url).searchParams.get('width') ?? 8);
        const image = PhotonImage.new_from_byteslice(new Uint8Array(await request.arrayBuffer()));
        const small = resize(image, width, width, SamplingFilter.Nearest);
        const png = small.get_bytes();
        small.free();
        image.free();
        return new Response(png, { headers: { 'content-type': 'image/png' } });
    },
};
