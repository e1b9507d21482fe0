// What programs for Workers spend their time on, a path each. All servers of `tools/bench platform` run this very file. A request does its
// work `times` times, so that HTTP and TLS are a small part of what it takes.
const encoder = new TextEncoder();

const records = Array.from({ length: 700 }, (_, id) => ({
  id, name: `person ${id}`, email: `person${id}@example.com`, tags: ["a", "b", "c"], active: id % 2 === 0, score: id * 1.5,
}));
const recordsText = JSON.stringify(records);

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);

const row = ({ id, name, email, score }) =>
  `<tr class="${id % 2 ? "odd" : "even"}"><td>${id}</td><td>${escaped(name)}</td><td><a href="mailto:${escaped(email)}">${escaped(email)}</a></td><td>${score.toFixed(2)}</td></tr>`;

// A component tree, rendered as libraries for the server side do it.
const h = (type, props, ...children) => ({ type, props, children });

function rendered(node) {
  if (Array.isArray(node)) return node.map(rendered).join("");
  if (typeof node !== "object") return escaped(node);
  if (typeof node.type === "function") return rendered(node.type({ ...node.props, children: node.children }));
  let attributes = "";
  for (const [name, value] of Object.entries(node.props ?? {})) attributes += ` ${name}="${escaped(value)}"`;
  return `<${node.type}${attributes}>${rendered(node.children)}</${node.type}>`;
}

const Person = ({ person }) => h("li", { class: person.active ? "on" : "off", id: `p${person.id}` }, h("b", null, person.name), h("i", null, person.email));
const Page = ({ people }) => h("html", null, h("body", null, h("ul", null, people.map((person) => h(Person, { person })))));

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const bytesOfBase64url = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));
const secret = encoder.encode("a secret of thirty-two bytes, yes");
let token;

const hmacKey = () => crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);

async function signedToken() {
  const claims = `${base64url(encoder.encode('{"alg":"HS256","typ":"JWT"}'))}.${base64url(encoder.encode('{"sub":"1234567890","name":"A","exp":4102444800}'))}`;
  return `${claims}.${base64url(new Uint8Array(await crypto.subtle.sign("HMAC", await hmacKey(), encoder.encode(claims))))}`;
}

async function verifiedToken() {
  token ??= await signedToken();
  const [head, claims, signature] = token.split(".");
  const fits = await crypto.subtle.verify("HMAC", await hmacKey(), bytesOfBase64url(signature), encoder.encode(`${head}.${claims}`));
  if (!fits) throw new Error("the token is forged");
  return JSON.parse(new TextDecoder().decode(bytesOfBase64url(claims))).sub.length;
}

const block = new Uint8Array(64 * 1024).map((_, i) => i * 31);
const binary = String.fromCharCode(...block.subarray(0, 24 * 1024));
const chunk = block.subarray(0, 16 * 1024);

function headers() {
  const made = new Headers({ "content-type": "text/html", "cache-control": "max-age=60" });
  for (let i = 0; i < 20; i++) made.append(`x-header-${i}`, `value ${i}`);
  made.set("x-header-3", "other");
  made.delete("x-header-4");
  let length = 0;
  for (const [name, value] of made) length += name.length + value.length;
  return length + (made.get("Content-Type") ?? "").length + (made.has("x-header-5") ? 1 : 0);
}

const places = [
  "https://example.com/", "https://www.example.com/a/b/c?x=1&y=2#top", "http://127.0.0.1:8080/path/../other/./file.txt?q=a%20b",
  "https://user:pass@example.com:8443/a?b=c", "https://b\u00fccher.example/stra\u00dfe?q=\u00fc", "/relative/path?x=y", "?only=query", "//other.example/p",
];

function urls() {
  let length = 0;
  for (const place of places) {
    const url = new URL(place, "https://example.com/base/");
    url.searchParams.set("page", "2");
    length += url.href.length + url.hostname.length + [...url.searchParams].length;
  }
  return length;
}

async function transformed() {
  let sent = 0;
  const source = new ReadableStream({
    pull(controller) {
      if (sent === 64) return controller.close();
      sent++;
      controller.enqueue(chunk);
    },
  });
  const through = new TransformStream({ transform: (piece, controller) => controller.enqueue(piece.subarray(1)) });
  return (await new Response(source.pipeThrough(through)).arrayBuffer()).byteLength;
}

async function bodies() {
  const request = new Request("https://example.com/form", { method: "POST", headers: { "content-type": "application/json" }, body: recordsText.slice(0, 1000) });
  const response = new Response(await request.clone().text(), { status: 201, headers: request.headers });
  return (await response.arrayBuffer()).byteLength + response.status;
}

const kinds = {
  json: [4, () => JSON.stringify(JSON.parse(recordsText)).length],
  template: [10, () => records.slice(0, 100).map(row).join("").length],
  ssr: [10, () => rendered(h(Page, { people: records.slice(0, 100) })).length],
  jwt: [40, verifiedToken],
  sha256: [20, async () => new Uint8Array(await crypto.subtle.digest("SHA-256", block))[0]],
  base64: [20, () => atob(btoa(binary)).length],
  headers: [50, headers],
  url: [50, urls],
  bodies: [100, bodies],
  streams: [5, transformed],
};

export default {
  async fetch(request) {
    const [times, work] = kinds[new URL(request.url).pathname.slice(1)] ?? [];
    if (!work) return new Response("Hello, world!\n");
    let sum = 0;
    for (let i = 0; i < times; i++) sum += await work();
    return new Response(`${sum / times}\n`, { headers: { "x-times": String(times) } });
  },
};
