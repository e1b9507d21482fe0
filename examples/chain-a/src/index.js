// Hands every request to the next script of the chain, body and all, and its answer back. Neither body is touched here: they
// stream past the script.
export default {
  async fetch(request, env) {
    const answer = await env.NEXT.fetch(request);
    const headers = new Headers(answer.headers);
    headers.set("x-chain", `a > ${headers.get("x-chain")}`);
    return new Response(answer.body, { status: answer.status, headers });
  },
};
