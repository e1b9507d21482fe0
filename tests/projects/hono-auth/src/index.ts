import { Hono } from 'hono';
import { basicAuth } from 'hono/basic-auth';
import { compress } from 'hono/compress';
import { etag } from 'hono/etag';
import { jwt, sign } from 'hono/jwt';
import type { JwtVariables } from 'hono/jwt';

type Bindings = { USER: string; PASSWORD: string; SECRET: string };

const app = new Hono<{ Bindings: Bindings; Variables: JwtVariables }>();

app.use('/admin/*', (c, next) => basicAuth({ username: c.env.USER, password: c.env.PASSWORD })(c, next));
app.use('/jwt/*', (c, next) => jwt({ secret: c.env.SECRET, alg: 'HS256' })(c, next));
app.use('/etag/*', etag());
app.use('/large', compress());

app.get('/admin/page', (c) => c.text('secret'));
app.get('/token', async (c) => c.text(await sign({ sub: 'ada', exp: 4102444800 }, c.env.SECRET)));
app.get('/jwt/me', (c) => c.json(c.get('jwtPayload')));
app.get('/etag/page', (c) => c.text('the same again'));
app.get('/large', (c) => c.text('hearth '.repeat(1000)));

export default app;
