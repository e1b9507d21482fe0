// Answers with the SHA-256 (FIPS 180-4) of the request's body and how many bytes it had.
const K = new Int32Array(64);
const START = new Int32Array(8);

// The fractional parts of the cube and square roots of the first primes.
for (let n = 2, count = 0; count < 64; n++) {
  let isPrime = true;
  for (let d = 2; d * d <= n && isPrime; d++) isPrime = n % d !== 0;
  if (!isPrime) continue;
  const bits = (root) => Math.floor((root - Math.floor(root)) * 2 ** 32) | 0;
  if (count < 8) START[count] = bits(Math.sqrt(n));
  K[count++] = bits(Math.cbrt(n));
}

class Sha256 {
  state = START.slice();
  words = new Int32Array(64);
  block = new Uint8Array(64);
  held = 0;
  bytes = 0;

  update(bytes) {
    let at = 0;
    this.bytes += bytes.length;
    if (this.held) {
      at = Math.min(64 - this.held, bytes.length);
      this.block.set(bytes.subarray(0, at), this.held);
      this.held += at;
      if (this.held < 64) return;
      this.compress(this.block, 0);
    }
    for (; at + 64 <= bytes.length; at += 64) this.compress(bytes, at);
    this.block.set(bytes.subarray(at));
    this.held = bytes.length - at;
  }

  digest() {
    const bits = this.bytes * 8;
    const tail = new Uint8Array(this.held < 56 ? 64 - this.held : 128 - this.held);
    tail[0] = 0x80;
    new DataView(tail.buffer).setUint32(tail.length - 8, Math.floor(bits / 2 ** 32));
    new DataView(tail.buffer).setUint32(tail.length - 4, bits % 2 ** 32);
    this.update(tail);
    return [...this.state].map((word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  compress(bytes, at) {
    const w = this.words;
    for (let i = 0; i < 16; i++, at += 4) w[i] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    for (let i = 16; i < 64; i++) {
      const x = w[i - 15];
      const y = w[i - 2];
      const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[i] = (w[i - 16] + s0 + w[i - 7] + s1) | 0;
    }
    let [a, b, c, d, e, f, g, h] = this.state;
    for (let i = 0; i < 64; i++) {
      const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const t1 = (h + s1 + ((e & f) ^ (~e & g)) + K[i] + w[i]) | 0;
      const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + t1) | 0;
      d = c;
      c = b;
      b = a;
      a = (t1 + t2) | 0;
    }
    const s = this.state;
    s[0] += a;
    s[1] += b;
    s[2] += c;
    s[3] += d;
    s[4] += e;
    s[5] += f;
    s[6] += g;
    s[7] += h;
  }
}

export default {
  async fetch(request) {
    const sum = new Sha256();
    if (request.body) {
      for (const reader = request.body.getReader(); ; ) {
        const { done, value } = await reader.read();
        if (done) break;
        sum.update(value);
      }
    }
    const { bytes } = sum;
    return new Response(`${sum.digest()} ${bytes}\n`);
  },
};
