// Calls any function that there is, on anything.
//   /list                       the names of all functions, as JSON
//   /call?f=3&r=own&a=1,2&n=1   calls (n: constructs) function 3 on receiver r with those arguments; numbers are places in FAKES

const L = 2 ** 53 - 1, hang = () => { for (;;); };
const endless = { [Symbol.iterator]: () => ({ next: () => ({ value: [1, 2], done: false }) }) };

// Made anew for each call: what one has broken does not follow it.
const FAKES = [
  () => ({ length: L }),
  () => ({ length: 2 ** 32 - 1, 0: 1, 1: "a" }),
  () => new Proxy({}, { get: (_, k) => (k === "length" ? L : k === Symbol.toPrimitive ? () => 1 : 1), has: () => true }),
  () => new Proxy(function () {}, { get: () => hang, apply: hang, construct: hang, ownKeys: hang, getPrototypeOf: hang }),
  () => { const r = Proxy.revocable(function () {}, {}); r.revoke(); return r.proxy; },
  () => "x".repeat(2 ** 28),
  () => "\u0130\u0344".repeat(2 ** 24),
  () => { let a = "ab"; for (let i = 0; i < 27; i++) a += a; return a; },
  () => new Uint8Array(2 ** 26),
  () => new Float64Array(2 ** 20).map((_, i) => -i),
  () => { const u = new Uint8Array(64); u.buffer.transfer(); return u; },
  () => { const b = new ArrayBuffer(64); b.transfer(); return b; },
  () => new ArrayBuffer(8, { maxByteLength: 2 ** 33 }),
  () => new Uint8Array(new ArrayBuffer(1 << 20, { maxByteLength: 2 ** 30 })),
  () => new Array(2 ** 32 - 1),
  () => Array.from({ length: 1e6 }, (_, i) => i),
  () => { const a = [1, 2, 3]; a.push(a); return a; },
  () => new Map(Array.from({ length: 1e5 }, (_, i) => [i, i])),
  () => ({ size: Infinity, has: () => true, keys: () => endless[Symbol.iterator]() }),
  () => endless,
  () => endless[Symbol.iterator](),
  () => ({ async *[Symbol.asyncIterator]() { for (;;) yield 1; } }),
  () => ({ then: hang }),
  () => ({ valueOf: hang, toString: hang }),
  () => ({ get length() { hang(); }, get value() { hang(); }, get [Symbol.iterator]() { hang(); } }),
  () => ({ toJSON: () => FAKES[0]() }),
  () => hang,
  () => (x) => x,
  () => function again() { return again.apply(this, arguments); },
  () => class X extends Array { static get [Symbol.species]() { return Uint8Array; } },
  () => /(a+)+$/g,
  () => (1n << (1n << 20n)) - 1n,
  () => -(2n ** 64n),
  () => L, () => 2 ** 32, () => 2 ** 31, () => -1, () => 0, () => -0, () => 1, () => 16, () => NaN, () => Infinity, () => 1e308, () => 0.5,
  () => null, () => undefined, () => true, () => Symbol("s"), () => Symbol.iterator, () => "", () => "length", () => "__proto__", () => "a".repeat(1000) + "!",
  () => "P1Y", () => "2026-11-29T00:00:00Z[Europe/Paris]", () => "en-u-ca-chinese", () => "http://a/../b?c#d", () => "aXaXaX==", () => "utf-16",
  () => ({ largestUnit: "nanosecond", roundingIncrement: 1e9, timeZone: "UTC", style: "unit", type: "bytes", maxByteLength: L, transfer: [new ArrayBuffer(8)] }),
  () => new Date(8.64e15), () => new Date(NaN), () => new Error("e", { cause: endless }), () => new WeakRef({}), () => Promise.reject(1),
  () => new Response("x".repeat(1e6)), () => new Request("http://a/", { method: "POST", body: "b" }), () => new Headers([["a", "b"]]),
  () => new ReadableStream({ pull(c) { c.enqueue(new Uint8Array(65536)); } }), () => new TransformStream(), () => new WritableStream({ write: hang }),
  () => new AbortController().signal, () => new Blob(["x".repeat(1e6)]), () => new FormData(), () => new URL("http://a/"), () => globalThis,
];

