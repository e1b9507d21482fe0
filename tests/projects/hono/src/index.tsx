import { Hono } from 'hono';
import { cors } from 'hono/cors';
import { stream, streamText } from 'hono/streaming';

type Bindings = { USER: string };

const app = new Hono<{ Bindings: Bindings }>();

app.use('/api/*', cors({ origin: 'https://example.com' }));

app.get('/', (c) => c.text('Hello Hono!'));
app.get('/api/users/:id', (c) => c.json({ id: Number(c.req.param('id')), query: c.req.query('q') ?? null }));
app.post('/api/echo', async (c) => c.json(await c.req.json(), 201));
app.get('/whoami', (c) => c.text(c.env.USER));
app.get('/page', (c) => c.html(<html><body><h1>{'<jsx>'}</h1></body></html>));
app.get('/text', (c) => streamText(c, async (out) => {
    for (const word of ['one', 'two', 'three']) {
        await out.writeln(word);
        await out.sleep(1);
    }
}));
app.get('/bytes', (c) => stream(c, async (out) => {
    await out.write(new Uint8Array([104, 105]));
}));
app.get('/ready', (c) => {
    console.log('ready');
    return c.text('ready');
});
app.get('/fail', () => {
    throw new Error('broken on purpose');
});
app.onError((error, c) => {
    console.error(error);
    return c.text(`${error.message}`, 500);
});

export default app;
