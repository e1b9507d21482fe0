// Calls itself until hearth says that it is enough, and answers with what it said and how deep that was.
export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const depth = Number(url.searchParams.get("depth") ?? 1);
    url.searchParams.set("depth", depth + 1);
    try {
      return await env.SELF.fetch(url);
    } catch (error) {
      return new Response(`depth ${depth}: ${error.message}\n`, { status: 508 });
    }
  },
};
