import OpenAI from 'openai';

type Env = { UPSTREAM: string; OPENAI_API_KEY: string };

export default {
    async fetch(request: Request, env: Env): Promise<Response> {
        const client = new OpenAI({ apiKey: env.OPENAI_API_KEY, baseURL: env.UPSTREAM, maxRetries: 0 });
        const words = await client.chat.completions.create({ model: 'fake', stream: true, messages: [{ role: 'user', content: await request.text() }] });
        const { readable, writable } = new TransformStream();
        const writer = writable.getWriter(), encoder = new TextEncoder();
        (async () => {
            for await (const word of words) await writer.write(encoder.encode(word.choices[0]?.delta?.content ?? ''));
            await writer.close();
        })().catch((error) => writer.abort(error));
        return new Response(readable);
    },
};
