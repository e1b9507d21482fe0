const megabyte = new Uint8Array(1 << 20).map((_, at) => at * 31);
const piece = megabyte.subarray(0, 64 << 10);

/* So many bytes, in pieces that are made when they are asked for. */
function stream(bytes) {
  return new ReadableStream({
    pull(controller) {
      controller.enqueue(piece);
      bytes -= piece.length;
      if (bytes <= 0) controller.close();
    },
  });
}

async function count(body) {
  const reader = body.getReader();
  for (let bytes = 0; ; ) {
    const { done, value } = await reader.read();
    if (done) return bytes;
    bytes += value.length;
  }
}

export default {
  async fetch(request) {
    if (request.method === "POST") return new Response(`${await count(request.body)}\n`);
    return new URL(request.url).pathname === "/bulk/1m" ? new Response(megabyte) : new Response(stream(100 << 20));
  },
};
