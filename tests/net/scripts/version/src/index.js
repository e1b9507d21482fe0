// The tests deploy this script again with another number.
export default {
  fetch() {
    return new Response("version 1\n");
  },
};
