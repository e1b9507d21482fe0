// Checks a JSON web token that is signed with HS256, by a SHA-256 in JavaScript, and signs another.
const K = new Uint32Array(64);
const START = new Uint32Array(8);
for (let n = 2, found = 0; found < 64; n++) {
  let isPrime = true;
  for (let d = 2; d * d <= n; d++) if (n % d === 0) isPrime = false;
  if (!isPrime) continue;
  if (found < 8) START[found] = (Math.sqrt(n) % 1) * 2 ** 32;
  K[found++] = (Math.cbrt(n) % 1) * 2 ** 32;
}

const schedule = new Uint32Array(64);

function compress(state, bytes, from) {
  const w = schedule;
  for (let i = 0; i < 16; i++, from += 4)
    w[i] = (bytes[from] << 24) | (bytes[from + 1] << 16) | (bytes[from + 2] << 8) | bytes[from + 3];
  for (let i = 16; i < 64; i++) {
    const x = w[i - 15], y = w[i - 2];
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state;
  for (let i = 0; i < 64; i++) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    h = g; g = f; f = e; e = (d + t1) | 0; d = c; c = b; b = a; a = (t1 + t2) | 0;
  }
  state[0] += a; state[1] += b; state[2] += c; state[3] += d;
  state[4] += e; state[5] += f; state[6] += g; state[7] += h;
}

function sha256(bytes) {
  const padded = new Uint8Array((bytes.length + 72) & ~63);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  new DataView(padded.buffer).setUint32(padded.length - 4, bytes.length * 8);
  const state = START.slice();
  for (let from = 0; from < padded.length; from += 64) compress(state, padded, from);
  const digest = new Uint8Array(32);
  state.forEach((word, i) => new DataView(digest.buffer).setUint32(i * 4, word));
  return digest;
}

function hmac(key, bytes) {
  const inner = new Uint8Array(64 + bytes.length).fill(0x36, 0, 64);
  const outer = new Uint8Array(96).fill(0x5c, 0, 64);
  key.forEach((byte, i) => { inner[i] ^= byte; outer[i] ^= byte; });
  inner.set(bytes, 64);
  outer.set(sha256(inner), 64);
  return sha256(outer);
}

const utf8 = new TextEncoder(), text = new TextDecoder();
const KEY = utf8.encode("a secret that both of them know");
const toBase64 = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
const fromBase64 = (word) => Uint8Array.from(atob(word.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.charCodeAt(0));

function sign(claims) {
  const signed = [{ alg: "HS256", typ: "JWT" }, claims].map((part) => toBase64(utf8.encode(JSON.stringify(part)))).join(".");
  return `${signed}.${toBase64(hmac(KEY, utf8.encode(signed)))}`;
}

function verify(token) {
  const [head, claims, signature] = token.split(".");
  const wanted = hmac(KEY, utf8.encode(`${head}.${claims}`));
  const given = fromBase64(signature);
  let difference = given.length ^ wanted.length;
  for (let i = 0; i < wanted.length; i++) difference |= wanted[i] ^ given[i];
  return difference === 0 ? JSON.parse(text.decode(fromBase64(claims))) : null;
}

const roles = Array.from({ length: 20 }, (_, i) => `projects/${i}/reader`);
const visitor = sign({ sub: "u-1000", name: "A visitor", roles, exp: 4102444800 });

export default {
  fetch(request) {
    const claims = verify(request.headers.get("authorization")?.slice("Bearer ".length) ?? visitor);
    if (!claims) return new Response("401 bad token\n", { status: 401 });
    return Response.json({ hello: claims.name, may: claims.roles.length, token: sign({ ...claims, iat: Date.now() }) });
  },
};
