// Hands the request on to the next script, if it has one, and says that it was here; the last one sends the body back.
export default {
  async fetch(request, env) {
    if (!env.NEXT) return new Response(request.body, { headers: { "x-trail": env.NAME } });
    const answer = await env.NEXT.fetch(request);
    const headers = new Headers(answer.headers);
    headers.set("x-trail", `${env.NAME} > ${answer.headers.get("x-trail")}`);
    return new Response(answer.body, { status: answer.status, headers });
  },
};
