// Computes for ever.
export default {
  fetch() {
    while (true);
  },
};
