// Sends every request back to its sender. The body is handed through as a stream: it is never held as a whole, and its sender
// is slowed down to the speed of its reader.
export default {
  fetch(request) {
    const headers = new Headers();
    headers.set("content-type", request.headers.get("content-type") ?? "application/octet-stream");
    headers.set("x-echo-method", request.method);
    headers.set("x-echo-url", request.url);
    return new Response(request.body, { headers });
  },
};
