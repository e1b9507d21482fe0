// An API in the manner of small routers: a tree of paths, middleware around handlers, JSON answers.
class Router {
  #root = { children: new Map(), parameter: null, handlers: new Map() };
  #around = [];

  use(middleware) {
    this.#around.push(middleware);
    return this;
  }

  on(method, path, handler) {
    let node = this.#root;
    const names = [];
    for (const part of path.split("/").filter(Boolean)) {
      const fresh = { children: new Map(), parameter: null, handlers: new Map() };
      if (part[0] === ":") {
        names.push(part.slice(1));
        node = node.parameter ??= fresh;
      } else {
        if (!node.children.has(part)) node.children.set(part, fresh);
        node = node.children.get(part);
      }
    }
    node.handlers.set(method, { handler, names });
    return this;
  }

  #match(method, path) {
    const values = [];
    let node = this.#root;
    for (const part of path.split("/")) {
      if (!part) continue;
      const next = node.children.get(part);
      if (!next && node.parameter) values.push(decodeURIComponent(part));
      node = next ?? node.parameter;
      if (!node) return null;
    }
    const found = node.handlers.get(method);
    return found && { handler: found.handler, params: Object.fromEntries(found.names.map((name, i) => [name, values[i]])) };
  }

  async fetch(request, env) {
    const url = new URL(request.url);
    const found = this.#match(request.method, url.pathname);
    const context = {
      request, env, url, params: found?.params ?? {}, headers: new Headers(),
      json(value, status = 200) {
        this.headers.set("content-type", "application/json; charset=utf-8");
        return new Response(JSON.stringify(value), { status, headers: this.headers });
      },
    };
    const run = async (at) => {
      if (at < this.#around.length) return this.#around[at](context, () => run(at + 1));
      return found ? found.handler(context) : context.json({ error: "not found" }, 404);
    };
    return run(0);
  }
}

const items = new Map();
for (let id = 1; id <= 500; id++)
  items.set(id, { id, name: `Item ${id}`, price: (id * 37) % 1000, tags: ["new", "sale", "gift", "book"].filter((_, i) => (id >> i) & 1) });

const app = new Router();
app.use(async (context, next) => {
  const response = await next();
  response.headers.set("access-control-allow-origin", context.request.headers.get("origin") ?? "*");
  response.headers.set("vary", "origin");
  return response;
});
app.use(async (context, next) => {
  const cookies = {};
  for (const pair of (context.request.headers.get("cookie") ?? "").split(";")) {
    const at = pair.indexOf("=");
    if (at > 0) cookies[pair.slice(0, at).trim()] = pair.slice(at + 1).trim();
  }
  context.session = cookies.session ?? "anonymous";
  return next();
});
app.on("GET", "/", (context) => context.json({ items: items.size }));
app.on("GET", "/api/items/:id", (context) => {
  const item = items.get(Number(context.params.id));
  return item ? context.json(item) : context.json({ error: "no such item" }, 404);
});
app.on("GET", "/api/items", (context) => {
  const query = context.url.searchParams;
  const tag = query.get("tag");
  const page = Number(query.get("page") ?? 1);
  const found = [...items.values()]
    .filter((item) => !tag || item.tags.includes(tag))
    .sort((a, b) => a.price - b.price || a.id - b.id);
  return context.json({ session: context.session, total: found.length, page, items: found.slice((page - 1) * 20, page * 20) });
});

export default app;
