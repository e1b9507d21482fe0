// In front of an origin: the path and the method go there, the answer comes back as it streams, with a header more. What the origin must
// not see of a client stays here, and an origin that fails is a page of our own.
const HIDDEN = ["cookie", "authorization", "x-real-ip"];

export default {
  async fetch(request, env) {
    const { pathname, search } = new URL(request.url);
    const onwards = new Request(new URL(pathname + search, env.ORIGIN), request);
    for (const name of HIDDEN) onwards.headers.delete(name);
    try {
      const answer = await fetch(onwards, { redirect: "manual", signal: AbortSignal.timeout(10_000) });
      const ours = new Response(answer.body, answer);
      ours.headers.set("x-served-by", "proxy");
      return ours;
    } catch (error) {
      return new Response(`the origin can not be asked: ${error.message}\n`, { status: 502 });
    }
  },
};
