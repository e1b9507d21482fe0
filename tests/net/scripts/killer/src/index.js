// Each path is one call of a builtin that V8 cannot interrupt: it ends with its process.
const P = Array.prototype, L = 2 ** 53 - 1;
const calls = {
  indexOf: () => P.indexOf.call({ length: L }, 1),
  includes: () => P.includes.call({ length: L }, 1),
  reverse: () => P.reverse.call({ length: L }),
  fill: () => P.fill.call({ length: L }, 1),
  copyWithin: () => P.copyWithin.call({ length: L }, 0, 1),
  join: () => P.join.call({ length: 2 ** 32 - 1 }, ""),
  from: () => Array.from({ length: 2 ** 31 }),
  some: () => P.some.call({ length: L }, () => false),
  large: () => new Array(2 ** 27).fill(1),
  "": () => "calm",
  eat: () => {
    for (const kept = []; ; ) kept.push(new ArrayBuffer(2 ** 24));
  },
  resize: () => {
    const b = new ArrayBuffer(8, { maxByteLength: 2 ** 33 });
    b.resize(2 ** 31);
    return new Uint8Array(b).fill(1);
  },
};

export default {
  async fetch(request) {
    const name = new URL(request.url).pathname.slice(1);
    return new Response(String(calls[name]()));
  },
};
