import { AutoRouter, error, json, withParams, type IRequest } from 'itty-router';

const router = AutoRouter({ before: [withParams] });

router
    .get('/hello/:name', ({ name }: IRequest) => `Hello, ${name}!`)
    .get('/items', ({ query }: IRequest) => ({ limit: Number(query.limit ?? 10) }))
    .post('/items', async (request: IRequest) => json(await request.json(), { status: 201 }))
    .get('/forbidden', () => error(403, 'not yours'));

export default { ...router };
