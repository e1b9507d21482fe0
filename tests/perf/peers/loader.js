import hello from "hello";

// A worker of its own for each path, made at the first request.
export default {
  fetch(request, env) {
    const worker = env.LOADER.get(new URL(request.url).pathname, () => ({
      compatibilityDate: "2025-06-01",
      mainModule: "main.js",
      modules: { "main.js": hello },
    }));
    return worker.getEntrypoint().fetch(request);
  },
};
