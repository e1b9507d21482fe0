// Never answers, and nothing that it waits for can ever happen.
export default {
  fetch() {
    return new Promise(() => {});
  },
};
