// Parses what a client sent; with CPU time enough that the verdict on a text is what ends a request.
export default {
  async fetch(request) {
    try {
      return new Response(typeof (await request.json()));
    } catch (e) {
      return new Response(e.name, { status: 400 });
    }
  },
};
