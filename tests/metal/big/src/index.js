// Blocks of 1,056 bytes, as many as ?blocks= says: lines of 32 letters and digits.
const block = 'abcdefghijklmnopqrstuvwxyz012345\n'.repeat(32);
export default {
  fetch: (request) => new Response(block.repeat(Number(new URL(request.url).searchParams.get('blocks')))),
};
