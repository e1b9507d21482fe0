import { parseCookie, stringifySetCookie } from 'cookie';

export default {
    fetch(request: Request): Response {
        const cookies = parseCookie(request.headers.get('cookie') ?? '');
        const visits = Number(cookies.visits ?? 0) + 1;
        return Response.json(cookies, {
            headers: { 'set-cookie': stringifySetCookie({ name: 'visits', value: String(visits), httpOnly: true, path: '/', maxAge: 60 }) },
        });
    },
};
