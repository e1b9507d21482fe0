// An HTML page: a form that comes back with what was filled in, escaped, and a visitor's language.
const escaped = (text) => text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

const page = (title, body) => `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>${escaped(title)}</title>
${body}
</html>
`;

const form = `<form method="post"><label>Your name <input name="name" required></label> <button>Greet me</button></form>`;

const html = (body, init) => new Response(body, { ...init, headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-store" } });

export default {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname !== "/") return html(page("Not found", `<p>There is nothing at ${escaped(pathname)}.</p>`), { status: 404 });
    if (request.method === "GET") return html(page("Who are you?", form));
    if (request.method !== "POST") return new Response(null, { status: 405, headers: { allow: "GET, POST" } });
    const name = (await request.formData()).get("name");
    if (typeof name !== "string" || name === "") return html(page("Who are you?", form), { status: 422 });
    return html(page(`Hello, ${name}`, `<p>Hello, ${escaped(name)}!</p>`));
  },
};
