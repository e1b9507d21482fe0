// Answers with something that is no Response.
export default {
  fetch(request) {
    switch (new URL(request.url).pathname) {
      case '/undefined':
        return undefined;
      case '/string':
        return 'text';
      case '/promise':
        return Promise.resolve();
    }
    return { status: 200 };
  },
};
