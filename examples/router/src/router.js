// Matches method and path against patterns with :names, in the order in which they were added.
export class Router {
  #routes = [];

  #add(method, pattern, handler) {
    const expression = new RegExp(`^${pattern.replace(/:(\w+)/g, "(?<$1>[^/]+)")}$`);
    this.#routes.push({ method, expression, handler });
    return this;
  }

  get = (pattern, handler) => this.#add("GET", pattern, handler);
  post = (pattern, handler) => this.#add("POST", pattern, handler);

  handle(request) {
    const { pathname } = new URL(request.url);
    for (const { method, expression, handler } of this.#routes) {
      const match = request.method === method && expression.exec(pathname);
      if (match) return handler(request, match.groups ?? {});
    }
    return null;
  }
}
