// A top level that takes some ten milliseconds, and what each cell should have of its own.
const table = new Map();
for (let i = 0; i < 60000; i++)
  table.set(`key ${i}`, { id: i, name: `name ${i}`, tags: [`a${i % 7}`, "b"] });

let served = 0;

export default {
  fetch(request) {
    served++;
    if (request.url.endsWith("/loop"))
      for (;;);
    return Response.json({ size: table.size, served, drawn: Math.random(), id: crypto.randomUUID(), began: performance.timeOrigin });
  },
};
