// The smallest useful script: a greeting, with a name from the query and a word from the configuration.
export default {
  fetch(request, env) {
    const who = new URL(request.url).searchParams.get("name") ?? "world";
    return new Response(`${env.GREETING}, ${who}!\n`, {
      headers: { "content-type": "text/plain; charset=utf-8" },
    });
  },
};
