// The SHA-256 of a request body of any size, in the form of sha256sum: POST or PUT / -> "<64 hex digits>  -\n".
// The body is hashed while it comes; no more than a chunk of it is ever held.
import { Sha256 } from "./sha256.js";

export default {
  async fetch(request) {
    const hash = new Sha256();
    if (request.body) for await (const part of request.body) hash.update(part);
    return new Response(`${hash.hex()}  -\n`);
  },
};
