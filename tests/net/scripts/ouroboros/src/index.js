// Calls itself until that is refused, and tells why it was.
export default {
  async fetch(request, env) {
    const depth = Number(request.headers.get("x-depth") ?? 1);
    const headers = { "x-depth": String(depth + 1) };
    try {
      return await env.SELF.fetch(new Request(request.url, { headers }));
    } catch (error) {
      return new Response(`depth ${depth}: ${error.message}\n`, { status: 508 });
    }
  },
};
