// Allocates without end, and keeps it.
const kept = [];

export default {
  fetch() {
    for (;;) kept.push(new Array(10000).fill(kept.length));
  },
};
