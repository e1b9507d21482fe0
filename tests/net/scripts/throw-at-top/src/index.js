// Does not survive its own top level.
throw new Error("no top level for you");

export default {
  fetch() {
    return new Response("never");
  },
};
