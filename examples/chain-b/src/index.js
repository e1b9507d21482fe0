// The middle of the chain: changes the request on its way (a header) and the answer on its way back.
export default {
  async fetch(request, env) {
    const headers = new Headers(request.headers);
    headers.set("x-called-by", "chain-b");
    const answer = await env.NEXT.fetch(new Request(request, { headers }));
    const changed = new Response(answer.body, answer);
    changed.headers.set("x-chain", `b > ${changed.headers.get("x-chain")}`);
    return changed;
  },
};
