// Reads a body of any size chunk by chunk and answers with its length and an Adler-32 checksum (RFC 1950), or makes a body:
//   POST /            -> {"bytes":N,"adler32":"hex","chunks":N}
//   GET  /?bytes=N    -> N bytes, made while they are sent
const PIECE = 16 * 1024;
const MOD = 65521;

class Adler32 {
  a = 1;
  b = 0;

  update(bytes) {
    // 3800 is how many bytes fit before b can pass 2^32.
    for (let i = 0; i < bytes.length; ) {
      const end = Math.min(i + 3800, bytes.length);
      for (; i < end; i++) {
        this.a += bytes[i];
        this.b += this.a;
      }
      this.a %= MOD;
      this.b %= MOD;
    }
  }

  toString() {
    return (this.b * 65536 + this.a).toString(16).padStart(8, "0");
  }
}

async function count(body) {
  const sum = new Adler32();
  let bytes = 0;
  let chunks = 0;
  if (body) {
    for (const reader = body.getReader(); ; ) {
      const { done, value } = await reader.read();
      if (done) break;
      sum.update(value);
      bytes += value.length;
      chunks += 1;
    }
  }
  return new Response(`${JSON.stringify({ bytes, adler32: String(sum), chunks })}\n`, {
    headers: { "content-type": "application/json" },
  });
}

function make(total) {
  let at = 0;
  const body = new ReadableStream({
    pull(controller) {
      const piece = new Uint8Array(Math.min(PIECE, total - at));
      for (let i = 0; i < piece.length; i++) piece[i] = ((at + i) * 31 + ((at + i) >> 8)) & 255;
      at += piece.length;
      if (piece.length) controller.enqueue(piece);
      if (at === total) controller.close();
    },
  });
  return new Response(body, { headers: { "content-type": "application/octet-stream" } });
}

export default {
  fetch(request) {
    if (request.method === "POST" || request.method === "PUT") return count(request.body);
    const wanted = Number(new URL(request.url).searchParams.get("bytes") ?? 0);
    if (!Number.isSafeInteger(wanted) || wanted < 0) return new Response("bytes=N\n", { status: 400 });
    return make(wanted);
  },
};
