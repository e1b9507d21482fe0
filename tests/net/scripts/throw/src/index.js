// Throws in the handler, or rejects in it: /later. What is thrown in a timer, /timer, or rejected where nobody listens, /unheard, is not
// the answer's end; of /prevented its own listener says that the log need not know.
addEventListener("unhandledrejection", (event) => {
  if (event.reason.message === "prevented") event.preventDefault();
});

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/later") return Promise.reject(new Error("thrown later"));
    if (pathname === "/timer") setTimeout(() => { throw new Error("thrown in a timer"); }, 0);
    else if (pathname === "/unheard") Promise.reject(new Error("rejected unheard"));
    else if (pathname === "/prevented") Promise.reject(new Error("prevented"));
    else throw new Error("thrown at once");
    await scheduler.wait(2);
    return new Response("went on\n");
  },
};
