// Answers with something that is no Response.
export default {
  fetch() {
    return { status: 200 };
  },
};