// An object of each class, as far as a constructor can be made to give one: by what it wants.
const MADE = {
  DataView: () => new DataView(new ArrayBuffer(64)), Promise: () => new Promise(() => {}), Proxy: () => ({}), RegExp: () => /a|b/gu,
  WeakRef: () => new WeakRef({}), FinalizationRegistry: () => new FinalizationRegistry(() => {}), Function: () => (x) => x, BigInt: () => 5n,
  Symbol: () => Symbol("a"), String: () => "abcabc", Array: () => [3, 1, 2], ArrayBuffer: () => new ArrayBuffer(1 << 16), Iterator: () => [1, 2].values(),
  Response: () => new Response("ab"), Request: () => new Request("http://a/"), URL: () => new URL("http://a/b?c=d"), Event: () => new Event("a"),
  PlainDate: () => Temporal.PlainDate.from("2026-11-29"), PlainTime: () => Temporal.PlainTime.from("10:00"), Instant: () => Temporal.Now.instant(),
  PlainDateTime: () => Temporal.Now.plainDateTimeISO(), ZonedDateTime: () => Temporal.Now.zonedDateTimeISO(), Duration: () => Temporal.Duration.from("P1Y2M"),
  PlainYearMonth: () => Temporal.PlainYearMonth.from("2026-11"), PlainMonthDay: () => Temporal.PlainMonthDay.from("11-29"),
  AbortSignal: () => new AbortController().signal, DisplayNames: () => new Intl.DisplayNames("en", { type: "region" }),
};

const functions = [], seen = new Set();

function walk(object, path, owner) {
  if (object === null || (typeof object !== "object" && typeof object !== "function") || seen.has(object)) return;
  seen.add(object);
  if (typeof object === "function") functions.push({ path, owner, call: object });
  for (const key of Reflect.ownKeys(object)) {
    const name = `${path}.${String(key)}`, of = Object.getOwnPropertyDescriptor(object, key);
    const next = key === "prototype" ? object : path.endsWith(".prototype") ? owner : null;
    for (const part of ["value", "get", "set"]) walk(of[part], part === "value" ? name : `${part} ${name}`, next);
  }
  walk(Object.getPrototypeOf(object), `proto ${path}`, null);
}

async function list(request, env, ctx) {
  if (functions.length) return;
  const stream = new ReadableStream({ type: "bytes" });
  const hidden = { globalThis, generator: (function* () {})(), asyncGenerator: (async function* () {})(), arrayIterator: [].values(), mapIterator: new Map().keys(),
    setIterator: new Set().keys(), stringIterator: ""[Symbol.iterator](), matches: "".matchAll(/a/g), segments: new Intl.Segmenter().segment(""), helper: [].values().map((x) => x),
    wrapped: Iterator.from({ next() {} }), request, env, ctx, stream, reader: stream.getReader({ mode: "byob" }), writer: new WritableStream().getWriter(),
    headers: new Headers().entries(), params: new URLSearchParams().entries(), form: new FormData().entries(), asyncFunction: async () => {} };
  for (const name of Object.keys(hidden)) walk(hidden[name], name, null);
}

function own(entry) {
  const name = entry.owner?.name ?? "";
  if (MADE[name]) return MADE[name]();
  if (/Array$/.test(name)) return new entry.owner(16);
  try { return entry.owner ? new entry.owner() : undefined; } catch { return entry.owner?.prototype; }
}

const fake = (n) => FAKES[n % FAKES.length]();

// Uses of the result what a caller would: an iterator's first values, a promise's reaction.
function use(value) {
  if (value && typeof value.then === "function") Promise.resolve(value).catch(() => {});
  if (value && typeof value.next === "function") for (let i = 0; i < 3; i++) value.next();
  return typeof value;
}

// Kept before anything is called that could change them.
const { apply, construct } = Reflect, { stringify } = JSON;

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url), q = url.searchParams;
    await list(request, env, ctx);
    if (url.pathname === "/list") return new Response(stringify({ functions: functions.map((f) => f.path), fakes: FAKES.length }));
    const entry = functions[q.get("f")], args = q.get("a") ? q.get("a").split(",").map(Number).map(fake) : [];
    try {
      return new Response(use(q.get("n") ? construct(entry.call, args) : apply(entry.call, q.get("r") === "own" ? own(entry) : fake(Number(q.get("r"))), args)));
    } catch (error) {
      return new Response("threw");
    }
  },
};
