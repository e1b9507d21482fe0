// Throws in the handler, or rejects in it: /later
export default {
  fetch(request) {
    if (request.url.endsWith("/later")) return Promise.reject(new Error("thrown later"));
    throw new Error("thrown at once");
  },
};
