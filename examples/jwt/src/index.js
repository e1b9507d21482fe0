// Tokens: POST / signs what it is given for an hour, GET / with `authorization: Bearer TOKEN` says whose it is. HS256 (RFC 7515, 7519) by
// crypto.subtle. The secret is a var here so that the example runs as it is; a real one belongs into a secret.
const encoder = new TextEncoder();
const URL_SAFE = { alphabet: "base64url", omitPadding: true };

const encode = (value) => encoder.encode(JSON.stringify(value)).toBase64(URL_SAFE);
const decode = (text) => JSON.parse(new TextDecoder().decode(Uint8Array.fromBase64(text, URL_SAFE)));

const key = (secret) => crypto.subtle.importKey("raw", encoder.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]);

async function sign(claims, secret) {
  const text = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  const signature = await crypto.subtle.sign("HMAC", await key(secret), encoder.encode(text));
  return `${text}.${new Uint8Array(signature).toBase64(URL_SAFE)}`;
}

// The claims, or null: not ours, changed, or too old.
async function verify(token, secret) {
  const parts = token.split(".");
  if (parts.length !== 3) return null;
  const [head, claims, signature] = parts;
  try {
    if (decode(head).alg !== "HS256") return null;
    const fits = await crypto.subtle.verify("HMAC", await key(secret), Uint8Array.fromBase64(signature, URL_SAFE), encoder.encode(`${head}.${claims}`));
    const said = decode(claims);
    return fits && said.exp > Date.now() / 1000 ? said : null;
  } catch {
    return null; // no base64, no JSON
  }
}

export default {
  async fetch(request, env) {
    if (request.method === "POST") {
      const { sub } = await request.json();
      return Response.json({ token: await sign({ sub: String(sub), exp: Math.floor(Date.now() / 1000) + 3600 }, env.SECRET) });
    }
    const token = /^Bearer (.+)$/.exec(request.headers.get("authorization") ?? "")?.[1];
    const claims = token && (await verify(token, env.SECRET));
    if (!claims) return new Response("who are you?\n", { status: 401, headers: { "www-authenticate": "Bearer" } });
    return new Response(`you are ${claims.sub}\n`);
  },
};
